"""Publishing: makes live tables hold the rows of the built ones, by difference, keeping the tables themselves.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain

import psycopg
from psycopg import sql

from mock2pg.contracts import Table, key_groups
from mock2pg.errors import PublishFailed, counted
from mock2pg.tools.postgres import catalogue, creation
from mock2pg.tools.postgres.catalogue import LiveForeignKey
from mock2pg.tools.postgres.connection import Connection
from mock2pg.tools.postgres.table_merge import Difference, TableMerge

__all__ = ["Difference", "Merge", "publish"]


class Merge:
    """All tables: what is to be done, found out without writing, and then done.

    tables  a table is merged whole, or keeps what is live and not built, as its `publish` says
    """

    def __init__(self, connection: Connection, built: str, live: str, tables: Sequence[Table]) -> None:
        self._connection, self._live = connection, live
        present = set(catalogue.tables(connection, live))
        self._references = catalogue.references_to(connection, live)
        merges = {
            table.name: TableMerge(connection, built, live, table, created=table.name not in present)
            for table in tables
        }
        self._groups = [[merges[name] for name in group] for group in self._key_groups(list(merges))]
        self._merges = list(chain.from_iterable(self._groups))
        self.differences = {merge.table.name: merge.difference() for merge in self._merges}

    def keys(self, limit: int) -> dict[str, dict[str, list[str]]]:
        """Up to `limit` primary keys of rows to insert, update and delete, by table."""
        return {merge.table.name: merge.shown_keys(limit) for merge in self._merges}

    def refuse_strangers(self, allowed: Collection[str] = ()) -> None:
        """Raises PublishFailed when rows that go are referred to from tables that are not ours.

        allowed  tables whose rows may be changed by their own ON DELETE CASCADE, SET NULL or SET DEFAULT
        """
        refused = []
        for merge in self._merges:
            if not self.differences[merge.table.name].deleted:
                continue
            for key in self._references:
                if key.parent != merge.table.name or self._is_ours(key):
                    continue
                acts = key.on_delete not in ("NO ACTION", "RESTRICT")
                if (not acts or key.table not in allowed) and (rows := merge.taken_along(key)):
                    what = f"would be changed by ON DELETE {key.on_delete}" if acts else "keep them from going"
                    named = f"{key.schema}.{key.table} ({key.name})"
                    refused.append(f"{counted(rows, 'row')} of {named} refer to {merge.table.name} and {what}")
        if refused:
            raise PublishFailed(
                "rows would go that others refer to, of tables that are not migrated: " + "; ".join(refused),
                hint="Keep those rows in the input, change the rows that refer to them, or allow a cascade by name.",
            )

    def apply(self) -> dict[str, Difference]:
        """Write. Raises PublishFailed when what is live afterwards is not what was built."""
        self._connection.execute("SET CONSTRAINTS ALL DEFERRED")
        waiting = self._delete()
        for merge in self._merges:
            if merge.created:
                creation.create(self._connection, self._live, merge.table)
        for group in self._groups:
            self._write(group)
        self._together([merge.delete_rest for merge in waiting])
        for step in (creation.constrain, creation.refer):  # every key before the first reference to one
            for merge in self._merges:
                if merge.created:
                    step(self._connection, self._live, merge.table)
        self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for merge in self._merges:
            if self.differences[merge.table.name].inserted:
                merge.advance_sequences()
        return {merge.table.name: merge.proven(self.differences[merge.table.name]) for merge in self._merges}

    def _key_groups(self, names: list[str]) -> list[list[str]]:
        parents: dict[str, set[str]] = {}
        for key in self._references:
            if key.schema == self._live:
                parents.setdefault(key.table, set()).add(key.parent)
        return key_groups(names, parents)

    def _is_ours(self, key: LiveForeignKey) -> bool:
        return key.schema == self._live and any(merge.table.name == key.table for merge in self._merges)

    def _delete(self) -> list[TableMerge]:
        """Delete what is gone, children first; what is still referred to waits until that has moved away."""
        waiting = {m: self.differences[m.table.name].deleted for m in reversed(self._merges)}
        waiting = {merge: number for merge, number in waiting.items() if number}
        restricted = any(key.on_delete == "RESTRICT" for key in self._references)
        went = 1
        while waiting and went:
            went = 0
            for merge in list(waiting):
                gone = merge.delete_free(self._references)
                waiting[merge] -= gone
                went += gone
                if not waiting[merge]:
                    del waiting[merge]
            if not restricted:  # then one statement can delete a row and what refers to it
                break
        return list(waiting)

    def _write(self, group: Sequence[TableMerge]) -> None:
        """Update and insert; where tables refer to each other or themselves, all rows are there before one changes."""
        names = {merge.table.name for merge in group}
        round_about = any(
            key.table in names and key.parent in names for key in self._references if key.schema == self._live
        )
        updates = [merge for merge in group if self.differences[merge.table.name].updated]
        inserts = [merge for merge in group if self.differences[merge.table.name].inserted]
        if not round_about:
            for merge in updates:
                merge.update()
        if inserts:
            try:
                with self._connection.transaction():
                    self._together([merge.insert for merge in inserts])
            except psycopg.errors.UniqueViolation:  # with a value of a row that goes or changes later
                if not all(merge.step_aside() for merge in group):
                    raise
                self._together([merge.insert for merge in inserts])
        if round_about:
            for merge in updates:
                merge.update()

    def _together(self, statements: Sequence[sql.Composed]) -> None:
        """One statement of several: references between their tables are looked at when all of them are done."""
        if len(statements) < 2:
            for statement in statements:
                self._connection.execute(statement)
            return
        parts = sql.SQL(", ").join(
            sql.SQL("{} AS ({})").format(sql.Identifier(f"part{number}"), statement)
            for number, statement in enumerate(statements)
        )
        self._connection.execute(sql.SQL("WITH {} SELECT").format(parts))


def publish(
    connection: Connection, built: str, live: str, tables: Sequence[Table], allowed: Collection[str] = ()
) -> dict[str, Difference]:
    """Bring the built tables live: existing ones are merged, absent ones created, filled and then constrained."""
    merge = Merge(connection, built, live, tables)
    merge.refuse_strangers(allowed)
    return merge.apply()
