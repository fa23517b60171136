"""matplotlib: charts as inline SVG, for the notebooks and the report.

A chart takes its text colour from the page, so that it reads in a light and in a dark scheme, tells its
numbers to screen readers, and is the same text for the same numbers.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

# Told apart by colour-blind readers, and seen on white and on near-black.
COLOURS = {
    "inserted": "#2f74c0",
    "updated": "#d9930d",
    "deleted": "#c8452b",
    "unchanged": "#9aa4af",
    "before": "#9aa4af",
    "after": "#2f74c0",
}

_INK = "#010203"  # stands for the page's text colour until the drawing is text
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "mock2pg", "text.parse_math": False, "font.size": 8.5}
_WIDTH = 7.6  # inches, as every length here
_LETTER = 0.074
_LONGEST = 34  # letters of a label
_LEAST = 0.015  # of the width: one changed row among millions is still seen


def keep_cache_in(folder: Path) -> None:
    """Let matplotlib keep its list of fonts here, not in the home folder. Say so before the first chart."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MPLCONFIGDIR", str(folder))


def bars(title: str, values: Mapping[str, float], *, unit: str = "s") -> str:
    """One bar per name, from zero, each with its number."""

    def draw(axes: Any) -> None:
        for place, value in enumerate(values.values()):
            axes.barh(place, value, height=0.62, color=COLOURS["after"])
            _write(axes, value, place, f"{value:,.2f} {unit}")
        axes.set_xlim(0, max(values.values(), default=0) or 1)

    said = [f"{name} {value:,.2f} {unit}" for name, value in values.items()]
    return _svg(title, said, list(values), draw, right=0.9)


def grouped(title: str, rows: Mapping[str, Sequence[int]], *, names: Sequence[str] = ("before", "after")) -> str:
    """Counts per table, one bar for each of `names` (one or two); one scale shows 1 row and 10,000,000."""
    counts = [count for row in rows.values() for count in row]
    scale, ticks = _scale(counts)
    colours = [COLOURS["before"], COLOURS["after"]][-len(names) :]
    height = 0.72 / len(names)

    def draw(axes: Any) -> None:
        for place, row in enumerate(rows.values()):
            for number, (count, colour) in enumerate(zip(row, colours, strict=True)):
                y = place + (number - (len(names) - 1) / 2) * (height + 0.04)
                axes.barh(y, scale(count), height=height, color=colour)
                _write(axes, scale(count), y, f"{count:,}")
        axes.set_xlim(0, scale(max(counts, default=0)) or 1)
        axes.set_xticks([scale(tick) for tick in ticks], [f"{tick:,}" for tick in ticks])
        axes.grid(axis="x", color=_INK, alpha=0.15, linewidth=0.6)
        if ticks:
            axes.set_xlabel("rows; each line is ten times the one before", color=_INK, fontsize=7.5)

    said = [
        f"{table} " + ", ".join(f"{count:,} {name}" for name, count in zip(names, row, strict=True))
        for table, row in rows.items()
    ]
    bottom = 0.55 if ticks else 0.1
    legend = dict(zip(names, colours, strict=True)) if len(names) > 1 else {}
    row = 0.14 + 0.14 * len(names)
    return _svg(title, said, list(rows), draw, right=0.9, row=row, bottom=bottom, legend=legend)


