"""Reading a schema: definitions by pg_dump, rows as JSON, sequences, and the hash of a table's content."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.environment import inherited
from mock2pg.errors import BackupFailed
from mock2pg.foreign_errors import scrubbed
from mock2pg.postgres import catalogue, client_programs, copying, distribution, locks, row_hashes
from mock2pg.postgres.connection import Connection, environment
from mock2pg.settings import LOCK_TIMEOUT

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


@contextmanager
def repeatable_read(connection: Connection) -> Iterator[None]:
    """Open a REPEATABLE READ transaction: every query in it sees the same snapshot."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        distribution.spell_alike(connection)
        yield


def definitions(
    connection: Connection,
    url: str,
    schema: str,
    program: Path,
    *,
    snapshot: str = "",
    lock_timeout: str = LOCK_TIMEOUT,
    without: Sequence[str] = (),
) -> dict[str, str] | None:
    """The schema's definitions as SQL, before and after the rows; None when `connection` sees no such schema.

    snapshot      the name of the snapshot to read them from, else they are those of now
    lock_timeout  how long pg_dump waits for a table
    without       relations that are left out, with all that belongs to them
    """
    if not catalogue.schema_exists(connection, schema):
        return None
    program = client_programs.pg_dump(program, connection.info.server_version, bool(connection.pgconn.ssl_in_use))
    options = [f"--snapshot={snapshot}"] if snapshot else []
    options.append(f"--lock-wait-timeout={lock_timeout}")
    options += [f"--exclude-table={_pattern(schema)}.{_pattern(name)}" for name in without]
    try:
        return _pg_dump(url, schema, program, options)
    except psycopg.errors.LockNotAvailable as error:
        for text in locks.blockers(connection, connection.info.backend_pid, "LOCK TABLE", reads=True):
            error.add_note(text)
        raise


def entries(found: Mapping[str, str] | None) -> dict[str, str]:
    """The definitions object by object, under what pg_dump calls each: `TABLE orders`, `INDEX by_code`.

    Their order is left out: pg_dump changes it for objects of other schemas.
    """
    parts: dict[str, list[str]] = {}
    for text in (found or {}).values():
        method = _HEAP
        _, *rest = _ENTRY.split(text)
        for name, kind, body in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            own = method if kind in ("TABLE", "MATERIALIZED VIEW") else ""
            ending = _ENDING.search(body)  # none where a function's own text looks like the head of a definition
            parts.setdefault(f"{kind} {name}", []).append(own + body[: ending.start() if ending else None])
            method = [method, *_METHOD.findall(ending[0] if ending else "")][-1]
    return {name: "".join(sorted(bodies)) for name, bodies in parts.items()}


def of_schema(found: Mapping[str, str] | None) -> list[str]:
    """The entries of the schema itself: its owner, comment, grants and labels; not of what is in it."""
    return [text for script in (found or {}).values() for text in _split(script) if _OF_SCHEMA.match(text)]


def without_schema(script: str) -> str:
    """The script without those entries."""
    return "".join(text for text in _split(script) if not _OF_SCHEMA.match(text))


def _split(script: str) -> list[str]:
    """The head of the script, and its entries."""
    return _ENTRY_HEAD.split(script)


def definitions_fingerprint(found: Mapping[str, str] | None) -> str:
    """Return a SHA-256 of the definitions that does not depend on their order."""
    return hashlib.sha256(json.dumps(entries(found), sort_keys=True).encode()).hexdigest()


