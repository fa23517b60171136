"""Staged and target tables: the words in which dbt's declarations reach Python."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mock2pg.step_results import DerivedColumn, decode

NESTING_LIMIT = 100  # levels of arrays and objects inside one value

HIDDEN = ("_row", "_root_row", "_id", "_index", "_unfit", "_unknown")  # what staging adds to each table


@dataclass(frozen=True)
class SourceColumn:
    """One column of a staged table, as `_sources.yml` declares it.

    name       in SQL: of the staged, the landing and, unless its contract says otherwise, the target column
    data_type  one of spellings.NAMES
    path       from the staged element: a key, or "." for the element itself;
               `<root>[].<key>` names a key of the row that a nested element belongs to
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

    @property
    def is_key(self) -> bool:
        """Its value is under a key of the staged element itself."""
        return not self.uuid5 and self.path != "." and not self.of_root

    @property
    def of_root(self) -> bool:
        """Its value is under a key of the row that a nested element belongs to."""
        return "[]." in self.path

    @property
    def label(self) -> str:
        """Its name in messages: the JSON's where there is one."""
        return self.path if self.is_key or self.of_root else self.name


@dataclass(frozen=True)
class SourceTable:
    """One array of the source document, as `_sources.yml` declares it.

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

    @property
    def entity(self) -> str:
        """The array of the document that the rows come from."""
        return self.path.split("[]", 1)[0]

    @property
    def nested(self) -> str | None:
        """The key of the nested array inside each row of the entity, or None."""
        return self.path.split("[].", 1)[1].removesuffix("[]") if "[]." in self.path else None

    @property
    def scalar(self) -> bool:
        """Its rows are plain values, not objects."""
        return any(column.path == "." for column in self.columns)

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
