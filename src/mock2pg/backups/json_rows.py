"""The rows of a backup inside of the database: one line of JSON each, and how lines become rows again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from psycopg import sql

from mock2pg import progress
from mock2pg.backups.dump import RAW, Field
from mock2pg.errors import RollbackFailed
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode

_BATCH = 256  # lines that are sent at once


def load(connection: Connection, home: sql.Identifier, rows: Iterable[bytes], kind: str = "TEMPORARY") -> int:
    """COPY the lines of a table into a table of their own, which is made for them; returns how many they are."""
    connection.execute(sql.SQL("CREATE {} TABLE {} (line text)").format(sql.SQL(kind), home))
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} FROM STDIN {}").format(home, RAW)) as copy:
            lines = iter(rows)
            while block := b"".join(islice(lines, _BATCH)):
                copy.write(block.replace(b",\n", b"\n"))  # a line break is at the end of a row, and nowhere in it
                progress.rows(block.count(b"\n"))
        return cursor.rowcount


def as_written(home: sql.Composable) -> sql.Composed:
    """A query for the lines, as `dump.lines` gives those of a table."""
    return sql.SQL("SELECT line FROM {}").format(home)


def shape(schema: str, table: str, fields: Sequence[Field]) -> sql.Composed:
    """A query for the columns that a backup holds of the table."""
    names = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields)
    return sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(schema, table))


def insert(code: OwnersCode, lines: sql.Composable, target: sql.Identifier, fields: Sequence[Field], rows: int) -> int:
    """Make rows of the lines that a query gives. Raises RollbackFailed when there are not so many rows afterwards."""
    query = sql.SQL("INSERT INTO {} SELECT FROM ({}) AS l").format(target, lines)  # rows without a column
    if fields:
        query = sql.SQL(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ({}) AS l,"
            " LATERAL json_to_record(l.line::json) AS r({})"
        ).format(
            target,
            sql.SQL(", ").join(sql.Identifier(field.name) for field in fields),
            sql.SQL(", ").join(sql.SQL("r.{}::{}").format(sql.Identifier(f.name), _sql(f.type)) for f in fields),
            lines,
            sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(f.name), _sql(f.read)) for f in fields),
        )
    restored = code.count(query)
    if restored != rows:
        raise RollbackFailed(f"{restored} of {rows} rows were restored")
    return restored


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)  # a type as the catalogue spells it
