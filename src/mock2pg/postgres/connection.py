"""Connections: what a session is set to, and what a database's error may say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from typing import Any, Self

import psycopg
from psycopg import conninfo, pq, sql

from mock2pg import progress
from mock2pg.environment import ours
from mock2pg.errors import AlreadyRunning, DatabaseError, Mock2pgError, UsageError
from mock2pg.postgres import locks, session
from mock2pg.postgres.describing import Session, described, hides_lock_timeout, is_lock_timeout, is_raised
from mock2pg.postgres.statements import without_literals
from mock2pg.settings import LOCK_TIMEOUT

Connection = psycopg.Connection[Any]

_LOCK = 0x6D6F636B  # "mock": the advisory lock that every run on a database takes
_SETUP_LOCK = _LOCK + 1


class _Cursor(psycopg.Cursor[Any]):
    """An error keeps its statement, and one about a lock has a note for each session that holds it."""

    def execute(self, query: Any, params: Any = None, **more: Any) -> Self:
        with _timed(query), _blockers_noted(self.connection, query):
            return super().execute(query, params, **more)

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **more: Any) -> Iterator[psycopg.Copy]:
        with (
            _timed(statement),
            _blockers_noted(self.connection, statement),
            super().copy(statement, params, **more) as copy,
        ):
            yield copy


@contextmanager
def _timed(query: str | sql.Composable) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        progress.executed(time.perf_counter() - began, partial(without_literals, query))


@contextmanager
def _blockers_noted(waiting: Connection, query: str | sql.Composable) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        info, statement = waiting.info, query if isinstance(query, str) else query.as_string()
        error.__dict__["statement"] = statement
        hidden = hides_lock_timeout(error)
        if not (hidden or is_lock_timeout(error)):
            raise
        url, blockers = conninfo.make_conninfo(info.dsn, password=info.password), list[str]()
        with suppress(DatabaseError, psycopg.Error), connect(url, name="lock holders", read_only=True) as connection:
            blockers += locks.blockers(connection, info.backend_pid, statement, reads=bool(waiting.read_only))
        known = psycopg.errors.LockNotAvailable("a lock was not granted on a node") if hidden and blockers else error
        for text in blockers:
            known.add_note(text)
        if known is not error:  # nobody holds one where a node was lost
            raise known from error
        raise


def connect(url: str, *, name: str, read_only: bool = False, lock_timeout: str = LOCK_TIMEOUT) -> Connection:
    """Open a session in autocommit. Raises DatabaseError.

    name          what others see in pg_stat_activity
    lock_timeout  how long a statement waits for a lock, as PostgreSQL writes durations
    """
    with session.reaching(url), ours():
        connection: Connection = Session.connect(
            url,
            autocommit=True,
            connect_timeout=session.connect_timeout(url),
            application_name=f"mock2pg {name}",
            client_encoding="UTF8",
            cursor_factory=_Cursor,
        )
    try:
        with named(DatabaseError, "cannot set up the session"):
            session.begin(connection, url, lock_timeout=lock_timeout)
        connection.read_only = read_only
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def named(kind: type[Mock2pgError], doing: str) -> Iterator[None]:
    """Turn what the driver raises into one of our errors, without the values that PostgreSQL quotes."""
    try:
        yield
    except psycopg.Error as error:
        hint = _LOCKED if is_lock_timeout(error) else _LOST if _is_lost(error) else None
        raise kind(f"{doing}: {described(error)}", hint=hint) from error


def _is_lost(error: psycopg.Error) -> bool:
    session = error.__dict__.get("session")  # there is none yet when it is an attempt to connect that failed
    ended = (error.sqlstate or "").startswith("57P0") and not is_raised(error)
    return session is not None and (session.broken or ended)


_LOST = (
    "Run the command again when the server accepts connections. `mock2pg status` reports which run the target tables"
    " hold: what was not committed is rolled back."
)
_LOCKED = (
    "Run the command again when that transaction has ended; pg_terminate_backend(PROCESS) ends it."
    " MIGRATION_LOCK_TIMEOUT sets how long to wait."
)


def database_url(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return conninfo.make_conninfo(url, dbname=database)


def with_options(url: str, options: str) -> str:
    """Return the URL with session options, in the format of PGOPTIONS."""
    return conninfo.make_conninfo(url, options=options) if options else url


def database_name(url: str) -> str:
    """The name of the database that a connection string names. Raises UsageError when it names none."""
    try:
        name = conninfo.conninfo_to_dict(url).get("dbname")
    except psycopg.ProgrammingError:
        name = None  # the driver's text quotes the URL
    if not name:
        raise UsageError("DATABASE_URL names no database", hint="End it in /NAME: postgresql://me@host/app")
    return str(name)


def environment(url: str, *, settings: bool = False) -> dict[str, str]:
    """The session that the URL leads to as libpq's own variables (PGHOST, PGSSLMODE ...), for a program that we start.

    The password is among them: a command line is for all to see, an environment is not.

    settings  the session is set to what ours are, whatever the role and the database say
    """
    variables = {
        option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar
    }
    with connect(url, name="parameters") as connection:
        info = connection.info
        found = {
            **conninfo.conninfo_to_dict(url), "host": info.host, "port": info.port, "user": info.user,
            "password": info.password, "dbname": info.dbname, "connect_timeout": session.connect_timeout(url),
        }  # fmt: skip
        if settings and not session.is_pooled(connection):  # a pooler takes no options
            given = str(found.get("options") or "")
            found["options"] = f"{given} {session.options(info.server_version)}".strip()
    return {variables[key]: str(value) for key, value in found.items() if key in variables and value}


def describe_database(connection: Connection) -> dict[str, str]:
    """name, server_version and system_identifier of the database; the last tells one server from another.

    Raises UsageError for what mock2pg cannot work with.
    """
    with named(DatabaseError, "cannot ask the server what it is"):
        row = connection.execute(
            "SELECT current_database(), current_setting('server_version'), current_setting('server_version_num')::int,"
            " current_setting('server_encoding'), has_function_privilege('pg_control_system()', 'EXECUTE')"
        ).fetchone()
        assert row is not None  # noqa: S101
        name, version, number, encoding, may_identify = row
        identifier = f"{connection.info.host}:{connection.info.port}"  # what is left where the role may not ask
        if may_identify:
            found = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
            identifier = found[0] if found else identifier
    if number < 140000:
        raise UsageError(f"the server is PostgreSQL {version}", hint="Use a server of PostgreSQL 14 or later.")
    if encoding != "UTF8":
        raise UsageError(
            f"the database {name} is encoded in {encoding}",
            hint="Create a database with ENCODING 'UTF8', the encoding of JSON.",
        )
    return {"name": name, "server_version": version.split(" ")[0], "system_identifier": identifier}


def host(connection: Connection) -> str:
    """Return the server's host when it is not this machine; empty for a socket and for a loopback address."""
    address = connection.info.hostaddr
    if not address:  # a socket
        return ""
    return "" if ip_address(address).is_loopback else connection.info.host or address


