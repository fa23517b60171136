"""Target tables: what dbt's contracts say of them, and what publishing adds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mock2pg.step_results import DerivedColumn, decode

REFERENCE = "reference"  # the distribution of a reference table
RESERVED = "mock2pg_"  # how the names of tables begin that mock2pg makes beside the target tables


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
    distribution     in Citus: the distribution column, "reference" for a reference table, empty for a local table. Of a
                     table that exists it is what the database says, else what is declared
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
    distribution: str = ""

    @property
    def distribution_column(self) -> str:
        """The distribution column; empty for a local or a reference table."""
        return "" if self.distribution == REFERENCE else self.distribution

    @property
    def merge_key(self) -> tuple[str, ...]:
        """The columns by which target rows and built rows are matched: the primary key, and the distribution column."""
        return tuple(dict.fromkeys([*self.primary_key, *filter(None, [self.distribution_column])]))

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
        """The table as a run keeps it, for a later verification; of a local table no distribution is kept."""
        record = asdict(self)
        if not self.distribution:  # as before there were others: the hash over all contracts stays
            del record["distribution"]
        return record


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
