"""Lists on the terminal: columns that fit its width, and more of them where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mock2pg.report.table import cells, folded
from mock2pg.text import printable

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """A column of a list.

    right    its cells are numbers
    least    how many characters of its cells are left where there is no room for them; 0: they are never cut
    extra    it is left out where nothing is in it; and where there is no room, with the extra ones that follow
    """

    title: str
    right: bool = False
    least: int = 0
    extra: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], limit: int) -> list[str]:
    """Return a heading and a line per row, of at most `limit` cells as far as cutting allows."""
    lines = [[column.title for column in columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(cells(row[at]) for row in lines) for at in range(len(columns))]
    kept = [at for at, column in enumerate(columns) if not column.extra]
    for at, column in enumerate(columns):
        if column.extra and any(row[at] for row in lines[1:]):
            if _total(widths, [*kept, at]) > limit:
                break
            kept.append(at)
    over = _total(widths, kept) - limit
    for at in (at for at in kept if columns[at].least):
        less = max(0, min(over, widths[at] - columns[at].least))
        widths[at], over = widths[at] - less, over - less
    return [
        _GAP.join(_fitted(row[at], widths[at], right=columns[at].right) for at in sorted(kept)).rstrip()
        for row in lines
    ]


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[at] for at in kept) + len(_GAP) * (len(kept) - 1)


def _fitted(cell: str, size: int, *, right: bool) -> str:
    if cells(cell) > size:
        cell = f"{folded(cell, size - 1)[0]}…"
    padding = " " * (size - cells(cell))
    return f"{padding}{cell}" if right else f"{cell}{padding}"
