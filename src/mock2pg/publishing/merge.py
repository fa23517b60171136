"""Publishing: makes target tables hold the rows of the built ones, by difference, keeping the tables themselves.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

from psycopg import sql

from mock2pg import progress
from mock2pg.contracts import Table, key_groups
from mock2pg.distributed_keys import widened
from mock2pg.errors import PublishFailed
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.publishing import circles, creation, held_difference, referencing_rows, unique_conflicts
from mock2pg.publishing.alteration import Alteration
from mock2pg.publishing.distributed_merge import merge_of
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference

__all__ = ["Merge", "TableMerge", "publish", "write_order"]


class Merge:
    """All tables: what is to be done, found out without writing, and then done.

    tables  a table is merged whole, or keeps target rows that are not built, as its `publish` says
    merges  each table's own part, parents before children
    alterations  what is to be altered before `apply`, which a merge of its own is for; this one can only look
    removed  table -> rows of it that are not built as they are, where only rows that differ are built
    hold     write what differs into the built schema, where later statements look for it
    held     tables of which an earlier comparison wrote it there, and that are as they were

    Raises PublishFailed when a target table has not the columns, or a column's type does not keep what is built.
    """

    def __init__(
        self,
        connection: Connection,
        built: str,
        target: str,
        tables: Sequence[Table],
        alterations: Mapping[str, Alteration] = MappingProxyType({}),
        removed: Mapping[str, sql.Identifier] = MappingProxyType({}),
        *,
        hold: bool = False,
        held: Collection[str] = (),
    ) -> None:
        self._connection, self._target, self.held = connection, target, held
        present = set(catalogue.tables(connection, target))
        self._references = catalogue.references_to(connection, target)
        self._code = OwnersCode(connection, target, [table.name for table in tables])
        there = catalogue.columns(connection, target, *(table.name for table in tables if table.name in present))
        merges = {
            table.name: merge_of(table)(
                connection,
                built,
                target,
                table,
                created=table.name not in present,
                altered=alterations.get(table.name),
                removed=removed.get(table.name),
                code=self._code,
                there=there.get(table.name, {}),
            )
            for table in tables
        }
        misfits = [f"table {name}: {misfit}" for name, merge in merges.items() for misfit in merge.misfits().values()]
        if misfits:
            raise PublishFailed("; ".join(misfits))
        if hold:
            for number, merge in enumerate(merges.values()):
                (held_difference.look if merge.table.name in held else held_difference.hold)(merge, number)
        differences = {name: merge.difference() for name, merge in merges.items()}
        self._moving = [key for key in self._references if key.schema == target and _moves(key, merges, differences)]
        self._groups = [[merges[name] for name in group] for group in self._key_groups(list(merges))]
        self.merges = list(chain.from_iterable(self._groups))
        self.differences = {merge.table.name: differences[merge.table.name] for merge in self.merges}

    def keys(self, limit: int) -> dict[str, dict[str, list[str]]]:
        """Up to `limit` primary keys of rows to insert, update and delete, by table."""
        return {merge.table.name: merge.shown_keys(limit) for merge in self.merges}

    def columns(self) -> dict[str, dict[str, int]]:
        """Count the rows to update, by table and by the columns in which they differ."""
        return {
            merge.table.name: merge.changed_columns() if self.differences[merge.table.name].updated else {}
            for merge in self.merges
        }

    def refused_references(self, allowed: Collection[str] = ()) -> list[str]:
        """Return, in words, the rows of other tables that refer to rows to delete or change.

        allowed  tables, as `table` or `schema.table`, whose rows their own CASCADE, SET NULL or SET DEFAULT may change
        """
        return referencing_rows.refusals(self._connection, self.merges, self.differences, self._references, allowed)

    def refuse_referencing_rows(self, allowed: Collection[str] = ()) -> None:
        """Raise PublishFailed when there are any."""
        refused = self.refused_references(allowed)
        if refused:
            raise PublishFailed(
                "other rows refer to rows that would be deleted or changed: " + "; ".join(refused),
                hint="Keep those rows in the input, change the rows that refer to them, or allow a cascade by name.",
            )

    def apply(self, held: Callable[[TableMerge], int | None] = lambda _: None) -> dict[str, Difference]:
        """Write. Raises PublishFailed when the target tables afterwards do not hold the built rows.

        held  returns how many rows a table has, when it knows that they are the built ones: they are not compared
        """
        progress.expect(sum(difference.changed for difference in self.differences.values()))
        self._connection.execute("SET CONSTRAINTS ALL DEFERRED")
        for merge in self.merges:
            merge.hold_moved(self.differences[merge.table.name])
        waiting = self._delete()
        for merge in self.merges:
            if merge.created:
                creation.create(self._connection, self._target, merge.table)
                merge.distribute()
        for group in self._groups:
            progress.detail(", ".join(merge.table.name for merge in group))
            self._write(group)
            written = [self.differences[merge.table.name] for merge in group]
            progress.rows(sum(difference.inserted + difference.updated for difference in written))
        circles.delete(self._code, waiting, self._references)
        progress.rows(sum(difference.deleted for difference in self.differences.values()))
        tables = {merge.table.name: merge.table for merge in self.merges}
        tables = {name: widened(table, tables) for name, table in tables.items()}
        for step in (creation.constrain, creation.refer):  # every key before the first reference to one
            for merge in self.merges:
                if merge.created:
                    step(self._connection, self._target, tables[merge.table.name])
        with self._code.path():
            self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for merge in self.merges:
            merge.advance_sequences()
        return {merge.table.name: self._proven(merge, held(merge)) for merge in self.merges}

    def _proven(self, merge: TableMerge, rows: int | None) -> Difference:
        expected = self.differences[merge.table.name]
        return merge.proven(expected) if rows is None else replace(expected, after=rows)

    def _key_groups(self, names: list[str]) -> list[list[str]]:
        parents = _parents(self._references, self._target)
        for key in self._moving:  # neither could be changed first
            parents.setdefault(key.parent, set()).add(key.table)
        return key_groups(names, parents)

    def _delete(self) -> list[TableMerge]:
        """Delete what is gone, children first; those are returned in which rows wait until others have moved away."""
        return [
            merge
            for merge in reversed(self.merges)
            if (number := self.differences[merge.table.name].deleted) and merge.delete_free(self._references) < number
        ]

    def _write(self, group: Sequence[TableMerge]) -> None:
        """Update and insert; where tables refer to each other or themselves, all rows are there before one changes."""
        names = {merge.table.name for merge in group}
        round_about = any(
            key.table in names and key.parent in names for key in self._references if key.schema == self._target
        )
        updates = [merge for merge in group if self.differences[merge.table.name].updated]
        inserts = [merge for merge in group if self.differences[merge.table.name].inserted]
        if any(key.table in names for key in self._moving) and self._write_at_once(updates, inserts):
            return
        if not round_about:
            for merge in updates:
                merge.update(self._references)
        if inserts:
            for merge in group:
                merge.make_way(self.differences[merge.table.name])
            completed: list[TableMerge] = []
            try:
                with self._connection.transaction():
                    completed = circles.insert(self._code, inserts, self._references)
            except unique_conflicts.ALIKE:  # with a value of a row that is deleted or changed later
                parked = all(merge.recovers and merge.park_values() for merge in group)
                emptied = [merge for merge in inserts if merge.empty]  # rows of a trigger may be there by now
                for merge in emptied:
                    merge.empty = False
                if not parked and not (emptied and all(merge.recovers for merge in group)):
                    raise
                completed = circles.insert(self._code, inserts, self._references)
            updates += [merge for merge in completed if merge not in updates]
        if round_about:
            for merge in updates:
                merge.update(self._references)

    def _write_at_once(self, updates: Sequence[TableMerge], inserts: Sequence[TableMerge]) -> bool:
        """Update and insert in one statement; return False when it is none, or rows exchange unique values."""
        if not circles.is_one([*updates, *inserts]):
            return False
        try:
            with self._connection.transaction():
                circles.together(
                    self._code, [*(merge.change for merge in updates), *(merge.insert for merge in inserts)]
                )
        except unique_conflicts.ALIKE:
            return False
        return True


def _moves(key: TargetForeignKey, merges: Mapping[str, TableMerge], differences: Mapping[str, Difference]) -> bool:
    """Return whether rows of a published table change in what rows of another refer to, and no cascade follows."""
    if key.on_update not in ("NO ACTION", "RESTRICT") or not {key.table, key.parent} <= merges.keys():
        return False
    parent = merges[key.parent]
    columns = [name for name in key.parent_columns if name in parent.settable]
    if not columns or not differences[key.parent].updated:
        return False
    changing = parent.compose("SELECT count(*) FROM {target} AS l JOIN {built} AS b ON {keys} WHERE ")
    return catalogue.count(parent.connection, changing + parent.differs(columns)) > 0


def write_order(connection: Connection, target: str, names: Sequence[str]) -> list[str]:
    """Return the tables in the order in which they are written: parents before children."""
    parents = _parents(catalogue.references_to(connection, target), target)
    return list(chain.from_iterable(key_groups(list(names), parents)))


def _parents(references: Sequence[TargetForeignKey], target: str) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {}
    for key in references:
        if key.schema == target:
            parents.setdefault(key.table, set()).add(key.parent)
    return parents


def publish(
    connection: Connection,
    built: str,
    target: str,
    tables: Sequence[Table],
    allowed: Collection[str] = (),
    removed: Mapping[str, sql.Identifier] = MappingProxyType({}),
) -> dict[str, Difference]:
    """Publish the built tables: existing ones are merged, absent ones created, filled and then constrained."""
    merge = Merge(connection, built, target, tables, removed=removed)
    merge.refuse_referencing_rows(allowed)
    return merge.apply()
