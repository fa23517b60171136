"""Match entities with the tables of an existing database, and fields with their columns, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mock2pg.init.conclusions import ConcludedColumn, Doubt, Entity, Reference
from mock2pg.init.target.names_alike import column_form, singular, table_form, words
from mock2pg.json_paths import Mark, Step, parsed
from mock2pg.postgres.existing_tables import ExistingTable
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.staged_tables import SourceTable

_ALIKE = 0.5  # of an entity's columns that a table has to have, where the names are alike only at their end


@dataclass
class Matched:
    """The tables that entities are, by the entity's name, and what was not certain."""

    tables: dict[str, ExistingTable] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)


def rows_at(table: SourceTable) -> tuple[Step, ...]:
    """The steps to a table's rows."""
    steps = parsed(table.path)
    return steps if table.single or isinstance(steps[-1], Mark) else (*steps, Mark.ELEMENT)


def in_row(column: ConcludedColumn) -> tuple[str, ...]:
    """The keys from the row to the value; none for a position, a map's key or what is around the row."""
    if not column.declared.path or column.declared.uuid5 or column.declared.rest:
        return ()
    keys = [step for step in parsed(column.declared.path) if isinstance(step, str)]
    return tuple(keys) if len(keys) == len(parsed(column.declared.path)) else ()


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
        alike = sum(bool(set(_forms(column)) & forms) for column in ours)
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


def match_columns(entity: Entity, matched: Mapping[str, ExistingTable]) -> tuple[dict[str, str], list[Doubt]]:
    """Return the table's column for each of the entity's, by its name, and what was not certain."""
    table = matched[entity.table.name]
    names = [column.name for column in table.columns]
    found: dict[str, str] = {}
    doubts: list[Doubt] = []
    prefixes = {_singulars(entity.table.name), _singulars(table.name)}

    def pair(ours: Callable[[ConcludedColumn], Iterable[str]], theirs: Callable[[str], Iterable[str]]) -> None:
        free = [name for name in names if name not in found.values()]
        wanted = {
            column.name: [name for name in free if set(ours(column)) & set(theirs(name))]
            for column in entity.columns
            if column.name not in found
        }
        times = Counter(name for each in wanted.values() for name in each)
        found.update({ours: each[0] for ours, each in wanted.items() if len(each) == 1 and times[each[0]] == 1})

    pair(lambda column: [column.name], lambda name: [name])
    pair(lambda column: in_row(column)[-1:], lambda name: [name])
    pair(_forms, lambda name: [column_form(name)])
    pair(lambda column: map(table_form, _spellings(column)), lambda name: [table_form(name)])
    leads = {name for reference in entity.references for name in reference.columns}
    pair(
        lambda column: _without(set() if column.name in leads else prefixes, _spellings(column)),
        lambda name: _without(prefixes, [name]),
    )
    if len(entity.primary_key) == len(table.primary_key) == 1:
        pair(
            lambda column: ["key"] if (column.name,) == entity.primary_key and _numbers_rows(column) else [],
            lambda name: ["key"] if (name,) == table.primary_key else [],
        )
    referring = {key.columns[0] for key in table.foreign_keys if len(key.columns) == 1}
    pair(
        lambda column: [form.removesuffix("id") for form in _forms(column)],
        lambda name: [column_form(name).removesuffix("id")] if name in referring else [],
    )
    by_reference = _by_reference(entity, table, matched, found)
    found.update(by_reference)
    doubts += [
        Doubt(f"{table.name}.{theirs}", f"taken from {ours}, which refers to the same table: confirm that")
        for ours, theirs in by_reference.items()
        if column_form(ours) != column_form(theirs) and len(theirs) > 1
    ]
    folded: set[str] = set()
    for ours, theirs in sorted(found.items(), key=lambda pair: pair[1] not in table.primary_key):
        if theirs.casefold() in folded:
            del found[ours]
            told = "its name differs from another column's only in case, which the staging database ignores"
            doubts.append(Doubt(f"{table.name}.{theirs}", f"{told}: {ours} is left out"))
        folded.add(theirs.casefold())
    return found, doubts


def _by_reference(
    entity: Entity, table: ExistingTable, matched: Mapping[str, ExistingTable], found: Mapping[str, str]
) -> dict[str, str]:
    """Match the columns that are left if each is the only one that refers to some table."""
    ours: dict[str, list[Reference]] = {}
    for reference in entity.references:
        if len(reference.columns) == 1 and reference.columns[0] not in found and reference.parent in matched:
            ours.setdefault(matched[reference.parent].name, []).append(reference)
    theirs: dict[str, list[TargetForeignKey]] = {}
    for key in table.foreign_keys:
        if len(key.columns) == 1 and key.columns[0] not in found.values() and key.parent_schema == key.schema:
            theirs.setdefault(key.parent, []).append(key)
    pairs = {}
    for parent, mine in ours.items():
        keys = theirs.get(parent, [])
        if len(mine) == len(keys) == 2:
            pairs.update(_between_rows(entity, [one.columns[0] for one in mine], [key.columns[0] for key in keys]))
        elif len(mine) == len(keys) == 1:
            reference, key = mine[0], keys[0]
            names = {_singulars(reference.parent), _singulars(parent)}
            if _without(names, reference.parent_columns) & _without(names, key.parent_columns):  # not another key of it
                pairs[reference.columns[0]] = key.columns[0]
    return pairs


def _between_rows(entity: Entity, ours: Sequence[str], theirs: Sequence[str]) -> dict[str, str]:
    """Match the two columns of a table that joins rows of one table: `from_user_id` is the row, `to_user_id` the value.

    Prisma calls them A and B.
    """
    value = [column.name for column in entity.columns if column.name in ours and column.declared.path == "."]
    first, second = sorted(theirs)
    named = (words(first)[:1], words(second)[:1])
    if len(value) != 1 or named not in ((("from",), ("to",)), (("a",), ("b",))):
        return {}
    row = next(name for name in ours if name != value[0])
    return {row: first, value[0]: second}


def _numbers_rows(column: ConcludedColumn) -> bool:
    """Return True for a map's key, and for a column whose name says no more than that it is the key."""
    return column.declared.path == Mark.MEMBER.value or column_form(column.name) in ("id", "key", "uid", "uuid", "pk")


def _spellings(column: ConcludedColumn) -> list[str]:
    """Its name, and its key in the JSON where that is in the row itself."""
    keys = in_row(column)
    return [column.name, *(keys if len(keys) == 1 else ["_".join(keys)] if keys else [])]


def _forms(column: ConcludedColumn) -> list[str]:
    return [column_form(name) for name in _spellings(column)]


def _without(prefixes: Iterable[tuple[str, ...]], names: Iterable[str]) -> set[str]:
    """The forms of the names, and those without the name of the table in front: `customer_name` is `name`."""
    forms = set()
    for name in names:
        own = words(name)
        forms.add("".join(own))
        for prefix in prefixes:
            for start in (prefix, prefix[-1:]):
                if start and own[: len(start)] == start and len(own) > len(start):
                    forms.add("".join(own[len(start) :]))
    return forms


def _singulars(name: str) -> tuple[str, ...]:
    return tuple(map(singular, words(name)))


_SAY_WHICH = "name the model and its contract like the table, or it is created as a new one"
