"""Primary keys that an existing row keeps, where ours is made of the row's natural key and could be any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.publishing.alteration import Alteration
from mock2pg.publishing.distributed_merge import merge_of


def keep(
    connection: Connection, built: str, target: str, tables: Sequence[Table], alterations: Mapping[str, Alteration]
) -> dict[str, int]:
    """Give built rows the primary key that a row of their natural key has in the target table; count them by table.

    Only the built tables are written. A key that another built row has stays with that one. In a distributed table a
    row is found by its natural key where the distribution column is part of that: elsewhere it may be on any node.
    """
    present, kept = set(catalogue.tables(connection, target)), {}
    for table in tables:
        column = table.distribution_column
        if not table.natural_key or table.name not in present or (column and column not in table.natural_key):
            continue
        merge = merge_of(table)(connection, built, target, table, created=False, altered=alterations.get(table.name))
        (name,) = table.primary_key
        types = {each.name: sql.SQL(each.data_type) for each in table.columns}
        taken = [
            sql.SQL("other.{0} = l.{0}::{1}").format(sql.Identifier(each), types[each]) for each in table.merge_key
        ]
        rows = connection.execute(
            merge.compose(
                "UPDATE {built} AS b SET {key} = l.{key}::{type} FROM {target} AS l WHERE {same_row}"
                " AND b.{key} IS DISTINCT FROM l.{key}::{type}"
                " AND NOT EXISTS (SELECT FROM {built} AS other WHERE {taken})",
                key=sql.Identifier(name),
                type=types[name],
                taken=sql.SQL(" AND ").join(taken),
                same_row=merge.equal(table.natural_key),
            )
        ).rowcount
        if rows:
            kept[table.name] = rows
    return kept
