"""Faults for test-migration: one of each kind that the declarations and the data of a project allow."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mock2pg.errors import CheckFailed, Mock2pgError, SourceError
from mock2pg.json_paths import Mark, Step
from mock2pg.staged_tables import SourceColumn, SourceTable

Document = dict[str, Any]
_NUMBERS = ("integer", "bigint", "numeric", "double precision")
_NO_DAY = {"date": "2026-02-30", "timestamp": "2026-02-30T00:00:00", "timestamptz": "2026-02-30T00:00:00.000Z"}
_TRIED = 50  # rows of a table that are looked at for one that others refer to


@dataclass(frozen=True)
class Bad:
    """A document with one fault, and the errors of which one must come of it."""

    name: str
    errors: tuple[type[Mock2pgError], ...]
    document: Callable[[], Document]


@dataclass(frozen=True)
class Place:
    """A value in a document: `container[key]`."""

    container: Any
    key: Any

    @property
    def value(self) -> Any:
        return self.container[self.key]


def places(document: Document, steps: Sequence[Step]) -> Iterator[Place]:
    """Return the places to which the steps lead; none where something on the way is absent or of another kind."""
    if not steps:
        return
    first, rest = steps[0], steps[1:]
    keys: Sequence[Any] = ()
    if first is Mark.ELEMENT and isinstance(document, list):
        keys = range(len(document))
    elif isinstance(document, dict):
        keys = list(document) if first is Mark.MEMBER else [first] if first in document else []
    for key in keys:
        if rest:
            yield from places(document[key], rest)
        else:
            yield Place(document, key)


def bad_ones(tables: Sequence[SourceTable], document: Document) -> list[Bad]:
    """Return one fault of each kind, found from what is declared: no entity is known by name."""
    filled = [table for table in tables if next(places(document, table.steps), None)]
    either = (SourceError, CheckFailed)
    return [
        *_one("an entity is missing", either, _missing(filled, document)),
        *_one("an entity is unknown", either, _unknown(tables, document)),
        *_one("an entity is not an array", either, _of_another_kind(filled, document)),
        *_one("a value is missing", (CheckFailed,), _without_value(filled, document)),
        *_one("a key is unknown", (CheckFailed,), _with_key(filled, document)),
        *_one("a number is a string", (CheckFailed,), _with_value(filled, document, dict.fromkeys(_NUMBERS, "1"))),
        *_one("a date does not exist", (CheckFailed,), _with_value(filled, document, _NO_DAY)),
        *_one("a duplicate id", (CheckFailed,), _twice(filled, document)),
        *_one("a row that others refer to is gone", (CheckFailed,), _dangling(tables, document)),
        *_one("everything is empty", (CheckFailed,), _empty(filled, document)),
    ]


Found = Iterator[Callable[[], Document]]


def _one(name: str, errors: tuple[type[Mock2pgError], ...], found: Found) -> Iterator[Bad]:
    """The first that was found; nothing where the project has none."""
    return (Bad(name, errors, document) for document in itertools.islice(found, 1))


def _unused(document: Document) -> str:
    return next(name for n in itertools.count() if (name := f"notDeclared{n or ''}") not in document)


def _changed(document: Document, steps: Sequence[Step], change: Callable[[Place], object]) -> Document:
    """A copy in which the first place that the steps lead to is changed."""
    root = steps[0]
    copied = {**document, root: copy.deepcopy(document[root])} if isinstance(root, str) else copy.deepcopy(document)
    change(next(places(copied, steps)))
    return copied


def _own(table: SourceTable) -> Iterator[tuple[SourceColumn, tuple[Step, ...]]]:
    """The columns under keys of the row itself, and the steps to their values from the source."""
    for column in table.columns:
        if keys := table.keys(column):
            yield column, (*table.steps, *keys)


def _unknown(tables: Sequence[SourceTable], document: Document) -> Found:
    if all(isinstance(table.steps[0], str) for table in tables):  # else every key is a row
        yield lambda: {**document, _unused(document): []}


def _missing(tables: Sequence[SourceTable], document: Document) -> Found:
    optional = {table.steps[0] for table in tables if table.optional}
    for table in tables:
        root = table.steps[0]
        if isinstance(root, str) and root not in optional:
            yield lambda root=root: {key: value for key, value in document.items() if key != root}  # type: ignore[misc]


def _of_another_kind(tables: Sequence[SourceTable], document: Document) -> Found:
    for table in tables:
        root = table.steps[0]
        if isinstance(root, str) and isinstance(value := document[root], (dict, list)) and next(_own(table), None):
            other: Any = {} if isinstance(value, list) else []
            yield lambda root=root, other=other: {**document, root: other}  # type: ignore[misc]


def _given(tables: Sequence[SourceTable], document: Document) -> Iterator[tuple[SourceTable, SourceColumn, Any]]:
    """The columns that hold a value in some row, ids last: a fault in them is one of uniqueness or reference, too."""
    found = [(table, column, steps) for table in tables for column, steps in _own(table)]
    for table, column, steps in sorted(found, key=lambda each: each[1].unique):
        if next(places(document, steps), None):
            yield table, column, steps


def _without_value(tables: Sequence[SourceTable], document: Document) -> Found:
    for _, column, steps in _given(tables, document):
        if column.required:
            yield partial(_changed, document, steps, lambda place: place.container.pop(place.key))


def _with_key(tables: Sequence[SourceTable], document: Document) -> Found:
    for table in tables:
        row = next(places(document, table.steps)).value
        if isinstance(row, dict) and next(_own(table), None) and not any(column.rest for column in table.columns):
            key = _unused(row)
            change = partial(lambda key, place: place.value.update({key: 1}), key)
            yield partial(_changed, document, table.steps, change)


def _with_value(tables: Sequence[SourceTable], document: Document, wrong: dict[str, str]) -> Found:
    for _, column, steps in _given(tables, document):
        value = wrong.get(column.data_type.partition("(")[0])
        if value and column.format != "text":
            change = partial(lambda value, place: place.container.update({place.key: value}), value)
            yield partial(_changed, document, steps, change)


def _twice(tables: Sequence[SourceTable], document: Document) -> Found:
    for table in tables:
        steps = table.steps
        unique = [column for column, _ in _own(table) if column.unique and column.required]
        if unique and steps[-1] is Mark.ELEMENT:
            yield partial(_changed, document, steps, lambda place: place.container.append(place.value))


def _dangling(tables: Sequence[SourceTable], document: Document) -> Found:
    """A document without a row that a row elsewhere refers to."""
    by_name = {table.name: table for table in tables}
    for table in tables:
        for column, steps in _own(table):
            parent = by_name.get(column.references[0]) if column.references else None
            if not parent or not column.references:
                continue
            key = next((of for found, of in _own(parent) if found.name == column.references[1]), None)
            if key:
                yield from _without_parent(document, steps, parent.steps, key)


def _without_parent(document: Document, child: Sequence[Step], rows: Sequence[Step], key: Sequence[Step]) -> Found:
    total = sum(1 for _ in itertools.islice(places(document, rows), _TRIED))
    for number in range(total if isinstance(rows[-1], Mark) else 0):
        root = rows[0]
        spoiled = (
            {**document, root: copy.deepcopy(document[root])} if isinstance(root, str) else copy.deepcopy(document)
        )
        place = next(itertools.islice(places(spoiled, rows), number, None))
        place.container.pop(place.key)
        known = {repr(each.value) for each in places(spoiled, key)}
        if any(each.value is not None and repr(each.value) not in known for each in places(spoiled, child)):
            yield lambda spoiled=spoiled: spoiled  # type: ignore[misc]
            return


def _empty(tables: Sequence[SourceTable], document: Document) -> Found:
    if any(table.not_empty for table in tables):
        kinds = {key: type(value) for key, value in document.items()}
        yield lambda: {key: kind() if kind in (dict, list) else document[key] for key, kind in kinds.items()}
