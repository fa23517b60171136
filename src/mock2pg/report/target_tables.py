"""The page of the target tables: what the contracts say of them, and what dbt's manifest describes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mock2pg.contracts import Column, Table
from mock2pg.json_paths import written
from mock2pg.pages import Shown, diagram
from mock2pg.step_results import decode

_MARKS = {".": "the element itself", "[]": "the position in its array", "{}": "the key in its map"}
MANY = 20  # tables, beyond which the report draws their keys alone


@dataclass(frozen=True)
class _DescribedColumn:
    description: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Described:
    """A model or a source of dbt's manifest, as far as a reader of the page wants to know it."""

    name: str = ""
    alias: str | None = None
    resource_type: str = ""
    description: str = ""
    columns: Mapping[str, _DescribedColumn] = field(default_factory=dict)


@dataclass(frozen=True)
class _Manifest:
    nodes: Mapping[str, _Described] = field(default_factory=dict)
    sources: Mapping[str, _Described] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownColumn:
    """One column of the page.

    references  table, column and ON DELETE of each of its foreign keys
    path        where its values are in a row of the JSON; "" where there are none
    origin      where they come from otherwise, in words
    definition  of a column that the database fills
    """

    name: str
    data_type: str
    null: bool
    keys: tuple[str, ...] = ()
    references: tuple[tuple[str, str, str], ...] = ()
    path: str = ""
    origin: str = ""
    format: str = ""
    description: str = ""
    derived: str = ""
    definition: str = ""


@dataclass(frozen=True)
class ShownTable:
    """One table of the page.

    path      where its rows are in the JSON; "" of one whose rows a model makes
    referred  the tables that refer to it
    """

    table: Table
    columns: tuple[ShownColumn, ...]
    path: str = ""
    description: str = ""
    referred: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        return diagram.anchor(self.table.name)


def picture(tables: Sequence[Table], href: str = "", *, only_keys: bool = False) -> Shown:
    """The entity-relationship diagram, as part of a page."""
    return Shown(diagram.er_diagram(tables, href, only_keys=only_keys))


def described(tables: Sequence[Table], manifest: bytes, paths: Mapping[str, str]) -> list[ShownTable]:
    """The tables by name, with the words of their models' YAML.

    manifest  dbt's manifest.json; b"" when there is none
    paths     where the rows of each staged table are in the JSON
    """
    known = _read(manifest)
    models = {node.alias or node.name: node for node in known.nodes.values() if node.resource_type == "model"}
    sources = {source.name: source for source in known.sources.values()}
    referring = {(key.parent, table.name) for table in tables for key in table.foreign_keys}
    return [
        ShownTable(
            table,
            _columns(table, models.get(table.name, _Described()), sources.get(table.source or "", _Described())),
            paths.get(table.source or "", ""),
            models.get(table.name, _Described()).description,
            tuple(sorted(child for parent, child in referring if parent == table.name)),
        )
        for table in sorted(tables, key=lambda table: table.name)
    ]


def _read(manifest: bytes) -> _Manifest:
    try:
        return decode(_Manifest, json.loads(manifest or b"{}"))
    except ValueError:  # of another version of dbt: the contracts are shown without it
        return _Manifest()


def _columns(table: Table, model: _Described, source: _Described) -> tuple[ShownColumn, ...]:
    own = tuple(_column(table, column, model, source) for column in table.columns)
    filled = tuple(
        ShownColumn(name, *diagram.type_of(definition), origin="filled by the database", definition=definition)
        for name, definition in table.database_columns
    )
    return own + filled


def _column(table: Table, column: Column, model: _Described, source: _Described) -> ShownColumn:
    meta = source.columns.get(column.source or "", _DescribedColumn()).meta
    path = str(meta.get("path") or written((column.source,))) if column.source else ""
    origin = _MARKS.get(path, "" if path else "no key of the JSON")
    if made_of := meta.get("uuid5"):
        origin = f"UUIDv5 of {', '.join(map(str, made_of))}"
    return ShownColumn(
        column.name,
        column.data_type,
        not column.not_null,
        diagram.marks(table, column.name),
        tuple(
            (key.parent, parent, key.on_delete)
            for key in table.foreign_keys
            for own, parent in zip(key.columns, key.parent_columns, strict=False)
            if own == column.name
        ),
        "" if origin else path,
        origin,
        column.staged_format,
        model.columns.get(column.name, _DescribedColumn()).description,
        column.derived or "",
    )
