"""The paths of `_sources.yml`: each leads somewhere, and no value of the source is between two of them."""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.errors import ProjectError
from mock2pg.json_paths import Mark, parsed, written
from mock2pg.source_shape import left_out_of_rows
from mock2pg.staged_tables import SourceColumn, SourceTable

_POSITIONS = ("integer", "bigint")
_NO_KEYS = ("jsonb", "double precision", "numeric")  # types of which a key of a map is no spelling


def refuse(tables: Sequence[SourceTable]) -> None:
    """Raise ProjectError for the first declaration whose path is wrong by itself or beside the others."""
    for table in tables:
        _refuse_table(table)
    for table in tables:
        _refuse_columns(table)
    _refuse_together(tables)


def _fault(name: str, message: str) -> ProjectError:
    return ProjectError(f"_sources.yml: {name}: {message}")


def _refuse_table(table: SourceTable) -> None:
    try:
        steps, levels = table.steps, table.levels
    except ValueError as error:
        raise _fault(table.name, f"path {table.path}: {error}") from None
    if any(isinstance(step, str) and "\0" in step for step in steps):
        raise _fault(table.name, "its path has a key with U+0000, which PostgreSQL's text cannot hold")
    if Mark.SOURCE in steps:
        raise _fault(table.name, f"path {table.path} has the source, $, after its beginning")
    if table.single and steps and isinstance(steps[-1], Mark):
        raise _fault(table.name, f"single is one row, and path {table.path} ends with {steps[-1].value}: many")
    if not table.single and not levels[0].keys:
        raise _fault(table.name, f"path {table.path} begins with no key of the source")
    for path in table.left_out:
        try:
            left = parsed(path)
        except ValueError as error:
            raise _fault(table.name, f"left_out {path}: {error}") from None
        if not left or any(isinstance(step, Mark) for step in left[left[0] is Mark.SOURCE :]):
            raise _fault(
                table.name, f"left_out {path} is not a key of the row: what is inside arrays is for their tables"
            )


def _refuse_columns(table: SourceTable) -> None:
    for column in table.columns:
        try:
            parsed(column.path)
        except ValueError as error:
            if not column.uuid5 and not column.rest:
                raise _fault(f"{table.name}.{column.name}", f"path {column.path}: {error}") from None
    try:
        origins = table.column_sources
    except ValueError as error:
        raise ProjectError(f"_sources.yml: {table.name}.{error}") from None
    for column in table.columns:
        name = f"{table.name}.{column.name}"
        if column.rest and (column.data_type != "jsonb" or table.scalar):
            raise _fault(name, "rest is a column of the type jsonb, in a table whose rows are objects")
        if column.name not in origins:
            continue
        if any("\0" in key for key in origins[column.name].keys):
            raise _fault(name, "its path has a key with U+0000, which PostgreSQL's text cannot hold")
        mark, kind = origins[column.name].mark, column.data_type
        if mark is Mark.ELEMENT and kind not in _POSITIONS:
            raise _fault(name, f"a position is of the type {' or '.join(_POSITIONS)}, not {kind}")
        if mark is Mark.MEMBER and (kind.startswith(_NO_KEYS) or kind.endswith("[]")):
            raise _fault(name, f"a key of a map is text: it cannot be of the type {kind}")
    if len([column for column in table.columns if column.rest]) > 1:
        raise _fault(table.name, "more than one column has rest")
    _refuse_twice(table)
    _refuse_hidden(table)
    names = {column.name for column in table.columns}
    for columns in table.unique:
        if len(set(columns)) < 2 or not set(columns) <= names:
            raise _fault(table.name, "unique takes lists of two or more of its columns: unique: [[a, b]]")


def _refuse_twice(table: SourceTable) -> None:
    found: dict[object, SourceColumn] = {}
    for column in table.columns:
        if column.name not in table.column_sources:
            continue
        if other := found.get(origin := table.column_sources[column.name]):
            raise _fault(table.name, f"two columns have the path {column.path}: {other.name} and {column.name}")
        found[origin] = column


def _refuse_hidden(table: SourceTable) -> None:
    """Refuse what is below a value that a column has as a whole, or below or above what is left out."""
    keyed = [(column, keys) for column in table.columns if (keys := table.keys(column))]
    for column, keys in keyed:
        for other, below in keyed:
            if len(keys) < len(below) and below[: len(keys)] == keys and column.data_type != "jsonb":
                told = f"its value is {column.data_type}, and column {other.name} is inside it: {other.label}"
                raise _fault(f"{table.name}.{column.name}", told)
        for left in left_out_of_rows(table):
            shorter = min(len(left), len(keys))
            if left[:shorter] == keys[:shorter] and not (column.data_type == "jsonb" and len(left) > len(keys)):
                raise _fault(table.name, f"left_out {written(left)} hides the column {column.name}")
    if table.scalar:
        whole = next(column for column in table.columns if not column.steps and not column.uuid5 and not column.rest)
        if keyed and whole.data_type != "jsonb":
            raise _fault(table.name, f"{whole.name} is the element itself, and {keyed[0][0].name} a key inside it")


def _refuse_together(tables: Sequence[SourceTable]) -> None:
    by_steps: dict[object, SourceTable] = {}
    for table in tables:
        if other := by_steps.get(table.steps):
            raise _fault(table.name, f"{other.name} has the path {table.path}, too")
        by_steps[table.steps] = table
    for table in tables:
        for other in tables:
            _refuse_pair(table, other)
    for table in tables:
        for number, level in enumerate(table.levels[1:], start=1):
            around = _steps_of(table, number)
            if level.keys and around not in by_steps:
                raise _fault(
                    table.name,
                    f"path {table.path} is inside rows that no table takes:"
                    f" declare a table with the path {written(around)}",
                )


def _refuse_pair(table: SourceTable, other: SourceTable) -> None:
    """One place is one thing: an array, a map, or a single object."""
    for number, level in enumerate(table.levels):
        place = _steps_of(table, number + 1)
        bare = place if level.mark is None else place[:-1]
        here = other.steps[len(bare) : len(bare) + 1]
        if other.steps[: len(bare)] != bare or other is table:
            continue
        if level.mark and here and isinstance(here[0], Mark) and here[0] is not level.mark:
            raise _fault(table.name, f"{written(bare)} is an array in one path and a map in another: {other.name}")
        if level.mark and here and isinstance(here[0], str):
            raise _fault(other.name, f"path {other.path} takes {written(bare)} as an object, and {table.name} as rows")
        if level.mark is None and here and isinstance(here[0], Mark):
            raise _fault(table.name, f"{written(bare)} is a single row, and rows in the path of {other.name}")
    left = [keys for path in table.left_out if (keys := parsed(path))]
    for keys in left_out_of_rows(table):
        inside = other.steps[len(table.steps) :]
        if table.encloses(other) and keys == inside[: len(keys)]:
            raise _fault(table.name, f"left_out {written(keys)} hides the table {other.name}")
    for keys in left:
        if keys[0] is Mark.SOURCE and other.steps[: len(keys) - 1] == keys[1:]:
            raise _fault(table.name, f"left_out {written(keys)} hides the table {other.name}")


def _steps_of(table: SourceTable, levels: int) -> tuple[str | Mark, ...]:
    steps: list[str | Mark] = []
    for level in table.levels[:levels]:
        steps += [*level.keys, *([level.mark] if level.mark else [])]
    return tuple(steps)
