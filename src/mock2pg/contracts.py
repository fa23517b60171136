"""Staged and target tables: the words in which dbt's declarations reach Python."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from mock2pg.json_paths import Mark, Step, keys_of, parsed, written
from mock2pg.step_results import DerivedColumn, decode

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
class Origin:
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
    def origins(self) -> dict[str, Origin]:
        """The origin of each column that is not made of others. Raises ValueError that names a column without one."""
        made = (column for column in self.columns if not column.uuid5 and not column.rest)
        return {column.name: self._origin(column) for column in made}

    def is_own(self, column: SourceColumn) -> bool:
        """Return whether its value is of the row itself: not made of others, nor of a row around it."""
        return column.rest or (not column.uuid5 and self.origins[column.name].level == len(self.levels) - 1)

    def keys(self, column: SourceColumn) -> tuple[str, ...]:
        """The keys of an own column; none of one that is the element itself, its position or its key."""
        return self.origins[column.name].keys if not column.rest and self.is_own(column) else ()

    def _origin(self, column: SourceColumn) -> Origin:
        steps, own = column.steps, len(self.levels) - 1
        if len(steps) == 1 and isinstance(steps[0], Mark) and steps[0] in _MARKED:
            one = self.single and not self.nested and steps[0] is Mark.ELEMENT  # whose position is 0
            if self.levels[own].mark is not steps[0] and not one:
                raise ValueError(f"{column.name}: the rows are not {_MARKED[steps[0]]}, which path {column.path} is of")
            return Origin(own, mark=steps[0])
        explicit = steps[:1] == (Mark.SOURCE,)
        steps = steps[1:] if explicit else steps
        marks = [number for number, step in enumerate(steps) if isinstance(step, Mark)]
        if not marks and not explicit:
            return Origin(own, keys_of(steps))
        if not marks:
            inside = self.single and not self.nested and steps[: len(self.steps)] == self.steps
            return Origin(0, keys_of(steps[len(self.steps) :])) if inside else Origin(-1, keys_of(steps))
        around = marks[-1] + 1
        if self.steps[:around] != steps[:around]:
            raise ValueError(f"{column.name}: path {column.path} is in another array, map or object than the rows")
        if self.single and steps[: len(self.steps)] == self.steps:
            return Origin(own, keys_of(steps[len(self.steps) :]))
        level, keys = len(marks) - 1, keys_of(steps[around:])
        return Origin(level, keys, None if keys else self.levels[level].mark)

    @property
    def labels(self) -> dict[str, str]:
        """Each column's name in messages."""
        return {column.name: column.label for column in self.columns}


@dataclass(frozen=True)
class Column:
    """One column of a target table.

    source   the staged column that it is to equal, or None
    derived  why the model changes the value on purpose, or None
    staged_type, staged_format  the type of the staged column, and how the JSON spells its values
    """

    name: str
    data_type: str
    not_null: bool
    source: str | None
    derived: str | None
    staged_type: str = ""
    staged_format: str = ""

    @property
    def staged_as(self) -> str:
        """The type of the staged column."""
        return self.staged_type or self.data_type


@dataclass(frozen=True)
class ForeignKey:
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = ""


@dataclass(frozen=True)
class Table:
    """One target table: what the dbt contract says, and what publishing adds to it.

    source           the staged table that its rows come from, or None
    publish          "merge": the table holds exactly these rows; "upsert": it holds these rows and whatever others;
                     "ensure": these rows are there, whatever they hold, and others are left alone
    database_columns columns that the database fills: name and definition, added where we create the table
    natural_key      where the primary key is a UUIDv5 of other columns: these. A row that has them keeps the key it has
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    checks: tuple[tuple[str, str], ...] = ()  # name, expression
    foreign_keys: tuple[ForeignKey, ...] = ()
    source: str | None = None
    publish: str = "merge"
    database_columns: tuple[tuple[str, str], ...] = ()
    natural_key: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that say which row it is, in a run's hashes."""
        return self.natural_key or self.primary_key

    @property
    def invented(self) -> tuple[str, ...]:
        """The columns that an existing row keeps, whatever they hold."""
        return self.primary_key if self.natural_key else ()

    @property
    def compared(self) -> tuple[Column, ...]:
        """The columns that must equal what was staged."""
        return tuple(
            column
            for column in self.columns
            if column.source and not column.derived and column.name not in self.invented
        )

    @property
    def derived(self) -> tuple[Column, ...]:
        """The columns that a model changes on purpose; compared with what the model built."""
        compared = self.compared
        return tuple(c for c in self.columns if c not in compared and c.name not in self.invented)

    def as_dict(self) -> dict[str, Any]:
        """The table as a run keeps it, for a later verification."""
        return asdict(self)


def derived_columns(tables: Iterable[Table]) -> tuple[DerivedColumn, ...]:
    """The columns that a model changes on purpose, with the reason that its YAML gives."""
    return tuple(
        DerivedColumn(table.name, column.name, column.derived)
        for table in tables
        for column in table.columns
        if column.derived
    )


def contracts_sha256(tables: Iterable[dict[str, Any]]) -> str:
    """SHA-256 over what `Table.as_dict` gave for each table, whatever their order."""
    records = sorted(tables, key=lambda record: str(record["name"]))
    return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def tables_from(records: Any) -> tuple[Table, ...]:
    """Return the tables of which `Table.as_dict` gave the records. Raises ValueError, which names what is missing."""
    return decode(tuple[Table, ...], records)


def key_groups(names: Sequence[str], parents: Mapping[str, set[str]]) -> list[list[str]]:
    """The names so that each comes after those it refers to; those of a cycle come together, in one group.

    Among equals they stay in the order given.
    """
    groups: list[list[str]] = []
    waiting = list(names)
    while waiting:
        ready = [[name] for name in waiting if not (parents.get(name, set()) - {name}) & set(waiting)]
        if not ready:  # the first cycle that refers to nothing but itself
            above = {name: _above(name, parents, set(waiting)) for name in waiting}
            first = next(name for name in waiting if all(name in above[other] for other in above[name]))
            ready = [[name for name in waiting if name in above[first]]]
        groups += ready
        waiting = [name for name in waiting if not any(name in group for group in ready)]
    return groups


def _above(name: str, parents: Mapping[str, set[str]], among: set[str]) -> set[str]:
    """All that a name refers to, directly or not."""
    found: set[str] = set()
    new = [name]
    while new:
        more = (parents.get(new.pop(), set()) & among) - found
        found |= more
        new += more
    return found
