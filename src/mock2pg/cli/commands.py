"""One command per verb: reads options, calls the service, prints."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mock2pg.cli import options
from mock2pg.cli.verb import current, service, verb
from mock2pg.errors import NotReady, ScenarioFailed, UsageError
from mock2pg.report.output import say, say_json, say_lines
from mock2pg.report.terminal import (
    doctor_lines,
    history_lines,
    show,
    show_check,
    show_evidence,
    show_verification,
    status_lines,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mock2pg", prog_name="mock2pg")
def command() -> None:
    """Mock JSON in, a PostgreSQL database you can prove out.

    Without DATABASE_URL the commands start and use a PostgreSQL of their own in .postgres/.
    """


@command.command()
@options.source
@options.limits
@options.changes
@verb
def migrate(source: Path | None, reviewed: Path | None, as_json: bool, **given: Any) -> None:
    """Migrate SOURCE (MIGRATION_SOURCE if none is named, or mock_data/ without DATABASE_URL).

    A folder of <entity>.json or .ndjson, or one JSON document; each may be .gz or .zst; - is standard input.

    Example: mock2pg migrate ../frontend/src/mocks
    """
    show(service(**given).migrate_all_data(source, reviewed=reviewed), as_json)


@command.command()
@options.source
@options.limits
@verb
def plan(source: Path | None, as_json: bool, **given: Any) -> None:
    """Say what migrating SOURCE would change, table by table; the target is only read.

    Example: mock2pg plan ../frontend/src/mocks
    """
    show(service(**given).plan(source), as_json)


@command.command()
@options.source
@click.option("--keep", is_flag=True, help="Leave the scratch schemas, to look at or for dbt.")
@verb
def load(source: Path | None, keep: bool, as_json: bool, **given: Any) -> None:
    """Stage and check SOURCE and build the tables beside the target tables; publish nothing.

    Example: mock2pg load ../frontend/src/mocks --keep
    """
    show(service(**given).load(source, keep=keep), as_json)


@command.command()
@options.source
@options.form("text", "json", "junit", "github")
@verb
def check(source: Path | None, form: str, as_json: bool, **given: Any) -> None:
    """Check SOURCE as migrate would, without any database.

    Example: mock2pg check ../frontend/src/mocks --format github
    """
    checking = service(**given)
    show_check(checking.check(source), "json" if as_json else form, checking.settings.github_workspace)


@command.command()
@options.form("text", "json", "junit")
@verb
def verify(form: str, as_json: bool) -> None:
    """Prove the target tables against the run that published them; reads only.

    Example: mock2pg verify --json
    """
    show_verification(service().verify(), "json" if as_json else form)


@command.command()
@verb
def backup(as_json: bool) -> None:
    """Take a backup of the target schema now.

    Example: mock2pg backup
    """
    show(service().take_backup(), as_json)


@command.command()
@click.argument("backup_id")
@click.option("--show", "only_show", is_flag=True, help="Only say what it would change.")
@click.option("--discard-changes", is_flag=True, help="Also give up what others wrote since.")
@options.CONFIRM
@verb
def rollback(backup_id: str, only_show: bool, discard_changes: bool, confirm: str | None, as_json: bool) -> None:
    """Bring the target schema back to what BACKUP_ID says, in one transaction.

    Example: mock2pg rollback backup-2026-11-22T10-30-00-000Z
    """
    if not backup_id:
        raise UsageError("no backup is named", hint="make rollback ID=backup-...; `make backups` lists them.")
    result = service(confirm=confirm).rollback(backup_id, discard_changes=discard_changes, show=only_show)
    show(result, as_json)


@command.command()
@verb
def status(as_json: bool) -> None:
    """Report which run the target holds, who holds the lock, and the leftovers of interrupted runs.

    Example: mock2pg status
    """
    found = service().status()
    if as_json:
        say_json(asdict(found))
    else:
        say_lines(status_lines(found))


@command.command()
@verb
def doctor(as_json: bool) -> None:
    """Look at the target as the first step of a migration does, and print every check with its verdict.

    Example: mock2pg doctor
    """
    checks = service().doctor()
    failed = [check["name"] for check in checks if check["verdict"] == "failed"]
    if as_json:
        say_json({"success": not failed, "checks": checks})
    else:
        say_lines(doctor_lines(checks))
    if failed:
        sys.exit(NotReady.code)


@command.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most entries to print.")
@verb
def history(limit: int, as_json: bool) -> None:
    """List what was published and what was tried in the database, newest first: when, what, by whom, from where.

    Example: mock2pg history --limit 5
    """
    found = service().history(limit)
    if as_json:
        say_json(found)
    else:
        say_lines(history_lines(found))


@command.command("verify-evidence")
@click.argument("run_id", required=False)
@click.option("--all", "every", is_flag=True, help="Look at every run, and for runs whose folder is gone.")
@verb
def verify_evidence(run_id: str | None, every: bool, as_json: bool) -> None:
    """Prove the folder of RUN_ID (of the newest run if none is named) against its manifest; reads only.

    Example: mock2pg verify-evidence --all
    """
    if run_id and every:
        raise UsageError("a run and --all are both given", hint="Name a run, or look at all of them.")
    show_evidence(service().verify_evidence(run_id, every=every), as_json)


@command.command("init-roles")
@click.option("--migrator", default="mock2pg_migrator", show_default=True, help="The role that migrates.")
@click.option("--auditor", default="mock2pg_auditor", show_default=True, help="The role that only reads.")
@verb
def init_roles(migrator: str, auditor: str, as_json: bool) -> None:
    """Print SQL that makes a role which may migrate and no more, and one which may only read.

    Example: mock2pg init-roles | psql -v ON_ERROR_STOP=1 app
    """
    statements = service().init_roles(migrator, auditor)
    if as_json:
        say_json({"success": True, "sql": statements})
    else:
        click.echo(statements, nl=False)  # to the letter: psql reads it


@command.command("test-migration")
@verb
def test_migration(as_json: bool) -> None:
    """Run good and bad migrations in a scratch database; the target is never touched.

    Example: mock2pg test-migration
    """
    report = service().test_migration((lambda _: None) if as_json else say)
    if as_json:
        say_json(asdict(report))
    if not report.success:
        failed = [scenario.name for scenario in report.results if not scenario.passed]
        raise ScenarioFailed(f"{len(failed)} of {len(report.results)} scenarios failed: {', '.join(failed)}")


@command.command()
@click.argument("run_id", required=False)
@verb
def report(run_id: str | None, as_json: bool) -> None:
    """Print where the report of RUN_ID is (of the newest run if none is named); build it when it does not exist.

    Example: mock2pg report
    """
    page = service().report(run_id)
    if as_json:
        say_json({"success": True, "report": str(page)})
    else:
        say(str(page))


@command.command()
@click.option("--rows", default=10_000, show_default=True, help="Rows in all, those of nested arrays included.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder that is empty or not there yet.")
@verb
def sample(rows: int, seed: int, out: Path, as_json: bool) -> None:
    """Make mock data of any size, of the same shape as mock_data/.

    Example: mock2pg sample --rows 100000 --seed 7 --out big
    """
    from mock2pg.source.sample import generate

    made = generate(current().project / "mock_data" / "sample", out, rows=rows, seed=seed)
    if as_json:
        say_json({"success": True, "entities": made})
    else:
        for entity, number in made.items():
            say(f"{number:>10,}  {entity}")
        say(f"in {out}")
