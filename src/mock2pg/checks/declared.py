"""The rules that follow from `_sources.yml`, as entries of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mock2pg.json_paths import Mark, written
from mock2pg.source_shape import Shape, judged, row_shape
from mock2pg.spellings import DOUBLE_DIGITS, TEXT, DataType, data_type
from mock2pg.staged_tables import SourceColumn, SourceTable
from mock2pg.text import counted

Entry = dict[str, Any]

_NOT_EMPTY, _UNIQUE = IMPORTED = ("expect_table_row_count_to_be_between", "expect_column_values_to_be_unique")

_UNIQUE_ON = "expect_rows_to_be_unique_on"

_BITS = {"integer": "32 bits", "bigint": "64 bits"}
_MOMENTS = {"date": "a date", "time": "a time of day", "timestamp": "a timestamp", "timestamptz": "a timestamp"}


def entries(table: SourceTable, tables: Mapping[str, SourceTable]) -> list[Entry]:
    """The rules about the staged table: rows, types, keys, required and blank values, uniqueness, references.

    tables  all that are declared, by name
    """
    own = judged(table, tables.values())
    shape = row_shape(table, tables.values())
    given = [column.name for column in own if column.required]
    text = [column.name for column in own if _is_never_blank(column)]
    rules = []
    if table.not_empty:
        said = f"There is at least one row of {table.name}."
        rules.append(_entry(_NOT_EMPTY, said, "must have at least one row", min_value=1))
    rules.append(_entry("expect_values_to_fit_their_types", types=_types(table, own, shape)))
    if shape and not any(column.rest for column in own):
        inside = [written(keys) for keys, _ in shape.objects()[1:]]
        more: dict[str, Any] = {"objects": inside} if inside else {}
        rules.append(_entry("expect_only_declared_keys", **more))
    if given:
        rules.append(_entry("expect_values_to_be_given", columns=given))
    if text:
        rules.append(_entry("expect_values_not_to_be_blank", columns=text))
    for column in table.columns:
        if column.unique:
            said = f"No two rows have the same {column.label}."
            if '"' in column.name:  # which the parser of Great Expectations' own conditions does not take
                rules.append(_entry(_UNIQUE_ON, said, "must be unique", columns=[column.name]))
            else:
                rules.append(_entry(_UNIQUE, said, "must be unique", column=column.name))
    rules += [_entry(_UNIQUE_ON, columns=list(columns)) for columns in table.unique]
    for column in table.columns:
        if column.references:
            parent, of_parent = column.references
            label = tables[parent].labels[of_parent]
            said, told = (f"{start} the {label} of a row of {parent}" for start in (f"{column.label} is", "must be"))
            rules.append(
                _entry(
                    "expect_column_values_to_exist_in_table",
                    f"{said}.",
                    told,
                    column=column.name,
                    parent=parent,
                    parent_column=of_parent,
                )
            )
    return rules


def _entry(kind: str, description: str | None = None, message: str | None = None, **kwargs: Any) -> Entry:
    said = {"description": description} if description else {}
    meta = {"declared": True, **({"message": message} if message else {})}
    return {"type": kind, "kwargs": kwargs, "severity": "critical", "meta": meta, **said}


def _types(table: SourceTable, columns: list[SourceColumn], shape: Shape | None) -> dict[str, str]:
    """The words for each column's type, by the column's label; "." is the row itself, "" the array around it."""
    objects = {written(keys): "a JSON object" for keys, _ in shape.objects()[1:]} if shape else {}
    types = {column.label: in_json(column.data_type, column.format) for column in columns}
    around = "a JSON array" if table.levels[-1].mark is Mark.ELEMENT else "a JSON object"
    return objects | types | ({".": "a JSON object"} if shape else {}) | ({"": around} if table.nested else {})


def in_json(type_name: str, form: str = "") -> str:
    """The words for the JSON values that a column of the type and format takes."""
    own = data_type(type_name)
    if own.array and own.scalar == "text":
        return "a list of texts: a JSON array of strings"
    value = _scalar_in_json(own, form)
    return f"a JSON array in which each element is {value}" if own.array else value


def _scalar_in_json(own: DataType, form: str) -> str:
    if own.scalar in _MOMENTS:
        return f"{_MOMENTS[own.scalar]}: a JSON string {own.spelling(form)}"
    fixed = {
        "text": "text: a JSON string",
        "uuid": "a UUID: a JSON string in lower case with hyphens",
        "jsonb": "a JSON value",
    }
    if own.scalar in fixed:
        return fixed[own.scalar]
    quoted = form == TEXT
    if own.scalar == "boolean":
        return "true or false" + (" in a JSON string" if quoted else "")
    whole, json, bits = "whole " if own.scalar in _BITS else "", "" if quoted else "JSON ", _BITS.get(own.scalar)
    number = f"a {whole}{json}number" + (f" ({bits})" if bits else "")
    if own.precision:
        before, after = own.precision[0] - own.precision[1], own.precision[1]
        number += (
            f" of up to {counted(before, 'digit')} before the point and {'exactly ' if quoted else ''}{after} after it"
        )
    elif own.scalar == "double precision" and quoted:
        number += f" of up to {DOUBLE_DIGITS} digits"
    return number + (" in a JSON string" if quoted else "")


def _is_never_blank(column: SourceColumn) -> bool:
    """A text that must be given; one that refers to a row is judged by that."""
    return column.data_type == "text" and column.required and not column.blank and not column.references
