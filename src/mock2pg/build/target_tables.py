"""The target tables as the contracts of the dbt models declare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mock2pg.build import target_columns
from mock2pg.build.foreign_keys import declared, foreign_keys, refuse_dangling
from mock2pg.build.names import refuse_alike, refuse_reserved, refuse_unfit
from mock2pg.contracts import REFERENCE, ForeignKey, Table, key_groups
from mock2pg.errors import ProjectError
from mock2pg.staged_tables import SourceTable

_PUBLISH = ("merge", "ensure")
_OF_COLUMNS = ("primary_key", "unique", "foreign_key")


def contracts(models: Iterable[Mapping[str, Any]], staged: Iterable[SourceTable]) -> tuple[Table, ...]:
    """The target tables by the contracts of `models`, nodes of dbt's manifest; parents before children.

    Raises ProjectError naming what is wrong in a contract, or every column that cannot be proven to arrive unchanged.
    """
    sources = {table.name: table for table in staged}
    enforced, names = _enforced(models)
    if other := [node["name"] for node in enforced if node["config"]["materialized"] != "table"]:
        raise ProjectError(f"{', '.join(other)}: a model with an enforced contract is materialized as a table")
    found = [table(node, sources, names) for node in enforced]
    refuse_alike("target tables", names.values())
    refuse_dangling(circular(enforced), found)
    target_columns.refuse_unproven(found)
    return ordered(found)


def circular(models: Iterable[Mapping[str, Any]]) -> dict[str, tuple[ForeignKey, ...]]:
    """The foreign keys of each table that has any which dbt does not build. Raises as `contracts` does."""
    enforced, names = _enforced(models)
    return {names[node["name"]]: keys for node in enforced if (keys := declared(node, names))}


def _enforced(models: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
    """The models of target tables, and the name of the table of each."""
    enforced = [node for node in models if node["config"].get("contract", {}).get("enforced")]
    return enforced, {node["name"]: node.get("alias") or node["name"] for node in enforced}


def table(
    node: Mapping[str, Any], staged: Mapping[str, SourceTable], names: Mapping[str, str] = MappingProxyType({})
) -> Table:
    """The target table of a model, a node of dbt's manifest.

    names  model -> the name of its table, where that is another one
    """
    try:
        return _table(node, staged, names)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"{node['name']}: its contract cannot be read: {type(error).__name__}: {error}") from error


def _table(node: Mapping[str, Any], staged: Mapping[str, SourceTable], names: Mapping[str, str]) -> Table:
    name, meta = names.get(node["name"], node["name"]), node["config"].get("meta", {})
    refuse_unfit(name, (name, *node["columns"]))
    refuse_reserved(name)
    source = staged.get(meta.get("source", name))
    if source is None and "source" in meta:
        raise ProjectError(f"{name}: config.meta.source names {meta['source']}, which is not a table of _sources.yml")
    if (publish := meta.get("publish", "merge")) not in _PUBLISH:
        raise ProjectError(f"{name}: config.meta.publish is {publish}, which is not one of {', '.join(_PUBLISH)}")
    filled = dict(meta.get("database_columns", {}))
    if both := [column for column in node["columns"] if column in filled]:
        raise ProjectError(
            f"{name}.{both[0]} is a column of the contract, and one that the database fills: database_columns",
            hint="Take it out of config.meta.database_columns, or give the contract's column another name.",
        )
    if wrong := [column for column, definition in filled.items() if not isinstance(definition, str)]:
        raise ProjectError(f"{name}.{wrong[0]}: its definition in config.meta.database_columns is no text")
    made = _constrained(
        Table(
            name=name,
            columns=target_columns.columns(node, source),
            primary_key=(),
            source=source.name if source else None,
            publish=publish,
            database_columns=tuple(filled.items()),
            distribution=_distribution(name, node),
        ),
        node,
        names,
    )
    return replace(made, natural_key=_natural_key(made, source)) if source else made


def _distribution(name: str, node: Mapping[str, Any]) -> str:
    """Return config.meta.distribution: a column of the contract, "reference", or nothing."""
    declared = node["config"].get("meta", {}).get("distribution") or ""
    if declared in ("", REFERENCE):
        return str(declared)
    if not isinstance(declared, str) or declared not in node["columns"]:
        raise ProjectError(
            f"{name}: config.meta.distribution is {declared}, which is neither {REFERENCE} nor a column of the contract"
        )
    return declared


def _natural_key(table: Table, source: SourceTable) -> tuple[str, ...]:
    """The columns that the primary key is a UUIDv5 of, where the contract says that they are unique."""
    names = {column.source: column.name for column in table.columns if column.source and not column.derived}
    for column in source.columns:
        if column.uuid5 and table.primary_key == (names.get(column.name),):
            key = tuple(names[part] for part in column.uuid5 if part in names)
            if len(key) == len(column.uuid5) and set(key) in map(set, table.uniques):
                return key
    return ()


def _constrained(table: Table, node: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    constraints = list(node["constraints"]) + [
        {**constraint, "columns": [column["name"]]}
        for column in node["columns"].values()
        for constraint in column["constraints"]
    ]
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for constraint in constraints:
        kind, named = constraint["type"], constraint.get("columns") or ()
        if kind in _OF_COLUMNS and not (named and set(named) <= set(node["columns"])):
            told = f"names {', '.join(named)}" if named else "names no column"
            raise ProjectError(f"{table.name}: its {kind} constraint {told}: it needs columns of the contract")
        by_kind.setdefault(constraint["type"], []).append(constraint)
    keys = by_kind.get("primary_key", [])
    if len(keys) != 1:
        raise ProjectError(f"{table.name}: its contract needs one primary key")
    return replace(
        table,
        primary_key=tuple(keys[0]["columns"]),
        uniques=tuple(tuple(unique["columns"]) for unique in by_kind.get("unique", ())),
        checks=tuple(
            (check.get("name") or f"{table.name}_check{n}", check["expression"])
            for n, check in enumerate(by_kind.get("check", ()), 1)
        ),
        foreign_keys=foreign_keys(node, by_kind.get("foreign_key", ()), names),
    )


def ordered(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Parents before children. A primary key that others refer to is not one that an existing row could keep."""
    referred = {(key.parent, key.parent_columns) for table in tables for key in table.foreign_keys}
    by_name = {
        table.name: replace(table, natural_key=()) if (table.name, table.primary_key) in referred else table
        for table in sorted(tables, key=lambda table: table.name)
    }
    parents = {name: {key.parent for key in table.foreign_keys} for name, table in by_name.items()}
    return tuple(by_name[name] for group in key_groups(list(by_name), parents) for name in group)
