"""Errors about rows in words: the fault, its location and the fix, without a row value."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mock2pg import checks
from mock2pg.contracts import SourceColumn, SourceTable
from mock2pg.errors import ValidationError
from mock2pg.source import documents
from mock2pg.spellings import data_type

FITS, GIVEN, DECLARED = (
    "expect_values_to_fit_their_types",
    "expect_values_to_be_given",
    "expect_only_declared_keys",
)
_BEYOND = {"integer": "a number beyond 32 bits", "bigint": "a number beyond 64 bits"}


def errors(
    arrays: Path, failures: Iterable[checks.Failure], tables: Mapping[str, SourceTable]
) -> list[ValidationError]:
    """Each failure with its place in the source, in the order of the source.

    arrays  the folder in which `documents.read` left them
    """
    hidden: Counter[tuple[str, int]] = Counter()  # keys of one row that are not shown, so not distinguished by name
    queries: dict[int, tuple[checks.Failure, documents.Query | None]] = {}
    for number, failure in enumerate(failures):
        place = _query(failure, tables)
        if place and failure.field == "?":
            row = failure.table, failure.keys["_row"]
            place, hidden[row] = replace(place, nth=hidden[row]), hidden[row] + 1
        queries[number] = failure, place
    locations = documents.locate(arrays, [place for _, place in queries.values() if place])
    found = [
        _error(failure, tables, locations[place] if place else documents.Location(None, None, None, ""))
        for failure, place in queries.values()
    ]
    return sorted(found, key=lambda one: (one.file or "", one.line or 0, one.column or 0, one.entity, one.row or 0))


def _query(failure: checks.Failure, tables: Mapping[str, SourceTable]) -> documents.Query | None:
    """Return the value to locate; None when the failure is about the whole array."""
    table, keys = tables[failure.table], failure.keys
    if not keys:
        return None
    steps = element(table, keys.get("_index") if failure.field else None)
    column = None if failure.rule == DECLARED else _column(table, failure.field)
    declared: frozenset[str] | None = None
    if column is not None and column.of_root:
        steps = (_root_key(column),)
    elif column is not None and column.is_key:
        steps += (column.path,)
    elif failure.rule == DECLARED and failure.field == "?":
        declared = frozenset(_keys(table, tables))
    elif column is None and failure.field not in ("", ".", "*"):
        steps += (failure.field,)
    return documents.Query(table.entity, keys["_root_row"], steps, declared, at_key=failure.rule == DECLARED)


def element(table: SourceTable, index: int | None) -> tuple[str | int, ...]:
    """The steps from a row of the entity to the staged row: none, or to an element of the nested array."""
    if not table.nested:
        return ()
    return (table.nested,) if index is None else (table.nested, index)


def _error(failure: checks.Failure, tables: Mapping[str, SourceTable], location: documents.Location) -> ValidationError:
    table, keys = tables[failure.table], failure.keys
    return ValidationError(
        entity=table.entity,
        id=keys.get("_id"),
        field=field(table, failure.field, keys.get("_index")),
        message=_message(failure, table, tables, location),
        severity=failure.severity,
        rule=failure.rule,
        row=keys.get("_root_row"),
        file=location.file,
        line=location.line,
        column=location.column,
        pointer=location.pointer,
    )


def field(table: SourceTable, name: str, index: int | None) -> str:
    """The field as the JSON has it, from the row of the entity: `items[2].amount`."""
    column = _column(table, name)
    if column and column.of_root:
        return _root_key(column)
    whole = name in (".", "*", "?") or getattr(column, "path", "") == "."
    if not table.nested:
        return "" if whole else name
    place = table.nested if index is None or name == "" else f"{table.nested}[{index}]"
    return place if whole or name == "" else f"{place}.{name}"


def _message(
    failure: checks.Failure, table: SourceTable, tables: Mapping[str, SourceTable], location: documents.Location
) -> str:
    if failure.rule == GIVEN or (failure.rule == FITS and not location.kind):
        return "is required, but null" if location.kind == "null" else "is required, but the key is missing"
    if failure.rule == DECLARED:
        near = difflib.get_close_matches(failure.field, _keys(table, tables), n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        subject = "has a key that is not declared" if failure.field == "?" else "is not a declared key"
        return f"{subject}{': left out' if failure.severity == 'warning' else ', so its value would be lost'}{guess}"
    if failure.rule != FITS:
        return failure.message
    if location.trouble:
        return f"{location.trouble}, so it cannot be kept"
    column = _column(table, failure.field)
    return f"{failure.message}; found {_found(location.kind, column) if column else location.kind}"


def _found(kind: str, column: SourceColumn) -> str:
    """Return the kind of the value found, with the reason where the kind alone does not explain the failure."""
    own = data_type(column.data_type)
    if own.array:
        return "an array that holds something else" if kind == "an array" else kind
    if kind == "a string":
        if own.pattern(column.format):
            return "a string that is none"
        return kind if own.scalar in ("text", "jsonb") else "a string: write it without quotes"
    if own.pattern(column.format) is None and "number" in kind:
        if own.scalar in ("double precision", "numeric"):
            return f"a number that {own.element} cannot keep exactly"
        if kind == "a whole number":
            return _BEYOND.get(own.scalar, kind)
    return "a value that jsonb cannot keep exactly" if own.scalar == "jsonb" else kind


def _column(table: SourceTable, field: str) -> SourceColumn | None:
    """The column of that label; a key of the JSON rather than one that is made of others."""
    found = [column for column in table.columns if column.label == field]
    return max(found, key=lambda column: column.is_key, default=None)


def _root_key(column: SourceColumn) -> str:
    return column.path.split("[].", 1)[1]


def _keys(table: SourceTable, tables: Mapping[str, SourceTable]) -> list[str]:
    """The keys that an object of the staged table may have."""
    own = [column.path for column in table.columns if column.is_key]
    others = [] if table.nested else [other.nested for other in tables.values() if other.entity == table.entity]
    return own + [name for name in others if name]
