"""The result of the step in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mock2pg.contracts import REFERENCE, Table
from mock2pg.report.log_messages import of_added
from mock2pg.text import counted


def of(tables: Sequence[Table], rows: Mapping[str, int], tests: int, rules: int) -> str:
    came = added(tables, rows)
    number = counted(sum(rows.values()), "row") + (f" ({of_added(came)})" if came else "")
    return f"{number} in {counted(len(tables), 'table')}{_distributed(tables)}{_passed(tests, rules)}"


def added(tables: Sequence[Table], rows: Mapping[str, int]) -> dict[str, int]:
    """Return how many rows models added that no staged rows are."""
    return {table.name: rows[table.name] for table in tables if not table.source and rows[table.name]}


def _distributed(tables: Sequence[Table]) -> str:
    there = [table for table in tables if table.distribution]
    kinds = Counter("distributed" if table.distribution_column else REFERENCE for table in there)
    return f" ({', '.join(f'{number:,} {kind}' for kind, number in sorted(kinds.items()))})" if kinds else ""


def _passed(tests: int, rules: int) -> str:
    counts = [counted(number, noun) for number, noun in ((tests, "test"), (rules, "rule")) if number]
    return f", {' and '.join(counts)} passed" if counts else ""
