"""Built tables become distributed like the target tables that they are published into.

Until then they are local, with all keys of their contracts: whether keys hold over all values of the distribution
column, which Citus does not enforce, is proven there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.postgres import catalogue, distribution
from mock2pg.postgres.connection import Connection
from mock2pg.settings import LOCK_TIMEOUT


def distribute(
    connection: Connection, built: str, target: str, tables: Sequence[Table], lock_timeout: str = LOCK_TIMEOUT
) -> None:
    """Distribute the built tables; where no table is distributed there is nothing to do.

    tables  with the distribution that the target tables have, or will have
    """
    chosen = [table for table in tables if table.distribution]
    if not chosen:
        return
    with connection.transaction():
        distribution.begin(connection, lock_timeout)
        for key in catalogue.foreign_keys(connection, built):
            drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            connection.execute(drop.format(sql.Identifier(built, key.table), sql.Identifier(key.name)))
        _distribute(connection, built, target, chosen)
    for table in chosen:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(built, table.name)))


def _distribute(connection: Connection, built: str, target: str, tables: Sequence[Table]) -> None:
    by_name, present = {table.name: table for table in tables}, set(catalogue.tables(connection, target))
    made = set[str]()
    # those that are there first: a new table is colocated with one of them that it refers to, or that refers to it
    for table in sorted(tables, key=lambda table: table.name not in present):
        like = sql.Identifier(target, table.name) if table.name in present else None
        if column := table.distribution_column:
            _only_keys_with(connection, built, table, column)
            if like:
                _as_type_of(connection, built, target, table.name, column)
            elif relative := _relative(table, by_name, made):
                like = sql.Identifier(built, relative)
            made.add(table.name)
        distribution.distribute(connection, built, table.name, table.distribution, like)


def _relative(table: Table, tables: Mapping[str, Table], made: set[str]) -> str:
    """Return a table that is distributed already and shares a foreign key with this one; empty when there is none."""
    near = [key.parent for key in table.foreign_keys]
    near += [other.name for other in tables.values() for key in other.foreign_keys if key.parent == table.name]
    return next((name for name in near if name in made), "")


def _only_keys_with(connection: Connection, built: str, table: Table, column: str) -> None:
    """Drop the keys that Citus could not enforce; the primary key is widened by the distribution column."""
    rows = connection.execute(
        "SELECT conname, contype = 'p' FROM pg_constraint AS c"
        " WHERE conrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND contype IN ('p', 'u') AND NOT EXISTS"
        " (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) AND attname = %s)",
        [built, table.name, column],
    ).fetchall()
    actions = [sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(name)) for name, _ in rows]
    if any(is_primary for _, is_primary in rows):
        names = sql.SQL(", ").join(map(sql.Identifier, table.merge_key))
        actions.append(sql.SQL("ADD PRIMARY KEY ({})").format(names))
    if actions:
        home = sql.Identifier(built, table.name)
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(home, sql.SQL(", ").join(actions)))


def _as_type_of(connection: Connection, built: str, target: str, name: str, column: str) -> None:
    """Give the distribution column the type that it has in the target table: only then can both be colocated."""
    kinds = [catalogue.columns(connection, schema, name)[name][column].data_type for schema in (built, target)]
    if kinds[0] != kinds[1]:
        query = sql.SQL("ALTER TABLE {} ALTER {} TYPE {} USING {}::{}")
        own, kind = sql.Identifier(column), sql.SQL(kinds[1])
        connection.execute(query.format(sql.Identifier(built, name), own, kind, own, kind))
