"""The command line: one command per verb; reads options, calls the service, prints, exits with the error's code."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mock2pg import settings
from mock2pg.errors import InternalError, Interrupted, Mock2pgError, ScenarioFailed, UsageError, traced, unusable
from mock2pg.terminal import show, show_check

if TYPE_CHECKING:
    from mock2pg.service import MigrationService


def _service(**overrides: Any) -> MigrationService:
    from mock2pg.service import MigrationService

    given = {name: value for name, value in overrides.items() if value is not None}
    ask = (lambda question: str(click.prompt(question, err=True))) if sys.stdin and sys.stdin.isatty() else None
    return MigrationService(console=True, ask=ask, **given)


def _verb(function: Callable[..., None]) -> Callable[..., None]:
    """What every command has: --json, --debug, and an end with a name and a code instead of a traceback."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON; the log stays on standard error.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, debug: bool, **options: Any) -> None:
        click.get_current_context().obj = debug
        try:
            function(*args, as_json=as_json, **options)
        except (Mock2pgError, KeyboardInterrupt, OSError) as error:
            _end(error, as_json=as_json, debug=debug)
        except click.ClickException:
            raise
        except Exception as error:
            # an unforeseen error's own text may hold a value of the data, so only its kind is shown
            _end(InternalError(f"unexpected: {type(error).__name__}"), as_json=as_json, debug=debug, cause=error)

    return wrapped


