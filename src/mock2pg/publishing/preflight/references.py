"""Foreign keys that the built tables alone do not prove."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from psycopg import sql

from mock2pg.contracts import ForeignKey
from mock2pg.distributed_keys import widened
from mock2pg.postgres import catalogue
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.publishing.preflight.merged_rows import keys_of
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Finding
from mock2pg.text import counted

FIX_ROWS = "Correct the rows in the source, or change the constraint if it is wrong"


def beyond_contract(merges: Sequence[TableMerge], merge: TableMerge) -> list[TargetForeignKey]:
    """Return the target table's foreign keys that its contract does not name."""
    known = {
        (key.columns, key.parent, key.parent_columns) for key in (*merge.table.foreign_keys, *_wide(merges, merge))
    }
    return [
        key
        for key in catalogue.foreign_keys(merge.connection, merge.target_schema)
        if key.table == merge.table.name
        and (key.parent_schema != merge.target_schema or (key.columns, key.parent, key.parent_columns) not in known)
    ]


def broken(
    merges: Sequence[TableMerge], merge: TableMerge, merged: sql.Identifier, key: TargetForeignKey
) -> Finding | None:
    """Find merged rows that would refer to no row of the parent."""
    if not key.readable:
        return None  # publishing finds out: PostgreSQL looks as the owner of the tables
    parents = key.parent_rows
    ours = {(each.target_schema, each.table.name): each for each in merges if not each.created}
    if parent := ours.get((key.parent_schema, key.parent)):
        if not set(key.parent_columns) <= set(parent.types):
            return None  # what such a row would hold is the database's own
        parents = _rows_to_be(parent, key.parent_columns)
    orphans = sql.SQL(" FROM {} AS c WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {}){}").format(
        merged,
        sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(column)) for column in key.columns),
        merge.gathered(parents, key.parent_columns),
        key.refers("c", "p"),
        sql.SQL("") if parent else _as_before(merge, key),
    )
    rows = catalogue.count(merge.connection, sql.SQL("SELECT count(*)") + orphans)
    if not rows:
        return None
    what = f"{key.name}: {counted(rows, 'row')} would refer to no row of {key.parent} ({keys_of(merge, orphans)})"
    return Finding(merge.table.name, what, FIX_ROWS)


def _as_before(merge: TableMerge, key: TargetForeignKey) -> sql.Composable:
    """Leave out unchanged rows whose reference is already broken: PostgreSQL does not check them."""
    same = [
        sql.SQL("c.{0} IS NOT DISTINCT FROM l.{0}").format(sql.Identifier(name))
        for name in dict.fromkeys((*merge.table.primary_key, *key.columns))
    ]
    names = [*merge.table.primary_key, *key.columns]
    return sql.SQL(" AND NOT EXISTS (SELECT FROM {} AS l WHERE {})").format(
        merge.gathered(merge.target, names), sql.SQL(" AND ").join(same)
    )


def _wide(merges: Sequence[TableMerge], merge: TableMerge) -> tuple[ForeignKey, ...]:
    """Return the keys of the contract as the database has them."""
    return widened(merge.table, {each.table.name: each.table for each in merges}).foreign_keys


def of_part(merges: Sequence[TableMerge], merge: TableMerge, unknown: Collection[str] = ()) -> Iterator[Finding]:
    """Find rows of an upsert that refer to a row that is neither built nor in the target table."""
    if merge.table.publish != "upsert":
        return
    by_name = {each.table.name: each for each in merges}
    for key in _wide(merges, merge):
        if key.parent in unknown:
            continue
        parent = by_name[key.parent]
        if not set(key.parent_columns) <= set(parent.types):
            continue  # nothing is known of a column that its table does not take
        pairs = [
            sql.SQL("p.{theirs} = c.{ours}::{type}").format(
                theirs=sql.Identifier(theirs), ours=sql.Identifier(ours), type=sql.SQL(parent.types[theirs])
            )
            for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
        ]
        rows_to_be, colocated = _rows_to_be(parent, key.parent_columns), parent.table.distribution_column
        orphans = sql.SQL(" FROM {} AS c WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {})").format(
            merge.built,
            sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(name)) for name in key.columns),
            rows_to_be if colocated else merge.gathered(rows_to_be, key.parent_columns),
            sql.SQL(" AND ").join(pairs),
        )
        rows = catalogue.count(merge.connection, sql.SQL("SELECT count(*)") + orphans)
        if rows:
            columns, shown = ", ".join(key.columns), keys_of(merge, orphans)
            what = f"{columns}: {counted(rows, 'row')} would refer to no row of {key.parent} ({shown})"
            yield Finding(merge.table.name, what, "Add the referenced rows, or correct the reference")


def _rows_to_be(parent: TableMerge, columns: Sequence[str]) -> sql.Composed:
    """Select the columns of every row that the parent would hold."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    built = sql.SQL(", ").join(sql.SQL("{} AS {}").format(parent.cast(c), sql.Identifier(c)) for c in columns)
    names_of = {"names": names, "built_columns": built}
    if parent.created or not parent.keeps:
        return parent.compose("(SELECT {built_columns} FROM {built} AS b)", **names_of)
    kept = parent.compose("SELECT {names} FROM {target} AS l", **names_of)
    if parent.table.publish != "ensure":
        kept += parent.compose(" WHERE {gone}")
    union = "({kept} UNION ALL SELECT {built_columns} FROM {built} AS b)"
    return parent.compose(union, kept=kept, **names_of)
