"""Staged columns that no model takes: their values would be checked, and then lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mock2pg.contracts import Table
from mock2pg.errors import ProjectError
from mock2pg.staged_tables import SourceColumn, SourceTable


def refuse(models: Sequence[Mapping[str, Any]], tables: Iterable[Table], staged: Iterable[SourceTable]) -> None:
    """Raise ProjectError naming each staged column that is in no target table.

    A column is in one when a contract has it, or when a model that reads the staged table, itself or through another
    model, names it: then the model makes something else of it.
    """
    taken = {(table.source, column.source) for table in tables for column in table.columns if column.source}
    lost = []
    for source in staged:
        read = "\n".join(str(model["raw_code"]) for model in _readers(source.name, models))
        words = {word.casefold() for word in re.findall(r"\w+", read)}
        lost += [
            f"  {source.name}.{column.name}"
            for column in source.columns
            if _is_only_here(source, column)
            and (source.name, column.name) not in taken
            and not _named(column.name, words, read)
        ]
    if lost:
        raise ProjectError(
            "\n".join(["staged columns that no target table has, so that their values would be lost:", *lost]),
            hint="Add them to a model and its contract, or list their keys as left_out in _sources.yml.",
        )


def _is_only_here(table: SourceTable, column: SourceColumn) -> bool:
    """Return whether no other table has the value: it is not made of others, nor that of a row around the element."""
    return table.is_own(column) or (not column.uuid5 and table.column_sources[column.name].level < 0)


def _named(column: str, words: set[str], text: str) -> bool:
    return column.casefold() in words if re.fullmatch(r"\w+", column) else column in text


def _readers(source: str, models: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The models that read a staged table, directly or not."""
    found: dict[str, Mapping[str, Any]] = {}
    while True:
        more = {
            model["unique_id"]: model
            for model in models
            if model["unique_id"] not in found
            and (
                any(name == source for _, name in model["sources"])
                or not found.keys().isdisjoint(model["depends_on"]["nodes"])
            )
        }
        if not more:
            return list(found.values())
        found |= more
