"""Match entities with the tables of an existing database, by name and by what refers to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mock2pg.init.conclusions import Doubt, Entity
from mock2pg.init.target.matching_columns import in_row, name_forms
from mock2pg.init.target.names_alike import column_form, singular, table_form, words
from mock2pg.json_paths import Mark, Step, parsed
from mock2pg.postgres.existing_tables import ExistingTable
from mock2pg.staged_tables import SourceTable

_ALIKE = 0.5  # of an entity's columns that a table has to have, where the names are alike only at their end

_SAY_WHICH = "name the model and its contract like the table, or it is created as a new one"


@dataclass
class Matched:
    """The tables that entities are, by the entity's name, and what was not certain."""

    tables: dict[str, ExistingTable] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)


def rows_at(table: SourceTable) -> tuple[Step, ...]:
    """The steps to a table's rows."""
    steps = parsed(table.path)
    return steps if table.single or isinstance(steps[-1], Mark) else (*steps, Mark.ELEMENT)


def match_tables(entities: Sequence[Entity], tables: Sequence[ExistingTable]) -> Matched:
    """Match by the whole name first, then by its end, then by what a table refers to."""
    found = Matched()
    for alike in (_same_name, _same_end):
        left = [entity for entity in entities if entity.table.name not in found.tables]
        free = [table for table in tables if table not in found.tables.values()]
        wanted = _best({entity.table.name: alike(entity, free) for entity in left})
        times = Counter(name for each in wanted.values() for name in each)
        by_name = {table.name: table for table in free}
        for name, each in wanted.items():
            if len(each) == 1 and times[each[0]] == 1:
                found.tables[name] = by_name[each[0]]
            elif each:
                also = [other for other, theirs in wanted.items() if other != name and set(theirs) & set(each)]
                whose = f"; so may {', '.join(also)}" if also else ""
                told = f"it may be the table {', '.join(each)} of the database{whose}: {_SAY_WHICH}"
                found.doubts.append(Doubt(name, told))
    referred = _match_referred(entities, tables, found)
    _match_joins(entities, tables, found)
    found.doubts = [doubt for doubt in dict.fromkeys(found.doubts) if doubt.place not in found.tables]
    found.doubts += referred
    return found


def _best(likeness: Mapping[str, Mapping[str, int]]) -> dict[str, list[str]]:
    """The tables that are the most like each entity, of those that no other entity is more like."""
    most = Counter[str]()
    for each in likeness.values():
        for table, much in each.items():
            most[table] = max(most[table], much)
    return {
        entity: [table for table, much in each.items() if much == max(each.values()) == most[table]]
        for entity, each in likeness.items()
    }


def _same_name(entity: Entity, tables: Sequence[ExistingTable]) -> dict[str, int]:
    return {
        table.name: 2 if table.name == entity.table.name else 1
        for table in tables
        if table_form(table.name) == table_form(entity.table.name)
    }


def _same_end(entity: Entity, tables: Sequence[ExistingTable]) -> dict[str, int]:
    """Tables whose name ends like the entity's, `shop_product` for `products`, or is that of the nested array.

    The longer the common end, the more alike they are.
    """
    ours = [column for column in entity.columns if in_row(column)]
    found = {}
    for table, same in _with_its_end(entity, tables):
        forms = {column_form(column.name) for column in table.columns}
        alike = sum(bool(set(name_forms(column)) & forms) for column in ours)
        sure = any(len(words(name)) > 1 for name in same)
        if sure or (ours and alike >= _ALIKE * len(ours)):
            found[table.name] = max(same.values())
    return found


def _with_its_end(entity: Entity, tables: Sequence[ExistingTable]) -> Iterator[tuple[ExistingTable, Mapping[str, int]]]:
    """Yield each table whose name ends like a name of the entity, with these names and their lengths."""
    keys = [step for step in rows_at(entity.table) if isinstance(step, str)]
    names = {entity.table.name, *keys[-1:]}
    for table in tables:
        parts = words(table.name)
        ends = {"".join(map(singular, parts[number:])) for number in range(len(parts))}
        same = {name: len(table_form(name)) for name in names if table_form(name) in ends}
        if same:
            yield table, same


def _match_referred(entities: Sequence[Entity], tables: Sequence[ExistingTable], found: Matched) -> list[Doubt]:
    """Of an entity whose name a table ends with, the table that other tables refer to as the entity's do: `auth_user`.

    Few of their columns are alike, so a person is to confirm it.
    """
    of_name = {entity.table.name: entity for entity in entities}
    asked: dict[str, set[str]] = {}
    for name, table in found.tables.items():
        keys = {column_form(key.columns[0]): key.parent for key in table.foreign_keys if len(key.columns) == 1}
        for reference in of_name[name].references:
            for form in {column_form(column) for column in reference.columns}:
                if parent := keys.get(form) or keys.get(f"{form}id"):
                    asked.setdefault(reference.parent, set()).add(parent)
    doubts = []
    for name, parents in asked.items():
        free = [table for table in tables if table not in found.tables.values()]
        those = [table for table, _ in _with_its_end(of_name[name], free) if table.name in parents]
        if name not in found.tables and len(those) == len(parents) == 1:
            found.tables[name] = those[0]
            told = f"taken for the table of {name} by its name and by what refers to it: confirm that"
            doubts.append(Doubt(those[0].name, told))
    return doubts


def _match_joins(entities: Sequence[Entity], tables: Sequence[ExistingTable], found: Matched) -> None:
    """A table that only joins two others is the entity that does, if there is one of each."""
    ours: dict[tuple[str, ...], list[Entity]] = {}
    for entity in entities:
        parents = [found.tables.get(reference.parent) for reference in entity.references]
        if entity.table.name not in found.tables and len(parents) == 2 and all(parents):
            ours.setdefault(tuple(sorted(parent.name for parent in parents if parent)), []).append(entity)
    theirs: dict[tuple[str, ...], list[ExistingTable]] = {}
    for table in tables:
        if table not in found.tables.values() and len(table.foreign_keys) == 2:
            joining = {name for key in table.foreign_keys for name in key.columns}
            if all(column.name in joining or column.filled_by_database for column in table.columns):
                theirs.setdefault(tuple(sorted(key.parent for key in table.foreign_keys)), []).append(table)
    for pair, those in theirs.items():
        if len(those) == len(ours.get(pair, ())) == 1:
            found.tables[ours[pair][0].table.name] = those[0]