def ensure_database(url: str, database: str) -> None:
    """Create the database unless it is there."""
    with (
        connect(url, name="setup", lock_timeout="1min") as connection,  # another first run may be making it
        named(DatabaseError, f"cannot create the database {database}"),
    ):
        connection.execute("SELECT pg_advisory_lock(%s)", [_SETUP_LOCK])  # two first runs at once
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
        if found is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(database))
            )


def drop_database(url: str, database: str) -> None:
    """Drop the database, whoever is connected to it."""
    with (
        connect(url, name="setup") as connection,
        named(DatabaseError, f"cannot drop the database {database}"),
    ):
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


@contextmanager
def advisory_lock(url: str, name: str) -> Iterator[Connection]:
    """Hold the database's advisory lock for as long as the block runs, which is given the session that holds it.

    Raises AlreadyRunning, saying who holds it.
    """
    with connect(url, name=name) as connection:
        with named(DatabaseError, "cannot take the lock"):
            taken = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
            if taken != (True,):
                holder = lock_holder(connection) or "it has just ended"
                raise AlreadyRunning(f"another run holds the lock on this database: {holder}")
        yield connection


def wal_position(connection: Connection) -> int | None:
    """Return how many bytes of WAL the server has written; None when the role may not ask, or the server is gone."""
    with suppress(psycopg.Error):
        row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
        return int(row[0]) if row else None
    return None


def lock_holder(connection: Connection) -> str | None:
    """Describe the session that holds the advisory lock of the database; None when no session does."""
    row = connection.execute(
        "SELECT a.pid, a.usename, a.application_name, a.backend_start::timestamptz(0)"
        " FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s AND l.database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())",
        [_LOCK],
    ).fetchone()
    if row is None:
        return None
    pid, user, application, since = row
    return f"server process {pid}, user {user}, {application}, since {since}"
