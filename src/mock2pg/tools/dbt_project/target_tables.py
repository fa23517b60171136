"""What the contracts of the dbt models say of the target tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mock2pg.contracts import Column, ForeignKey, SourceTable, Table, key_groups
from mock2pg.encoding import KINDS
from mock2pg.errors import InternalError
from mock2pg.tools.dbt_project.names import refuse_long

_SPELLINGS = {"time without time zone": "time", "int": "integer", "int4": "integer", "float8": "double precision",
              "bool": "boolean", "character varying": "text", "varchar": "text"}  # fmt: skip


def table(node: Mapping[str, Any], staged: Mapping[str, SourceTable]) -> Table:
    name, meta = node["name"], node["config"].get("meta", {})
    refuse_long(name, (name, *node["columns"]))
    source = staged.get(meta.get("source", name))
    places = {_snake(column.name): column.name for column in source.columns} if source else {}
    types = {column.name: column.data_type for column in source.columns} if source else {}
    filled = dict(meta.get("database_columns", {}))
    if both := [column for column in node["columns"] if column in filled]:
        raise InternalError(
            f"{name}.{both[0]} is a column of the contract, and one that the database fills: database_columns",
            hint="Take it out of config.meta.database_columns, or give the contract's column another name.",
        )
    columns = []
    for column in node["columns"].values():
        own = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
        data_type = _SPELLINGS.get(column["data_type"].lower(), column["data_type"].lower())
        if data_type not in KINDS:
            raise InternalError(f"{name}.{column['name']}: data_type {data_type} is not one of {', '.join(KINDS)}")
        kinds = {constraint["type"] for constraint in column["constraints"]}
        origin = own.get("source", places.get(column["name"]))
        if source and origin is None and not own.get("derived"):
            raise InternalError(
                f"{name}.{column['name']} comes from no staged column",
                hint="Say why in the model's YAML: config.meta.derived, or name the column: config.meta.source.",
            )
        columns.append(
            Column(
                column["name"],
                data_type,
                bool(kinds & {"not_null", "primary_key"}),
                origin,
                own.get("derived"),
                types.get(str(origin), ""),
            )
        )
    made = _constrained(
        Table(
            name=name,
            columns=tuple(columns),
            primary_key=(),
            source=source.name if source else None,
            publish=meta.get("publish", "merge"),
            database_columns=tuple(filled.items()),
        ),
        node,
    )
    return replace(made, natural_key=_natural_key(made, source)) if source else made


def _natural_key(table: Table, source: SourceTable) -> tuple[str, ...]:
    """The columns that the primary key is a UUIDv5 of, where the contract says that they are unique."""
    names = {column.source: column.name for column in table.columns if column.source and not column.derived}
    for column in source.columns:
        if column.uuid5 and table.primary_key == (names.get(column.name),):
            key = tuple(names[part] for part in column.uuid5 if part in names)
            if len(key) == len(column.uuid5) and set(key) in map(set, table.uniques):
                return key
    return ()


def _constrained(table: Table, node: Mapping[str, Any]) -> Table:
    constraints = list(node["constraints"]) + [
        {**constraint, "columns": [column["name"]]}
        for column in node["columns"].values()
        for constraint in column["constraints"]
    ]
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for constraint in constraints:
        by_kind.setdefault(constraint["type"], []).append(constraint)
    keys = by_kind.get("primary_key", [])
    if len(keys) != 1:
        raise InternalError(f"{table.name}: its contract needs one primary key")
    return replace(
        table,
        primary_key=tuple(keys[0]["columns"]),
        uniques=tuple(tuple(unique["columns"]) for unique in by_kind.get("unique", ())),
        checks=tuple(
            (check.get("name") or f"{table.name}_check{n}", check["expression"])
            for n, check in enumerate(by_kind.get("check", ()), 1)
        ),
        foreign_keys=tuple(
            ForeignKey(
                tuple(key["columns"]),
                _referred(key["to"]),
                tuple(key["to_columns"]),
                key.get("expression") or node["config"].get("meta", {}).get("on_delete", ""),
            )
            for key in by_kind.get("foreign_key", ())
        ),
    )


def _referred(to: str) -> str:
    """The table that a reference names: `ref('a_table')` when parsed, `"db"."schema"."a_table"` when compiled."""
    found = re.search(r"""ref\(\s*['"]([^'"]+)['"]\s*\)""", to)
    return found[1] if found else to.rpartition(".")[2].strip('"')


def ordered(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Parents before children. A primary key that others refer to is not one that an existing row could keep."""
    referred = {(key.parent, key.parent_columns) for table in tables for key in table.foreign_keys}
    by_name = {
        table.name: replace(table, natural_key=()) if (table.name, table.primary_key) in referred else table
        for table in sorted(tables, key=lambda table: table.name)
    }
    parents = {name: {key.parent for key in table.foreign_keys} for name, table in by_name.items()}
    return tuple(by_name[name] for group in key_groups(list(by_name), parents) for name in group)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
