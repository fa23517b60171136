"""A distributed or reference table on its way from the built to the target schema: the statements that Citus takes.

Its shards are on other servers, so no statement may join it with a local or temporary table, call a volatile or stable
function in an UPDATE, or change a value of the distribution column. Built rows are in a table that is distributed like
the target table, and so are the scratch tables here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from uuid import uuid4

import psycopg
from psycopg import sql

from mock2pg.contracts import REFERENCE, Table
from mock2pg.postgres import distribution
from mock2pg.postgres.target_records import TargetColumn, TargetForeignKey
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference
from mock2pg.text import counted, identity

_HELD = "mock2pg_held"


def merge_of(table: Table) -> type[TableMerge]:
    """Return the merge that the table's distribution needs."""
    return DistributedMerge if table.distribution else TableMerge


class DistributedMerge(TableMerge):
    """A scratch table holds the rows where a statement of a local table is not taken.

    No statement is tried that may fail on a shard: the savepoint before it does not always bring the connections to
    several nodes back.
    """

    recovers = False
    _foreign: Sequence[str] = ()  # the columns that rows that moved keep, and that are no columns of the contract

    @property
    def held(self) -> sql.Identifier:
        return sql.Identifier(self.built_schema, _HELD)

    def children(self, key: TargetForeignKey) -> sql.Composable:
        """Return the referencing rows; those of a reference table as a result that is sent to every node."""
        if self.table.distribution != REFERENCE:
            return key.child_rows
        return self.gathered(key.child_rows, key.columns)

    def gathered(self, rows: sql.Composable, columns: Sequence[str]) -> sql.Composable:
        """Return the rows as the coordinator gathers them, wherever their shards are."""
        names = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(columns)))
        return sql.SQL("(SELECT DISTINCT {} FROM {} AS g OFFSET 0)").format(names, rows)

    def misfits(self) -> dict[str, str]:
        """Return the columns as those of a local table; and the distribution column, where a row would be there twice.

        Who keeps rows that are not built deletes none, so that a row cannot move to another value of the column.
        """
        found, column = super().misfits(), self.table.distribution_column
        if self._may_move and self.keeps and not found:
            (rows,) = self.counts("SELECT count(*) FROM {moved}")
            if rows:
                found[column] = f"column {column} is another one in {counted(rows, 'row')} of the target table"
        return found

    def shown_keys(self, limit: int) -> dict[str, list[str]]:
        _, moved = self.moved(limit)
        return {**super().shown_keys(limit), **({"moved": moved} if moved else {})}

    def moved(self, limit: int) -> tuple[int, list[str]]:
        if not self._may_move or self.keeps:
            return 0, []
        (rows,) = self.counts("SELECT count(*) FROM {moved}")
        query = self.compose("SELECT {key_of_l} FROM {moved} ORDER BY 1 LIMIT ") + sql.Literal(limit)
        return rows, [identity(key) for key in self.reading.texts(query)] if rows else []

    def hold_moved(self, difference: Difference) -> None:
        foreign = [name for name, own in self.there.items() if name not in self.types and not own.generated]
        if not (self._may_move and foreign and difference.inserted and difference.deleted):
            return
        kept = sql.SQL(", ").join(sql.SQL("l.{}").format(sql.Identifier(name)) for name in foreign)
        names = {"keys_of_b": _of("b", self.table.merge_key), "kept": kept, "held_moved": self._held_moved}
        self.connection.execute(
            self.compose(
                "CREATE UNLOGGED TABLE {held_moved} AS SELECT {keys_of_l}, {kept} FROM {home} AS l WITH NO DATA",
                keys_of_l=_of("l", self.table.merge_key),
                **names,
            )
        )
        how = self.table.distribution
        distribution.distribute(self.connection, self.built_schema, self._moved_name, how, self.home)
        self.code.run(self.compose("INSERT INTO {held_moved} SELECT {keys_of_b}, {kept} FROM {moved}", **names))
        self._foreign = foreign

    def inserts(self, without: Collection[str]) -> list[sql.Composed]:
        """Insert the rows that moved first, with what is not ours of them."""
        (new,) = super().inserts(without)
        if not self._foreign:
            return [new]
        given = [sql.SQL("NULL") if name in without else self.cast(name) for name in self.inserted]
        moved = self.compose(
            "INSERT INTO {home} ({columns}, {foreign}) OVERRIDING SYSTEM VALUE"
            " SELECT {given}, {kept} FROM {built} AS b JOIN {held_moved} AS l ON {keys}",
            foreign=sql.SQL(", ").join(map(sql.Identifier, self._foreign)),
            given=sql.SQL(", ").join(given),
            kept=_of("l", self._foreign),
            held_moved=self._held_moved,
        )
        return [moved, new]

    @property
    def new_rows(self) -> str:
        """Return them as a subquery, for a reference table: beside a default that draws from a sequence Citus takes no
        correlated one.
        """
        rows = super().new_rows
        return f"(SELECT b.* FROM {rows} OFFSET 0) AS b" if self.table.distribution == REFERENCE else rows  # noqa: S608

    def distribute(self) -> None:
        how = self.table.distribution
        distribution.distribute(self.connection, self.target_schema, self.table.name, how, self.built)

    def update(self, references: Sequence[TargetForeignKey]) -> None:
        """Change what differs; by held rows where a value is compared or cast by a function that is not immutable."""
        if not self.park_values():
            self.write_again()
            return
        try:
            with self.connection.transaction():
                self.code.run(self.change)
        except psycopg.errors.FeatureNotSupported:  # found when it is planned, before a shard is reached
            self._hold()
            sets = [sql.SQL("{0} = b.{0}").format(sql.Identifier(name)) for name in self.settable]
            query = "UPDATE {target} AS l SET {from_held} FROM {held} AS b WHERE {same_row}"
            self.code.run(self.compose(query, from_held=sql.SQL(", ").join(sets), same_row=self._same_row))
            self._drop_held()

    def make_way(self, difference: Difference) -> None:
        if difference.updated or difference.deleted:
            self.park_values()

    def parkable(self, columns: Sequence[TargetColumn]) -> Sequence[TargetColumn]:
        """Return the columns without foreign keys; those without a check first."""
        rows = self.connection.execute(
            "SELECT a.attname, bool_or(c.contype = 'f') FROM pg_constraint AS c JOIN pg_attribute AS a"
            " ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) OR a.attrelid = c.confrelid"
            " AND a.attnum = ANY (c.confkey) WHERE a.attrelid = %s::text::regclass AND c.contype IN ('c', 'f')"
            " GROUP BY 1",
            [self.home.as_string()],
        ).fetchall()
        refers = dict[str, bool](rows)
        return sorted((c for c in columns if not refers.get(c.name)), key=lambda column: column.name in refers)

    def to_cast(self, name: str) -> sql.Composable:
        """Return the built rows as the coordinator gets them: there it is that a cast may fail."""
        return sql.SQL("(SELECT {} FROM {} OFFSET 0)").format(sql.Identifier(name), self.built)

    def write_again(self) -> None:
        """Delete the rows that change and insert them again; in two statements, so no row may refer to one of them."""
        self._hold()
        query = "DELETE FROM {target} AS l WHERE EXISTS (SELECT FROM {held} AS b WHERE {same_row})"
        self.code.run(self.compose(query, same_row=self._same_row))
        query = "INSERT INTO {home} ({whole}) OVERRIDING SYSTEM VALUE SELECT {whole} FROM {held} AS b"
        self.code.run(self.compose(query))
        self._drop_held()

    @property
    def _may_move(self) -> bool:
        """Return whether a row can have another value of the distribution column, and be the same row."""
        column = self.table.distribution_column
        return bool(column) and column not in self.table.primary_key and not self.created

    @cached_property
    def _moved_name(self) -> str:
        return f"mock2pg_moved_{uuid4().hex}"  # there is one for each table, until the scratch schemas are dropped

    @property
    def _held_moved(self) -> sql.Identifier:
        return sql.Identifier(self.built_schema, self._moved_name)

    @cached_property
    def _names(self) -> dict[str, sql.Composable]:
        """Return the names, and `moved`: target rows `l`, and in `b` the key that each moves to, for FROM."""
        names = super()._names
        keys = [sql.SQL("{} AS {}").format(self.cast(name), sql.Identifier(name)) for name in self.table.merge_key]
        moved = sql.SQL(
            "{target} AS l JOIN (SELECT {cast_keys} FROM {built} AS b WHERE NOT EXISTS ({same}) OFFSET 0) AS b"
            " ON {same_identity}"
        ).format(**names, cast_keys=sql.SQL(", ").join(keys), same_identity=self.equal_here(self.table.primary_key))
        return {**names, "moved": moved}

    @property
    def _same_row(self) -> sql.Composable:
        return self.equal_here(self.table.merge_key)

    def _hold(self) -> None:
        """Put the rows that change, as they will be, into a table that is distributed like the target table."""
        self.connection.execute(self.compose("CREATE UNLOGGED TABLE {held} (LIKE {home})"))
        distribution.distribute(self.connection, self.built_schema, _HELD, self.table.distribution, self.home)
        changed = [
            self.cast(name) if name in self.settable else sql.SQL("l.{}").format(sql.Identifier(name))
            for name, column in self.there.items()
            if not column.generated
        ]
        query = (
            "INSERT INTO {held} ({whole}) SELECT {changed}"
            " FROM {target} AS l JOIN {built} AS b ON {keys} WHERE {differs}"
        )
        self.code.run(self.compose(query, changed=sql.SQL(", ").join(changed)))

    def _drop_held(self) -> None:
        self.connection.execute(self.compose("DROP TABLE {held}"))


def _of(alias: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)
