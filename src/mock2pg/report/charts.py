"""Bar charts for the notebooks and the report: tables whose bars are inline SVG.

A chart takes its font and text colour from the page, so that it reads in a light and in a dark scheme. Its numbers
are text: they are read aloud, and stay where neither SVG nor styles are shown, as in a notebook that is not trusted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mock2pg.pages import Shown, shown
from mock2pg.text import duration

# Distinct to colour-blind readers, and with a contrast of 3 on white and on near-black.
COLOURS = {
    "inserted": "#2f74c0",
    "updated": "#bd7a00",
    "deleted": "#c8452b",
    "unchanged": "#868f9a",
}
_FIRST, _LAST = COLOURS["unchanged"], COLOURS["inserted"]
_LEAST = 1.5  # percent: one changed row among millions is still seen
_LINE = 32  # characters of a name beside which a bar still has room

Rows = Mapping[str, Any]


def bars(title: str, seconds: Mapping[str, float] | None) -> Shown:
    """One bar per name, from zero, with its time."""
    most = max((seconds or {}).values(), default=0) or 1
    rows = [
        {"name": name, "bars": [[(0, 100 * value / most, _LAST)]], "texts": [duration(value)]}
        for name, value in (seconds or {}).items()
    ]
    return _chart(title, rows)


def grouped(title: str, tables: Rows | None, keys: Mapping[str, str]) -> Shown:
    """Counts per table, one bar for each of `keys` (one or two); one scale shows 1 row and 10,000,000.

    keys    their headings, by key
    tables  a mapping with these keys by table name; or a bare number, for one key
    """
    counts = {
        name: [row[key] for key in keys] if isinstance(row, Mapping) else [row] for name, row in (tables or {}).items()
    }
    scale, ticks = _scale([count for row in counts.values() for count in row])
    colours = (_FIRST, _LAST)[-len(keys) :]
    rows = [
        {
            "name": name,
            "bars": [[(0, scale(count), colour)] for count, colour in zip(row, colours, strict=True)],
            "texts": [f"{count:,}" for count in row],
        }
        for name, row in counts.items()
    ]
    note = "each line is ten times the one before" if ticks else ""
    return _chart(title, rows, columns=dict(zip(keys.values(), colours, strict=True)), note=note, ticks=ticks)


def stacked(title: str, tables: Rows | None, words: Mapping[str, str] = MappingProxyType({})) -> Shown:
    """One full bar per table, split into inserted, updated, deleted and unchanged, or as `words` calls them."""
    rows = []
    for name, row in (tables or {}).items():
        counts = {key: row.get(key, 0) for key in COLOURS}
        left, bar = 0.0, []
        for key, share in _shares(counts).items():
            bar.append((left, share, COLOURS[key]))
            left += share
        text = ", ".join(f"{count:,} {words.get(key, key)}" for key, count in counts.items() if count)
        rows.append({"name": name, "bars": [bar], "texts": [text or "no rows"]})
    return _chart(title, rows, legend={words.get(key, key): colour for key, colour in COLOURS.items()})


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    """The counts in percent; a part that is not nothing is wide enough to be seen."""
    total = sum(counts.values())
    parts = {key: max(100 * count / total, _LEAST) for key, count in counts.items() if count}
    return {key: 100 * part / sum(parts.values()) for key, part in parts.items()}


def _scale(counts: Sequence[int]) -> tuple[Callable[[int], float], list[float]]:
    """From a count to percent, and the lines of powers of ten: none when bars are as long as the counts are large."""
    some = [count for count in counts if count]
    most = max(some, default=1)
    if not some or most <= 50 * min(some):
        return lambda count: 100 * count / most, []
    full = math.log10(1 + most) / 100
    return lambda count: math.log10(1 + count) / full, [
        math.log10(1 + 10**power) / full for power in range(1, len(str(most)))
    ]


def _chart(title: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> Shown:
    empty: dict[str, Any] = {"columns": {}, "legend": {}, "note": "", "ticks": [], "line": _LINE}
    return shown("chart.html", title=title, rows=rows, **(empty | more)) if rows else Shown()
