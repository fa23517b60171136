"""The columns of a contract: their types, and the staged columns that they are to equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mock2pg.contracts import Column, SourceTable, Table
from mock2pg.encoding import CONVERSIONS_DUCKDB, KINDS
from mock2pg.errors import ProjectError

_SPELLINGS = {"time without time zone": "time", "int": "integer", "int4": "integer", "float8": "double precision",
              "bool": "boolean", "character varying": "text", "varchar": "text"}  # fmt: skip
_UNTOUCHED = "The target tables were not changed."


def columns(node: Mapping[str, Any], source: SourceTable | None) -> tuple[Column, ...]:
    """The columns of a model's contract. Raises ProjectError naming the column that is not understood."""
    return tuple(_column(node["name"], column, source) for column in node["columns"].values())


def refuse_unproven(tables: Iterable[Table]) -> None:
    """Raise ProjectError naming every column whose staged value becomes another type without proof that it is equal."""
    unproven = [
        f"  {table.name}.{column.name}: {column.staged_as} in _sources.yml ({table.source}.{column.source}),"
        f" {column.data_type} in the contract"
        for table in tables
        for column in table.columns
        if column.source and not column.derived and not is_proven(column.staged_as, column.data_type)
    ]
    if unproven:
        raise ProjectError(
            "\n".join(["values that change their type cannot be proven to arrive unchanged:", *unproven]),
            hint="Declare the contract's type in _sources.yml, or say in the model's YAML why the value changes:"
            f" config.meta.derived. {_UNTOUCHED}",
        )


def is_proven(staged: str, contract: str) -> bool:
    """Return whether a value of the one type can be compared with what it became as the other."""
    return staged == contract or (staged, contract) in CONVERSIONS_DUCKDB


def _column(table: str, column: Mapping[str, Any], source: SourceTable | None) -> Column:
    name = column["name"]
    own = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
    declared = column["data_type"] or "none"
    data_type = _SPELLINGS.get(declared.lower(), declared.lower())
    if data_type not in KINDS:
        raise ProjectError(f"{table}.{name}: data_type {data_type} is not one of {', '.join(KINDS)}")
    kinds = {constraint["type"] for constraint in column["constraints"]}
    types = {staged.name: staged.data_type for staged in source.columns} if source else {}
    origin = own.get("source") or (name if name in types else None)
    if own.get("source") and origin not in types:
        where = f"the staged table {source.name}" if source else "a staged table: the model has none"
        raise ProjectError(f"{table}.{name}: config.meta.source names {origin}, which is no column of {where}")
    if source and origin is None and not own.get("derived"):
        raise ProjectError(
            f"{table}.{name} comes from no staged column",
            hint="Say why in the model's YAML: config.meta.derived, or name the column: config.meta.source."
            f" {_UNTOUCHED}",
        )
    not_null = bool(kinds & {"not_null", "primary_key"})
    return Column(name, data_type, not_null, origin, own.get("derived"), types.get(str(origin), ""))
