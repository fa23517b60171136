"""The rules that follow from `_sources.yml`, as entries of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mock2pg.contracts import SourceColumn, SourceTable

Entry = dict[str, Any]

_NOT_EMPTY, _UNIQUE = IMPORTED = ("expect_table_row_count_to_be_between", "expect_column_values_to_be_unique")

_UNIQUE_ON = "expect_rows_to_be_unique_on"

_IN_JSON = {
    "text": "text: a JSON string",
    "integer": "a whole JSON number (32 bits)",
    "double precision": "a JSON number",
    "boolean": "true or false",
    "date": "a date: a JSON string YYYY-MM-DD",
    "time": "a time of day: a JSON string HH:MM",
    "text[]": "a list of texts: a JSON array of strings",
    "jsonb": "a JSON value",
}


def entries(table: SourceTable, tables: Mapping[str, SourceTable]) -> list[Entry]:
    """The rules about the staged table: rows, types, keys, required and blank values, uniqueness, references.

    tables  all that are declared, by name
    """
    # what an element has from the row around it is for that row's rules
    own = [column for column in table.columns if not column.uuid5 and not column.of_root]
    given = [column.name for column in own if column.required]
    text = [column.name for column in own if _is_never_blank(column)]
    rules = []
    if table.not_empty:
        said = f"There is at least one row of {table.name}."
        rules.append(_entry(_NOT_EMPTY, said, "must have at least one row", min_value=1))
    rules.append(_entry("expect_values_to_fit_their_types", types=_types(table, own)))
    if not table.scalar:
        rules.append(_entry("expect_only_declared_keys"))
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


def _types(table: SourceTable, columns: list[SourceColumn]) -> dict[str, str]:
    """The words for each column's type, by the column's label; "." is the row itself, "" the array around it."""
    types = {column.label: _IN_JSON[column.data_type] for column in columns}
    return types | ({} if table.scalar else {".": "a JSON object"}) | ({"": "a JSON array"} if table.nested else {})


def _is_never_blank(column: SourceColumn) -> bool:
    """A text that must be given; one that refers to a row is judged by that."""
    return column.data_type == "text" and column.required and not column.blank and not column.references
