"""Referencing rows: rows of other tables that refer to rows to delete or change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from psycopg import sql

from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference
from mock2pg.text import counted


def refusals(
    connection: Connection,
    merges: Sequence[TableMerge],
    differences: Mapping[str, Difference],
    references: Sequence[TargetForeignKey],
    allowed: Collection[str],
) -> list[str]:
    """Return one line per foreign key that prevents publishing, with its number of rows; cascades are followed.

    allowed  tables, as `table` or `schema.table`, whose rows their own keys may change
    """
    look = _Look(connection, merges, allowed)
    found: list[str] = []
    for merge in merges:
        difference, keys = differences[merge.table.name], [k for k in references if k.parent == merge.table.name]
        if difference.deleted:
            found += look.when_gone(keys, merge.compose("SELECT l.* FROM {target} AS l WHERE {gone}"), ours=True)
        for key in keys if difference.updated else ():
            if columns := [name for name in key.parent_columns if name in merge.settable]:
                changing = merge.compose("SELECT l.* FROM {target} AS l JOIN {built} AS b ON {keys} WHERE ")
                found += look.at(key, key.on_update, changing + merge.differs(columns), ours=True, kind="UPDATE")
    return found


class _Look:
    def __init__(self, connection: Connection, merges: Sequence[TableMerge], allowed: Collection[str]) -> None:
        self._connection, self._allowed = connection, allowed
        self._ours = {(merge.target_schema, merge.table.name): merge for merge in merges if not merge.created}

    def when_gone(
        self,
        keys: Sequence[TargetForeignKey],
        going: sql.Composed,
        *,
        ours: bool,
        path: tuple[TargetForeignKey, ...] = (),
    ) -> Iterator[str]:
        """Follow the deletion of the rows `going`; `ours`: they are rows of a published table."""
        for key in keys:
            if key in path:
                continue
            yield from self.at(key, key.on_delete, going, ours=ours, kind="DELETE")
            if not key.readable:
                continue
            rows = self._rows(key, going, ours=ours)
            if rows and key.on_delete == "CASCADE" and catalogue.count(self._connection, _counted(rows)):
                below = [k for k in catalogue.references_to(self._connection, key.schema) if k.parent == key.table]
                yield from self.when_gone(below, rows, ours=False, path=(*path, key))

    def at(self, key: TargetForeignKey, act: str, parents: sql.Composed, *, ours: bool, kind: str) -> Iterator[str]:
        acts = act not in ("NO ACTION", "RESTRICT")
        if acts and {key.table, f"{key.schema}.{key.table}"} & set(self._allowed):
            return
        if not key.readable:
            if acts:  # else PostgreSQL refuses it, should there be such rows
                yield (
                    f"{key.schema}.{key.table} ({key.name}) may not be read by this role: whether rows of it refer to"
                    f" {key.parent} and would be changed by ON {kind} {act} is unknown"
                )
            return
        rows = self._rows(key, parents, ours=ours)
        if rows and (number := catalogue.count(self._connection, _counted(rows))):
            keep = "prevent their deletion" if kind == "DELETE" else "prevent their change"
            what = f"would be changed by ON {kind} {act}" if acts else keep
            yield f"{counted(number, 'row')} of {key.schema}.{key.table} ({key.name}) refer to {key.parent} and {what}"

    def _rows(self, key: TargetForeignKey, parents: sql.Composed, *, ours: bool) -> sql.Composed | None:
        """Select the rows that refer to one of the parents, and that publishing does not write itself."""
        home: sql.Composable | None = key.child_rows
        if merge := self._ours.get((key.schema, key.table)):
            home = _staying(merge, key.columns if ours else ())
        if home is None:
            return None
        return sql.SQL("SELECT c.* FROM {} AS c WHERE EXISTS (SELECT FROM ({}) AS p WHERE {})").format(
            home, parents, key.refers("c", "p")
        )


def _staying(merge: TableMerge, columns: Sequence[str]) -> sql.Composable | None:
    """Select the rows that are neither deleted nor updated in the columns; None when publishing writes every row."""
    free = set(columns) - {merge.table.distribution_column}  # whose value a row keeps
    written = bool(free) and free <= set(merge.settable)
    if not merge.keeps:
        return None if written else merge.compose("(SELECT l.* FROM {target} AS l WHERE NOT {gone})")
    if written and merge.table.publish != "ensure":
        return merge.compose("(SELECT l.* FROM {target} AS l WHERE {gone})")
    return merge.target


def _counted(rows: sql.Composed) -> sql.Composed:
    return sql.SQL("SELECT count(*) FROM ({}) AS r").format(rows)
