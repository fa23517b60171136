"""The columns of a contract: their types, and the staged columns that they are to equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mock2pg.contracts import Column, Table
from mock2pg.conversions import converted
from mock2pg.errors import ProjectError
from mock2pg.spellings import contract_type
from mock2pg.staged_tables import SourceTable


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
        if column.source
        and not column.derived
        and converted(column.staged_as, column.staged_format, column.data_type) is None
    ]
    if unproven:
        raise ProjectError(
            "\n".join(["values that change their type cannot be proven to arrive unchanged:", *unproven]),
            hint="Declare the contract's type in _sources.yml, or say in the model's YAML why the value changes:"
            " config.meta.derived.",
        )


def _column(table: str, column: Mapping[str, Any], source: SourceTable | None) -> Column:
    name = column["name"]
    own = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
    try:
        data_type = contract_type(column["data_type"] or "none")
    except ValueError as error:
        raise ProjectError(f"{table}.{name}: data_type {error}") from None
    kinds = {constraint["type"] for constraint in column["constraints"]}
    derived = own.get("derived")
    if not isinstance(derived, str | None):
        raise ProjectError(f"{table}.{name}: config.meta.derived is {derived}, and no text that says why it changes")
    staged = {one.name: one for one in source.columns} if source else {}
    origin = own.get("source") or (name if name in staged else None)
    if own.get("source") and origin not in staged:
        where = f"the staged table {source.name}" if source else "a staged table: the model has none"
        raise ProjectError(f"{table}.{name}: config.meta.source names {origin}, which is not a column of {where}")
    if source and origin is None and not derived:
        raise ProjectError(
            f"{table}.{name} comes from no staged column",
            hint="Say why in the model's YAML: config.meta.derived, or name the column: config.meta.source.",
        )
    not_null = bool(kinds & {"not_null", "primary_key"})
    of = staged.get(str(origin))
    return Column(name, data_type, not_null, origin, derived, of.data_type if of else "", of.format if of else "")
