"""Rows that are taken out of the staged tables, each with all that is inside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock2pg.settings import STAGING_MEMORY
from mock2pg.source.staging.database import opened, quoted
from mock2pg.staged_tables import SourceTable


@dataclass(frozen=True)
class Refused:
    """A staged row that was taken out: its hidden columns."""

    table: str
    row: int
    root_row: int
    id: str | None
    index: int | None
    steps: str | None = None


def refuse(
    database: Path,
    rows: Mapping[str, Collection[int]],
    tables: Sequence[SourceTable],
    *,
    memory: str = STAGING_MEMORY,
) -> list[Refused]:
    """Take rows out of the staged tables, by table and `_row`, and with a row all that is inside it."""
    gone: list[Refused] = []
    with opened(database, memory=memory) as connection:

        def take(table: str, condition: str, parameters: list[Any]) -> None:
            own = "_row, _root_row, _id, _index, _steps, _unfit"
            query = f"DELETE FROM {quoted(table)} AS c WHERE {condition} RETURNING {own}"
            rows = connection.execute(query, parameters).fetchall()
            gone.extend(Refused(table, *row) for *row, unfit in rows if unfit != [""])

        for table, numbers in rows.items():
            take(table, "_row IN (SELECT unnest(?::BIGINT[]))", [sorted(numbers)])
        for inner in sorted(tables, key=lambda table: len(table.levels)):
            if outer := enclosing(inner, tables):
                take(inner.name, f"NOT EXISTS (SELECT 1 FROM {quoted(outer.name)} AS p WHERE {_inside(outer)})", [])
    return gone


def enclosing_rows(
    database: Path,
    table: SourceTable,
    rows: Collection[int],
    tables: Sequence[SourceTable],
    *,
    memory: str = STAGING_MEMORY,
) -> dict[int, int]:
    """Return the row that each row is inside, by `_row`, in the table that `enclosing` returns."""
    if not (outer := enclosing(table, tables)):
        return {}
    query = (
        f"SELECT c._row, p._row FROM {quoted(table.name)} AS c JOIN {quoted(outer.name)} AS p ON {_inside(outer)}"
        " WHERE c._row IN (SELECT unnest(?::BIGINT[]))"
    )
    with opened(database, memory=memory, read_only=True) as connection:
        return dict(connection.execute(query, [sorted(rows)]).fetchall())


def enclosing(table: SourceTable, tables: Sequence[SourceTable]) -> SourceTable | None:
    """Return the table of the innermost rows that the rows of a table are inside; None when there is none."""
    around = [other for other in tables if other.encloses(table) and len(other.levels) < len(table.levels)]
    return max(around, key=lambda other: len(other.levels), default=None)


def _inside(outer: SourceTable) -> str:
    """SQL for whether row `c` is inside row `p` of the outer table."""
    depth = sum(level.mark is not None for level in outer.levels[1:])
    same = "c._root_row = p._root_row"
    return f"{same} AND {_steps('c')}[:{depth}] = {_steps('p')}" if depth else same


def _steps(row: str) -> str:
    return f"coalesce({row}._steps::JSON::VARCHAR[], [{row}._index::VARCHAR])"
