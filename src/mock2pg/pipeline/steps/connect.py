"""connect: the first look at the target, before anything else is done: it can be reached, and it can be worked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mock2pg import history, postgres, readiness
from mock2pg.errors import DatabaseError, Mock2pgError, NotReady
from mock2pg.history import layout
from mock2pg.pipeline.sessions import session
from mock2pg.postgres import server
from mock2pg.readiness import FAILED, PASSED, WARNING
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import Check, Connected, Database, NotConnected
from mock2pg.text import printable

_REACH = "Check that the server runs, and that DATABASE_URL names its host, port, user and database."


def run(run: Run, command: str) -> Connected:
    """Connect to the target. Raises DatabaseError when that fails, NotReady with everything that it cannot do for the
    command, SchemaRefused when somebody else may have put code of theirs where mock2pg keeps or builds something.
    """
    settings = run.settings
    with session(run, "run", read_only=True) as connection:
        checks = _look(connection, settings, command)
        if failed := [check for check in checks if check.verdict == FAILED]:
            told = f"{command} cannot work with the database {connection.info.dbname}:"
            error = NotReady("\n".join([told, *(f"  {check}" for check in failed)]))
            error.found = NotConnected(checks=tuple(checks))
            raise error
        cluster = next((check.found for check in checks if check.name == readiness.CITUS), "")
        described = postgres.describe_database(connection)
        host = postgres.host(connection)
        _refuse_schemas(connection, command)
        with postgres.named(DatabaseError, "cannot read mock2pg.settings"):
            protected = command == "migrate" and history.is_protected(connection)
    database = Database(
        **described,
        schema=settings.target_schema,
        host=host,
        protected=protected,
        citus=bool(cluster),
        cluster=cluster.replace("version", readiness.CITUS),
    )
    named = printable(f"{database.name}, schema {database.schema}")
    return Connected(
        summary=f"{named}, {database.server} on {database.host or 'this machine'}",
        cautions=tuple(str(check) for check in checks if check.verdict == WARNING),
        notes=(f"DATABASE_URL: not used: {', '.join(unused)}",) if (unused := _unused(settings)) else (),
        database=database,
        checks=tuple(checks),
    )


def examine(settings: Settings, url: Callable[[], str]) -> list[Check]:
    """Everything that a migration needs of the target, each with its verdict: what `mock2pg doctor` prints.

    url  gives the connection string
    """
    checks = []
    try:
        where = url()
        unused = _unused(settings)
        told = "valid" if settings.database_url else "unset: the embedded server is used"
        checks.append(Check("DATABASE_URL", PASSED, f"not used: {', '.join(unused)}" if unused else told))
        with postgres.connect(where, name="doctor", read_only=True, lock_timeout=settings.lock_timeout) as connection:
            info = connection.info
            told = f"{info.dbname} on {postgres.host(connection) or 'this machine'}, as {info.user}"
            checks += [Check("connection", PASSED, told), *_look(connection, settings, "migrate")]
            try:
                _refuse_schemas(connection, "migrate")
                _refuse_damaged(connection, settings)
            except Mock2pgError as error:
                checks.append(Check("schemas of mock2pg", FAILED, error.message, _remedy(error)))
    except Mock2pgError as error:
        name = "connection" if checks or isinstance(error, DatabaseError) else "DATABASE_URL"
        checks.append(Check(name, FAILED, error.message, _remedy(error)))
    return checks


def _remedy(error: Mock2pgError) -> str:
    """Return the hint of an error, where that does not lead back to `mock2pg doctor`."""
    return _REACH if error.hint == DatabaseError.hint else error.hint


def _look(connection: postgres.Connection, settings: Settings, command: str) -> Sequence[Check]:
    return readiness.look(connection, settings.target_schema, command, server.binary("pg_dump"))


def _refuse_schemas(connection: postgres.Connection, command: str) -> None:
    with postgres.named(DatabaseError, "cannot look at the schemas of mock2pg"):
        if command != "verify":
            postgres.schemas.refuse_foreign(connection, [], postgres.scratch.used(connection))
        layout.version(connection, reading=command == "verify")


def _refuse_damaged(connection: postgres.Connection, settings: Settings) -> None:
    """Read the newest row of the history, as every other command does; an earlier version is upgraded by them."""
    with postgres.named(DatabaseError, "cannot read the history"):
        if layout.version(connection) == layout.VERSION:
            history.newest(connection, settings.target_schema)


def _unused(settings: Settings) -> Sequence[str]:
    """The parameters of DATABASE_URL that are another library's."""
    return settings.target.ignored if settings.database_url else ()
