"""Reading the complete state of a schema in one snapshot: definitions by pg_dump, rows as JSON, sequences."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.errors import BackupFailed, scrubbed
from mock2pg.settings import inherited
from mock2pg.tools.postgres import catalogue
from mock2pg.tools.postgres.connection import Connection, connect, environment, named

# Raw lines in both directions: JSON never holds these two bytes unescaped, so COPY neither quotes nor escapes.
RAW = sql.SQL(r"(FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')")

# JSON keeps these exactly; every other type travels as its own text.
_NATIVE = re.compile(
    r"(boolean|smallint|integer|bigint|numeric(\(.*\))?|real|double precision|text|character varying(\(.*\))?|uuid|date"
    r"|time(\(\d\))? with(out)? time zone|timestamp(\(\d\))? with(out)? time zone)"
)


@contextmanager
def snapshot(url: str) -> Iterator[tuple[Connection, str]]:
    """A read-only transaction that sees one moment, and the name under which pg_dump can see the same one."""
    with (
        connect(url, name="backup", read_only=True) as connection,
        named(BackupFailed, "cannot read the live tables"),
        one_moment(connection),
    ):
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None  # noqa: S101
        yield connection, row[0]


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """A transaction in which every query sees the same moment."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        yield


def definitions(url: str, schema: str, snapshot_name: str | None, program: Path) -> dict[str, str] | None:
    """The schema's definitions as SQL, before and after the rows; None when there is no such schema."""
    with connect(url, name="definitions") as connection:
        if not catalogue.schema_exists(connection, schema):
            return None
        program = _with_tls(program) if connection.pgconn.ssl_in_use else program
    return {
        section.replace("-", "_"): _pg_dump(url, schema, section, snapshot_name, program)
        for section in ("pre-data", "post-data")
    }


def rows(connection: Connection, schema: str, table: str) -> Generator[bytes, None, None]:
    """Every row as a line of JSON that ends in a comma, in blocks; generated columns are left out."""
    selected = [
        sql.SQL("{0}" if _NATIVE.fullmatch(column.data_type) else "{0}::text AS {0}").format(
            sql.Identifier(column.name)
        )
        for column in catalogue.columns(connection, schema, table)
        if not column.generated
    ]
    query = sql.SQL("COPY (SELECT row_to_json(t.*)::text || ',' FROM (SELECT {} FROM {}{}) AS t) TO STDOUT {}").format(
        sql.SQL(", ").join(selected),
        sql.SQL("" if _partitioned(connection, schema, table) else "ONLY "),
        sql.Identifier(schema, table),
        RAW,
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            yield bytes(block)


def json_types(connection: Connection, schema: str, table: str) -> list[tuple[str, str, str]]:
    """name, type of the column, and type that it has in the backup's JSON."""
    return [
        (column.name, column.data_type, column.data_type if _NATIVE.fullmatch(column.data_type) else "text")
        for column in catalogue.columns(connection, schema, table)
        if not column.generated
    ]


def sequences(connection: Connection, schema: str) -> dict[str, dict[str, Any]]:
    """Where every sequence stands."""
    names = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace ="
        ' (SELECT oid FROM pg_namespace WHERE nspname = %s) ORDER BY relname COLLATE "C"',
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


def _partitioned(connection: Connection, schema: str, table: str) -> bool:
    row = connection.execute(
        "SELECT relkind = 'p' FROM pg_class WHERE oid = format('%%I.%%I', %s::text, %s::text)::regclass",
        [schema, table],
    ).fetchone()
    return row == (True,)


def _with_tls(program: Path) -> Path:
    """The bundled pg_dump speaks no TLS; for a server that is reached with it, the machine's own must serve."""
    own = shutil.which("pg_dump")
    if own is None:
        raise BackupFailed(
            "the server is reached with TLS, and the bundled pg_dump speaks none",
            hint="Install PostgreSQL's client programs (pg_dump of the server's version or later) on this machine.",
        )
    return Path(own)


def _pg_dump(url: str, schema: str, section: str, snapshot_name: str | None, program: Path) -> str:
    pattern = '"' + schema.replace('"', '""') + '"'
    command = [str(program), "--schema-only", f"--section={section}", f"--schema={pattern}"]
    if snapshot_name:
        command.append(f"--snapshot={snapshot_name}")
    session = inherited() | environment(url) | {"PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
    done = subprocess.run(  # noqa: S603  a program of ours, its arguments are ours
        command, env=session, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise BackupFailed(f"pg_dump failed: {scrubbed(done.stderr)}")
    return _plain(done.stdout, schema)


def _plain(text: str, schema: str) -> str:
    """pg_dump's script as any server since version 14 takes it, the same for the same definitions."""
    name = re.escape(schema)
    text = re.sub(r"\n\\unrestrict .*\n+\Z", "\n", text)
    head, first, rest = text.partition("-- Name: ")  # below stand definitions, whose own texts are not to be touched
    head = re.sub(r"(?m)^(\\restrict .*|SET transaction_timeout = 0;|-- Dumped .*)\n", "", head)
    rest = re.sub(rf'\A(.*\n--\n\n)CREATE SCHEMA ("{name}"|{name});\n', r"\1CREATE SCHEMA IF NOT EXISTS \2;\n", rest)
    return head + first + rest
