"""Making a target table that is not there: its columns first, and its keys when the rows are in.

Names are left to PostgreSQL, which shortens long ones so that they stay apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import psycopg
from psycopg import sql

from mock2pg.contracts import ForeignKey, Table
from mock2pg.errors import LoadFailed
from mock2pg.postgres.connection import Connection


def create(connection: Connection, schema: str, table: Table) -> None:
    """The columns alone: keys and indexes are built faster once the rows are there."""
    definitions = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(column.data_type),
            sql.SQL(" NOT NULL" if column.not_null else ""),
        )
        for column in table.columns
    ] + [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(definition))
        for name, definition in table.database_columns
    ]
    connection.execute(
        sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(schema, table.name), sql.SQL(", ").join(definitions))
    )


def constrain(connection: Connection, schema: str, table: Table) -> None:
    """Primary key, unique and check constraints."""
    connection.execute(_add(schema, table.name, sql.SQL("PRIMARY KEY ({})").format(_names(table.primary_key))))
    for columns in table.uniques:
        connection.execute(unique(schema, table, columns))
    for name, expression in table.checks:
        connection.execute(check(schema, table, name, expression))


def refer(connection: Connection, schema: str, table: Table) -> None:
    """Foreign keys, each with an index."""
    for key in table.foreign_keys:
        for statement in reference(schema, table, key):
            connection.execute(statement)


def prove(connection: Connection, built: str, foreign_keys: Mapping[str, Iterable[ForeignKey]]) -> None:
    """Add foreign keys to the built tables, by table. Raises LoadFailed naming each that rows break."""
    broken = []
    for name, keys in foreign_keys.items():
        for key in keys:
            try:
                with connection.transaction():
                    connection.execute(_foreign_key(built, name, key))
            except psycopg.errors.ForeignKeyViolation as error:
                broken.append(f'  {name}: violates foreign key constraint "{error.diag.constraint_name}"')
    if broken:
        raise LoadFailed("\n".join(["the built tables break references of their contracts:", *broken]))


def unique(schema: str, table: Table, columns: tuple[str, ...]) -> sql.Composed:
    return _add(schema, table.name, sql.SQL("UNIQUE ({})").format(_names(columns)))


def check(schema: str, table: Table, name: str, expression: str) -> sql.Composed:
    return _add(
        schema, table.name, sql.SQL("CONSTRAINT {} CHECK ({})").format(sql.Identifier(name), sql.SQL(expression))
    )


def reference(schema: str, table: Table, key: ForeignKey) -> Iterator[sql.Composed]:
    """A foreign key, and an index on the referring columns unless a key already begins with them."""
    yield _foreign_key(schema, table.name, key)
    if not any(unique[: len(key.columns)] == key.columns for unique in (table.primary_key, *table.uniques)):
        yield sql.SQL("CREATE INDEX ON {} ({})").format(sql.Identifier(schema, table.name), _names(key.columns))


def _foreign_key(schema: str, table: str, key: ForeignKey) -> sql.Composed:
    refers = sql.SQL("FOREIGN KEY ({}) REFERENCES {} ({}) {}").format(
        _names(key.columns), sql.Identifier(schema, key.parent), _names(key.parent_columns), sql.SQL(key.on_delete)
    )
    return _add(schema, table, refers)


def _add(schema: str, table: str, constraint: sql.Composed) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} ADD {}").format(sql.Identifier(schema, table), constraint)


def _names(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
