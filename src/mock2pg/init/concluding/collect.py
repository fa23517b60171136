"""The second reading: each value of the document into the profile of its column."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mock2pg.init.concluding.layout import Draft, Path
from mock2pg.init.reading.profile import SHOWN, Values, getter
from mock2pg.init.reading.roots import LargeArray, LargeObject
from mock2pg.json_paths import Mark, written

Chain = tuple[tuple[int, str | None], ...]

_OBJECTS, _ARRAYS = (dict, LargeObject), (list, LargeArray)


class Rows:
    """The rows of a table: where each is, and the profiles of its columns.

    parents   the row of the parent table that each row is in
    ordinals  for each mark in the path from there: the position of the element or member
    keys      for each mark of a map: its keys
    odd       the first elements or members that are no objects, of `odd_rows`: they are no rows of the table
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.parents = array("q")
        marks = [step for step in draft.steps if isinstance(step, Mark)]
        self.ordinals = [array("q") for _ in marks]
        self.keys = [Values() if mark is Mark.MEMBER else None for mark in marks]
        self.odd: list[tuple[Chain, int]] = []
        self.odd_rows = 0
        lists = [field.lists for field in draft.fields if field.lists]
        self.children = [Rows(child) for child in (*draft.children, *lists)]
        self._adds = [(getter(_keys(field.path)), field.values.add) for field in draft.fields if field.path]
        self._objects = bool(self._adds or self.children)
        self._whole = [field.values.add for field in draft.fields if not field.path]

    def __len__(self) -> int:
        return len(self.parents)

    def take(self, value: Any, chain: Chain, parent: int) -> None:
        """Take the next row."""
        if self._objects and not isinstance(value, _OBJECTS):
            self.odd_rows += 1
            if len(self.odd) < SHOWN:
                self.odd.append((chain, parent))
            return
        row = len(self.parents)
        self.parents.append(parent)
        for (ordinal, key), ordinals, keys in zip(chain, self.ordinals, self.keys, strict=True):
            ordinals.append(ordinal)
            if keys is not None:
                keys.add(key)
        for add in self._whole:
            add(value)
        for get, add in self._adds:
            add(get(value))
        for child in self.children:
            _descend(value, child.draft.steps, (), row, child.take)

    def all(self) -> list[Rows]:
        """Return these and the rows of the tables within, parents first."""
        return [self, *(rows for child in self.children for rows in child.all())]


def collect(drafts: list[Draft], roots: Mapping[str, Any]) -> list[Rows]:
    """Read all values of the roots into the profiles of the drafts; returns the rows of each outermost table."""
    found = []
    for draft in drafts:
        rows = Rows(draft)
        root = draft.path[0]
        _descend(roots[str(root)], draft.steps, (), 0, rows.take)
        found.append(rows)
    return found


def _descend(value: Any, steps: Path, chain: Chain, parent: int, take: Callable[[Any, Chain, int], None]) -> None:
    for number, step in enumerate(steps, start=1):
        if isinstance(step, Mark):
            rest = steps[number:]
            for position, (key, inner) in enumerate(_inside(value, step)):
                if rest:
                    _descend(inner, rest, (*chain, (position, key)), parent, take)
                else:
                    take(inner, (*chain, (position, key)), parent)
            return
        value = value.get(step) if isinstance(value, _OBJECTS) else None
        if value is None:
            return
    if value is not None:
        take(value, chain, parent)


def _inside(value: Any, mark: Mark) -> Iterable[tuple[str | None, Any]]:
    """The elements of an array or the members of a map; nothing of any other value."""
    if mark is Mark.ELEMENT:
        return ((None, element) for element in value) if isinstance(value, _ARRAYS) else ()
    return value.items() if isinstance(value, _OBJECTS) else ()


def _keys(path: Path) -> list[str]:
    return [step for step in path if isinstance(step, str) and not isinstance(step, Mark)]


def place(rows: Rows, row: int, ancestors: Mapping[int, Rows], path: Path = ()) -> str:
    """Return where a value is: `orders[17].items[2].sku`. Of a map the position is shown, not the key: it is data."""
    return _place(rows, [ordinal[row] for ordinal in rows.ordinals], rows.parents[row], ancestors, path)


def odd_places(rows: Rows, ancestors: Mapping[int, Rows]) -> str:
    """Return where the first rows are that are no objects."""
    shown = [_place(rows, [ordinal for ordinal, _ in chain], parent, ancestors) for chain, parent in rows.odd]
    return ", ".join(shown) + (", ..." if rows.odd_rows > len(shown) else "")


def _place(rows: Rows, ordinals: list[int], parent: int, ancestors: Mapping[int, Rows], path: Path = ()) -> str:
    text, numbers = "", iter(ordinals)
    for step in rows.draft.steps:
        if isinstance(step, Mark):
            text += f"{step.value[0]}{next(numbers)}{step.value[1]}"
        else:
            text += ("." if text or rows.draft.parent else "") + written((step,))
    around = ancestors.get(id(rows))
    before = place(around, parent, ancestors) if around else written(rows.draft.path[:1])
    return before + text + ("." + written(path) if path else "")
