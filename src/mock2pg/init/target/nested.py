"""Put nested arrays and objects into the array or jsonb column that an existing table has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mock2pg.init.conclusions import ConcludedColumn, Entity
from mock2pg.init.target.matching_columns import in_row
from mock2pg.init.target.matching_tables import rows_at
from mock2pg.init.target.names_alike import column_form
from mock2pg.json_paths import Mark, Step, written
from mock2pg.postgres.existing_tables import ExistingColumn, ExistingTable
from mock2pg.staged_tables import SourceColumn


def absorbed(entities: Sequence[Entity], matched: Mapping[str, ExistingTable]) -> list[Entity]:
    """Return the entities with such columns in place of the tables or the columns that they take."""
    found = list(entities)
    for entity in entities:
        if table := matched.get(entity.table.name):
            for column in table.columns:
                found = _taken(found, entity.table.name, column, matched)
    return found


def _taken(
    entities: list[Entity], name: str, column: ExistingColumn, matched: Mapping[str, ExistingTable]
) -> list[Entity]:
    """The entities after the column took what is under its key, if it does."""
    parent = next((entity for entity in entities if entity.table.name == name), None)
    if parent is None or any(_is_it(column, each) for each in parent.columns):
        return entities
    home = rows_at(parent.table)
    keys = {keys[0] for each in parent.columns if len(keys := in_row(each)) > 1}
    inside = {entity.table.name: rows_at(entity.table)[len(home) :] for entity in entities if entity is not parent}
    inside = {child: steps for child, steps in inside.items() if _starts(entities, child, home)}
    keys |= {steps[0] for steps in inside.values() if steps and isinstance(steps[0], str)}
    key = next((key for key in sorted(keys) if column_form(key) == column_form(column.name)), None)
    if key is None:
        return entities
    gone = [child for child, steps in inside.items() if steps[:1] == (key,)]
    if any(child in matched for child in gone):
        return entities
    if column.base in ("jsonb", "json") and not column.is_array:
        made = _column(parent, key, "jsonb", column, optional=any(_optional(entities, child) for child in gone))
    elif column.is_array and len(gone) == 1 and inside[gone[0]] == (key, Mark.ELEMENT):
        child = next(entity for entity in entities if entity.table.name == gone[0])
        value = next((each for each in child.columns if each.declared.path == "."), None)
        if value is None:
            return entities
        kind = f"{value.declared.data_type}[]"
        made = _column(parent, key, kind, column, optional=child.table.optional, spelled=value.declared.format)
    else:
        return entities
    kept = [each for each in parent.columns if in_row(each)[:1] != (key,)]
    new = replace(
        parent, columns=(*kept, made), table=replace(parent.table, columns=tuple(c.declared for c in (*kept, made)))
    )
    return [new if entity is parent else entity for entity in entities if entity.table.name not in gone]


def _starts(entities: Sequence[Entity], child: str, home: tuple[Step, ...]) -> bool:
    steps = rows_at(next(entity.table for entity in entities if entity.table.name == child))
    return len(steps) > len(home) and steps[: len(home)] == home


def _optional(entities: Sequence[Entity], name: str) -> bool:
    return next(entity.table.optional for entity in entities if entity.table.name == name)


def _is_it(column: ExistingColumn, each: ConcludedColumn) -> bool:
    """A column of the entity has the name itself, or that of its one key."""
    keys = in_row(each)
    names = {column_form(each.name), *(column_form(key) for key in keys if len(keys) == 1)}
    return column_form(column.name) in names


def _column(
    parent: Entity, key: str, kind: str, column: ExistingColumn, *, optional: bool, spelled: str = ""
) -> ConcludedColumn:
    declared = SourceColumn(
        column.name, kind, written((key,)), required=column.not_null and not optional, format=spelled
    )
    return ConcludedColumn(declared, "", parent.rows, parent.rows)
