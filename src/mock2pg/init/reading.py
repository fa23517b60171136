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

from mock2pg.contracts import NESTING_LIMIT
from mock2pg.errors import SourceError, UsageError
from mock2pg.source.documents import Unpacking, spool, strict
from mock2pg.source.documents.faults import DECLARED_ARRAYS, READABLE_SOURCE, STRICT_JSON, Faults
from mock2pg.source.documents.scanner import Lines
from mock2pg.source_shape import SourceShape
from mock2pg.text import printable

_FILE = re.compile(r"(?P<root>[^.].*)\.(?P<form>json|ndjson|jsonl)(\.gz|\.zst)?", re.DOTALL)
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


def read(source: Path, into: Path, unpacking: Unpacking = spool.UNPACKING) -> list[Root]:
    """Return the roots of a source in their order; its text is in the folder `into`, which must be kept meanwhile.

    Raises UsageError when there is no such source, SourceError with every place where it is not JSON.
    """
    label = printable(str(source))
    stream = spool.is_stream(source)
    if not stream and not source.exists():
        raise UsageError(
            f"there is no source at {source}",
            hint="Name a folder with one <name>.json per entity, one JSON document, or - for standard input.",
        )
    faults = Faults(SourceShape(()), "warn", 100)
    if source.is_dir():
        roots = _folder(source, label, into, faults, unpacking)
    else:
        roots = _document(source, label, into, faults, unpacking, stream=stream)
    if critical := [fault for fault in faults.found if fault.severity == "critical"]:
        raise SourceError(f"{label} cannot be read", critical, hint="Correct the source and run again.")
    if not roots:
        raise SourceError(f"{label} holds nothing to make a table of", hint="Name a source that holds rows.")
    return roots


def _folder(folder: Path, label: str, into: Path, faults: Faults, unpacking: Unpacking) -> list[Root]:
    files = {file: match for file in sorted(folder.iterdir()) if (match := _FILE.fullmatch(file.name))}
    if not files:
        raise UsageError(
            f"there is no JSON file in {folder}",
            hint="Expected: one <name>.json, .ndjson or .jsonl per entity, perhaps packed as .gz or .zst.",
        )
    roots: dict[str, Root] = {}
    for file, name in files.items():
        shown = f"{label}/{printable(file.name)}"
        if name["root"] in roots:
            faults.add(DECLARED_ARRAYS, "is a second file of the same name; keep one", file=shown)
            continue
        text = _text(file, shown, into, faults, unpacking)
        if text is not None:
            value = _lines(text, shown, faults) if name["form"] != "json" else _whole(text, shown, faults)
            roots[name["root"]] = Root(name["root"], value, _is_suspect(text))
    return list(roots.values())


def _document(
    source: Path, label: str, into: Path, faults: Faults, unpacking: Unpacking, *, stream: bool
) -> list[Root]:
    text = _text(source, label, into, faults, unpacking, stream=stream)
    if text is None:
        return []
    name = _FILE.fullmatch(source.name)
    stem = name["root"] if name else "rows" if stream else source.name.partition(".")[0]
    if name and name["form"] != "json":
        return [Root(stem, _lines(text, label, faults), _is_suspect(text))]
    value = _whole(text, label, faults)
    if isinstance(value, dict | LargeObject):
        if isinstance(value, Repeated):
            faults.add(DECLARED_ARRAYS, "a key appears twice in the document", file=label)
        return [Root(key, member, _is_suspect(text)) for key, member in value.items()]
    if isinstance(value, list | LargeArray):
        return [Root(stem, value, _is_suspect(text))]
    if not faults.found:
        faults.add(DECLARED_ARRAYS, "must be an object or an array", file=label, line=1, column=1)
    return []


def _text(
    source: Path, label: str, into: Path, faults: Faults, unpacking: Unpacking, *, stream: bool = False
) -> mmap.mmap | None:
    """The source's bytes in a file of our own, checked to be UTF-8; None, with a fault, when they are not there."""
    with tempfile.NamedTemporaryFile(dir=into, delete=False) as made:
        to = Path(made.name)
    before = spool.file_state(source)
    try:
        spool.copy(source, to, unpacking, stream=stream)
    except spool.Unreadable as fault:
        faults.add(READABLE_SOURCE, str(fault), file=label)
        return None
    if not stream and spool.file_state(source) != before:
        faults.add(READABLE_SOURCE, "changed while it was read; run again when nobody writes to it", file=label)
        return None
    if to.stat().st_size == 0:
        faults.add(STRICT_JSON, "is empty; it must hold JSON", file=label, line=1, column=1)
        return None
    with to.open("r+b") as file:
        text = mmap.mmap(file.fileno(), 0)
    try:
        strict.check_utf8(memoryview(text))
    except strict.NotJson as fault:
        faults.not_json(fault, text, label)
        return None
    return text


def _whole(text: mmap.mmap, label: str, faults: Faults) -> Any:
    """The value of a whole file; None, with a fault, when it is no JSON."""
    try:
        try:
            return decoded(strict.decode(memoryview(text), msgspec.Raw))
        except strict.NotJson:
            if not strict.without_lone_surrogates(text):
                raise
            return decoded(strict.decode(memoryview(text), msgspec.Raw))
    except strict.NotJson as fault:
        faults.not_json(fault, text, label)
    return None


def _is_suspect(text: mmap.mmap) -> bool:
    digits = any(text[at : at + _RUN].isdigit() for at in range(0, len(text), _RUN))  # one of 16,383 covers such a run
    return digits or text.find(b"\\u0000") >= 0 or _BEYOND.search(text) is not None


def _lines(text: mmap.mmap, label: str, faults: Faults) -> LargeArray:
    """The rows of NDJSON."""
    strict.without_lone_surrogates(text)
    rows: list[msgspec.Raw] = []
    for number, line in enumerate(iter(text.readline, b""), start=1):
        if row := line.strip(b" \t\r\n"):
            try:
                rows.append(strict.decode(row, msgspec.Raw))
            except strict.NotJson as fault:
                column = Lines(line).place(len(line) - len(line.lstrip()) + fault.offset)[1]
                faults.add(STRICT_JSON, fault.reason, file=label, line=number, column=column)
    return LargeArray(rows)
