"""One table on its way from the built to the target schema: the statements that make it equal.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from mock2pg.postgres.target_records import TargetColumn, TargetForeignKey
from mock2pg.publishing import sequences, unique_conflicts
from mock2pg.publishing.next_values import NextValue, next_values
from mock2pg.publishing.table_comparison import TableComparison
from mock2pg.step_results import Difference


class TableMerge(TableComparison):
    """One table; its statements run in the order that the whole publication needs."""

    def delete_free(self, references: Sequence[TargetForeignKey]) -> int:
        """Delete what is gone, but for rows that others still refer to; returns how many went."""
        free = [
            sql.SQL(" AND NOT EXISTS (SELECT FROM {} AS c WHERE {})").format(self.children(key), key.refers("c", "l"))
            for key in references
            if key.parent == self.table.name and key.readable
        ]
        return self.code.count(self.delete_rest + sql.SQL("").join(free))

    def children(self, key: TargetForeignKey) -> sql.Composable:
        """Return the referencing rows, for FROM."""
        return key.child_rows

    def distribute(self) -> None:
        """Distribute the table that was just created as its built rows are; a local table stays one."""

    @property
    def delete_rest(self) -> sql.Composed:
        return self.compose("DELETE FROM {target} AS l WHERE {gone}")

    @property
    def insert(self) -> sql.Composed:
        return self.inserts(())[0]

    def inserts(self, without: Collection[str]) -> list[sql.Composed]:
        """Insert the new rows, with NULL in the columns of these names."""
        given = [sql.SQL("NULL") if name in without else self.cast(name) for name in self.inserted]
        return [
            self.compose(
                "INSERT INTO {home} ({columns}) OVERRIDING SYSTEM VALUE SELECT {given} FROM " + self.new_rows,
                given=sql.SQL(", ").join(given),
            )
        ]

    @property
    def new_rows(self) -> str:
        """Return the built rows that are to be inserted, for FROM, as `compose` takes it.

        Each row of a table that was empty when it was analysed would be looked for among those that are inserted.
        """
        return "{built} AS b" if self.created or self.empty else "{built} AS b WHERE NOT EXISTS ({same})"

    @property
    def change(self) -> sql.Composed:
        return self.compose("UPDATE {target} AS l SET {sets} FROM {built} AS b WHERE {keys} AND {differs}")

    def update(self, references: Sequence[TargetForeignKey]) -> None:
        """Change what differs; where rows exchange unique values, in two steps."""
        if unique_conflicts.try_update(self, self.change) or (
            self.park_values() and unique_conflicts.try_update(self, self.change)
        ):
            return
        if any(key.parent == self.table.name and key.on_delete != "NO ACTION" for key in references):
            self.code.run(self.change)  # which names the constraint
        self.write_again()

    def write_again(self) -> None:
        """Delete the rows that change and insert them again."""
        unique_conflicts.replace(self)

    def park_values(self) -> bool:
        """Take unique values that other rows are to hold away from those that hold them; whether all of it could be."""
        return not self.created and self.table.publish != "ensure" and unique_conflicts.park_values(self)

    def gathered(self, rows: sql.Composable, columns: Sequence[str]) -> sql.Composable:
        """Return rows of another table, for FROM, so that a query of ours may look for one of them."""
        return rows

    def hold_moved(self, difference: Difference) -> None:
        """Hold what is not ours of the rows that move to another value of the distribution column, before they go."""

    def moved(self, limit: int) -> tuple[int, list[str]]:
        """Count those rows; return up to `limit` of their primary keys."""
        return 0, []

    recovers = True  # a statement that fails is undone by its savepoint, and another way is taken

    def make_way(self, difference: Difference) -> None:
        """Park the unique values that new rows are to hold, where an INSERT cannot be tried first."""

    def parkable(self, columns: Sequence[TargetColumn]) -> Sequence[TargetColumn]:
        """Return those of the columns in which a parked value may be tried."""
        return columns

    def next_values(self) -> list[NextValue]:
        """Return the sources of next values for our columns, in rows that others insert."""
        if self.created:
            return []
        found = next_values(self.connection, self.target_schema, self.table.name)
        return [value for value in found if not value.column or value.column in self.types]

    def new_values(self, name: str) -> sql.Composed:
        """One column of the rows to insert, as a table."""
        return self.compose(
            "(SELECT {value} AS {name} FROM {built} AS b WHERE NOT EXISTS ({same}))",
            value=self.cast(name),
            name=sql.Identifier(name),
        )

    def advance_sequences(self) -> None:
        """Let the columns' next values come after what they hold now."""
        sequences.advance(self.connection, self.target, self.next_values())

    @property
    def of_built(self) -> sql.Composed:
        """The target rows whose keys are among the built ones, as a table."""
        return self.compose("(SELECT l.* FROM {target} AS l WHERE EXISTS (SELECT FROM {all_built} AS b WHERE {keys}))")