def stacked(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    """One full bar per table, split into inserted, updated, deleted and unchanged."""
    keys = ("inserted", "updated", "deleted", "unchanged")

    def draw(axes: Any) -> None:
        for place, row in enumerate(rows.values()):
            counts = [row.get(key, 0) for key in keys]
            left = 0.0
            for key, share in zip(keys, _shares(counts), strict=True):
                axes.barh(place, share, left=left, height=0.62, color=COLOURS[key])
                left += share
            if not left:
                axes.barh(place, 1, height=0.62, fill=False, edgecolor=_INK, alpha=0.35, linestyle=":")
            _write(axes, 1, place, _changes(sum(counts[:3]), sum(counts)))
        axes.set_xlim(0, 1)

    said = [f"{name} " + ", ".join(f"{row.get(key, 0):,} {key}" for key in keys) for name, row in rows.items()]
    return _svg(title, said, list(rows), draw, right=2.25, legend={key: COLOURS[key] for key in keys})


def _changes(changed: int, total: int) -> str:
    if not total:
        return "no rows"
    return f"{changed:,} of {total:,} changed" if changed else f"{total:,} unchanged"


def _shares(counts: Sequence[int]) -> list[float]:
    """The counts as parts of 1; a part that is not nothing is wide enough to be seen."""
    total = sum(counts)
    parts = [max(count / total, _LEAST) if count else 0.0 for count in counts]
    return [part / (sum(parts) or 1) for part in parts]


def _scale(counts: Sequence[int]) -> tuple[Callable[[int], float], list[int]]:
    """From a count to a length, and the ticks of the axis: none when lengths are as the counts are."""
    some = [count for count in counts if count]
    if not some or max(some) <= 50 * min(some):
        return float, []
    return lambda count: math.log10(1 + count), [10**power for power in range(1, len(str(max(some))))]


def _write(axes: Any, x: float, y: float, words: str) -> None:
    style = {"va": "center", "color": _INK, "fontsize": 7.5}
    axes.annotate(words, (x, y), xytext=(4, 0), textcoords="offset points", **style)


def _svg(
    title: str,
    said: Sequence[str],
    names: Sequence[str],
    draw: Callable[[Any], None],
    *,
    right: float,
    row: float = 0.27,
    bottom: float = 0.1,
    legend: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """An empty chart with one row per name, drawn upon, as an `<svg>` element for an HTML page; "" without names."""
    if not names:
        return ""
    # half a second: only who draws pays for it; pyplot would cost as much again
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    short = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
    left = 0.15 + _LETTER * max(map(len, short))
    top = 0.35 if legend else 0.05
    height = top + row * len(names) + bottom
    out = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # not what a matplotlibrc in the current directory or of the user says
        matplotlib.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has the letters
        figure = Figure(figsize=(_WIDTH, height))
        wide, high = (_WIDTH - left - right) / _WIDTH, (height - top - bottom) / height
        axes = figure.add_axes((left / _WIDTH, bottom / height, wide, high))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), short)
        axes.set_xticks([])
        axes.tick_params(length=0, labelcolor=_INK)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        draw(axes)
        _legend(figure, legend, left / _WIDTH, 1 - 0.15 / height)
        for background in (figure.patch, axes.patch):
            background.set_visible(False)
        FigureCanvasSVG(figure).print_svg(out, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _inline(out.getvalue(), title, "; ".join(said))


def _legend(figure: Any, keys: Mapping[str, str], x: float, y: float) -> None:
    for key, colour in keys.items():
        figure.text(x, y, "■", color=colour, va="center", fontsize=11)
        figure.text(x + 0.16 / _WIDTH, y, key, color=_INK, va="center")
        x += (0.4 + _LETTER * len(key)) / _WIDTH


def _inline(drawing: str, title: str, said: str) -> str:
    """A drawing for the middle of a page: no prologue, no foreign address, the page's font and colour."""
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r' (?:id|xmlns|xmlns:xlink|version|clip-path)="[^"]*"', "", drawing)
    drawing = re.sub(r' (?:width|height)="[^"]*"', "", drawing, count=2)
    drawing = re.sub(r"<defs>.*?</defs>|<!--.*?-->", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"font-family: [^;\"]*", "font-family: inherit", drawing).replace(_INK, "currentColor")
    mark = hashlib.sha256(f"{title}{drawing}".encode()).hexdigest()[:8]
    style = f"width: 100%; max-width: {_WIDTH * 100:.0f}px"
    opening = f'<svg role="img" aria-labelledby="t{mark} d{mark}" style="{style}"'
    names = f'><title id="t{mark}">{escape(title)}</title><desc id="d{mark}">{escape(said)}</desc>'
    return drawing.replace("<svg", opening, 1).replace(">", names, 1)
