"""Drafts of tables: columns with their names, types and values, keys and references."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from mock2pg.init.concluding.collect import Rows, place
from mock2pg.init.concluding.layout import Field
from mock2pg.init.concluding.naming import free, singular
from mock2pg.init.concluding.types import Typed
from mock2pg.init.reading.profile import NONE, Values
from mock2pg.json_paths import Step

WRAPPERS = ("$oid", "$date", "$uuid", "$numberInt", "$numberLong", "$numberDecimal", "$numberDouble")  # extended JSON
KEYABLE = ("text", "uuid", "integer", "bigint", "date")
POSITION = Typed("integer", "the position in the array")


@dataclass
class Column:
    """A column to be.

    path    as it is declared
    hashes  of each row's value; None of a column whose values are not compared
    kind    "own" of the row, "parent" of the table around it, "position", "key" of a map, or "rest"
    unique  no two rows have the same value, and each has one
    """

    name: str
    path: str
    typed: Typed
    rows: int
    values: int
    hashes: array[int] | None = None
    kind: str = "own"
    profile: Values | None = None
    field: Field | None = None
    unique: bool = False

    @property
    def required(self) -> bool:
        return self.values == self.rows and self.rows > 0

    @property
    def keyable(self) -> bool:
        return self.hashes is not None and self.required and self.typed.data_type in KEYABLE

    @property
    def wrapped(self) -> bool:
        """The row is a wrapper of extended JSON around it, such as `{"$oid": ...}`."""
        return self.path in WRAPPERS

    def distinct(self) -> int:
        """Return the number of values, apart from none."""
        found = set(self.hashes or ())
        found.discard(NONE)
        return len(found)


@dataclass
class Link:
    """A reference to be: columns of a table, the columns of another one, and how many rows have it."""

    columns: tuple[str, ...]
    parent: TableDraft
    parent_columns: tuple[str, ...]
    held: int
    of: int
    structural: bool = False

    @property
    def enforced(self) -> bool:
        return self.held == self.of


@dataclass
class TableDraft:
    """A table to be, with its rows as they were read."""

    name: str
    rows: Rows
    parent: TableDraft | None
    ancestors: dict[int, Rows]
    columns: list[Column] = field(default_factory=list)
    key: tuple[str, ...] = ()
    key_evidence: str = ""
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def path(self) -> tuple[Step, ...]:
        return self.rows.draft.path

    @property
    def word(self) -> str:
        """One of its rows, in a name: `order_item`."""
        return singular(self.name)

    def taken(self) -> set[str]:
        return {column.name.casefold() for column in self.columns}

    def add(self, column: Column, *, at: int | None = None) -> Column:
        """Add a column, under a name that is free."""
        column.name = free(column.name, self.taken())
        self.columns.insert(len(self.columns) if at is None else at, column)
        return column

    def doubt(self, message: str, column: str = "") -> None:
        self.doubts.append((f"{self.name}.{column}" if column else self.name, message))

    def where(self, row: int, column: Column | None = None) -> str:
        """Return the place of a row, or of its value in a column, in the source."""
        steps = column.field.path if column and column.field else ()
        return place(self.rows, row, self.ancestors, steps)


def rename(column: Column, name: str, table: TableDraft, tables: Sequence[TableDraft]) -> None:
    """Give a column another name, wherever it is named."""
    old, column.name = column.name, name

    def renamed(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name if one == old else one for one in names)

    table.key = renamed(table.key)
    places = {f"{table.name}.{old}": f"{table.name}.{name}"}
    table.doubts = [(places.get(place, place), message) for place, message in table.doubts]
    for other in tables:
        for link in other.links:
            if other is table:
                link.columns = renamed(link.columns)
            if link.parent is table:
                link.parent_columns = renamed(link.parent_columns)
