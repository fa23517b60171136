"""The keys of distributed tables: Citus enforces a key only within one value of the distribution column.

So a primary key, a unique constraint or a foreign key that has not the column in it is widened by it. What the database
then no longer enforces by itself was proven on the built tables, which have the keys as the contract says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mock2pg.contracts import REFERENCE, ForeignKey, Table
from mock2pg.step_results import DistributedTable


def widened(table: Table, tables: Mapping[str, Table]) -> Table:
    """Return the table with the keys that its distribution allows; a local one stays as it is.

    tables  all target tables, by name; a foreign key to any other stays as it is
    """
    column = table.distribution_column
    if not table.distribution:
        return table
    return replace(
        table,
        primary_key=table.merge_key,
        uniques=tuple(dict.fromkeys(_with(unique, column) for unique in table.uniques)),
        foreign_keys=tuple(
            _deferred(_widened(table, key, tables[key.parent]), table, tables) if key.parent in tables else key
            for key in table.foreign_keys
        ),
    )


def unenforced(table: Table) -> tuple[tuple[str, ...], ...]:
    """Return the keys of the contract that the database enforces only within a value of the distribution column."""
    column = table.distribution_column
    return tuple(key for key in (table.primary_key, *table.uniques) if column and column not in key)


def distributed_tables(tables: Iterable[Table]) -> tuple[DistributedTable, ...]:
    """Return the reference and distributed tables, with the keys that the database does not enforce for all rows."""
    return tuple(
        DistributedTable(table.name, table.distribution, unenforced(table)) for table in tables if table.distribution
    )


def refused(table: Table, key: ForeignKey, parent: Table) -> str:
    """Return why Citus does not take a foreign key, in words; empty when it does, once it is widened."""
    pair = (table.distribution_column, parent.distribution_column)
    if parent.distribution == REFERENCE:
        return ""
    if not parent.distribution:
        return f"{parent.name} is a local table" if table.distribution else ""
    if not table.distribution_column:
        own = "a reference table" if table.distribution else "a local table"
        return f"{table.name} is {own}, and {parent.name} is distributed"
    if pair in _pairs(_widened(table, key, parent)):
        return ""
    return f"it does not refer from the distribution column {pair[0]} to {parent.name}'s, {pair[1]}"


def _widened(table: Table, key: ForeignKey, parent: Table) -> ForeignKey:
    """A key between two distributed tables refers from the one distribution column to the other."""
    pair = (table.distribution_column, parent.distribution_column)
    if not all(pair) or pair[0] in key.columns or pair[1] in key.parent_columns:
        return key
    return replace(key, columns=(*key.columns, pair[0]), parent_columns=(*key.parent_columns, pair[1]))


def _deferred(key: ForeignKey, table: Table, tables: Mapping[str, Table]) -> ForeignKey:
    """A key in a circle of tables is looked at when the transaction ends: Citus inserts into one after the other."""
    if key.parent == table.name or "deferred" in key.on_delete.lower() or not _leads(key.parent, table.name, tables):
        return key
    return replace(key, on_delete=f"{key.on_delete} deferrable initially deferred".strip())


def _leads(start: str, end: str, tables: Mapping[str, Table]) -> bool:
    """Return whether foreign keys lead from one table to the other, directly or not."""
    seen, new = set[str](), [start]
    while new:
        more = {key.parent for key in tables[new.pop()].foreign_keys if key.parent in tables} - seen
        seen |= more
        new += more
    return end in seen


def _pairs(key: ForeignKey) -> list[tuple[str, str]]:
    return list(zip(key.columns, key.parent_columns, strict=True))


def _with(columns: tuple[str, ...], column: str) -> tuple[str, ...]:
    return columns if not column or column in columns else (*columns, column)
