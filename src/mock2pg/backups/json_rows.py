"""The rows of a backup inside of the database: one line of JSON each, and how lines become rows again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import sql
from psycopg.adapt import Dumper

from mock2pg import progress
from mock2pg.backups import exported_rows
from mock2pg.backups.exported_rows import RAW, Field
from mock2pg.errors import RollbackFailed
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode

_BATCH = 1 << 17  # bytes that are sent at once, and the rest of a block


def batches(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, as many as are sent at once.

    rows  lines, or blocks of them
    """
    held, size = list[bytes](), 0
    for block in rows:
        held.append(block)
        size += len(block)
        if size >= _BATCH:
            yield _counted(held)
            held, size = [], 0
    if held:
        yield _counted(held)


def _counted(blocks: Sequence[bytes]) -> bytes:
    lines = b"".join(blocks)
    progress.rows(lines.count(b"\n"))
    return lines


def load(connection: Connection, home: sql.Identifier, rows: Iterable[bytes]) -> int:
    """COPY the lines of a table into a temporary table of their own; returns how many they are."""
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} (line text)").format(home))
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} FROM STDIN {}").format(home, RAW)) as copy:
            for lines in batches(rows):
                copy.write(lines.replace(b",\n", b"\n"))  # a line break is at the end of a row, and nowhere in it
        return cursor.rowcount


def as_written(home: sql.Composable) -> sql.Composed:
    """A query for the lines, as `exported_rows.lines` gives those of a table."""
    return sql.SQL("SELECT line FROM {}").format(home)


def shape(schema: str, table: str, fields: Sequence[Field]) -> sql.Composed:
    """A query for the columns that a backup holds of the table."""
    return sql.SQL("SELECT {} FROM {}").format(_names(fields), sql.Identifier(schema, table))


def insert(code: OwnersCode, lines: sql.Composable, target: sql.Identifier, fields: Sequence[Field], rows: int) -> int:
    """Make rows of the lines that a query gives. Raises RollbackFailed when there are not so many rows afterwards."""
    query = sql.SQL("INSERT INTO {} SELECT FROM ({}) AS l").format(target, lines)  # rows without a column
    if fields:
        records = sql.SQL("({}) AS l, LATERAL json_to_record(l.line::json)").format(lines)
        query = _inserting(target, fields, records)
    restored = code.count(query)
    if restored != rows:
        raise RollbackFailed(f"{restored} of {rows} rows were restored")
    return restored


def restored_equal(target: sql.Identifier, fields: Sequence[Field]) -> sql.Composed:
    """A statement that makes rows of lines, its parameter, and returns how many and whether they are written the same.

    Lines end in a comma, but for the last one. The rows that are looked at are those that the table holds: the columns'
    types have had their say.
    """
    records = sql.SQL("json_to_recordset(('[' || $1::text || ']')::json)")
    return sql.SQL(
        "WITH made AS ({} RETURNING {}) SELECT count(*), string_agg(l.line, e',\\n') = $1 FROM ({}) AS l"
    ).format(_inserting(target, fields, records), _names(fields), exported_rows.local_lines(fields, sql.SQL("made")))


def made(connection: Connection, query: sql.Composed, lines: bytes) -> tuple[int, bool]:
    """Execute what `restored_equal` gives, with a batch of lines."""
    cursor = psycopg.RawCursor(connection)  # as PostgreSQL writes parameters: a column's name may have a percent sign
    cursor.adapters.register_dumper(bytes, _Text)
    row = cursor.execute(query, [lines.rstrip(b",\n")]).fetchone()
    assert row is not None  # noqa: S101
    return int(row[0]), bool(row[1])


class _Text(Dumper):
    """Bytes that are text in UTF-8 already."""

    oid = psycopg.adapters.types["text"].oid

    def dump(self, obj: bytes) -> bytes:
        return obj


def _inserting(target: sql.Identifier, fields: Sequence[Field], records: sql.Composable) -> sql.Composed:
    """Insert records; types are the catalogue's own spelling, quoted."""
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS r({})").format(
        target,
        _names(fields),
        sql.SQL(", ").join(sql.SQL("r.{}::{}").format(sql.Identifier(f.name), sql.SQL(f.type)) for f in fields),
        records,
        sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(f.name), sql.SQL(f.read)) for f in fields),
    )


def _names(fields: Sequence[Field]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(field.name) for field in fields)