def changed_entries(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> dict[str, str]:
    """The objects whose definitions are not the same, by what became of each: "added", "removed" or "changed"."""
    was, now = entries(before), entries(after)
    return {
        name: "added" if name not in was else "removed" if name not in now else "changed"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    }


_ENTRY = re.compile(r"(?m)^-- Name: (.*); Type: ([A-Z ]+); Schema: ")
_ENTRY_HEAD = re.compile(r"(?m)^(?=--\n-- Name: .*; Type: [A-Z ]+; Schema: )")
_OF_SCHEMA = re.compile(r"--\n-- Name: .*; Type: (SCHEMA|ACL|COMMENT|SECURITY LABEL); Schema: -; ")  # it is in none
_HEAP = "SET default_table_access_method = heap;"
_METHOD = re.compile(r"SET default_table_access_method = .*;")
_ENDING = re.compile(r"(?m)\s*(^SET default_\w+ = .*;\s+)*^--\n(-- PostgreSQL database dump complete\n--\s*)?\Z")


class ContentHash:
    """The content hash of a table's lines, added up as they are read: what `lines_hash` computes in PostgreSQL."""

    def __init__(self) -> None:
        self.rows, self._both, self._second = 0, 0, 0

    def add(self, lines: Sequence[bytes]) -> None:
        """Add lines that end in a comma."""
        both = second = 0
        for line in lines:
            number = int.from_bytes(hashlib.sha256(line[:-1]).digest()[:15])  # 30 hex digits: 15 of each sum
            both += number
            second += number & _SECOND
        self.rows, self._both, self._second = self.rows + len(lines), self._both + both, self._second + second

    def __str__(self) -> str:
        return f"{self.rows}:{(self._both - self._second) >> 60}:{self._second}"


_SECOND = (1 << 60) - 1


def rows(
    connection: Connection, schema: str, table: str, content: ContentHash | None = None
) -> Generator[bytes, None, None]:
    """Every row as a line of JSON that ends in a comma, in blocks; generated columns are left out.

    content  is added to as the lines are read
    """
    query = sql.SQL("COPY (SELECT l.line || ',' FROM ({}) AS l) TO STDOUT {}").format(
        lines(connection, schema, table), RAW
    )
    content = content or ContentHash()
    with connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            begun = b""
            for block in copying.blocks(connection, copy):
                *whole, begun = (begun + block).split(b"\n")
                content.add(whole)
                yield b"\n".join([*whole, b""])
        if content.rows != cursor.rowcount:
            raise BackupFailed(f"table {table}: {content.rows} of {cursor.rowcount} rows were read")


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


# The sums of TABLE_HASH_POSTGRES without texts in between, where bytes can be cast to numbers: a quarter less work.
_BYTES_TO_NUMBERS = 180000
_LINES_HASH = (
    "SELECT count(*) || ':' || coalesce(sum((substr(hash, 1, 8)::bigint >> 4) & x'0fffffffffffffff'::bigint), 0)"
    " || ':' || coalesce(sum(substr(hash, 8, 8)::bigint & x'0fffffffffffffff'::bigint), 0)"
    " FROM (SELECT sha256(convert_to(l.line, 'UTF8')) AS hash FROM ({}) AS l OFFSET 0) AS h"
)


def lines_hash(connection: Connection, query: sql.Composed) -> str:
    """Return the content hash `<rows>:<a>:<b>` of the lines that the query returns, in any order."""
    if connection.info.server_version >= _BYTES_TO_NUMBERS and not distribution.is_citus(connection):
        row = connection.execute(sql.SQL(_LINES_HASH).format(query)).fetchone()
        assert row is not None  # noqa: S101
        return str(row[0])
    hashes = sql.SQL("SELECT encode(sha256(convert_to(l.line, 'UTF8')), 'hex') AS hash FROM ({}) AS l").format(query)
    return row_hashes.added_up(connection, hashes)


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
    written = sql.SQL("textin({}({}::{}))").format(sql.Identifier(home, output), column, _sql(base))
    return Field(name, written, "text" if is_json else spelled, spelled)


def sequences(connection: Connection, schema: str) -> dict[str, dict[str, Any]]:
    """Return the position of every sequence, except those of extensions. Sequences are not transactional."""
    names = connection.execute(
        "SELECT relname FROM pg_class AS c WHERE relkind = 'S' AND relnamespace ="
        " (SELECT oid FROM pg_namespace WHERE nspname = %s) AND NOT EXISTS (SELECT FROM pg_depend AS d"
        " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
        ' ORDER BY relname COLLATE "C"',
        [schema],
    ).fetchall()
    found = {}
    for (name,) in names:
        row = connection.execute(
            sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        ).fetchone()
        assert row is not None  # noqa: S101
        found[name] = {"last_value": row[0], "is_called": row[1]}
    return found


def _pg_dump(url: str, schema: str, program: Path, options: Sequence[str]) -> dict[str, str]:
    """Read the definitions once; pg_restore writes both scripts from the archive, and asks no server."""
    session = inherited() | environment(url, settings=True) | {"PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
    read = ["--schema-only", "--format=custom", "--compress=0", f"--schema={_pattern(schema)}", *options]
    archive = _run([str(program), *read], session)
    found = {}
    for section in ("pre-data", "post-data"):
        write = [str(client_programs.pg_restore(program)), f"--section={section}", "--file=-"]
        found[section.replace("-", "_")] = _plain(_run(write, session, archive).decode(), schema)
    return found


def _run(command: list[str], session: dict[str, str], given: bytes = b"") -> bytes:
    done = subprocess.run(command, env=session, input=given, capture_output=True, check=False)  # noqa: S603  ours
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")
        if " was: LOCK TABLE" in said and "permission denied" not in said:
            raise psycopg.errors.LockNotAvailable("pg_dump was not given the lock of a table")
        raise BackupFailed(f"{Path(command[0]).name} failed: {scrubbed(said)}")
    return done.stdout


def _pattern(name: str) -> str:
    """Return a pg_dump pattern that matches only this name."""
    return '"' + name.replace('"', '""') + '"'


def _plain(text: str, schema: str) -> str:
    """pg_dump's script as any server since version 14 takes it, the same for the same definitions."""
    name = re.escape(schema.replace('"', '""'))
    text = re.sub(r"\n\\unrestrict .*\n+\Z", "\n", text)
    head, first, rest = text.partition("-- Name: ")  # below are definitions, whose own texts must not change
    head = re.sub(r"(?m)^(\\restrict .*|SET transaction_timeout = 0;|-- Dumped .*)\n", "", head)
    rest = re.sub(rf'\A(.*\n--\n\n)CREATE SCHEMA ("{name}"|{name});\n', r"\1CREATE SCHEMA IF NOT EXISTS \2;\n", rest)
    return head + first + rest


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)  # a type as the catalogue spells it
