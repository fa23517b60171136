"""Sessions: what each is set to, whoever opens it, and whether it is one: a transaction pooler hands out others.

Nothing is set on a session that a transaction pooler may give to somebody else: the server process that answers is
compared with the one that the login named, in the statement that sets everything. Where they differ, a pooler is in
between, and two connections find out which kind.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Any, LiteralString

import psycopg
from psycopg import conninfo

from mock2pg.environment import ours
from mock2pg.errors import DatabaseError
from mock2pg.foreign_errors import scrubbed
from mock2pg.text import printable

# What statements of ours rely on, whatever a role or a database says. row_security off makes a policy that would hide
# rows an error instead.
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # one spelling of every value, in both directions
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "extra_float_digits": "3",
        "bytea_output": "hex",
        "lc_monetary": "C",
        "xmloption": "content",
        "xmlbinary": "base64",
        "quote_all_identifiers": "off",
        # one meaning of every statement
        "standard_conforming_strings": "on",
        "backslash_quote": "safe_encoding",
        "transform_null_equals": "off",
        "array_nulls": "on",
        "gin_fuzzy_search_limit": "0",
        "row_security": "off",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "default_tablespace": "",
        "session_replication_role": "origin",  # else no trigger and no foreign key would be looked at
        "client_min_messages": "error",
        "exit_on_error": "off",
        "statement_timeout": "0",
        "jit": "off",  # compiling takes longer than any statement of ours gains by it
        # a session of ours waits for others of ours: were it ended meanwhile, its lock or its snapshot would be gone
        "idle_in_transaction_session_timeout": "0",
    }
)
_NEWER: Mapping[int, Mapping[str, str]] = MappingProxyType(
    {140000: {"idle_session_timeout": "0"}, 170000: {"transaction_timeout": "0"}}
)
_WHERE = MappingProxyType({"host": "host", "port": "port", "dbname": "database", "user": "user"})
# Those by which a value is spelled: a shard's session has its own.
SPELLING = ("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "lc_monetary", "xmlbinary")
_PRIVILEGED = ("session_replication_role",)  # set only where it is something else; then it takes a right

_ROOM = "Connect to PostgreSQL itself, or raise the pooler's pool_size: mock2pg needs several sessions at once."

# In pg_catalog's own words: the session's search_path is not ours yet. A setting that is right is left alone.
_SET: LiteralString = """
    SELECT pg_catalog.pg_backend_pid(), pg_catalog.count(pg_catalog.set_config(s.name, s.value, false)),
        pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL
    FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]))
        AS s (name, value)
    WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) ANY (%s::pg_catalog.int4[])
        AND (pg_catalog.current_setting(s.name) OPERATOR(pg_catalog.<>) s.value)"""
_PID: LiteralString = "SELECT pg_catalog.pg_backend_pid()"
_CONNECT_TIMEOUT = 10  # seconds
_PATIENCE = 2.0  # seconds for the answer of a server process that a pooler has to find


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Say which server could not be reached, and why: everything of the connection string but the password."""
    try:
        yield
    except (psycopg.Error, UnicodeError) as error:  # the text of the latter quotes the host, or all of the URL
        raise DatabaseError(f"cannot connect: {_unreached(error, url)}") from (
            error if isinstance(error, psycopg.Error) else None
        )


def _unreached(error: Exception, url: str) -> str:
    try:
        known = conninfo.conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):  # libpq's text quotes it
        return "DATABASE_URL is not what libpq takes"
    where = ", ".join(f"{word} {known[key]}" for key, word in _WHERE.items() if known.get(key))
    secrets = [str(known[key]) for key in ("password", "sslpassword") if known.get(key)]
    text = str(error).strip().split("\n", 1)[0].removeprefix("connection failed: ")
    if isinstance(error, UnicodeError):
        text = "the host is not a valid name"
    elif any(secret in text for secret in secrets):
        text = scrubbed(text)
    return printable(f"{text} ({where})" if where else text)


