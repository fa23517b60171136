"""`_sources.yml`: the shape of the source, as init concluded it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mock2pg.init.conclusions import Conclusions
from mock2pg.init.writing.constraint_names import jinja_safe
from mock2pg.init.writing.yaml_text import flow, item
from mock2pg.json_paths import parsed, written
from mock2pg.staged_tables import SourceColumn, SourceTable

_HEAD = """\
# The shape of the source: a table for each array, map or object, a column for each value.
# config.meta says the rest, as docs/adding-an-entity.md of mock2pg explains:
#   of a table: path, single, optional, not_empty, unique, left_out
#   of a column: path, format, required, blank, unique, references, uuid5, rest
version: 2

sources:
  - name: landing
    schema: mock2pg_landing
    description: The source as it was staged, with SQL names.
    tables:
"""


def sources(conclusions: Conclusions) -> str:
    """Return the text of `_sources.yml`."""
    return _HEAD + "".join(_table(entity.table) for entity in conclusions.entities)


def _table(table: SourceTable) -> str:
    every = table.name if table.single else f"{table.name}[]"
    meta = _without_defaults(
        {
            "path": "" if table.path in (table.name, every) else _path(table.path),
            "single": table.single,
            "optional": table.optional,
            "not_empty": table.not_empty,
            "unique": [list(columns) for columns in table.unique],
            "left_out": [_path(path) for path in table.left_out],
        }
    )
    text = f"      - name: {flow(table.name)}\n        description: {flow(jinja_safe(described(table)))}\n"
    if meta:
        text += f"        config: {flow({'meta': meta})}\n"
    return text + "        columns:\n" + "".join(item(_column(column), 10) for column in table.columns)


def described(table: SourceTable) -> str:
    """Return what a row of the table is."""
    if table.description:
        return table.description
    if table.single:
        return f"One row: the object {table.path}."
    path = table.path if table.path.endswith(("[]", "{}")) else f"{table.path}[]"
    return f"One row per {'member' if path.endswith('{}') else 'element'} of {path}."


def _column(column: SourceColumn) -> dict[str, Any]:
    meta = _without_defaults(
        {
            "path": "" if column.uuid5 or column.rest or column.path == column.name else _path(column.path),
            "format": column.format,
            "required": column.required,
            "blank": column.blank,
            "unique": column.unique,
            "references": written(column.references) if column.references else "",
            "uuid5": list(column.uuid5),
            "rest": column.rest,
        }
    )
    return {"name": column.name, "data_type": column.data_type, **({"config": {"meta": meta}} if meta else {})}


def _path(path: str) -> str:
    """The path as it is written where dbt renders it."""
    return written(parsed(path))


def _without_defaults(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if value}
