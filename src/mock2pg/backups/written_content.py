"""The hashes of tables after publishing, without reading the rows that stay.

A content hash is a sum over all rows, and so is a table hash. Where nobody wrote into a table since the backup, its
sums are those of then; rows that are to change or go are taken out of them before anything is written, and rows that
were written are added afterwards. PostgreSQL knows which these are, also those of a savepoint or a trigger. If they are
the built rows that were to be written, and the others are as many as were to stay and none that was to change or go,
the others are the rows that were to stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from psycopg import sql

from mock2pg.backups import exported_rows, snapshot
from mock2pg.postgres import row_hashes
from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.unwritten import unwritten, written
from mock2pg.publishing.merge import Merge, TableMerge
from mock2pg.step_results import Horizon

_WORTH = 1  # rows that are read, for each row of the table: of more, reading all of them once is less work


@dataclass(frozen=True)
class Sum:
    """A hash of a table as the numbers that it consists of, which those of rows are added to and taken from."""

    rows: int
    a: int
    b: int

    @classmethod
    def of(cls, hashed: str) -> Self:
        return cls(*map(int, hashed.split(":")))

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


@dataclass(frozen=True)
class Written:
    """A table that holds the rows that were to stay and those that were to be written, and no others.

    hash  of its rows; None where the table hash before is not known
    """

    content: str
    hash: str | None


class WrittenContent:
    """The sums of the rows that stay. To be made before anything is written, under the locks of the comparison.

    horizon    of the backup
    hashes     table -> its content hash then; of those that change, only if nobody wrote into them since
    published  table -> its table hash then, where that is known
    """

    def __init__(
        self,
        connection: Connection,
        schema: str,
        merge: Merge,
        horizon: Horizon | None,
        hashes: Mapping[str, str],
        published: Mapping[str, str],
    ) -> None:
        self._connection, self._schema, self._horizon = connection, schema, horizon
        self._hashes, self._published, self._differences = hashes, published, merge.differences
        self._staying: dict[str, tuple[Sum, Sum]] = {}
        for each in merge.merges:
            name, difference = each.table.name, merge.differences[each.table.name]
            few = 0 < difference.changed + difference.updated < _WORTH * difference.after
            if not few or name not in hashes or each.removed is None:
                continue
            # apart: of two conditions with OR, PostgreSQL makes no joins
            going = (
                "SELECT l.* FROM {target} AS l WHERE EXISTS (SELECT FROM {built} AS b WHERE {keys})"
                " UNION ALL SELECT l.* FROM {target} AS l WHERE EXISTS (SELECT FROM {removed} AS b WHERE {same_key})"
            )
            content, table = map(Sum.of, self._read(each, going))
            if content.rows == difference.updated + difference.deleted:
                before = Sum.of(hashes[name]), Sum.of(published.get(name, "0:0:0"))
                self._staying[name] = before[0] - content, before[1] - table

    def of(self, each: TableMerge) -> Written | None:
        """Return the hashes of a table, once all tables are written; None where all its rows have to be read."""
        name, difference = each.table.name, self._differences[each.table.name]
        if name in self._unwritten:
            return Written(self._hashes[name], self._published.get(name))
        if name not in self._staying or each.removed is None or not self._is_defined or self._horizon is None:
            return None
        keys = each.table.merge_key
        content, table, *found = self._read(
            each,
            "SELECT l.* FROM {target} AS l WHERE {later}",
            "SELECT count(*) FROM {target} AS l",
            "SELECT count(*) FROM {target} AS l JOIN {built} AS b ON {keys}",
            "SELECT count(*) FROM {built} AS new JOIN {all_built} AS b ON {same_built}"
            " JOIN {target} AS l ON {keys} WHERE {later} AND NOT {differs}",
            "SELECT count(*) FROM {target} AS l JOIN {removed} AS b ON {same_key}",
            later=written(self._horizon.transaction, "l"),
            same_built=sql.SQL(" AND ").join(map(sql.SQL("new.{0} = b.{0}").format, map(sql.Identifier, keys))),
        )
        came, new = Sum.of(content), difference.inserted + difference.updated
        content_then, table_then = self._staying[name]
        if [came.rows, *map(int, found)] != [new, content_then.rows + new, new, new, 0]:
            return None
        return Written(str(content_then + came), str(table_then + Sum.of(table)) if name in self._published else None)

    @cached_property
    def _unwritten(self) -> set[str]:
        """The tables that were to stay as they are, and did."""
        if self._horizon is None or not self._is_defined:
            return set()
        same = [name for name, each in self._differences.items() if name in self._hashes and not each.changed]
        rows = {name: Sum.of(self._hashes[name]).rows for name in same}
        return unwritten(self._connection, self._schema, rows, self._horizon.transaction)

    @cached_property
    def _is_defined(self) -> bool:
        """Return whether the definitions are those of the backup: a new one may give old rows other values."""
        known = self._horizon.definitions if self._horizon else None
        return snapshot.defined(self._connection, self._schema) == known

    def _read(self, each: TableMerge, rows: str, *numbers: str, **names: sql.Composable) -> list[str]:
        """Return the content hash and the table hash of rows of a table, and the numbers that other queries give."""
        assert each.removed is not None  # noqa: S101  only such tables are read
        names |= {"removed": each.removed, "same_key": each.equal_here(each.table.merge_key)}
        fields = exported_rows.fields(self._connection, self._schema, each.table.name)
        read = sql.SQL("mock2pg_rows")
        queries = [
            exported_rows.hashing(self._connection, exported_rows.local_lines(fields, read)),
            row_hashes.hashing(self._connection, read, each.table),
            *(each.compose(number, **names) for number in numbers),
        ]
        query = sql.SQL("WITH {} AS MATERIALIZED ({}) SELECT {}").format(
            read, each.compose(rows, **names), sql.SQL(", ").join(map(sql.SQL("({})").format, queries))
        )
        return [*one_row(self._connection, query)]
