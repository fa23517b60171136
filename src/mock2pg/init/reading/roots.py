"""The roots of a source, whatever their shape, decoded piece by piece: a document of any size is never one object."""

from __future__ import annotations

import json
import mmap
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mock2pg.errors import SourceError, UsageError
from mock2pg.source import presence
from mock2pg.source.documents import Unpacking, spool
from mock2pg.source.documents.faults import DECLARED_ARRAYS, Faults
from mock2pg.source.documents.files import FILE, MEANT, NAMES, Files, is_lines, named_after
from mock2pg.source_shape import SourceShape
from mock2pg.staged_tables import NESTING_LIMIT
from mock2pg.text import printable

_BEYOND = re.compile(rb"[eE][+-]?[0-9]{5,}\s*[,}\]]")
_RUN = 1 << 12
_LARGE = 1 << 18  # bytes of a value that is decoded member by member


class Number(str):
    """A number with a fraction or an exponent, or one too long for an integer, as the source spells it."""

    __slots__ = ()


class Repeated(dict[str, Any]):
    """An object in which a key appears more than once."""


class LargeArray:
    """An array whose elements are decoded one at a time."""

    def __init__(self, elements: list[msgspec.Raw]) -> None:
        self._elements = elements

    def __len__(self) -> int:
        return len(self._elements)

    def __iter__(self) -> Iterator[Any]:
        return map(decoded, self._elements)


class LargeObject:
    """An object whose members are decoded one at a time."""

    def __init__(self, members: dict[str, msgspec.Raw]) -> None:
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def get(self, key: str) -> Any:
        return decoded(self._members[key]) if key in self._members else None

    def items(self) -> Iterator[tuple[str, Any]]:
        return ((key, decoded(raw)) for key, raw in self._members.items())


def decoded(raw: msgspec.Raw | memoryview) -> Any:
    """A JSON value: Number for what no int is, LargeArray and LargeObject for what is large."""
    view = memoryview(raw)
    if len(view) > _LARGE and view[0] in b"[{":
        if view[0] == ord("["):
            return LargeArray(msgspec.json.decode(raw, type=list[msgspec.Raw]))
        return LargeObject(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    text = str(view, "utf-8")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise SourceError(f"a value is nested deeper than {NESTING_LIMIT} levels") from None
    except json.JSONDecodeError:  # the text was looked at before: msgspec takes what json does not
        raise SourceError("a value is not JSON") from None
    except ValueError:
        return _LONG_DECODER.decode(text)  # Python refuses to make an int of so many digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(pairs)


def _integer(text: str) -> int | Number:
    return int(text) if len(text) < 1000 else Number(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number)
_LONG_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=_integer)


@dataclass(frozen=True)
class Root:
    """One key of the source, and its value.

    suspect  its text may hold what PostgreSQL cannot: a character, or a number beyond all measure
    """

    key: str
    value: Any
    suspect: bool = False


def read(source: Path, into: Path, unpacking: Unpacking = spool.UNPACKING, label: str = "") -> list[Root]:
    """Return the roots of a source in their order; its text is in the folder `into`, which must be kept meanwhile.

    label  what errors call the source; by default its path

    Raises UsageError when there is no such source, SourceError with every place where it is not JSON.
    """
    label = label or printable(str(source))
    presence.require(source)
    reading = _Reading(source, label, Faults(SourceShape(()), "warn", 100), unpacking)
    reading.stream = presence.is_stream(source)
    roots = reading.folder(into) if source.is_dir() else reading.document(into)
    if reading.faults.found:
        raise SourceError(f"{label} cannot be read", reading.faults.found)
    if not roots:
        raise SourceError(f"{label} holds nothing to make a table of", hint="Name a source that holds rows.")
    return roots


class _Reading(Files):
    """A source without declarations: every root of it is wanted."""

    def folder(self, into: Path) -> list[Root]:
        roots: dict[str, Root] = {}
        for file in sorted(self.source.iterdir()):
            label, name = f"{self.label}/{printable(file.name)}", FILE.fullmatch(file.name)
            if name is None:
                if MEANT.fullmatch(file.name):
                    self.faults.add(DECLARED_ARRAYS, f"is not read: {NAMES}", file=label)
            elif name["entity"] in roots:
                self.faults.add(DECLARED_ARRAYS, "is a second file of the same name; keep one", file=label)
            elif (text := self._text(file, into, label)) is not None:
                value = self._value(text, label, lines=is_lines(file))
                roots[name["entity"]] = Root(name["entity"], value, _is_suspect(text))
        if not roots and not self.faults.found:
            raise UsageError(
                f"there is no JSON file in {self.source}",
                hint="Name a folder with one <name>.json, .ndjson or .jsonl per entity, perhaps packed as .gz or .zst.",
            )
        return list(roots.values())

    def document(self, into: Path) -> list[Root]:
        text = self._text(self.source, into, self.label)
        if text is None:
            return []
        stem = "rows" if self.stream else named_after(self.source)
        value = self._value(text, self.label, lines=not self.stream and is_lines(self.source))
        if isinstance(value, dict | LargeObject):
            if isinstance(value, Repeated):
                self.faults.add(DECLARED_ARRAYS, "a key appears twice in the document", file=self.label)
            suspect = _is_suspect(text)
            return [Root(key, member, suspect) for key, member in value.items()]
        if not isinstance(value, list | LargeArray) and not self.faults.found:
            self.faults.add(DECLARED_ARRAYS, "must be an object or an array", file=self.label, line=1, column=1)
        return [Root(stem, value, _is_suspect(text))]

    def _text(self, file: Path, into: Path, label: str) -> mmap.mmap | None:
        with tempfile.NamedTemporaryFile(dir=into, delete=False) as made:
            to = Path(made.name)
        before = spool.file_state(file)
        text = self.spooled(file, to, label)
        if spool.file_state(file) != before:
            self.changed(label)
        return text

    def _value(self, text: mmap.mmap, label: str, *, lines: bool) -> Any:
        """The value of a whole file; None, with a fault, when it is no JSON."""
        if lines:
            return LargeArray([msgspec.Raw(row) for _, row in self.rows(text, label) if row])
        raw = self.decoded(text, msgspec.Raw, label)
        return None if raw is None else decoded(raw)


def _is_suspect(text: mmap.mmap) -> bool:
    digits = any(text[at : at + _RUN].isdigit() for at in range(0, len(text), _RUN))  # one of 16,383 covers such a run
    return digits or text.find(b"\\u0000") >= 0 or _BEYOND.search(text) is not None
