"""The commands for developing a project."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mock2pg import environment
from mock2pg.cli import options
from mock2pg.cli.completing import run_ids
from mock2pg.cli.root import command
from mock2pg.cli.verb import current, end, service, verb
from mock2pg.errors import (
    AlreadyRunning,
    CheckFailed,
    LoadFailed,
    Mock2pgError,
    NotAppliedYet,
    PreflightFailed,
    ScenarioFailed,
    SourceError,
    StagingFailed,
)
from mock2pg.report.output import say, say_json
from mock2pg.text import counted, duration

_THEIR_OWN = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@command.command(
    section="Develop",
    fails=(SourceError, CheckFailed, AlreadyRunning, LoadFailed, PreflightFailed, NotAppliedYet, StagingFailed),
)
@options.source
@click.option("--keep", is_flag=True, help="Keep the landing tables and the built tables, to look at or for dbt.")
@verb
def load(source: Path | None, keep: bool, as_json: bool, **given: Any) -> None:
    """Build the tables beside the target tables.

    Stages, checks and builds SOURCE as migrate does, and publishes nothing: the target tables are not read. With
    --keep, the landing tables stay in mock2pg_landing and the built tables in mock2pg_next; `mock2pg status` lists
    them, and the next run that works on the database drops them.

    Examples:
        mock2pg load ../frontend/src/mocks --keep
        mock2pg dbt build
    """
    from mock2pg.report.result import show

    show(service(**given).load(source, keep=keep), as_json)


@command.command("test-migration", section="Develop", fails=(ScenarioFailed,))
@verb
def test_migration(as_json: bool) -> None:
    """Run good and bad migrations in a scratch database.

    A valid document, the same again, one with each kind of fault that the declarations allow, a failure while
    publishing, and a large one where there are recipes: each is migrated, verified and rolled back in a database
    mock2pg_scratch_... on the same server, which is dropped afterwards. The database user must be allowed to create
    databases, and MIGRATION_SOURCE must be valid. The target is never touched.

    Examples:
        mock2pg test-migration
    """
    from mock2pg.report import live  # with much that --help does not need

    testing, quiet = service(), as_json or "quiet" in click.get_current_context().meta
    with live.activities() as (shown, begin):
        on_it = shown.is_live and sys.stdout.isatty()
        tell = (lambda _: None) if quiet else shown.say if on_it else say
        report = testing.test_migration(tell, (lambda _: None) if quiet else begin)
    if as_json:
        say_json(asdict(report))
    if not report.success:
        failed = [scenario.name for scenario in report.results if not scenario.passed]
        number = counted(len(report.results), "scenario")
        raise ScenarioFailed(f"{len(failed)} of {number} failed: {', '.join(failed)}")
    if not as_json:
        time = duration(sum(scenario.seconds for scenario in report.results))
        say(f"✔ {counted(len(report.results), 'scenario')} passed in {time}.", fg="green")


@command.command(section="Develop")
@click.option(
    "--rows", default=10_000, metavar="N", help="The total number of rows, with those of nested arrays; at least 50."
)
@click.option("--seed", default=1, metavar="N", help="The same seed gives the same bytes.")
@click.option(
    "--out",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The folder for the files, which is empty or does not exist.",
)
@verb
def sample(rows: int, seed: int, out: Path, as_json: bool) -> None:
    """Make mock data of any size.

    It has the shape of mock_data/, from the recipes in mock_data/sample/: one SELECT for DuckDB per entity. A project
    without recipes has no sample. The names of people in them need `pip install 'mock2pg[sample]'`.

    Examples:
        mock2pg sample --rows 100000 --seed 7 --out big
        mock2pg migrate big --max-deleted 100%
    """
    from mock2pg.source.sample import generate

    made = generate(current().project / "mock_data" / "sample", out, rows=rows, seed=seed)
    if as_json:
        say_json({"success": True, "entities": made})
    else:
        for entity, number in made.items():
            say(f"{number:>10,}  {entity}")
        say(f"in {out}")


@command.command(section="Develop", context_settings=_THEIR_OWN)
@options.PROJECT
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dbt(arguments: tuple[str, ...]) -> None:
    """Run dbt on the target database.

    In dbt_project/; ARGUMENTS are dbt's own, and so is the exit code. With `--target published`, dbt documents and
    tests the published tables: `docs generate` lists them with their columns and descriptions, `test
    --exclude-resource-type unit_test` runs the data tests that you add. Without it, dbt works on the tables as a
    migration builds them; `dbt build` needs the landing tables, which `mock2pg load --keep` leaves.

    Examples:
        mock2pg dbt docs generate --target published
        mock2pg dbt docs serve
        make dbt ARGS="docs serve"
    """
    from mock2pg import build, postgres

    try:
        target = service()
        session = postgres.environment(target.url(), settings=True)
    except Mock2pgError as error:
        end(error, as_json=False, debug=False)
    folder = target.settings.dbt_dir
    variables = build.profile(session, target.settings.target_schema)
    variables["DBT_PROFILES_DIR"] = str(build.profiles_dir(folder))
    program = [str(Path(sys.executable).with_name("dbt")), *arguments]
    sys.exit(subprocess.call(program, cwd=folder, env=environment.inherited("dbt") | variables))  # noqa: S603


@command.command(section="Develop", context_settings=_THEIR_OWN)
@options.PROJECT
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    r"""Open psql on the target database.

    The psql of the bundled PostgreSQL; ARGUMENTS are psql's own, and so is the exit code.

    Examples:
        mock2pg psql
        mock2pg psql -c '\dt'
    """
    from mock2pg import postgres
    from mock2pg.postgres.server import binary

    try:
        session = postgres.environment(service().url())
    except Mock2pgError as error:
        end(error, as_json=False, debug=False)
    sys.exit(subprocess.call([str(binary("psql")), *arguments], env=environment.inherited("psql") | session))  # noqa: S603


@command.command(section="Develop")
@click.argument("run_id", required=False, shell_complete=run_ids)
@options.NO_BROWSER
@verb
def lab(run_id: str | None, no_browser: bool, as_json: bool) -> None:
    """Open a run's notebooks in JupyterLab, as copies.

    The executed notebooks of RUN_ID, or of the newest run that has some. The copies are in .cache/lab/: change and run
    them as you like. A copy that exists already stays as you left it; remove it to get a fresh copy. A cell reads what
    the run left as Python values: it repeats no step, contacts no database, and leaves the run's evidence as it is.
    JupyterLab, which `make lab` installs into .venv-lab/, answers on this machine only. --json prints the folder alone,
    and opens nothing.

    Examples:
        mock2pg lab
        mock2pg lab 2026-11-22T10-30-00-000Z --no-browser
        make lab RUN=2026-11-22T10-30-00-000Z
    """
    from mock2pg.report import lab

    settings = current()
    folder = lab.prepared(settings, run_id)
    program, places = lab.command(folder, browser=not no_browser)
    if as_json:
        say_json({"success": True, "folder": str(folder)})
        return
    say(f"Copies of the run's notebooks: {folder}", err=True)
    sys.exit(subprocess.call(program, env=environment.inherited("jupyterlab") | places, cwd=folder))  # noqa: S603
