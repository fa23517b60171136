"""The rows of a restore test: made of the backup's lines in tables of the target tables' types, and compared.

Rows are inserted in batches. What the table then holds is written as lines again, which must be the batch, byte by
byte. So no row is hashed: the lines are those that the target table gave when it was read, by their SHA-256.
Where that is not known, or a batch is not the same, the whole table is restored and compared with the target table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue

import psycopg
from psycopg import sql

from mock2pg import progress
from mock2pg.backups import exported_rows, json_rows
from mock2pg.backups.exported_rows import Field
from mock2pg.backups.snapshot import Snapshot
from mock2pg.backups.staged import State
from mock2pg.errors import DatabaseError
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection, connect
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.runs import Times

RESTORE, COMPARE = "restore", "compare"  # what the times are of
_HOME = "pg_temp"  # files of temporary tables are removed when a server that crashed starts again
_NAMED = "mock2pg_restored_{}"  # not as a table of the application: its functions would find this one
_MANY = 10_000  # rows for which more sessions pay
_MORE = 2  # two sessions in all wait for lines a fifth of the time
_AHEAD = 2  # batches for each session, so that none waits for another one


@contextmanager
def sessions(url: str, snapshot: Snapshot, rows: int) -> Iterator[list[Connection]]:
    """One session, or more for many rows, that see the snapshot and whose temporary tables are rolled back."""
    with ExitStack() as stack:
        found = [stack.enter_context(_transaction(url, snapshot))]
        if rows >= _MANY:
            with suppress(DatabaseError, psycopg.OperationalError):  # no session is left: fewer will do
                for _ in range(_MORE):
                    found.append(stack.enter_context(_transaction(url, snapshot)))
        yield found


def compare(
    found: Sequence[Connection],
    code: OwnersCode,
    snapshot: Snapshot,
    state: State,
    name: str,
    number: int,
    times: Times,
) -> tuple[str, int | None]:
    """Restore one table; return the content hash of its rows, and where they differ from the target table the number
    of its rows that are missing.

    code  how values are made in the first session
    """
    known = snapshot.hashes.get(name)
    if known and state.contents.get(name) == known and not code.used:
        with times.of(RESTORE):
            if _same_lines(found, snapshot, state, name, number):
                return known, None
    return _compared(found[0], code, snapshot, state, name, number, times)


def _same_lines(found: Sequence[Connection], snapshot: Snapshot, state: State, name: str, number: int) -> bool:
    """Return True when the rows, made in whichever session is free, are written as the lines that they were made of."""
    fields = exported_rows.fields(found[0], snapshot.schema, name)
    if not fields:
        return False
    table, free = sql.Identifier(_HOME, _NAMED.format(number)), SimpleQueue[Connection]()
    query = json_rows.restored_equal(table, fields)
    for session in found:
        _make(session, table, fields)
        free.put(session)

    def made(lines: bytes) -> tuple[int, bool]:
        session = free.get()
        try:
            return json_rows.made(session, query, lines)
        finally:
            free.put(session)

    def results(threads: ThreadPoolExecutor) -> Iterator[tuple[int, bool]]:
        begun = deque[Future[tuple[int, bool]]]()
        for lines in json_rows.batches(state.rows(name)):
            if len(begun) == _AHEAD * len(found):
                yield begun.popleft().result()
            begun.append(threads.submit(made, lines))
        for each in begun:
            yield each.result()

    rows, equal = 0, True
    with ThreadPoolExecutor(len(found)) as threads:
        for more, same in results(threads):
            rows, equal = rows + more, equal and same
    for session in found:
        session.execute(sql.SQL("DROP TABLE {}").format(table))
    if not equal or rows != state.tables[name]:
        progress.more(rows)  # all of them are restored again
        return False
    return True


def _compared(
    connection: Connection, code: OwnersCode, snapshot: Snapshot, state: State, name: str, number: int, times: Times
) -> tuple[str, int | None]:
    home = _NAMED.format(number)
    table, held = sql.Identifier(_HOME, home), sql.Identifier(_HOME, "mock2pg_lines")
    fields = exported_rows.fields(connection, snapshot.schema, name)
    with times.of(RESTORE):
        _make(connection, table, fields)
        json_rows.load(connection, held, state.rows(name))
        json_rows.insert(code, json_rows.as_written(held), table, fields, state.tables[name])
    missing = None
    with times.of(COMPARE):
        there = exported_rows.lines(connection, snapshot.schema, name)
        here = exported_rows.lines(connection, _HOME, home)
        content = exported_rows.lines_hash(connection, here)
        if content != (snapshot.hashes.get(name) or exported_rows.lines_hash(snapshot.connection, there)):
            rows = sql.SQL("SELECT count(*) FROM ({} EXCEPT ALL {}) AS missing").format(there, here)
            missing = catalogue.count(connection, rows)
    connection.execute(sql.SQL("DROP TABLE {}, {}").format(held, table))
    return content, missing


def _make(connection: Connection, table: sql.Identifier, fields: Sequence[Field]) -> None:
    """Make a table of these columns. The target table is not named: who waits for it would be waited for in turn."""
    columns = (sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(field.type)) for field in fields)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))


@contextmanager
def _transaction(url: str, snapshot: Snapshot) -> Iterator[Connection]:
    with connect(url, name="restore test") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot.name)))
            yield connection