def connect_timeout(url: str) -> int:
    """Return the connect timeout in seconds: that of the URL, but never without a limit."""
    given = int(conninfo.conninfo_to_dict(url).get("connect_timeout") or 0)
    return given if given > 0 else _CONNECT_TIMEOUT


def begin(connection: psycopg.Connection[Any], url: str, **more: str) -> None:
    """Set the session up. Raises DatabaseError, with nothing set, when it is the session of a transaction pooler.

    more  settings of this session alone
    """
    settings = _settings(connection.info.server_version) | {"search_path": ""} | more
    if not _set(connection, settings, connection.pgconn.backend_pid):
        refuse_transaction_pooler(url)
        if not _set(connection, settings, _pid(connection)):
            raise _pooled()


def options(server_version: int) -> str:
    """Return the session settings as PGOPTIONS, for a program of others, which sets its own search_path."""
    chosen = {name: value for name, value in _settings(server_version).items() if name not in _PRIVILEGED}
    return " ".join("-c " + f"{name}={value}".replace(" ", "\\ ") for name, value in chosen.items())


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Return True when another server process answers than the one of the login."""
    return _pid(connection) != connection.pgconn.backend_pid


@lru_cache(maxsize=8)
def refuse_transaction_pooler(url: str) -> None:
    """Raises DatabaseError when connections share server processes: then no setting, lock or snapshot would hold."""
    first, second = _raw(url), _raw(url)
    seen: tuple[set[int], set[int]] = set(), set()

    def ask(number: int) -> None:
        seen[number].add(_answering((first, second)[number]))
        if len(seen[number]) > 1 or seen[0] & seen[1]:
            raise _pooled()

    try:
        for number in (0, 0, 1, 0, 1, 1, 0, 1):
            ask(number)
        # one that takes turns: a session in a transaction keeps its own, and gives it back last
        first.execute("BEGIN")
        for number in (0, 1):
            ask(number)
        first.execute("COMMIT")
        for number in (1, 0):
            ask(number)
    except psycopg.Error:  # a pooler that knows no transaction, or ends the session
        raise _pooled() from None
    finally:
        first.close()
        second.close()


def _settings(server_version: int) -> dict[str, str]:
    found = dict(SETTINGS)
    for version, newer in _NEWER.items():
        found |= newer if server_version >= version else {}
    return found


def _raw(url: str) -> psycopg.Connection[Any]:
    try:
        # no prepared statement either: it would stay behind
        with ours():
            return psycopg.connect(url, autocommit=True, connect_timeout=connect_timeout(url), prepare_threshold=None)
    except psycopg.Error as error:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        raise DatabaseError(f"cannot connect a second time, through a connection pooler{state}", hint=_ROOM) from None


def _pooled() -> DatabaseError:
    return DatabaseError(
        "cannot connect: a transaction pooler (such as PgBouncer) is in front of PostgreSQL, and gives each"
        " transaction to another server process",
        hint="Use the direct port of the server (PostgreSQL's is 5432), or a pool in session mode: locks, settings and"
        " snapshots need a session of their own.",
    )


def _set(connection: psycopg.Connection[Any], settings: Mapping[str, str], pid: int) -> bool:
    row = connection.execute(_SET, [list(settings), list(settings.values()), [pid]], prepare=False).fetchone()
    if row is None or row[0] != pid:
        return False
    connection.__dict__["citus"] = row[2]  # only the extension makes a table in pg_catalog
    return True


def _pid(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_PID, prepare=False).fetchone()
    assert row is not None  # noqa: S101
    return int(row[0])


def _answering(connection: psycopg.Connection[Any]) -> int:
    """The server process that answers. Raises DatabaseError when none does within the patience."""
    pgconn, deadline = connection.pgconn, time.monotonic() + _PATIENCE
    pgconn.send_query(_PID.encode())
    pid = 0
    while time.monotonic() < deadline:
        pgconn.flush()
        pgconn.consume_input()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                return pid
            if result.error_message:
                raise _pooled()
            pid = int(result.get_value(0, 0) or 0)
        select.select([pgconn.socket], [], [], 0.1)
    raise DatabaseError("cannot connect: the connection pooler gives no second session at the same time", hint=_ROOM)
