"""The difference between built and target rows, held in tables beside the built ones.

The preflight and publishing count it, and publishing deletes, updates and inserts. Each of that would match and compare
all rows; where a table has many, they are compared once.
"""

from __future__ import annotations

from psycopg import sql

from mock2pg.publishing.table_merge import TableMerge

_MANY_ROWS = 10_000  # from which on it pays


def hold(merge: TableMerge, number: int) -> None:
    """Hold the built rows that are new or differ, and the keys of the rows that are gone.

    number  tells what is held of this table from what is held of others

    Not of a table that keeps rows or is looked at as it will be, nor where making a value runs the owner's code.
    """
    if merge.created or merge.altered or merge.keeps or merge.partial or merge.table.distribution:
        return
    if merge.reading.used or merge.counts("SELECT count(*) FROM {target} AS l") < [_MANY_ROWS]:
        return
    keys = merge.table.merge_key
    changed, gone = _homes(merge, number)
    # PostgreSQL expects that most rows differ, and that its workers would have to hand them all over
    merge.connection.execute("SELECT set_config('parallel_tuple_cost', '0', true)")
    _hold(
        merge,
        changed,
        "SELECT b.* FROM {built} AS b LEFT JOIN {target} AS l ON {keys} WHERE l.{first_key} IS NULL OR {differs}",
    )
    _hold(
        merge,
        gone,
        "SELECT {key_columns} FROM {target} AS l WHERE {gone}",
        key_columns=sql.SQL(", ").join(map(sql.Identifier, keys)),
    )
    merge.look_only_at(changed, gone)


def look(merge: TableMerge, number: int) -> None:
    """Look at the difference that an earlier comparison held."""
    merge.look_only_at(*_homes(merge, number))


def _homes(merge: TableMerge, number: int) -> tuple[sql.Identifier, sql.Identifier]:
    changed, gone = (sql.Identifier(merge.built_schema, f"mock2pg_{what}_{number}") for what in ("changed", "gone"))
    return changed, gone


def _hold(merge: TableMerge, home: sql.Identifier, query: str, **names: sql.Composable) -> None:
    merge.connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(home))  # of a comparison before this one
    merge.connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} AS ").format(home) + merge.compose(query, **names))
    merge.connection.execute(sql.SQL("ANALYZE {}").format(home))
