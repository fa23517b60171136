"""Staged tables: the rows of the source, as `_sources.yml` declares them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mock2pg.json_paths import Mark, Step, keys_of, parsed, written

NESTING_LIMIT = 100  # levels of arrays and objects inside one value

HIDDEN = ("_row", "_root_row", "_id", "_index", "_steps", "_unfit", "_unknown")  # what staging adds to each table

_MARKED = {Mark.ELEMENT: "elements of an array", Mark.MEMBER: "members of a map"}


@dataclass(frozen=True)
class SourceColumn:
    """One column of a staged table, as `_sources.yml` declares it.

    name       in SQL: of the staged, the landing and, unless its contract says otherwise, the target column
    data_type  one of spellings.NAMES
    path       from the staged element: keys, "." for the element itself, "[]" for its position in its array, "{}"
               for its key in its map; or, of a row around it, that row's path and keys: `<root>[].<key>`
    required   the key must be there and hold a value
    blank      a required text may be empty or white space
    unique     no two rows have the same value
    references the staged table and column that hold the value, too
    uuid5      the columns whose values a derived UUIDv5 is made of; such a column has no path
    format     how the JSON spells the value, where the type has several spellings
    rest       a jsonb object of what no column, no other table and no `left_out` takes of the row
    """

    name: str
    data_type: str
    path: str
    required: bool = False
    blank: bool = False
    unique: bool = False
    references: tuple[str, str] | None = None
    uuid5: tuple[str, ...] = ()
    format: str = ""
    rest: bool = False

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps of its path; none of one that is made of others. Raises ValueError when the path is none."""
        return () if self.uuid5 or self.rest else parsed(self.path)

    @property
    def label(self) -> str:
        """Its name in messages: the JSON's where there is one."""
        return written(self.steps) if any(isinstance(step, str) for step in self.steps) else self.name


@dataclass(frozen=True)
class Level:
    """One step down in the source, to rows: the keys that lead there, and what is there.

    mark  each element of an array, each member of a map; None: the value itself, one row
    """

    keys: tuple[str, ...]
    mark: Mark | None


@dataclass(frozen=True)
class ColumnSource:
    """The place of a column's value in the source.

    level  which of its table's levels the row is of; -1: none, the value is the source's own
    keys   from that row, or from the source
    mark   the position of that row in its array, or its key in its map, instead of a value
    """

    level: int
    keys: tuple[str, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True)
class SourceTable:
    """The rows at one path of the source, as `_sources.yml` declares them.

    path       in the document: `orders`, or `orders[].items[]` for an array inside each row
    not_empty  it has at least one row
    single     what is at the path is one row, an object; otherwise a path without a mark at its end has `[]` there
    optional   the array, map or object may be absent or null
    unique     columns, each of several, whose values together no two rows share
    left_out   paths, from the row, of what is knowingly not migrated
    """

    name: str
    path: str
    columns: tuple[SourceColumn, ...]
    description: str = ""
    not_empty: bool = False
    single: bool = False
    optional: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[str, ...] = ()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps to its rows, from the source. Raises ValueError when the path is none."""
        steps = parsed(self.path)
        steps = steps[1:] if steps[:1] == (Mark.SOURCE,) else steps
        return steps if self.single or (steps and isinstance(steps[-1], Mark)) else (*steps, Mark.ELEMENT)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """From the source to its rows: an array, map or object of the source, then those inside the rows of each."""
        levels, keys = [], list[str]()
        for step in self.steps:
            if isinstance(step, Mark):
                levels.append(Level(tuple(keys), step))
                keys = []
            else:
                keys.append(step)
        return (*levels, Level(tuple(keys), None)) if self.single else tuple(levels)

    @cached_property
    def entity(self) -> str:
        """The array, map or object of the source that the rows come from."""
        keys = self.levels[0].keys
        return written(keys) if keys else Mark.SOURCE.value

    @property
    def nested(self) -> bool:
        """Its rows are inside the rows of another array, map or object."""
        return len(self.levels) > 1

    @property
    def scalar(self) -> bool:
        """Its rows are plain values, not objects."""
        return any(not column.steps and not column.uuid5 and not column.rest for column in self.columns)

    def encloses(self, other: SourceTable) -> bool:
        """Return whether the rows of the other table are inside rows of this one."""
        return len(self.steps) < len(other.steps) and other.steps[: len(self.steps)] == self.steps

    @cached_property
    def column_sources(self) -> dict[str, ColumnSource]:
        """The source of each column that is not made of others. Raises ValueError that names a column without one."""
        made = (column for column in self.columns if not column.uuid5 and not column.rest)
        return {column.name: self._column_source(column) for column in made}

    def is_own(self, column: SourceColumn) -> bool:
        """Return whether its value is of the row itself: not made of others, nor of a row around it."""
        return column.rest or (not column.uuid5 and self.column_sources[column.name].level == len(self.levels) - 1)

    def keys(self, column: SourceColumn) -> tuple[str, ...]:
        """The keys of an own column; none of one that is the element itself, its position or its key."""
        return self.column_sources[column.name].keys if not column.rest and self.is_own(column) else ()

    def _column_source(self, column: SourceColumn) -> ColumnSource:
        steps, own = column.steps, len(self.levels) - 1
        if len(steps) == 1 and isinstance(steps[0], Mark) and steps[0] in _MARKED:
            one = self.single and not self.nested and steps[0] is Mark.ELEMENT  # whose position is 0
            if self.levels[own].mark is not steps[0] and not one:
                raise ValueError(f"{column.name}: the rows are not {_MARKED[steps[0]]}, which path {column.path} is of")
            return ColumnSource(own, mark=steps[0])
        explicit = steps[:1] == (Mark.SOURCE,)
        steps = steps[1:] if explicit else steps
        marks = [number for number, step in enumerate(steps) if isinstance(step, Mark)]
        if not marks and not explicit:
            return ColumnSource(own, keys_of(steps))
        if not marks:
            inside = self.single and not self.nested and steps[: len(self.steps)] == self.steps
            return ColumnSource(0, keys_of(steps[len(self.steps) :])) if inside else ColumnSource(-1, keys_of(steps))
        around = marks[-1] + 1
        if self.steps[:around] != steps[:around]:
            raise ValueError(f"{column.name}: path {column.path} is in another array, map or object than the rows")
        if self.single and steps[: len(self.steps)] == self.steps:
            return ColumnSource(own, keys_of(steps[len(self.steps) :]))
        level, keys = len(marks) - 1, keys_of(steps[around:])
        return ColumnSource(level, keys, None if keys else self.levels[level].mark)

    @property
    def labels(self) -> dict[str, str]:
        """Each column's name in messages."""
        return {column.name: column.label for column in self.columns}
