"""Numerics that were staged as their digits, as decimals: so a rule compares them as the numbers that they are."""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.source.staging.casts import LONGEST_DECIMAL, is_digits
from mock2pg.source.staging.database import Connection, quoted
from mock2pg.spellings import TEXT
from mock2pg.staged_tables import SourceColumn, SourceTable

Name = tuple[str, str]  # of a table and a column


def narrow(connection: Connection, tables: Sequence[SourceTable]) -> None:
    """Give each column a decimal of as many digits as its values have; none where DuckDB has none so long.

    Text in a JSON string keeps its zeros. A column and the one that it references are of one type.
    """
    columns = {(table.name, column.name): column for table in tables for column in table.columns if is_digits(column)}
    found = {}
    for name, column in columns.items():
        if column.format != TEXT and (digits := _digits(connection, *name)):
            found[name] = digits
    while apart := [name for name in found if not _together(name, columns, found)]:
        for name in apart:
            del found[name]
    for (table, own), (whole, fraction) in found.items():
        connection.execute(
            f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(own)} TYPE DECIMAL({whole + fraction},{fraction})"
        )


def _digits(connection: Connection, table: str, column: str) -> tuple[int, int] | None:
    """Return the most digits before and after the point; None where they are too many."""
    value = quoted(column)
    row = connection.execute(
        f"SELECT coalesce(max(len(ltrim(split_part({value}, '.', 1), '-'))), 1),"
        f" coalesce(max(len(split_part({value}, '.', 2))), 0) FROM {quoted(table)}"
    ).fetchone()
    whole, fraction = row or (1, 0)
    return (whole, fraction) if whole + fraction <= LONGEST_DECIMAL else None


def _together(name: Name, columns: dict[Name, SourceColumn], found: dict[Name, tuple[int, int]]) -> bool:
    """Return True when what the column references, and what references it, become decimals as well."""
    others = [other for other, column in columns.items() if column.references == name]
    if (parent := columns[name].references) in columns:
        others.append(parent)
    return all(other in found for other in others)
