"""The columns of a table: of the row's own values, of the row around it, of its position or key."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from mock2pg.init.concluding.drafts import POSITION, WRAPPERS, Column, Link, TableDraft
from mock2pg.init.concluding.layout import Field
from mock2pg.init.concluding.naming import singular, snake
from mock2pg.init.concluding.types import Typed, concluded, several
from mock2pg.init.reading.profile import Json
from mock2pg.json_paths import Mark, Step, written


def name_of(path: tuple[Step, ...]) -> str:
    """Return the name of a column from its path in the row, without the wrappers of extended JSON."""
    keys = [step for step in path if isinstance(step, str) and not isinstance(step, Mark)]
    plain = [key for key in keys if key not in WRAPPERS] or keys
    return snake("_".join(snake(key) for key in plain))


def own_columns(table: TableDraft) -> None:
    """Add the columns of the row's own values."""
    for found in table.rows.draft.fields:
        table.add(own_column(table, found))


def own_column(table: TableDraft, found: Field) -> Column:
    name = "rest" if found.rest else name_of(found.path) or "value"
    if found.path and all(step in WRAPPERS for step in found.path):  # an array of wrappers
        keys = [step for step in table.path if isinstance(step, str) and not isinstance(step, Mark)]
        name = singular(snake(keys[-1])) or name
    path = written(found.path)
    rows = len(table.rows)
    if found.rest:
        typed = Typed("jsonb", "what no other column takes of the row")
        return Column(name, path, typed, rows, rows, kind="rest", field=found)
    if isinstance(found.values, Json):
        column = Column(name, path, _json(found), rows, found.values.values, field=found)
    else:
        values = found.values
        column = Column(name, path, POSITION, rows, values.values, values.hashes, profile=values, field=found)
        last = found.path[-1] if found.path else ""
        column.typed = concluded(values, lambda row: table.where(row, column), str(last))
    return column


def _json(found: Field) -> Typed:
    shape = found.shape
    if found.lists:
        return Typed("jsonb", "arrays")
    kinds = shape.found
    if not kinds:
        return Typed("jsonb", "no value")
    if len(kinds) > 1:
        return several(shape.kinds)
    if shape.empty == shape.values:
        what = "arrays" if list in kinds else "objects"
        return Typed("jsonb", f"empty {what}", doubts=(f"all {what} are empty: kept as jsonb",))
    if list in kinds:
        return Typed("jsonb", "arrays whose elements are not of one kind, or arrays themselves")
    return Typed("jsonb", "objects whose keys vary")


def inherited(table: TableDraft) -> list[Column]:
    """Return the columns that hold the key of the row around each row, where that has one."""
    parent = table.parent
    if parent is None or (parent.rows.draft.single and parent.column(parent.key[0]).kind == "position"):
        return []
    columns = []
    for name in parent.key:
        theirs = parent.column(name)
        hashes = array("q", [theirs.hashes[row] for row in table.rows.parents]) if theirs.hashes is not None else None
        rows = len(table.rows)
        typed = Typed(theirs.typed.data_type, "the key of the parent row", theirs.typed.format)
        path = _from_source(parent, theirs)
        name = _of_parent(parent, theirs)
        columns.append(Column(name, path, typed, rows, rows, hashes, "parent", theirs.profile))
    return columns


def _of_parent(parent: TableDraft, column: Column) -> str:
    if column.kind == "parent" or column.name == parent.word or column.name.startswith(parent.word + "_"):
        return column.name
    return f"{parent.word}_{column.name}"


def _from_source(parent: TableDraft, column: Column) -> str:
    """The path of a column of an enclosing row."""
    around = written(parent.path)
    if column.path in ("[]", "{}"):
        return around
    if column.kind != "own":  # of a row, an array or a map around that one
        return column.path
    return f"$.{around}.{column.path}" if parent.rows.draft.single else f"{around}.{column.path}"


def marks(table: TableDraft) -> Iterator[Column]:
    """Yield a column for each mark in the path from the parent's row: the enclosing ones first, its own last."""
    draft, rows = table.rows.draft, table.rows
    base = draft.path[: len(draft.path) - len(draft.steps)]
    number = -1
    for at, step in enumerate(draft.steps):
        if not isinstance(step, Mark):
            continue
        number += 1
        last = at == len(draft.steps) - 1
        path = step.value if last else written((*base, *draft.steps[: at + 1]))
        around = [one for one in (*base, *draft.steps[:at]) if isinstance(one, str) and not isinstance(one, Mark)]
        word = "" if last else singular(snake(around[-1])) + "_"
        total = len(rows)
        keys = rows.keys[number]
        if keys is None:
            yield Column(f"{word}position", path, POSITION, total, total, rows.ordinals[number], "position")
        else:
            typed = Typed("text", "the key in the map")
            is_id = last and draft.fields and not any(found.path == ("id",) for found in draft.fields)
            name = "id" if is_id and not draft.scalar else f"{word}key"
            yield Column(name, path, typed, total, total, keys.hashes, "key", profile=keys)


def child_name(parent: TableDraft, path: tuple[Step, ...]) -> str:
    """Return the name of a table inside the rows of another: `order_items`."""
    keys = [step for step in path if isinstance(step, str) and not isinstance(step, Mark)]
    own = snake("_".join(snake(key) for key in keys[-1:])) or "items"
    return own if own.startswith(parent.word + "_") else f"{parent.word}_{own}"


def refer_to_parent(table: TableDraft) -> None:
    """Add the reference of a row to the row around it."""
    columns = [column for column in table.columns if column.kind == "parent"]
    if columns and table.parent:
        total = len(table.rows)
        names = tuple(column.name for column in columns)
        table.links.append(Link(names, table.parent, table.parent.key, total, total, structural=True))
