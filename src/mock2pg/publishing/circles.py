"""Tables that refer to each other: the statements that insert and delete their rows.

PostgreSQL takes them as one statement, at whose end it looks at the references between them. Citus runs its parts one
after the other, and looks at each. There a key that is not INITIALLY DEFERRED is NULL for a moment, where it may be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from psycopg import sql

from mock2pg.contracts import key_groups
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.publishing.table_merge import TableMerge


def is_one(merges: Sequence[TableMerge]) -> bool:
    """Return True when statements of all these tables are one, which looks at references at its end."""
    return len(merges) < 2 or not any(merge.table.distribution for merge in merges)


def insert(code: OwnersCode, merges: Sequence[TableMerge], references: Sequence[TargetForeignKey]) -> list[TableMerge]:
    """Insert the new rows of all tables; return the tables whose rows are to be updated, because they lack a key."""
    if is_one(merges) and not any(merge.table.distribution for merge in merges):
        together(code, [merge.insert for merge in merges])
        return []
    lacking = []
    merges = _in_order(merges, references)
    for number, merge in enumerate(merges):
        without = _nullable(merge, merges[number + 1 :], references)
        for statement in merge.inserts(without):
            code.run(statement)
        lacking += [merge] if without else []
    return lacking


def delete(code: OwnersCode, merges: Sequence[TableMerge], references: Sequence[TargetForeignKey]) -> None:
    """Delete what is gone in all tables."""
    if is_one(merges):
        together(code, [merge.delete_rest for merge in merges])
        return
    merges = _in_order(merges, references)[::-1]
    for number, merge in enumerate(merges):
        if without := _nullable(merge, merges[:number], references):
            nulls = [sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in without]
            code.run(merge.compose("UPDATE {target} AS l SET {nulls} WHERE {gone}", nulls=sql.SQL(", ").join(nulls)))
    for merge in merges:
        code.run(merge.delete_rest)


def together(code: OwnersCode, statements: Sequence[sql.Composed]) -> None:
    """One statement of several: references between their tables are looked at when all of them are done."""
    if len(statements) < 2:
        for statement in statements:
            code.run(statement)
        return
    parts = sql.SQL(", ").join(
        sql.SQL("{} AS ({})").format(sql.Identifier(f"part{number}"), statement)
        for number, statement in enumerate(statements)
    )
    code.run(sql.SQL("WITH {} SELECT").format(parts))


def _in_order(merges: Sequence[TableMerge], references: Sequence[TargetForeignKey]) -> list[TableMerge]:
    """Order tables so that each comes after those it refers to by a key that is looked at at once, and never NULL."""
    by_name = {merge.table.name: merge for merge in merges}
    parents = {
        name: {
            key.parent
            for key in _among(merge, by_name, references)
            if not _nullable(merge, [by_name[key.parent]], [key])
        }
        for name, merge in by_name.items()
    }
    return [by_name[name] for group in key_groups(list(by_name), parents) for name in group]


def _among(
    merge: TableMerge, names: Collection[str], references: Sequence[TargetForeignKey]
) -> Iterator[TargetForeignKey]:
    """Yield the keys of a table to these that are looked at immediately."""
    for key in references:
        own = key.schema == merge.target_schema and key.table == merge.table.name
        if own and key.parent in names and not key.deferred:
            yield key


def _nullable(
    merge: TableMerge, others: Sequence[TableMerge], references: Sequence[TargetForeignKey]
) -> tuple[str, ...]:
    """Return the columns that refer to others, are looked at immediately, and may be NULL."""
    names = {other.table.name for other in others}
    return tuple(
        dict.fromkeys(
            column
            for key in _among(merge, names, references)
            for column in key.columns
            if column in merge.settable and column in merge.there and not merge.there[column].not_null
        )
    )
