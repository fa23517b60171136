"""The scratch schemas: landing tables by COPY, row hashes out, and all of it dropped when the run ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import psycopg
from psycopg import sql

from mock2pg import progress
from mock2pg.contracts import Column, Table
from mock2pg.conversions import of_json_text
from mock2pg.encoding import OWN_TYPE_POSTGRES, TABLE_HASH_POSTGRES, kind, postgres_value
from mock2pg.errors import BuiltRowsLost, LoadFailed
from mock2pg.postgres import copying, drop_objects
from mock2pg.postgres.catalogue import columns, own_rows, schema_exists
from mock2pg.postgres.connection import Connection, named
from mock2pg.postgres.describing import described
from mock2pg.postgres.schemas import close_to_others, refuse_foreign
from mock2pg.postgres.target_records import TargetColumn
from mock2pg.spellings import is_alike
from mock2pg.staged_tables import SourceTable
from mock2pg.text import counted

SCHEMAS = LANDING, NEXT = "mock2pg_landing", "mock2pg_next"
_LEFT = "mock2pg_left_"  # and an oid: a schema that could not be dropped


def recreate(connection: Connection, schemas: Sequence[str] = SCHEMAS) -> None:
    """Make the scratch schemas, or empty those that are there. Raises SchemaRefused when one is another role's."""
    with named(LoadFailed, "cannot make the scratch schemas"):
        refuse_foreign(connection, [], schemas)
        for schema in schemas:
            if schema_exists(connection, schema):
                drop_objects.drop_objects(connection, schema)
            else:
                create_closed(connection, schema)


def create(connection: Connection, schema: str) -> None:
    """Make the schema unless it is there; one that is there needs no right to make another."""
    if not schema_exists(connection, schema):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def create_closed(connection: Connection, schema: str) -> None:
    """Make the schema unless it is there: whatever default privileges say, nobody else reaches what is in it."""
    if not schema_exists(connection, schema):
        with connection.transaction():
            create(connection, schema)
            close_to_others(connection, schema)


def present(connection: Connection) -> list[str]:
    """The scratch schemas that hold anything, also those of this role that could not be dropped."""
    rows = connection.execute(
        "SELECT nspname FROM pg_namespace AS n WHERE (nspname = ANY (%s)"
        " OR starts_with(nspname, %s) AND pg_get_userbyid(nspowner) = current_user)"
        " AND EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid) ORDER BY 1",
        [list(SCHEMAS), _LEFT],
    ).fetchall()
    return [name for (name,) in rows]


def drop(connection: Connection) -> list[str]:
    """Drop the scratch schemas; one that init-roles made for others, or that this role could not make, is emptied.

    Returns what is left because another session uses it, in words. Where the role may, that schema is renamed, so that
    it keeps no run from making another; the next drop tries again.
    """
    left = []
    with named(LoadFailed, "cannot drop the scratch schemas"):
        rows = connection.execute(
            "SELECT nspname, oid::text, pg_get_userbyid(nspowner) = current_user"
            " AND has_database_privilege(current_database(), 'CREATE')"
            " AND NOT EXISTS (SELECT FROM aclexplode(nspacl) AS a WHERE a.grantee <> nspowner) FROM pg_namespace"
            " WHERE nspname = ANY (%s)"
            " OR starts_with(nspname, %s) AND pg_get_userbyid(nspowner) = current_user ORDER BY oid",
            [list(SCHEMAS), _LEFT],
        ).fetchall()
        for schema, oid, whole in rows:
            name = sql.Identifier(schema)
            try:
                if whole:
                    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
                else:
                    drop_objects.drop_objects(connection, schema)
            except psycopg.errors.LockNotAvailable as error:
                left.append(f"schema {schema}: {described(error)}")
                if whole and schema in SCHEMAS:
                    connection.execute(
                        sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(name, sql.Identifier(_LEFT + oid))
                    )
    return left


def land(connection: Connection, table: SourceTable, blocks: Iterable[bytes], expected: int) -> int:
    """COPY a staged table's CSV into its landing table; returns its rows. Raises LoadFailed when any are missing."""
    target = sql.Identifier(LANDING, table.name)
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), _type(column.data_type)) for column in table.columns
    ]
    counted = 0
    progress.detail(table.name)
    with (
        named(LoadFailed, f"cannot land {table.name}"),
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(target, sql.SQL(", ").join(definitions)))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(target)) as copy:
            for block in blocks:
                copy.write(block)
                lines = min(block.count(b"\n"), expected - counted)  # a text may have line breaks
                counted += lines
                progress.rows(lines)
        if cursor.rowcount != expected:
            raise LoadFailed(f"{table.name}: {cursor.rowcount} of {expected} staged rows were landed")
        cursor.execute(sql.SQL("ANALYZE {}").format(target))
    progress.rows(expected - counted)
    return expected


