"""Match the fields of an entity with the columns of its table, by name and by what they refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from mock2pg.init.conclusions import ConcludedColumn, Doubt, Entity, Reference
from mock2pg.init.target.names_alike import column_form, singular, table_form, words
from mock2pg.json_paths import Mark, parsed
from mock2pg.postgres.existing_tables import ExistingTable
from mock2pg.postgres.target_records import TargetForeignKey


def in_row(column: ConcludedColumn) -> tuple[str, ...]:
    """The keys from the row to the value; none for a position, a map's key or what is around the row."""
    if not column.declared.path or column.declared.uuid5 or column.declared.rest:
        return ()
    keys = [step for step in parsed(column.declared.path) if isinstance(step, str)]
    return tuple(keys) if len(keys) == len(parsed(column.declared.path)) else ()


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
    pair(name_forms, lambda name: [column_form(name)])
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
        lambda column: [form.removesuffix("id") for form in name_forms(column)],
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


def name_forms(column: ConcludedColumn) -> list[str]:
    """The forms of these names, which are alike where a column may be the field's."""
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
