"""The shape of the source, as far as the declarations reach into it: what is read, and what would be lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from mock2pg.json_paths import Mark, Step, keys_of, parsed, written
from mock2pg.staged_tables import ColumnSource, SourceColumn, SourceTable


@dataclass
class Shape:
    """An object of the source, or a row, and its declared keys.

    taken  all that is here is accounted for: by a column, a table of its own or `left_out`
    """

    members: dict[str, Shape] = field(default_factory=dict)
    taken: bool = False

    def at(self, keys: Sequence[str]) -> Shape:
        """The place under these keys, declared from now on."""
        found = self
        for key in keys:
            found = found.members.setdefault(key, Shape())
        return found

    def objects(self, keys: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Shape]]:
        """The objects of which some keys are declared, each with the keys that lead to it; outer ones first."""
        if self.taken or (keys and not self.members):
            return []
        inner = (found for key, member in self.members.items() for found in member.objects((*keys, key)))
        return [(keys, self), *inner]


def row_shape(table: SourceTable, tables: Iterable[SourceTable]) -> Shape | None:
    """The keys that a row of the table may have; None when it is no object: a plain value, or an array of arrays."""
    if table.scalar:
        return None
    shape = Shape()
    for column in table.columns:
        if keys := table.keys(column):
            shape.at(keys).taken = True
    for keys in left_out_of_rows(table):
        shape.at(keys).taken = True
    for other in tables:
        if table.encloses(other):
            inside = leading_keys(other.steps[len(table.steps) :])
            if not inside:
                return None
            shape.at(inside).taken = True
    return shape


def left_out_of_rows(table: SourceTable) -> list[tuple[str, ...]]:
    """The keys, from the row, of what is left out of it."""
    return [inside for path in table.left_out if (inside := _from_row(table, parsed(path)))]


def _from_row(table: SourceTable, steps: tuple[Step, ...]) -> tuple[str, ...]:
    if steps[:1] != (Mark.SOURCE,):
        return keys_of(steps)
    around = len(table.steps)
    return keys_of(steps[1 + around :]) if steps[1 : 1 + around] == table.steps else ()


def leading_keys(steps: Iterable[Step]) -> tuple[str, ...]:
    """The keys before the first step that is none."""
    return keys_of(tuple(takewhile(lambda step: isinstance(step, str), steps)))


@dataclass(frozen=True)
class Container:
    """An array, map or object of the source that rows are cut out of.

    mark      the rows are the elements of an array, or the members of a map; None: it is itself the only row
    optional  it may be absent or null
    apart     its keys that only other containers take, so that its row need not hold them
    """

    keys: tuple[str, ...]
    mark: Mark | None = Mark.ELEMENT
    optional: bool = False
    apart: frozenset[str] = frozenset()

    @property
    def entity(self) -> str:
        return written(self.keys) if self.keys else Mark.SOURCE.value


@dataclass(frozen=True)
class SourceShape:
    """All that is read of a source.

    constants  the keys of single values that columns of many rows take
    left_out   the keys of what is knowingly not migrated, outside of all rows
    """

    containers: tuple[Container, ...]
    constants: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[tuple[str, ...], ...] = ()

    @property
    def entities(self) -> list[str]:
        return [container.entity for container in self.containers]

    @property
    def roots(self) -> list[str]:
        """The declared keys of the source."""
        every = (*(container.keys for container in self.containers), *self.constants, *self.left_out)
        return list(dict.fromkeys(keys[0] for keys in every if keys))


def source_shape(tables: Sequence[SourceTable]) -> SourceShape:
    """The shape of the source of these tables."""
    by_keys: dict[tuple[str, ...], Container] = {}
    for table in tables:
        level = table.levels[0]
        own = next((other for other in tables if not other.nested and other.levels[0] == level), None)
        by_keys.setdefault(
            level.keys,
            Container(level.keys, level.mark, own is not None and own.optional, _apart(own, tables)),
        )
    origins = (origin for table in tables for origin in table.column_sources.values())
    constants = dict.fromkeys(origin.keys for origin in origins if origin.level < 0)
    outside = (parsed(path) for table in tables for path in table.left_out if not _from_row(table, parsed(path)))
    return SourceShape(tuple(by_keys.values()), tuple(constants), tuple(keys_of(steps) for steps in outside))


def _apart(own: SourceTable | None, tables: Iterable[SourceTable]) -> frozenset[str]:
    if own is None or not own.single or own.scalar:
        return frozenset()
    inside = [other.steps[len(own.steps) :] for other in tables if own.encloses(other)]
    taken = {keys[0] for column in own.columns if (keys := own.keys(column))}
    taken |= {keys[0] for keys in left_out_of_rows(own)}
    taken |= {str(steps[0]) for steps in inside if _goes_on(steps)}
    return frozenset(str(steps[0]) for steps in inside) - taken


def _goes_on(steps: tuple[Step, ...]) -> bool:
    """Return whether the first key leads into an object rather than to rows."""
    return len(steps) > 1 and isinstance(steps[1], str)


def judged(table: SourceTable, tables: Iterable[SourceTable]) -> list[SourceColumn]:
    """The columns that the rules of a table are about.

    What an element has from a row around it is for that row's rules, where its table has a column of the value.
    """
    own = {
        (other.steps, other.column_sources[column.name], column.data_type)
        for other in tables
        for column in other.columns
        if column.name in other.column_sources and other.is_own(column)
    }
    return [column for column in table.columns if not column.uuid5 and not _is_of_others(table, column, own)]


def _is_of_others(
    table: SourceTable, column: SourceColumn, own: set[tuple[tuple[Step, ...], ColumnSource, str]]
) -> bool:
    if table.is_own(column):
        return False
    origin = table.column_sources[column.name]
    ends: list[tuple[tuple[Step, ...], ColumnSource]]
    if origin.level < 0:
        ends = [(tuple[Step, ...](origin.keys[:n]), ColumnSource(0, origin.keys[n:])) for n in range(len(origin.keys))]
    else:
        marks = [number for number, step in enumerate(table.steps) if isinstance(step, Mark)]
        ends = [(table.steps[: marks[origin.level] + 1], origin)]
        ends += [
            ((*ends[0][0], *origin.keys[:n]), ColumnSource(origin.level + 1, origin.keys[n:]))
            for n in range(1, len(origin.keys))
        ]
    return origin.mark is not None or any((*end, column.data_type) in own for end in ends)
