"""The declarations of `_sources.yml`: the document's arrays, and what their rows hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from mock2pg.build import source_paths
from mock2pg.build.names import referred, refuse_alike, refuse_unfit
from mock2pg.errors import ProjectError
from mock2pg.json_paths import written
from mock2pg.spellings import data_type
from mock2pg.staged_tables import HIDDEN, SourceColumn, SourceTable

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast; a PyYAML may be built without it
_OF_TABLE = ("path", "not_empty", "single", "optional", "unique", "left_out")
_OF_COLUMN = ("path", "required", "blank", "unique", "references", "uuid5", "format", "rest")


def sources(project: Path) -> tuple[SourceTable, ...]:
    """The source tables of `_sources.yml`, in its order. Raises ProjectError naming what is wrong in it."""
    file = project / "models" / "_sources.yml"
    _refuse_old_layout(project, file)
    try:
        return _sources(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"{file.name} cannot be read: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=4)  # several steps ask, and YAML takes 6 ms
def _sources(text: str) -> tuple[SourceTable, ...]:
    declared = yaml.load(text, _Loader)["sources"]  # noqa: S506  both are safe
    found = tuple(_source(table) for table in [table for source in declared for table in source["tables"]])
    refuse_alike("_sources.yml: tables", [table.name for table in found])
    source_paths.refuse(found)
    _refuse_dangling(found)
    return found


def _refuse_old_layout(project: Path, file: Path) -> None:
    if not file.exists() and (file.parent / "staging" / "_sources.yml").exists():
        raise ProjectError(
            f"{project.name}/models/staging/_sources.yml is not read any more: the declarations are in"
            f" {project.name}/models/_sources.yml, with SQL names and the JSON key as config.meta.path",
            hint="Move and change it as the last chapter of docs/adding-an-entity.md says.",
        )


def _source(table: Mapping[str, Any]) -> SourceTable:
    try:
        name = _name(table)
        meta = _meta(table, name, _OF_TABLE)
        path = _path(meta, name)
        columns = tuple(_source_column(name, column) for column in table["columns"])
    except (AttributeError, KeyError, TypeError) as error:
        named = table.get("name", "a table") if isinstance(table, Mapping) else "a table"
        raise ProjectError(f"_sources.yml: {named}: cannot be read: {type(error).__name__}: {error}") from error
    found = SourceTable(
        name=name,
        path=path,
        columns=columns,
        description=table.get("description", ""),
        not_empty=bool(meta.get("not_empty", False)),
        single=bool(meta.get("single", False)),
        optional=bool(meta.get("optional", False)),
        unique=tuple(tuple(columns) for columns in meta.get("unique", ())),
        left_out=tuple(meta.get("left_out", ())),
    )
    _refuse_columns(found)
    return found


def _refuse_columns(table: SourceTable) -> None:
    name, names = table.name, [column.name for column in table.columns]
    refuse_unfit(f"_sources.yml: {name}", (name, *names))
    refuse_alike(f"_sources.yml: {name}: columns", names)
    if hidden := [own for own in names if own.casefold() in HIDDEN]:
        raise ProjectError(
            f"_sources.yml: {name}.{hidden[0]}: the staged table has a column {hidden[0].casefold()} of its own",
            hint="Give the column another name, and its key in the JSON as its path: config.meta.path.",
        )
    for column in table.columns:
        _refuse_type(f"_sources.yml: {name}.{column.name}", column)
        if not set(column.uuid5) <= set(names) - {column.name}:
            raise ProjectError(f"_sources.yml: {name}.{column.name}: uuid5 takes a list of other columns of the table")


def _refuse_type(where: str, column: SourceColumn) -> None:
    try:
        formats = data_type(column.data_type).formats
    except ValueError as error:
        raise ProjectError(f"{where}: data_type {error}") from None
    if column.format and column.format not in formats:
        known = f"is not one of {', '.join(formats)}" if formats else f"is not known: {column.data_type} has none"
        raise ProjectError(f"{where}: format {column.format} {known}")


def _source_column(table: str, column: Mapping[str, Any]) -> SourceColumn:
    meta = _meta(column, f"{table}.{column['name']}", _OF_COLUMN)
    return SourceColumn(
        name=_name(column),
        data_type=str(column["data_type"]),
        path=_path(meta, column["name"]),
        required=bool(meta.get("required", False)),
        blank=bool(meta.get("blank", False)),
        unique=bool(meta.get("unique", False)),
        references=referred(str(meta["references"])) if "references" in meta else None,
        uuid5=tuple(meta.get("uuid5", ())),
        format=str(meta.get("format", "")),
        rest=bool(meta.get("rest", False)),
    )


def _meta(declared: Mapping[str, Any], name: str, known: Collection[str]) -> Mapping[str, Any]:
    """Its config.meta. A word that nobody reads would declare nothing."""
    meta: Mapping[str, Any] = (declared.get("config") or {}).get("meta") or {}
    if unknown := [word for word in meta if word not in known]:
        raise ProjectError(
            f"_sources.yml: {name}: config.meta.{unknown[0]} is not one of {', '.join(known)}"
            + (": the JSON key is its path" if unknown[0] == "place" else "")
        )
    return meta


def _path(meta: Mapping[str, Any], name: str) -> str:
    """The path; where none is given, the key of that name, whatever it is spelled with."""
    return str(meta["path"]) if "path" in meta else written((name,))


def _name(declared: Mapping[str, Any]) -> str:
    """A name, which YAML reads as another value where it is `no`, `on` or a number without quotes."""
    if not isinstance(name := declared["name"], str):
        raise TypeError(f"the name {name} is not a string: quote it")
    return name


def _refuse_dangling(tables: Sequence[SourceTable]) -> None:
    """Refuse a reference to no column of the same type; elements of a list refer by a rule of their own."""
    types = {(table.name, column.name): column.data_type for table in tables for column in table.columns}
    for table in tables:
        for column in table.columns:
            if column.references and types.get(column.references) != column.data_type:
                raise ProjectError(
                    f"_sources.yml: {table.name}.{column.name}: references {'.'.join(column.references)},"
                    f" which is not a column of the type {column.data_type} in _sources.yml"
                )
