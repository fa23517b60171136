"""The shape of a document: at each path the kinds of its values, with counts. The first of two readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mock2pg.init.reading.roots import LargeArray, LargeObject, Number, Repeated

MOST_KEYS = 1000  # of the objects at one path; more keys are those of a map

_OBJECTS, _ARRAYS = (dict, Repeated, LargeObject), (list, LargeArray)


class Shape:
    """The values at one path.

    kinds    how many of each Python type; objects and arrays under `dict` and `list`
    members  the shapes under the keys of its objects, in the order in which they appeared
    others   the shape of the members beyond MOST_KEYS
    element  the shape of its arrays' elements
    """

    __slots__ = ("element", "empty", "kinds", "members", "named", "others", "repeated")

    def __init__(self) -> None:
        self.kinds: Counter[type] = Counter()
        self.members: dict[str, Shape] = {}
        self.others: Shape | None = None
        self.element: Shape | None = None
        self.empty = 0  # objects and arrays
        self.named = 0  # members whose `id` is their key
        self.repeated = 0  # objects with a key that appears twice

    def see(self, value: Any) -> None:
        """Count a value, and all that is in it."""
        kind = type(value)
        if kind in _OBJECTS:
            self.kinds[dict] += 1
            if kind is Repeated:
                self.repeated += 1
            if not len(value):
                self.empty += 1
            members = self.members
            for key, inner in value.items():
                member = members.get(key)
                if member is None:
                    member = self._member(key)
                if type(inner) in _PLAIN:
                    member.kinds[type(inner)] += 1
                else:
                    member.see(inner)
                    if type(inner) is dict and str(inner.get("id")) == key:
                        self.named += 1
        elif kind in _ARRAYS:
            self.kinds[list] += 1
            if self.element is None:
                self.element = Shape()
            if not len(value):
                self.empty += 1
            for inner in value:
                self.element.see(inner)
        else:
            self.kinds[kind] += 1

    def _member(self, key: str) -> Shape:
        if len(self.members) < MOST_KEYS:
            self.members[key] = found = Shape()
            return found
        if self.others is None:
            self.others = Shape()
        return self.others

    @property
    def found(self) -> set[type]:
        """The kinds of its values that are not null."""
        return {kind for kind in self.kinds if kind is not type(None)}

    @property
    def has_repeated(self) -> bool:
        """A key appears twice in an object at this path or below."""
        below = [*self.members.values(), self.others, self.element]
        return self.repeated > 0 or any(shape.has_repeated for shape in below if shape)

    @property
    def values(self) -> int:
        return self.kinds.total() - self.kinds[type(None)]

    @property
    def objects_only(self) -> bool:
        return self.found == {dict}

    @property
    def arrays_only(self) -> bool:
        return self.found == {list}

    @property
    def plain(self) -> bool:
        """No array and no object is among its values."""
        return not self.found & {dict, list}


_PLAIN = {str, int, bool, Number, type(None)}


def merged(shapes: Iterable[Shape]) -> Shape:
    """Return one shape of several, as if their values had been at one path."""
    result = Shape()
    for shape in shapes:
        result.kinds.update(shape.kinds)
        result.empty += shape.empty
        result.repeated += shape.repeated
        result.named += shape.named
        for key, member in shape.members.items():
            mine = result.members.get(key)
            result.members[key] = merged((mine, member)) if mine else member
        if shape.others:
            result.others = merged((result.others, shape.others)) if result.others else shape.others
        if shape.element:
            result.element = merged((result.element, shape.element)) if result.element else shape.element
    return result