def write_hashes(connection: Connection, schema: str, table: Table, file: Path, *, built_only: bool = False) -> None:
    """Write a CSV (0600) of `key`, `hash` of the compared columns and `built` of the derived ones."""
    own = _own_columns(connection, schema, table)
    values = [_key(table), *([] if built_only else [_hash(table.compared, own)]), _hash(table.derived, own)]
    query = sql.SQL("COPY (SELECT {} FROM {} AS t) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").format(
        sql.SQL(", ").join(values), own_rows(connection, schema, table.name)
    )
    file.touch(mode=0o600)
    with file.open("wb") as out, connection.cursor() as cursor, cursor.copy(query) as copy:
        out.writelines(copying.blocks(connection, copy))


def _own_columns(connection: Connection, schema: str, table: Table) -> Mapping[str, TargetColumn]:
    """The columns of the table as it is in that schema."""
    return {column.name: column for column in columns(connection, schema, table.name)}


def table_hash(
    connection: Connection, rows: sql.Composable, table: Table, own: Mapping[str, TargetColumn] = MappingProxyType({})
) -> str:
    """The hash of the table's `rows` over the compared columns: the same number that the staged rows have.

    own  the columns as they are there, for rows whose values nobody has compared with what was built
    """
    hashes = sql.SQL("SELECT {} AS hash FROM {} AS t").format(_hash(table.compared, own), rows)
    query = sql.SQL(TABLE_HASH_POSTGRES).format(hashes=hashes)
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101
    return str(row[0])


def contract_hash(connection: Connection, schema: str, table: Table) -> str:
    """Return the table hash over all columns of the contract, derived columns among them."""
    every = tuple(replace(column, source=column.name, derived=None) for column in table.columns)
    return table_hash(
        connection,
        own_rows(connection, schema, table.name),
        replace(table, columns=every, natural_key=()),
        _own_columns(connection, schema, table),
    )


def built_hash(connection: Connection, schema: str, table: Table, query: str | None = None) -> str:
    """The hash of a built table, or of what its model's query gives, over the derived columns."""
    rows: sql.Composable = own_rows(connection, schema, table.name)
    if query is not None:
        rows = sql.SQL("(\n{}\n)").format(_model(query))
    derived = tuple(replace(column, source=column.name, derived=None) for column in table.derived)
    return table_hash(
        connection, rows, replace(table, columns=derived, natural_key=()), _own_columns(connection, schema, table)
    )


def require_built(connection: Connection, expected: Mapping[str, int]) -> None:
    """Raises BuiltRowsLost when a built table does not hold its rows any more.

    Scratch tables are unlogged: a server that crashed empties them when it starts.

    expected  table -> rows that were built
    """
    try:
        found = row_counts(connection, NEXT, expected)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise BuiltRowsLost("the tables that were built are gone: another run began meanwhile") from error
    lost = [
        f"{name} ({found[name]:,} of {counted(rows, 'row')})" for name, rows in expected.items() if found[name] != rows
    ]
    if lost:
        raise BuiltRowsLost(
            "the tables that were built lost their rows, as unlogged tables do when the server crashes: "
            + ", ".join(lost)
        )


def row_counts(connection: Connection, schema: str, names: Iterable[str]) -> dict[str, int]:
    """Count the rows of several tables in one statement."""
    each = [
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(name), sql.Identifier(schema, name)) for name in names
    ]
    return dict(connection.execute(sql.SQL(" UNION ALL ").join(each)).fetchall()) if each else {}


def _hash(columns: Sequence[Column], own: Mapping[str, TargetColumn]) -> sql.Composable:
    """SHA-256 in hex over the columns' encoded values."""
    each = [_of_own(column, own[column.name]) if column.name in own else _value(column) for column in columns]
    # of no columns it is a constant, which is computed once
    encoded = sql.SQL("convert_to({}, 'UTF8')").format(sql.SQL(" || ").join(each)) if each else sql.SQL("''::bytea")
    return sql.SQL("encode(sha256({}), 'hex')").format(encoded)


def _key(table: Table) -> sql.Composable:
    keys = [column for column in table.columns if column.name in table.key]
    if len(keys) == 1:
        return _spelled(kind(keys[0].data_type).postgres, keys[0])
    return sql.SQL(" || ").join(_value(column) for column in keys)


def _value(column: Column) -> sql.Composable:
    return _spelled(postgres_value(column.data_type), column)


def _of_own(column: Column, own: TargetColumn) -> sql.Composable:
    """A value of a column whose own type may be another than the contract's."""
    value = _value(column)
    if is_alike(column.data_type, own.data_type):
        return value
    if own.is_text and column.source and not column.derived:
        text = of_json_text(column.staged_as, column.staged_format, column.data_type)
        if text:
            return _spelled(postgres_value(column.data_type, text), column)
    x = sql.SQL("t.{}").format(sql.Identifier(column.name))
    return sql.SQL(OWN_TYPE_POSTGRES).format(x=x, value=value, kind=_type(column.data_type), own=_type(own.data_type))


def _spelled(expression: str, column: Column) -> sql.Composable:
    return sql.SQL(expression).format(x=sql.SQL("t.{}").format(sql.Identifier(column.name)))


def _model(query: str) -> sql.SQL:
    return sql.SQL(query)  # as dbt compiled it, from the project


def _type(name: str) -> sql.SQL:
    return sql.SQL(name)  # from _sources.yml, a contract, or the catalogue, which quotes it
