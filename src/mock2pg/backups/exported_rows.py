"""The rows of a table as a backup has them, one line of JSON each, and the content hash of those lines."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from psycopg import sql

from mock2pg.errors import BackupFailed
from mock2pg.postgres import catalogue, copying, distribution, row_hashes
from mock2pg.postgres.connection import Connection, one_row

# Raw lines in both directions: JSON never holds these two bytes unescaped, so COPY neither quotes nor escapes.
RAW = sql.SQL(r"(FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')")

# JSON keeps these exactly; every other type travels as what its own output function writes.
_NATIVE = re.compile(
    r"(boolean|smallint|integer|bigint|numeric(\(.*\))?|real|double precision|text|character( varying)?(\(.*\))?|bpchar"
    r"|uuid|date|time(\(\d\))? with(out)? time zone|timestamp(\(\d\))? with(out)? time zone)"
)


@dataclass(frozen=True)
class Field:
    """A column that a backup holds: how its value becomes one of JSON, and how it is read again.

    written  the value as JSON takes it, of the column of that name
    read     the type that it has in a record made of the JSON
    type     the type of the column
    """

    name: str
    written: sql.Composable
    read: str
    type: str


class ContentHash:
    """The content hash of a table's lines, added up as they are read: what `lines_hash` computes in PostgreSQL."""

    def __init__(self) -> None:
        self.rows, self._a, self._b = 0, 0, 0

    def add(self, lines: Sequence[bytes]) -> None:
        """Add lines, without what ends them."""
        sha256 = hashlib.sha256
        for at in range(0, len(lines), _ADDED):
            digests = [sha256(line).digest() for line in lines[at : at + _ADDED]]
            lanes = int.from_bytes(b"".join(digests))
            self._a += _added_up(lanes >> 196, len(digests))
            self._b += _added_up(lanes >> 136, len(digests))
        self.rows += len(lines)

    def end(self) -> None:
        """Take notice that all lines were added."""

    def __str__(self) -> str:
        return f"{self.rows}:{self._a}:{self._b}"


_ADDED = 256  # digests at once
_LANE = 256  # bits of a number in which each digest has a lane of its own
_NUMBERS = int.from_bytes(((1 << 60) - 1).to_bytes(_LANE // 8) * _ADDED)  # 15 hex digits of each digest


def _added_up(lanes: int, count: int) -> int:
    """Add up the last 60 bits of each lane, one half of the lanes onto the other: a sum stays within its lane."""
    lanes &= _NUMBERS
    while count > 1:
        count = (count + 1) // 2
        lanes = (lanes >> count * _LANE) + (lanes & (1 << count * _LANE) - 1)
    return lanes


def rows(
    connection: Connection, schema: str, table: str, content: ContentHash | None = None
) -> Generator[bytes, None, None]:
    """Every row as a line of JSON that ends in a comma, in blocks; generated columns are left out.

    content  is added to as the lines are read
    """
    query = sql.SQL("COPY ({}) TO STDOUT {}").format(lines(connection, schema, table), RAW)
    content = content or ContentHash()
    with connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            begun = b""
            for block in copying.blocks(connection, copy):
                *whole, begun = (begun + block).split(b"\n")
                content.add(whole)
                yield b",\n".join([*whole, b""])
        if content.rows != cursor.rowcount:
            raise BackupFailed(f"table {table}: {content.rows} of {cursor.rowcount} rows were read")
        content.end()


def lines(connection: Connection, schema: str, table: str) -> sql.Composed:
    """A query for every row of the table as a backup has it: `line`, a row of JSON; one row once."""
    found, home = fields(connection, schema, table), catalogue.own_rows(connection, schema, table)
    if distribution.is_citus(connection):
        return sql.SQL("SELECT {} AS line FROM {}").format(_on_shards(found), home)
    return local_lines(found, home)


def local_lines(columns: Sequence[Field], rows: sql.Composable) -> sql.Composed:
    """A query for the lines of rows that have these columns and are not distributed."""
    return sql.SQL("SELECT row_to_json(t.*)::text AS line FROM (SELECT {} FROM {}) AS t").format(
        sql.SQL(", ").join(sql.SQL("{} AS {}").format(field.written, sql.Identifier(field.name)) for field in columns),
        rows,
    )


def _on_shards(found: Sequence[Field]) -> sql.Composable:
    """The bytes of row_to_json, which on a shard would know no column by its name."""
    parts = sql.SQL(" || ").join(
        sql.SQL("{} || coalesce(to_json({})::text, 'null')").format(
            sql.Literal(f"{',' if number else '{'}{json.dumps(field.name, ensure_ascii=False)}:"), field.written
        )
        for number, field in enumerate(found)
    )
    return sql.SQL("{} || '}}'").format(parts) if found else sql.SQL("'{}'::text")


def lines_hash(connection: Connection, query: sql.Composed) -> str:
    """Return the content hash `<rows>:<a>:<b>` of the lines that the query returns, in any order."""
    return str(one_row(connection, hashing(connection, query))[0])


def hashing(connection: Connection, query: sql.Composed) -> sql.Composed:
    """Return the query that gives the `lines_hash`."""
    line = sql.SQL("convert_to(l.line, 'UTF8')")
    return row_hashes.adding_up(connection, line, sql.SQL("({}) AS l").format(query))


def content_hash(connection: Connection, schema: str, table: str) -> str:
    """Return the content hash of all rows of a table."""
    return lines_hash(connection, lines(connection, schema, table))


def fields(connection: Connection, schema: str, table: str) -> list[Field]:
    """Return the columns of the table that a backup holds, in their order."""
    found = connection.execute(
        """
        WITH RECURSIVE typed AS (
            SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS spelled, a.atttypid AS oid
            FROM pg_attribute AS a
            WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0
                AND NOT a.attisdropped AND a.attgenerated = ''
            UNION ALL
            SELECT d.attnum, d.attname, d.spelled, t.typbasetype FROM typed AS d JOIN pg_type AS t USING (oid)
            WHERE t.typtype = 'd')
        SELECT d.attname, d.spelled, format_type(d.oid, -1), d.oid IN ('json'::regtype, 'jsonb'::regtype),
            (SELECT nspname FROM pg_namespace WHERE oid = p.pronamespace), p.proname
        FROM typed AS d JOIN pg_type AS t USING (oid) JOIN pg_proc AS p ON p.oid = t.typoutput
        WHERE t.typtype <> 'd'
        ORDER BY d.attnum
        """,
        [schema, table],
    ).fetchall()
    return [_field(*row) for row in found]


def _field(name: str, spelled: str, base: str, is_json: bool, home: str, output: str) -> Field:
    """Casts to and from text may be somebody's own and lose something; a type's own functions do not.

    JSON inside of JSON has to travel as text: a record would take it for what it says.
    """
    column = sql.Identifier(name)
    if _NATIVE.fullmatch(spelled):
        return Field(name, column, spelled, spelled)
    spelling = sql.SQL(base)  # the catalogue's own, quoted
    written = sql.SQL("textin({}({}::{}))").format(sql.Identifier(home, output), column, spelling)
    return Field(name, written, "text" if is_json else spelled, spelled)
