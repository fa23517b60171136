"""Find values at any depth that the migration will refuse: duplicate keys, characters unknown to PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mock2pg.init.reading.roots import LargeArray, LargeObject, Number, Repeated, Root
from mock2pg.source.documents.scanner import PLAIN
from mock2pg.spellings import number_fits
from mock2pg.staged_tables import NESTING_LIMIT
from mock2pg.text import counted

_SHOWN = 3
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


@dataclass
class _Found:
    number: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        self.number += 1
        if len(self.places) < _SHOWN:
            self.places.append(place)


_WORDS = {
    "repeated": "with a key that appears twice",
    "character": "with U+0000 or a lone surrogate, which PostgreSQL cannot hold",
    "number": "beyond what PostgreSQL's numeric holds",
    "deep": f"nested deeper than {NESTING_LIMIT} levels",
}
_NOUNS = {"repeated": "object", "character": "text", "number": "number", "deep": "value"}


def is_text(text: str) -> bool:
    """Return whether PostgreSQL's text holds it: a key that it does not hold is in no path."""
    return not _NO_CHARACTER.search(text)


def troubles(root: Root) -> Iterator[str]:
    """Yield a sentence for each kind of trouble in a root, with its number and its first positions."""
    found = {kind: _Found() for kind in _WORDS}
    if not is_text(root.key):
        found["character"].add("(a root)")
    _look(root.value, root.key if PLAIN.fullmatch(root.key) else "(a root)", found, 0)
    for kind, those in found.items():
        if those.number:
            listed = ", ".join(those.places) + (", ..." if those.number > len(those.places) else "")
            yield f"{counted(those.number, _NOUNS[kind])} {_WORDS[kind]}: the migration refuses those rows ({listed})"


def _look(value: Any, place: str, found: dict[str, _Found], depth: int) -> None:
    if isinstance(value, Number):
        if not number_fits(value, "numeric"):
            found["number"].add(place)
    elif isinstance(value, str):
        if not is_text(value):
            found["character"].add(place)
    elif isinstance(value, list | LargeArray):
        if depth == NESTING_LIMIT:
            found["deep"].add(place)
            return
        for number, element in enumerate(value):
            _look(element, f"{place}[{number}]", found, depth + 1)
    elif isinstance(value, dict | LargeObject):
        if depth == NESTING_LIMIT:
            found["deep"].add(place)
            return
        if isinstance(value, Repeated):
            found["repeated"].add(place)
        for number, (key, member) in enumerate(value.items()):
            if not is_text(key):
                found["character"].add(f"{place}{{{number}}}")
            inner = f"{place}.{key}" if PLAIN.fullmatch(key) else f"{place}{{{number}}}"
            _look(member, inner, found, depth + 1)
