"""The content hashes of tables after publishing, without reading the rows that stay.

A content hash is a sum over all rows. Where nobody wrote into a table since the backup, its sum is that of the backup;
rows that are to change or go are taken out of it before anything is written, and rows that were written are added
afterwards. PostgreSQL knows which these are: a trigger or a foreign key that writes anything else is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from psycopg import sql

from mock2pg.backups import exported_rows
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.unwritten import written
from mock2pg.publishing.merge import Merge, TableMerge
from mock2pg.step_results import Difference, Horizon


@dataclass(frozen=True)
class Sum:
    """A content hash as the numbers that it consists of, which those of rows are added to and taken from."""

    rows: int
    a: int
    b: int

    @classmethod
    def of(cls, content: str) -> Self:
        return cls(*map(int, content.split(":")))

    @classmethod
    def of_rows(cls, connection: Connection, schema: str, table: str, rows: sql.Composable) -> Self:
        """The sum of rows of a table, a FROM clause. Not in Citus."""
        fields = exported_rows.fields(connection, schema, table)
        return cls.of(exported_rows.lines_hash(connection, exported_rows.local_lines(fields, rows)))

    def __str__(self) -> str:
        return f"{self.rows}:{self.a}:{self.b}"

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.rows + other.rows, self.a + other.a, self.b + other.b)

    def __sub__(self, other: Sum) -> Sum:
        return Sum(self.rows - other.rows, self.a - other.a, self.b - other.b)


class WrittenContent:
    """The sums of the rows that stay. To be made before anything is written.

    horizon  of the backup
    hashes  table -> its content hash, of the tables into which nobody wrote since
    """

    def __init__(
        self,
        connection: Connection,
        schema: str,
        merge: Merge,
        horizon: Horizon | None,
        hashes: Mapping[str, str],
    ) -> None:
        self._connection, self._schema, self._horizon = connection, schema, horizon
        self._staying: dict[str, Sum] = {}
        for each in merge.merges:
            name, difference = each.table.name, merge.differences[each.table.name]
            if name not in hashes or not each.looks_at_differences or not difference.changed:
                continue
            # apart: of two conditions with OR, PostgreSQL makes no joins
            overwritten = each.compose("{target} AS l WHERE EXISTS (SELECT FROM {built} AS b WHERE {keys})")
            deleted = each.compose("{target} AS l WHERE {gone}")
            going = Sum(0, 0, 0)
            for rows in (overwritten, deleted):
                going += Sum.of_rows(connection, schema, name, rows)
            if going.rows == difference.updated + difference.deleted:
                self._staying[name] = Sum.of(hashes[name]) - going

    def of(self, each: TableMerge, difference: Difference) -> str | None:
        """Return the content hash as written; None where all rows have to be read for it."""
        name = each.table.name
        if name not in self._staying or self._horizon is None:
            return None
        rows = sql.SQL("{} AS t WHERE {}").format(each.target, written(self._horizon.transaction))
        added = Sum.of_rows(self._connection, self._schema, name, rows)
        found = self._staying[name] + added
        as_expected = added.rows == difference.inserted + difference.updated and found.rows == difference.after
        return str(found) if as_expected else None
