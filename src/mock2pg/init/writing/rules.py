"""`expectations/`: the rules that declarations do not say. A table without one has no file."""

from __future__ import annotations

import json
from typing import Any

from mock2pg.init.conclusions import ConcludedColumn, Entity, Reference


def suite(entity: Entity) -> str | None:
    """Return the suite of a table, or None where its declaration is enough."""
    rules = [_closed(column) for column in entity.columns if column.allowed]
    rules += [_nearly(entity, key) for key in entity.references if not key.enforced]
    if not rules:
        return None
    lines = ",\n".join(_lines(rule) for rule in rules)
    table = f'{{\n  "name": {_json(entity.table.name)},\n  "meta": {{"table": {_json(entity.table.name)}}},'
    return f'{table}\n  "expectations": [\n{lines}\n  ]\n}}\n'


def _closed(column: ConcludedColumn) -> dict[str, Any]:
    words = ", ".join(column.allowed[:-1]) + (" or " if column.allowed[1:] else "") + column.allowed[-1]
    return {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": column.name, "value_set": list(column.allowed)},
        "description": f"{column.declared.label} is {words}.",
        "severity": "critical",
        "meta": {"message": f"must be {words}"},
    }


def _nearly(entity: Entity, key: Reference) -> dict[str, Any]:
    """A reference that some rows break: it warns, and names them."""
    label = " and ".join(entity.table.labels.get(column, column) for column in key.columns)
    said = {
        "description": f"{label} is {' and '.join(key.parent_columns)} of a row of {key.parent}: {key.evidence}.",
        "severity": "warning",
    }
    message = f"is no {' and '.join(key.parent_columns)} of a row of {key.parent}"
    if len(key.columns) == 1:
        kwargs = {"column": key.columns[0], "parent": key.parent, "parent_column": key.parent_columns[0]}
        kind = "expect_column_values_to_exist_in_table"
        return {"type": kind, "kwargs": kwargs, **said, "meta": {"message": message}}
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    joined = " AND ".join(f"p.{_quoted(of)} = c.{_quoted(own)}" for own, of in pairs)
    given = " AND ".join(f"c.{_quoted(own)} IS NOT NULL" for own in key.columns)
    query = f"SELECT c.* FROM {{batch}} AS c ANTI JOIN {_quoted(key.parent)} AS p ON {joined} WHERE {given}"  # noqa: S608
    return {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": query},
        **said,
        "meta": {"rule": f"in_{key.parent}", "field": key.columns[-1], "message": message},
    }


def _quoted(name: str) -> str:
    return ('"' + name.replace('"', '""') + '"').replace("{", "{{").replace("}", "}}").replace(":", "\\:")


def _lines(rule: dict[str, Any]) -> str:
    """A rule as the suites of the sample are written: one line for each of its words."""
    return "    {\n" + ",\n".join(f"      {_json(key)}: {_json(value)}" for key, value in rule.items()) + "\n    }"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
