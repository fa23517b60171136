"""Connections: what a session is set to, and what a database's error may say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Self

import psycopg
from psycopg import conninfo, pq, sql
from psycopg.abc import Params, QueryNoTemplate

from mock2pg import progress
from mock2pg.environment import ours
from mock2pg.errors import DatabaseError, Mock2pgError
from mock2pg.postgres import locks, session
from mock2pg.postgres.describing import Session, described, hides_lock_timeout, is_lock_timeout, is_raised, setting_up
from mock2pg.postgres.statements import without_literals
from mock2pg.settings import LOCK_TIMEOUT

Connection = psycopg.Connection[Any]


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


@contextmanager
def _marked_unreached() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        error.reached = False
        raise


@_marked_unreached()
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
        with (
            named(DatabaseError, "cannot set up the session"),
            setting_up(connection, session.connect_timeout(url)),
        ):
            session.begin(connection, url, lock_timeout=lock_timeout)
        connection.read_only = read_only
    except BaseException:
        connection.close()
        raise
    return connection


def one_row(connection: Connection, query: QueryNoTemplate, params: Params | None = None) -> tuple[Any, ...]:
    """Return the row of a query that always gives one."""
    row: tuple[Any, ...] | None = connection.execute(query, params).fetchone()
    assert row is not None  # noqa: S101
    return row


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


def with_options(url: str, options: str) -> str:
    """Return the URL with session options, in the format of PGOPTIONS."""
    return conninfo.make_conninfo(url, options=options) if options else url


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
