"""SQL that matches and compares a target row (alias `l`) and a built row (alias `b`), column by column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import LiteralString

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.conversions import json_text
from mock2pg.postgres.target_records import TargetColumn

# Types whose equal values are the same value, and how they are compared. Any other type is compared by its text:
# 1.0 equals 1 in a jsonb, 0 equals -0 in a float and 1 month equals 30 days, but a hash tells them apart.
_EXACT = {
    *("smallint", "integer", "bigint", "numeric", "boolean", "date", "uuid"),
    *("time without time zone", "timestamp without time zone", "timestamp with time zone"),
}
_BYTES = '::text COLLATE "C"'


class Comparison:
    """The columns of a contract as a table has them; `there` is empty while the table does not exist.

    Rows are matched by the equality of the key's own index: under a nondeterministic collation 'a' equals 'A', and no
    two rows can hold both. How a key is spelled is content then. Content is compared by bytes.
    """

    def __init__(self, table: Table, there: Mapping[str, TargetColumn]) -> None:
        self.table, self.there = table, there
        self.types = {
            column.name: there[column.name].data_type if there else column.data_type for column in table.columns
        }
        self.keys = self.equal(table.merge_key)
        self.others = [
            name
            for name in self.types
            if name not in table.merge_key or (name != table.distribution_column and self._has_spellings(name))
        ]

    @property
    def inserted(self) -> list[str]:
        """The columns that a row is inserted with; a generated one follows from the others."""
        return [name for name in self.types if not (self.there and self.there[name].generated)]

    @property
    def settable(self) -> list[str]:
        """The columns that an update may change."""
        return [
            name
            for name in self.others
            if name in self.inserted and not (self.there and self.there[name].identity_always)
        ]

    def value(self, name: str) -> sql.Composable:
        """A built value; for a text column that of the JSON, spelled as it is there."""
        built = sql.SQL("b.{}").format(sql.Identifier(name))
        for column in self.table.compared:
            if column.name == name and self._is_text(name):
                spelling = json_text(column.staged_as, column.staged_format, column.data_type)
                return as_type(spelling).format(x=built) if spelling else built
        return built

    def cast(self, name: str) -> sql.Composable:
        """A built value as the table's own type."""
        return sql.SQL("{}::{}").format(self.value(name), as_type(self.types[name]))

    def equal(self, names: Sequence[str]) -> sql.Composable:
        """Return the SQL condition that a target row and a built row are equal in the columns, as indexes see it."""
        return sql.SQL(" AND ").join(self._equal(name, self.cast(name)) for name in names)

    def equal_here(self, names: Sequence[str]) -> sql.Composable:
        """Return that condition for a row `b` that has the target table's own types."""
        return sql.SQL(" AND ").join(self._equal(name, sql.SQL("b.{}").format(sql.Identifier(name))) for name in names)

    def differs(self, names: Sequence[str]) -> sql.Composable:
        """Return the SQL condition that a target row and a built row differ in the columns."""
        each = [
            sql.SQL("l.{0}{2} IS DISTINCT FROM {1}{2}").format(
                sql.Identifier(name), self.cast(name), as_type(compared_as(self.types[name]))
            )
            for name in names
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(each) if each else sql.SQL("false"))

    def _equal(self, name: str, value: sql.Composable) -> sql.Composable:
        column = self.there.get(name)
        equal, collate = "=", ""
        if column and column.unique_by:
            equal = "=" if column.unique_by == "pg_catalog.=" else f"OPERATOR({column.unique_by})"
        elif column and not column.deterministic:
            collate = ' COLLATE "C"'
        return sql.SQL("l.{0}{1} {2} {3}{1}").format(sql.Identifier(name), as_type(collate), as_type(equal), value)

    def _has_spellings(self, name: str) -> bool:
        """Return True when equal values of the column may differ in their bytes."""
        return compared_as(self.types[name]) == _BYTES or (name in self.there and not self.there[name].deterministic)

    def _is_text(self, name: str) -> bool:
        return self.types[name] == "text" or (name in self.there and self.there[name].is_text)


def compared_as(data_type: str) -> str:
    """Return the SQL after each of two values of a type that are compared; a numeric 1.0 equals 1."""
    if data_type in ("text", "text[]"):
        return ' COLLATE "C"'
    element = re.sub(r"[(].*?[)]", "", data_type).removesuffix("[]")
    return "" if element in _EXACT else _BYTES


def key_text(alias: LiteralString, names: Sequence[str]) -> sql.Composable:
    """SQL for a row's key as a person reads it; one of several columns is in parentheses."""
    values = sql.SQL(", ', ', ").join(sql.SQL("{}.{}").format(sql.SQL(alias), sql.Identifier(name)) for name in names)
    return sql.SQL("concat('(', {}, ')')" if len(names) > 1 else "concat({})").format(values)


def as_type(text: str) -> sql.SQL:
    """SQL that is our own, dbt's contract's or the catalogue's; never a name or a value of the data."""
    return sql.SQL(text)
