"""A column and the one that it refers to have one type, staged and in the contracts, whatever the tables have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mock2pg.init.conclusions import ConcludedColumn, Doubt, Entity

_NUMBERS = ("integer", "bigint", "numeric")
_STRINGS = ("text", "uuid", "date", "time", "timestamp", "timestamptz")


def quoted(entities: Sequence[Entity]) -> list[Entity]:
    """Return the entities with what is known of the texts that a column refers to, where it refers to nothing else."""
    known = {(entity.table.name, column.name): column for entity in entities for column in entity.columns}
    leads = {
        (entity.table.name, ours): (reference.parent, theirs)
        for entity in entities
        for reference in entity.references
        if reference.held == reference.of
        for ours, theirs in zip(reference.columns, reference.parent_columns, strict=True)
    }

    def told(name: tuple[str, str]) -> ConcludedColumn:
        column, seen = known[name], set[tuple[str, str]]()
        while name in known and name not in seen and not known[name].quoted:
            seen.add(name)
            name = leads.get(name, name)
        return replace(column, quoted=known[name].quoted) if name in known else column

    return [
        replace(entity, columns=tuple(told((entity.table.name, column.name)) for column in entity.columns))
        for entity in entities
    ]


def agreed(entities: Sequence[Entity]) -> tuple[list[Entity], list[Doubt]]:
    """Return the entities with such types; where two cannot agree, the reference is no foreign key, and a doubt."""
    columns = {(entity.table.name, column.name): column for entity in entities for column in entity.columns}
    pairs = [
        ((entity.table.name, ours), (reference.parent, theirs))
        for entity in entities
        for reference in entity.references
        for ours, theirs in zip(reference.columns, reference.parent_columns, strict=True)
    ]
    pairs += [
        ((entity.table.name, column.name), column.declared.references)
        for entity in entities
        for column in entity.columns
        if column.declared.references
    ]
    pairs = [(ours, theirs) for ours, theirs in pairs if ours in columns and theirs in columns]
    for _ in range(len(pairs) + 1):  # what one pair agrees on, the next one may have to take
        before = dict(columns)
        for ours, theirs in pairs:
            columns[ours], columns[theirs] = _alike(columns[ours], columns[theirs])
        if columns == before:
            break
    apart = [pair for pair in dict.fromkeys(pairs) if not _same(columns[pair[0]], columns[pair[1]])]
    doubts = [
        Doubt(
            ".".join(ours),
            f"it refers to {'.'.join(theirs)}, which has another type: the plan checks that every row is found",
        )
        for ours, theirs in apart
    ]
    return [_with(entity, columns, {ours for ours, _ in apart}) for entity in entities], doubts


def _with(entity: Entity, columns: dict[tuple[str, str], ConcludedColumn], apart: set[tuple[str, str]]) -> Entity:
    name = entity.table.name
    own = [columns[name, column.name] for column in entity.columns]
    own = [
        replace(column, declared=replace(column.declared, references=None)) if (name, column.name) in apart else column
        for column in own
    ]
    return replace(
        entity,
        columns=tuple(own),
        table=replace(entity.table, columns=tuple(column.declared for column in own if not column.constant)),
        references=tuple(
            reference for reference in entity.references if not any((name, ours) in apart for ours in reference.columns)
        ),
    )


def _same(one: ConcludedColumn, other: ConcludedColumn) -> bool:
    return (one.declared.data_type, one.target_type) == (other.declared.data_type, other.target_type)


def _alike(one: ConcludedColumn, other: ConcludedColumn) -> tuple[ConcludedColumn, ConcludedColumn]:
    """Both with the type that holds the values of both, if there is one. Publishing casts to the column's own type."""
    if _same(one, other) or one.expression or other.expression:
        return one, other
    first, second = one.declared.data_type, other.declared.data_type
    if first == second:
        return replace(one, data_type=""), replace(other, data_type="")
    if first in _NUMBERS and second in _NUMBERS:
        kind = max(first, second, key=_NUMBERS.index)
    elif first in _STRINGS and second in _STRINGS:
        kind = "text"
    else:
        return one, other
    return _as(one, kind), _as(other, kind)


def _as(column: ConcludedColumn, kind: str) -> ConcludedColumn:
    spelled = column.declared.format if kind in _NUMBERS else ""
    return replace(column, declared=replace(column.declared, data_type=kind, format=spelled), data_type="")
