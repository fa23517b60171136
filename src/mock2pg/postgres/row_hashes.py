"""Row hashes of tables in PostgreSQL: of each row, of a table, and the encoded values behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from psycopg import sql

from mock2pg.contracts import Column, Table
from mock2pg.conversions import of_json_text
from mock2pg.encoding import (
    BYTES_TO_NUMBERS,
    OWN_TYPE_POSTGRES,
    TABLE_HASH_BYTES,
    TABLE_HASH_CITUS,
    TABLE_HASH_POSTGRES,
    kind,
    postgres_value,
)
from mock2pg.postgres import copying
from mock2pg.postgres.catalogue import columns, own_rows
from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.distribution import is_citus
from mock2pg.postgres.target_records import TargetColumn
from mock2pg.spellings import is_alike

_IN_HEX = "encode(sha256({}), 'hex')"
_PORTION, _FETCHED = 1 << 24, 50  # characters in memory, and rows that the server sends at once


def write(connection: Connection, schema: str, table: Table, file: Path, *, built_only: bool = False) -> None:
    """Write a CSV (0600) of `key`, `hash` of the compared columns and `built` of the derived ones."""
    own = columns(connection, schema, table.name)[table.name]
    values = [_key(table), *([] if built_only else [_hash(table.compared, own)]), _hash(table.derived, own)]
    query = sql.SQL("COPY (SELECT {} FROM {} AS t) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").format(
        sql.SQL(", ").join(values), own_rows(connection, schema, table.name)
    )
    file.touch(mode=0o600)
    with file.open("wb") as out, connection.cursor() as cursor, cursor.copy(query) as copy:
        out.writelines(copying.blocks(connection, copy))


def encoded(
    connection: Connection, schema: str, table: Table, keys: Sequence[str]
) -> Iterator[Sequence[tuple[str, ...]]]:
    """Yield the rows of these keys: the key, the hash of the derived columns, and the encoded compared values.

    Inside a transaction. A portion has `_PORTION` characters, and the rest of its last rows.
    """
    own = columns(connection, schema, table.name)[table.name]
    values = [_key(table), _hash(table.derived, own), *(_as_there(column, own) for column in table.compared)]
    query = sql.SQL("SELECT {} FROM {} AS t WHERE {} = ANY ({})").format(
        sql.SQL(", ").join(values), own_rows(connection, schema, table.name), _key(table), sql.Literal(list(keys))
    )
    some, characters = list[tuple[str, ...]](), 0
    with connection.cursor("encoded") as cursor:
        cursor.itersize = _FETCHED
        for row in cursor.execute(query):
            some.append(row)
            characters += sum(map(len, row))
            if characters >= _PORTION:
                yield some
                some, characters = [], 0
    yield some


def table_hash(
    connection: Connection, rows: sql.Composable, table: Table, own: Mapping[str, TargetColumn] = MappingProxyType({})
) -> str:
    """The hash of the table's `rows` over the compared columns: the same number that the staged rows have.

    own  the columns as they are there, for rows whose values nobody has compared with what was built
    """
    return str(one_row(connection, hashing(connection, rows, table, own))[0])


def hashing(
    connection: Connection, rows: sql.Composable, table: Table, own: Mapping[str, TargetColumn] = MappingProxyType({})
) -> sql.Composed:
    """Return the query that gives the `table_hash`."""
    return adding_up(connection, _encoded(table.compared, own), sql.SQL("{} AS t").format(rows))


def adding_up(connection: Connection, encoded: sql.Composable, rows: sql.Composable) -> sql.Composed:
    """Return the query that gives the table hash of rows, a FROM clause: their hashes are SHA-256 of encoded bytes."""
    template, digest = TABLE_HASH_POSTGRES, _IN_HEX
    if is_citus(connection):
        template = TABLE_HASH_CITUS
    elif connection.info.server_version >= BYTES_TO_NUMBERS:
        template, digest = TABLE_HASH_BYTES, "sha256({})"
    hashes = sql.SQL("SELECT {} AS hash FROM {}").format(sql.SQL(digest).format(encoded), rows)
    return sql.SQL(template).format(hashes=hashes)


def held_hash(connection: Connection, schema: str, table: Table) -> str:
    """Return the table hash of a table that is there, over the compared columns."""
    own = columns(connection, schema, table.name)[table.name]
    return table_hash(connection, own_rows(connection, schema, table.name), table, own)


def contract_hash(connection: Connection, schema: str, table: Table) -> str:
    """Return the table hash over all columns of the contract, derived columns among them."""
    every = tuple(replace(column, source=column.name, derived=None) for column in table.columns)
    return table_hash(
        connection,
        own_rows(connection, schema, table.name),
        replace(table, columns=every, natural_key=()),
        columns(connection, schema, table.name)[table.name],
    )


def built_hash(connection: Connection, schema: str, table: Table, query: str | None = None) -> str:
    """The hash of a built table, or of what its model's query gives, over the derived columns."""
    rows: sql.Composable = own_rows(connection, schema, table.name)
    if query is not None:
        rows = sql.SQL("(\n{}\n)").format(sql.SQL(query))  # as dbt compiled it
    derived = tuple(replace(column, source=column.name, derived=None) for column in table.derived)
    return table_hash(
        connection,
        rows,
        replace(table, columns=derived, natural_key=()),
        columns(connection, schema, table.name)[table.name],
    )


def _hash(columns: Sequence[Column], own: Mapping[str, TargetColumn]) -> sql.Composable:
    """SHA-256 in hex over the columns' encoded values."""
    return sql.SQL(_IN_HEX).format(_encoded(columns, own))


def _encoded(columns: Sequence[Column], own: Mapping[str, TargetColumn]) -> sql.Composable:
    """The columns' encoded values as bytes; of no columns they are a constant, whose hash is computed once."""
    each = [_as_there(column, own) for column in columns]
    return sql.SQL("convert_to({}, 'UTF8')").format(sql.SQL(" || ").join(each)) if each else sql.SQL("''::bytea")


def _key(table: Table) -> sql.Composable:
    keys = [column for column in table.columns if column.name in table.key]
    if len(keys) == 1:
        return _spelled(kind(keys[0].data_type).postgres, keys[0])
    return sql.SQL(" || ").join(_value(column) for column in keys)


def _value(column: Column) -> sql.Composable:
    return _spelled(postgres_value(column.data_type), column)


def _as_there(column: Column, own: Mapping[str, TargetColumn]) -> sql.Composable:
    return _of_own(column, own[column.name]) if column.name in own else _value(column)


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
    types = {"kind": sql.SQL(column.data_type), "own": sql.SQL(own.data_type)}  # a contract's, and the catalogue's own
    return sql.SQL(OWN_TYPE_POSTGRES).format(x=x, value=value, **types)


def _spelled(expression: str, column: Column) -> sql.Composable:
    return sql.SQL(expression).format(x=sql.SQL("t.{}").format(sql.Identifier(column.name)))
