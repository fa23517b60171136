"""From rows and keys back to the source: file, line, column and JSON pointer of what an error is about."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from mock2pg.json_paths import Mark
from mock2pg.source.documents.scanner import PLAIN, Child, Lines, children, kind, pointer, trouble

LOCATIONS = ".locations.json"


@dataclass(frozen=True)
class ArrayLocation:
    """The location of an array, map or object in the source.

    text     the file that holds the source's text now
    offset   of the array in that text, and its `length`; of all of it where that is 0
    counted  lines are counted in that text: it is that of a file, not of a Python dict
    file     the source's file as errors call it; None for a Python dict
    keys     that lead to it from the top of the file
    mark     its rows are elements of an array, `[]`, or members of a map, `{}`; empty: it is the row
    lines    the array was NDJSON: each row was a line of its own, here with one character more before it
    """

    text: str
    offset: int = 0
    length: int = 0
    counted: bool = False
    file: str | None = None
    keys: Sequence[str] = ()
    mark: str = Mark.ELEMENT.value
    lines: bool = False


@dataclass(frozen=True)
class Query:
    """One value to locate in a row.

    row          1-based
    steps        keys and indexes from the row on; empty for the row itself
    declared     the last step is not known: the `nth` key of the object that is none of these, no plain names first
    at_key       the key's place is wanted, not the value's
    look_inside  report the part of the value that cannot be kept, with its position
    """

    entity: str
    row: int
    steps: tuple[str | int, ...] = ()
    declared: frozenset[str] | None = None
    nth: int = 0
    at_key: bool = False
    look_inside: bool = True


@dataclass(frozen=True)
class Location:
    """The location of a value, and its kind, in words that hold nothing of it.

    kind     "null", "a string", ...; empty when the key is not there
    trouble  what keeps a value from being kept although it is JSON: "appears twice in one object"; else empty
    """

    file: str | None
    line: int | None
    column: int | None
    pointer: str
    kind: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class _Found:
    at: int  # from the array's beginning
    steps: tuple[str | int, ...]
    kind: str = ""
    trouble: str = ""


def locate(folder: Path, queries: Iterable[Query]) -> dict[Query, Location]:
    """Find each of them in the arrays that `read` left in a folder."""
    kept = json.loads((folder / LOCATIONS).read_text(encoding="utf-8"))
    locations: dict[Query, Location] = {}
    for entity, of_entity in groupby(sorted(set(queries), key=lambda one: one.entity), key=lambda one: one.entity):
        within, wanted = ArrayLocation(**kept[entity]), list(of_entity)
        text = _mapped(folder / within.text)
        found = _in_array(
            memoryview(text)[within.offset : within.offset + (within.length or len(text))], within, wanted
        )
        lines = Lines(text) if within.counted else None
        for one, place in sorted(found.items(), key=lambda item: item[1].at):
            locations[one] = _location(within, lines, one, place)
    return locations


def _mapped(file: Path) -> mmap.mmap:
    with file.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _in_array(array: memoryview, within: ArrayLocation, queries: Sequence[Query]) -> dict[Query, _Found]:
    members = msgspec.json.decode(array, type=dict[str, msgspec.Raw]) if within.mark == Mark.MEMBER.value else {}
    keys = list(members)
    rows = list(members.values())
    if within.mark == Mark.ELEMENT.value:
        rows = msgspec.json.decode(array, type=list[msgspec.Raw])
    elif not within.mark:
        rows = [msgspec.json.decode(array, type=msgspec.Raw)]
    base = address(array)
    found: dict[Query, _Found] = {}
    for number, of_row in groupby(sorted(queries, key=lambda one: one.row), key=lambda one: one.row):
        row, first = _Row(bytes(rows[number - 1])), (keys[number - 1] if members else number - 1,)
        for one in of_row:
            place = row.find(one)
            steps = (*first, *place.steps) if within.mark else place.steps
            found[one] = replace(place, at=address(rows[number - 1]) - base + place.at, steps=steps)
    return found


class _Row:
    """One row, whose objects and arrays are gone through once, however many queries there are."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._inside: dict[int, dict[str | int, list[Child]]] = {}
        self._undeclared: dict[tuple[int, frozenset[str]], list[Child]] = {}

    def _children(self, at: int) -> dict[str | int, list[Child]]:
        if at not in self._inside:
            by_key: dict[str | int, list[Child]] = {}
            for child in children(self._text, at):
                by_key.setdefault(child.key, []).append(child)
            self._inside[at] = by_key
        return self._inside[at]

    def _others(self, at: int, declared: frozenset[str]) -> list[Child]:
        if (at, declared) not in self._undeclared:
            others = [c for found in self._children(at).values() for c in found if c.key not in declared]
            others.sort(key=lambda child: bool(PLAIN.fullmatch(str(child.key))))
            self._undeclared[at, declared] = others
        return self._undeclared[at, declared]

    def find(self, query: Query) -> _Found:
        row = self._text
        at, end, key_at = 0, len(row), 0
        for depth, step in enumerate(query.steps):
            same = self._children(at).get(step)
            if not same:
                return _Found(at, query.steps[:depth])
            at, end, key_at = same[-1].at, same[-1].end, same[-1].key_at
            if len(same) > 1:
                return _Found(key_at, query.steps[: depth + 1], kind(row[at:end]), "appears twice in one object")
        if query.declared is not None:
            others = self._others(at, query.declared)
            return _Found(others[min(query.nth, len(others) - 1)].key_at if others else at, query.steps)
        value = row[at:end]
        if query.at_key:
            return _Found(key_at, query.steps, kind(value))
        if query.look_inside and (found := trouble(value)):
            return _Found(at + found.at, (*query.steps, *found.steps), kind(value), found.reason)
        return _Found(at, query.steps, kind(value))


def _location(within: ArrayLocation, lines: Lines | None, query: Query, found: _Found) -> Location:
    shown = pointer(found.steps[1:] if within.lines else (*within.keys, *found.steps))
    line, column = lines.place(within.offset + found.at) if lines else (None, None)
    if column is not None and within.lines:
        column -= 1
    return Location(within.file, line, column, shown, found.kind, found.trouble)


def address(buffer: Any) -> int:
    """Return a buffer's address in memory, from which the offset of a part of it follows."""
    import numpy  # takes longer to load than a small source to read, and only an error is located

    return int(numpy.frombuffer(memoryview(buffer), numpy.uint8).__array_interface__["data"][0])
