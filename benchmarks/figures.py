"""Figures: the median of several measurements with its spread, and how each kind is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    """The median of `count` measurements, the smallest and the largest."""

    median: float
    least: float
    most: float
    count: int

    def __str__(self) -> str:
        """Return the median in seconds, with the spread where there is more than one measurement."""
        return seconds(self.median) + (f" ({self.least:,.2f}–{self.most:,.2f})" if self.count > 1 else "")


def figure(values: Sequence[float | None]) -> Figure | None:
    """The figure of what was measured; None when nothing was."""
    known = [value for value in values if value is not None]
    return Figure(median(known), min(known), max(known), len(known)) if known else None


def seconds(value: float) -> str:
    """Seconds with two decimals, or one from 10 s on."""
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"


def mebibytes(value: float) -> str:
    return f"{value / MIB:,.0f}" if value >= 10 * MIB else f"{value / MIB:,.1f}"
