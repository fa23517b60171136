"""Errors about rows in words: the fault, its location and the fix, without a row value."""

from __future__ import annotations

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mock2pg import checks
from mock2pg.errors import ValidationError
from mock2pg.json_paths import keys_of, parsed, written
from mock2pg.source import documents
from mock2pg.source_shape import row_shape
from mock2pg.spellings import data_type
from mock2pg.staged_tables import SourceColumn, SourceTable

FITS, GIVEN, DECLARED = (
    "expect_values_to_fit_their_types",
    "expect_values_to_be_given",
    "expect_only_declared_keys",
)
_BEYOND = {"integer": "a number beyond 32 bits", "bigint": "a number beyond 64 bits"}


def errors(
    arrays: Path, failures: Iterable[checks.Failure], tables: Mapping[str, SourceTable]
) -> list[ValidationError]:
    """Each failure with its place in the source, in their order.

    arrays  the folder in which `documents.read` left them
    """
    hidden: Counter[tuple[str, int, str]] = (
        Counter()
    )  # keys of one row that are not shown, so not distinguished by name
    queries: dict[int, tuple[checks.Failure, documents.Query | None]] = {}
    failures = list(failures)
    named = _named(failures)
    for number, failure in enumerate(failures):
        place = _query(failure, tables)
        if place and place.declared is not None:
            row = failure.table, failure.keys["_row"], failure.field
            known = place.declared | named[failure.table, failure.keys["_row"]]
            place, hidden[row] = replace(place, declared=known, nth=hidden[row]), hidden[row] + 1
        queries[number] = failure, place
    locations = documents.locate(arrays, [place for _, place in queries.values() if place])
    return [
        _error(failure, tables, locations[place] if place else documents.Location(None, None, None, ""))
        for failure, place in queries.values()
    ]


def in_order(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """The errors in the order of the source."""
    return sorted(errors, key=lambda one: (one.file or "", one.line or 0, one.column or 0, one.entity, one.row or 0))


def _named(failures: Iterable[checks.Failure]) -> Mapping[tuple[str, int], frozenset[str]]:
    """The keys of each row that are not declared, and are listed by name."""
    named: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for failure in failures:
        if failure.rule == DECLARED and failure.keys:
            named[failure.table, failure.keys["_row"]].add(failure.field)
    return {row: frozenset(keys) for row, keys in named.items()}


def _query(failure: checks.Failure, tables: Mapping[str, SourceTable]) -> documents.Query | None:
    """Return the value to locate; None when the failure is about the whole array."""
    table, keys = tables[failure.table], failure.keys
    if not keys:
        return None
    steps = element(table, positions(keys))
    column = None if failure.rule == DECLARED else _column(table, failure.field)
    declared: frozenset[str] | None = None
    if column is not None and not column.uuid5:
        steps = _value(table, column, positions(keys))
    elif failure.rule == DECLARED:
        inside, name = _inside(failure.field, table, tables)
        steps += inside
        if name == "?":
            declared = frozenset(_keys(table, tables, inside))
        else:
            steps += (name,)
    elif failure.field not in ("", ".", "*"):
        steps += _parsed(failure.field)
    return documents.Query(table.entity, keys["_root_row"], steps, declared, at_key=failure.rule == DECLARED)


def positions(keys: Mapping[str, Any]) -> list[int | str]:
    """The positions and keys, level by level, that lead from the row of the entity to the staged row."""
    if keys.get("_steps") is not None:
        found: list[int | str] = json.loads(keys["_steps"])
        return found
    return [] if keys.get("_index") is None else [keys["_index"]]


def element(table: SourceTable, places: Sequence[int | str], levels: int | None = None) -> tuple[str | int, ...]:
    """The steps from a row of the entity to the staged row, or to the row of an outer level around it.

    They end with the array, map or object that is none, where there is no position in it.
    """
    steps: list[str | int] = []
    left = list(places)
    for level in table.levels[1:levels]:
        steps += level.keys
        if level.mark is not None:
            if not left:
                break
            steps.append(left.pop(0))
    return tuple(steps)


def _value(table: SourceTable, column: SourceColumn, places: Sequence[int | str]) -> tuple[str | int, ...]:
    """The steps from a row of the entity to the value of a column; to the row of what is the source's own."""
    if column.rest:
        return element(table, places)
    origin = table.column_sources[column.name]
    return (*element(table, places, origin.level + 1), *origin.keys) if origin.level >= 0 else ()


def _inside(field: str, table: SourceTable, tables: Mapping[str, SourceTable]) -> tuple[tuple[str, ...], str]:
    """The object, by its keys from the row, that has a key which is not declared; and the key, or a question mark."""
    shape = row_shape(table, tables.values())
    for keys, _ in reversed(shape.objects()[1:] if shape else []):
        if field.startswith(prefix := f"{written(keys)}."):
            return keys, field.removeprefix(prefix)
    return (), field


def _parsed(path: str) -> tuple[str, ...]:
    return keys_of(parsed(path))


def _error(failure: checks.Failure, tables: Mapping[str, SourceTable], location: documents.Location) -> ValidationError:
    table, keys = tables[failure.table], failure.keys
    return ValidationError(
        entity=table.entity,
        id=keys.get("_id"),
        field=field(table, failure.field, positions(keys)),
        message=_message(failure, table, tables, location),
        severity=failure.severity,
        rule=failure.rule,
        row=keys.get("_root_row"),
        file=location.file,
        line=location.line,
        column=location.column,
        pointer=location.pointer,
        mark=table.levels[0].mark.value if table.levels[0].mark else "",
    )


def field(table: SourceTable, name: str, places: Sequence[int | str]) -> str:
    """The field as the JSON has it, from the row of the entity: `items[2].amount`."""
    column = _column(table, name)
    if column is not None and not column.uuid5 and not column.rest:
        steps = _value(table, column, places)
        return "" if table.column_sources[column.name].level < 0 else shown(steps)
    around = shown(element(table, places))
    return around if name in ("", ".", "*", "?") else f"{around}.{name}" if around else name


def shown(steps: Iterable[int | str]) -> str:
    """Steps as an error shows them: `items[2].sizes[0]`. A key of a map may be data: only one like a name is shown."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + written((step,))
    return path


def _message(
    failure: checks.Failure, table: SourceTable, tables: Mapping[str, SourceTable], location: documents.Location
) -> str:
    if failure.rule == GIVEN or (failure.rule == FITS and not location.kind):
        return "is required, but null" if location.kind == "null" else "is required, but the key is missing"
    if failure.rule == DECLARED:
        inside, key = _inside(failure.field, table, tables)
        near = difflib.get_close_matches(key, _keys(table, tables, inside), n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        subject = "has a key that is not declared" if key == "?" else "is not a declared key"
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
            return "a string of another form"
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
    return max(found, key=lambda column: bool(column.steps), default=None)


def _keys(table: SourceTable, tables: Mapping[str, SourceTable], inside: Sequence[str] = ()) -> list[str]:
    """The keys that an object of the staged table may have: the row, or an object inside it."""
    shape = row_shape(table, tables.values())
    return list(shape.at(inside).members) if shape else []
