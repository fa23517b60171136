"""The entity-relationship diagram of the target tables as SVG: no script, no network, light, dark and on paper."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import combining, east_asian_width

from mock2pg.contracts import ForeignKey, Table
from mock2pg.files import named
from mock2pg.pages.diagram.geometry import Box, Link, Point
from mock2pg.pages.diagram.layout import lay_out
from mock2pg.spellings import contract_type
from mock2pg.text import counted, printable

_CHARACTER = 7.25  # pixels of one in a monospaced font of 12 pixels
_HEAD, _ROW, _FOOT = 30, 19, 4
_MARKS, _BETWEEN, _EDGE = 34, 16, 10
_PAD = 14  # around the drawing
_BESIDE = 3  # pixels from the middle of a row, where a line begins and another one ends
_HUES = 8
_TYPE_ENDS = re.compile(r"\s+(?=(?:not|null|default|generated|check|unique|references|collate|constraint)\b)", re.I)

_STYLE = """
.er { --paper: #fff; --ink: #1a1f26; --soft: #59636e; --line: #c9d0d8; --wash: #f1f4f7;
  --h0: #1f66b5; --h1: #b3480f; --h2: #147a49; --h3: #7442b8; --h4: #a8266f; --h5: #0b7480;
  --h6: #8a6100; --h7: #4d5a68;
  font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
@media screen and (prefers-color-scheme: dark) { .er { --paper: #13171c; --ink: #e4e8ec; --soft: #9aa5b1;
  --line: #3a444f; --wash: #1d242c; --h0: #7fb2f0; --h1: #f0975f; --h2: #4cc38a; --h3: #bd9bf0; --h4: #f08cc4;
  --h5: #5fc7d2; --h6: #e0b44c; --h7: #a9b5c2; } }
.er text { fill: var(--ink); } .er .soft { fill: var(--soft); } .er .mark { font-size: 9px; font-weight: 700; }
.er .name { font-weight: 700; } .er .box { fill: var(--paper); stroke: var(--line); } .er .wash { fill: var(--wash); }
.er path { fill: none; stroke-width: 1.5; stroke-linejoin: round; } .er g:hover path { stroke-width: 3; }
.er a:hover .box { stroke: var(--ink); }
"""


@dataclass(frozen=True)
class _Row:
    """The parts of a column that are drawn: name, type, NULL or not, and its keys."""

    name: str
    kind: str
    null: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Shown:
    """A table as it is drawn."""

    table: Table
    rows: tuple[_Row, ...]

    @property
    def box(self) -> Box:
        texts = [_width(row.name + row.kind) + (_width(" null") if row.null else 0) for row in self.rows]
        width = max(2 * _EDGE + _MARKS + _BETWEEN + max(texts, default=0), 2 * _EDGE + _width(self.table.name))
        return Box(self.table.name, round(width), _HEAD + _ROW * len(self.rows) + _FOOT)

    def has(self, columns: Sequence[str]) -> bool:
        return set(columns) <= {row.name for row in self.rows}

    def middle(self, column: str) -> int:
        """The middle of a column's row, below the upper edge of the box."""
        return _HEAD + _ROW * [row.name for row in self.rows].index(column) + _ROW // 2


def er_diagram(tables: Sequence[Table], href: str = "", *, only_keys: bool = False, alone: bool = False) -> str:
    """Draw the tables: columns with type, NULL and keys, and a line from each foreign key to the key it refers to.

    href       the page of the tables, where each box leads; "" when the drawing is on that page
    only_keys  of the columns only those of a key, and the number of the others
    alone      the drawing is a file of its own, with a background and without links
    """
    by_name = {table.name: _Shown(table, tuple(_rows(table, tables, only_keys=only_keys))) for table in tables}
    keys = [
        (table, key)
        for table in tables
        for key in table.foreign_keys
        if key.parent in by_name and by_name[key.parent].has(key.parent_columns)  # or the run failed for that reason
    ]
    both = {(key.parent, key.parent_columns[0]) for _, key in keys} & {
        (table.name, key.columns[0]) for table, key in keys
    }

    def end(table: str, column: str, beside: int) -> int:
        return by_name[table].middle(column) + (beside if (table, column) in both else 0)

    drawing = lay_out(
        [shown.box for shown in by_name.values()],
        [
            Link(
                table.name,
                end(table.name, key.columns[0], _BESIDE),
                key.parent,
                end(key.parent, key.parent_columns[0], -_BESIDE),
            )
            for table, key in keys
        ],
    )
    hues = _hues(tables)
    lines = [
        _line(by_name[table.name], key, by_name[key.parent], hues[key.parent], path)
        for (table, key), path in zip(keys, drawing.paths, strict=True)
    ]
    boxes = [
        _drawn(shown, drawing.boxes[name], None if alone else href, hues.get(name, "line"))
        for name, shown in by_name.items()
    ]
    width, height = drawing.width + 2 * _PAD, drawing.height + 2 * _PAD
    size = f'width="{width}" height="{height}"'
    label = f"Entity-relationship diagram of {counted(len(tables), 'table')}"
    ground = f'<rect x="-{_PAD}" y="-{_PAD}" {size} fill="var(--paper)"/>' if alone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="er" style="--width: {width}px" {size}'
        f' viewBox="-{_PAD} -{_PAD} {width} {height}" role="group" aria-label="{label}">'
        f"<style>{_STYLE}</style>{ground}{''.join(lines)}{''.join(boxes)}</svg>\n"
    )


def anchor(table: str) -> str:
    """The anchor of a table on the page that has them."""
    return f"table-{named(table)}"


def marks(table: Table, column: str) -> tuple[str, ...]:
    """The keys that a column is part of: PK, FK; UQ where its value alone is unique."""
    found = {
        "PK": column in table.primary_key,
        "FK": any(column in key.columns for key in table.foreign_keys),
        "UQ": (column,) in table.uniques,
    }
    return tuple(mark for mark, has in found.items() if has)


def type_of(definition: str) -> tuple[str, bool]:
    """The type in the definition of a column that the database fills, and whether it may hold NULL."""
    kind = _TYPE_ENDS.split(definition.strip(), 1)[0]
    null = re.search(r"\bnot\s+null\b", definition, re.IGNORECASE) is None
    try:
        return contract_type(kind), null
    except ValueError:  # one that no contract has
        return kind, null


def _rows(table: Table, tables: Sequence[Table], *, only_keys: bool) -> list[_Row]:
    rows = [_Row(c.name, c.data_type, not c.not_null, marks(table, c.name)) for c in table.columns]
    rows += [_Row(name, *type_of(definition)) for name, definition in table.database_columns]
    if not only_keys:
        return rows
    referred = {
        name for one in tables for key in one.foreign_keys if key.parent == table.name for name in key.parent_columns
    }
    kept = [row for row in rows if row.keys or row.name in referred]
    more = len(rows) - len(kept)
    return [*kept, _Row("", f"{more} more" if kept else counted(more, "column"))] if more else kept


def _width(text: str) -> float:
    """The pixels that a text takes: characters of East Asia take two places, combining ones none."""
    places = (0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in printable(text))
    return _CHARACTER * sum(places)


def _hues(tables: Sequence[Table]) -> dict[str, str]:
    """A colour for each table that others refer to: the most referred to have different ones."""
    referred = Counter(key.parent for table in tables for key in table.foreign_keys)
    return {name: f"h{number % _HUES}" for number, (name, _) in enumerate(referred.most_common())}


def _drawn(shown: _Shown, place: Point, href: str | None, hue: str) -> str:
    box, (x, y) = shown.box, place
    rows = []
    for number, row in enumerate(shown.rows):
        at = y + _HEAD + _ROW * number + 13
        if row.keys:
            rows.append(f'<text x="{x + _EDGE}" y="{at}" class="mark soft">{" ".join(row.keys)}</text>')
        if row.name:
            rows.append(f'<text x="{x + _EDGE + _MARKS}" y="{at}">{escape(printable(row.name))}</text>')
        kind = escape(printable(row.kind)) + (" null" if row.null else "")
        rows.append(f'<text x="{x + box.width - _EDGE}" y="{at}" text-anchor="end" class="soft">{kind}</text>')
    name = escape(printable(shown.table.name))
    drawn = (
        f'<rect class="box" x="{x}" y="{y}" width="{box.width}" height="{box.height}" rx="5"/>'
        f'<rect class="wash" x="{x + 1}" y="{y + 2}" width="{box.width - 2}" height="{_HEAD - 7}"/>'
        f'<rect x="{x}" y="{y}" width="{box.width}" height="4" rx="2" fill="var(--{hue})"/>'
        f'<text class="name" x="{x + _EDGE}" y="{y + 18}">{name}</text>{"".join(rows)}'
    )
    return drawn if href is None else f'<a href="{escape(href)}#{escape(anchor(shown.table.name))}">{drawn}</a>'


def _line(child: _Shown, key: ForeignKey, parent: _Shown, hue: str, path: Sequence[Point]) -> str:
    """The line of a foreign key: a crow's foot where many rows may refer, a bar where one refers or is referred to."""
    table = child.table
    (x, y), (to_x, to_y) = path[0], path[-1]
    out, back = (1 if path[1][0] > x else -1), (1 if path[-2][0] > to_x else -1)
    one = set(key.columns) in map(set, (table.primary_key, *table.uniques))
    foot = f"M{x + 8 * out},{y - 5}v10" if one else f"M{x},{y - 5}L{x + 11 * out},{y}L{x},{y + 5}"
    parts = [_rounded(path), foot, f"M{to_x + 8 * back},{to_y - 5}v10"]
    for shown, names, edge, at, way in (
        (child, key.columns, x, y, out),
        (parent, key.parent_columns, to_x, to_y, back),
    ):
        parts += [f"M{edge},{at + shown.middle(name) - shown.middle(names[0])}h{8 * way}V{at}" for name in names[1:]]
    said = f"{table.name} ({', '.join(key.columns)}) references {key.parent} ({', '.join(key.parent_columns)})"
    title = escape(printable(f"{said} {key.on_delete}".strip()))
    return f'<g stroke="var(--{hue})"><title>{title}</title><path d="{"".join(parts)}"/></g>'


def _rounded(points: Sequence[Point]) -> str:
    """A line with round corners."""
    parts = [f"M{points[0][0]},{points[0][1]}"]
    for before, (x, y), after in zip(points, points[1:], points[2:], strict=False):
        near, far = (_towards((x, y), other) for other in (before, after))
        parts.append(f"L{near[0]:g},{near[1]:g}Q{x},{y} {far[0]:g},{far[1]:g}")
    return "".join([*parts, f"L{points[-1][0]},{points[-1][1]}"])


def _towards(corner: Point, other: Point) -> tuple[float, float]:
    """The point, up to 5 pixels from a corner, where its curve meets the line to another corner."""
    (x, y), (to_x, to_y) = corner, other
    length = abs(to_x - x) + abs(to_y - y)
    share = min(5, length / 2) / length
    return round(x + share * (to_x - x), 1), round(y + share * (to_y - y), 1)