def _end(error: BaseException, *, as_json: bool, debug: bool, cause: BaseException | None = None) -> None:
    if isinstance(error, KeyboardInterrupt):
        error = Interrupted("interrupted")
    if isinstance(error, OSError):
        error = unusable(error, "cannot use a file")
    assert isinstance(error, Mock2pgError)  # noqa: S101
    if debug:
        click.echo(traced(cause or error), err=True)
    if as_json:
        click.echo(json.dumps({"success": False, "error": error.as_dict()}, ensure_ascii=False, indent=2))
    else:
        click.secho(f"{type(error).__name__}: {error.message}", err=True, fg="red")
        if error.hint:
            click.echo(error.hint, err=True)
    sys.exit(error.code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mock2pg", prog_name="mock2pg")
def command() -> None:
    """Mock JSON in, a PostgreSQL database you can prove out.

    Without DATABASE_URL the commands start and use a PostgreSQL of their own in .postgres/.
    """


def _input(function: Callable[..., None]) -> Callable[..., None]:
    """What the commands have that read a source."""
    for option in _INPUT:
        function = option(function)
    return function


def _changes(function: Callable[..., None]) -> Callable[..., None]:
    """What `migrate` has for a live database that somebody uses."""
    for option in _CHANGES:
        function = option(function)
    return function


_INPUT = (
    click.option("--max-refused", metavar="N|N%", help="With quarantine: the most rows to leave out."),
    click.option(
        "--on-error",
        type=click.Choice(["refuse", "quarantine"]),
        help="Rows that break a rule: refuse the input, or leave them out.",
    ),
    click.argument("source", required=False, type=click.Path(path_type=Path, allow_dash=True)),
)
_CONFIRM = click.option("--confirm", metavar="DATABASE", help="The database to change, when it is on another machine.")
_CHANGES = (
    _CONFIRM,
    click.option("--max-deleted", metavar="N|N%", help="The most rows of one table to delete."),
    click.option("--allow-empty", metavar="ENTITY", multiple=True, help="Its tables may be emptied. May be repeated."),
    click.option(
        "--allow-cascade",
        metavar="TABLE",
        multiple=True,
        help="A table that is not migrated, whose rows its ON DELETE may change. May be repeated.",
    ),
    click.option(
        "--plan", "reviewed", type=click.Path(path_type=Path), help="A plan.json: publish just that, or nothing."
    ),
)


@command.command()
@_input
@_changes
@_verb
def migrate(
    source: Path | None,
    reviewed: Path | None,
    allow_empty: tuple[str, ...],
    allow_cascade: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Migrate SOURCE (mock_data/ if none is named).

    A folder of <entity>.json or .ndjson, or one JSON document; each may be .gz or .zst; - is standard input.

    Example: mock2pg migrate ../frontend/src/mocks
    """
    lists = {"allow_empty": ",".join(allow_empty) or None, "allow_cascade": ",".join(allow_cascade) or None}
    show(_service(**given, **lists).migrate_all_data(source, reviewed=reviewed), as_json)


@command.command()
@_input
@_verb
def plan(source: Path | None, as_json: bool, **given: Any) -> None:
    """Say what migrating SOURCE would change, table by table; live is only read.

    Example: mock2pg plan ../frontend/src/mocks
    """
    show(_service(**given).plan(source), as_json)


@command.command()
@_input
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit", "github"]),
    default="text",
    show_default=True,
    help="How to print what was found.",
)
@_verb
def check(source: Path | None, form: str, as_json: bool, **given: Any) -> None:
    """Check SOURCE as migrate would, without any database.

    Example: mock2pg check ../frontend/src/mocks --format github
    """
    service = _service(**given)
    show_check(service.check(source), "json" if as_json else form, service.settings.github_workspace)


@command.command()
@_verb
def verify(as_json: bool) -> None:
    """Prove the live tables against the run that published them; reads only.

    Example: mock2pg verify --json
    """
    show(_service().verify(), as_json)


@command.command()
@_verb
def backup(as_json: bool) -> None:
    """Take a backup of the live schema now.

    Example: mock2pg backup
    """
    show(_service().take_backup(), as_json)


@command.command()
@_verb
def backups(as_json: bool) -> None:
    """List the backups, newest first.

    Example: mock2pg backups
    """
    found = _service().backups()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif not found:
        click.echo("There is no backup yet.")
    else:
        for entry in found:
            where = (
                f"{entry['database']}.{entry['schema']}" if entry["timestamp"] else "damaged: its header is unreadable"
            )
            click.echo(f"{entry['id']}  {entry['bytes']:>12,} bytes  {where}")


@command.command()
@click.argument("backup_id")
@_CONFIRM
@_verb
def rollback(backup_id: str, confirm: str | None, as_json: bool) -> None:
    """Bring the live schema back to what BACKUP_ID says, in one transaction.

    Example: mock2pg rollback backup-2026-11-22T10-30-00-000Z
    """
    if not backup_id:
        raise UsageError("no backup is named", hint="make rollback ID=backup-...; `make backups` lists them.")
    show(_service(confirm=confirm).rollback(backup_id), as_json)


@command.command("test-migration")
@_verb
def test_migration(as_json: bool) -> None:
    """Play good and bad migrations in a scratch database; the live one is never touched.

    Example: mock2pg test-migration
    """
    report = _service().test_migration((lambda _: None) if as_json else click.echo)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    if not report.success:
        failed = [scenario.name for scenario in report.results if not scenario.passed]
        raise ScenarioFailed(f"{len(failed)} of {len(report.results)} scenarios failed: {', '.join(failed)}")


@command.command()
@click.argument("run_id", required=False)
@_verb
def report(run_id: str | None, as_json: bool) -> None:
    """Build the report of RUN_ID again (of the newest run if none is named) and print where it lies.

    Example: mock2pg report
    """
    page = _service().report(run_id)
    click.echo(json.dumps({"success": True, "report": str(page)}) if as_json else str(page))


@command.command()
@click.option("--rows", default=10_000, show_default=True, help="Rows in all, those of nested arrays included.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder that is empty or not there yet.")
@_verb
def sample(rows: int, seed: int, out: Path, as_json: bool) -> None:
    """Make mock data of any size, of the same shape as mock_data/.

    Example: mock2pg sample --rows 100000 --seed 7 --out big
    """
    from mock2pg.tools.sample import generate

    made = generate(settings.load().project / "mock_data" / "sample", out, rows=rows, seed=seed)
    if as_json:
        click.echo(json.dumps({"success": True, "entities": made}))
    else:
        for entity, number in made.items():
            click.echo(f"{number:>10,}  {entity}")
        click.echo(f"in {out}")


@command.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    r"""Open the bundled psql on the target database; ARGUMENTS are psql's own.

    Example: mock2pg psql -c '\dt'
    """
    from mock2pg.tools.postgres import environment
    from mock2pg.tools.server import binary

    try:
        session = environment(_service().url())
    except Mock2pgError as error:
        _end(error, as_json=False, debug=False)
    sys.exit(subprocess.call([str(binary("psql")), *arguments], env=settings.inherited() | session))  # noqa: S603


@command.group()
def server() -> None:
    """The embedded PostgreSQL in .postgres/.

    Example: mock2pg server status
    """


@server.command()
@_verb
def start(as_json: bool) -> None:
    """Start it, unless it runs, and print its URL.

    Example: mock2pg server start
    """
    from mock2pg.service import start_embedded

    url = start_embedded(settings.load())
    click.echo(json.dumps({"success": True, "url": url}) if as_json else url)


@server.command()
@_verb
def stop(as_json: bool) -> None:
    """Stop it; its data stays.

    Example: mock2pg server stop
    """
    from mock2pg.tools.server import Server

    stopped = Server(settings.load().postgres_dir).stop()
    text = "stopped" if stopped else "was not running"
    click.echo(json.dumps({"success": True, "stopped": stopped}) if as_json else text)


@server.command()
@_verb
def status(as_json: bool) -> None:
    """Say whether it runs, and where.

    Example: mock2pg server status
    """
    from mock2pg.service import EMBEDDED_DATABASE
    from mock2pg.tools.server import Server

    embedded = Server(settings.load().postgres_dir)
    found = embedded.status()
    found = replace(found, url=found.url and embedded.url(EMBEDDED_DATABASE))
    if as_json:
        click.echo(json.dumps(asdict(found), default=str))
    elif found.running:
        click.echo(f"PostgreSQL {found.version} is running (pid {found.pid}) in {found.home}\n{found.url}")
    else:
        click.echo(f"not running; its data is kept in {found.home}")
