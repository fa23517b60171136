"""What `_sources.yml` declares: where the document's arrays lie, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mock2pg.build.names import refuse_long
from mock2pg.contracts import HIDDEN, SourceColumn, SourceTable
from mock2pg.encoding import KINDS
from mock2pg.errors import ProjectError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast; a PyYAML may be built without it
_PATH = re.compile(r"((?!\[\]).)+(\[\]\.((?!\[\]).)+\[\])?")


def sources(project: Path) -> tuple[SourceTable, ...]:
    """The source tables of `_sources.yml`, in its order. Raises ProjectError naming what is wrong in it."""
    file = project / "models" / "staging" / "_sources.yml"
    try:
        declared = yaml.load(file.read_text(encoding="utf-8"), _Loader)["sources"]  # noqa: S506  both are safe
        tables = [table for source in declared for table in source["tables"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"{file.name} cannot be read: {type(error).__name__}: {error}") from error
    found = tuple(_source(table) for table in tables)
    _refuse_twice("tables", [table.name for table in found])
    return found


def _source(table: Mapping[str, Any]) -> SourceTable:
    try:
        name, path = _name(table), str(table["config"]["meta"]["path"])
        columns = tuple(_source_column(name, column) for column in table["columns"])
    except (AttributeError, KeyError, TypeError) as error:
        named = table.get("name", "a table") if isinstance(table, Mapping) else "a table"
        raise ProjectError(f"_sources.yml: {named}: cannot be read: {type(error).__name__}: {error}") from error
    if not _PATH.fullmatch(path):
        raise ProjectError(f"_sources.yml: {name}: path {path} is neither `rows` nor `rows[].elements[]`")
    names = [column.name for column in columns]
    refuse_long(f"_sources.yml: {name}", (name, *names))
    _refuse_twice(f"{name}: columns", names)
    if hidden := [own for own in names if own.casefold() in HIDDEN]:
        raise ProjectError(
            f"_sources.yml: {name}.{hidden[0]}: the staged table has a column {hidden[0].casefold()} of its own",
            hint="Give the column another name, and its key in the JSON as its place: config.meta.place."
            " The target tables were not changed.",
        )
    for column in columns:
        if not set(column.uuid5) <= set(names) - {column.name}:
            raise ProjectError(f"_sources.yml: {name}.{column.name}: uuid5 takes a list of other columns of the table")
        if "[]." in column.place and not column.place.startswith(path.split("[]")[0] + "[]."):
            raise ProjectError(f"_sources.yml: {name}.{column.name}: place {column.place} is in another array")
    return SourceTable(name, path, columns, table.get("description", ""))


def _source_column(table: str, column: Mapping[str, Any]) -> SourceColumn:
    meta = (column.get("config") or {}).get("meta") or {}
    if column["data_type"] not in KINDS:
        raise ProjectError(
            f"_sources.yml: {table}.{column['name']}: data_type {column['data_type']} is not one of {', '.join(KINDS)}"
        )
    return SourceColumn(
        name=_name(column),
        data_type=column["data_type"],
        place=str(meta.get("place", column["name"])),
        required=bool(meta.get("required", False)),
        uuid5=tuple(meta.get("uuid5", ())),
    )


def _name(declared: Mapping[str, Any]) -> str:
    """A name, which YAML reads as another value where it is `no`, `on` or a number without quotes."""
    if not isinstance(name := declared["name"], str):
        raise TypeError(f"the name {name} is not a string: quote it")
    return name


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    """The staging database does not tell names apart by case."""
    folded = [name.casefold() for name in names]
    twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
    if twice:
        raise ProjectError(f"_sources.yml: {what} of one name, but perhaps for case: {', '.join(twice)}")
