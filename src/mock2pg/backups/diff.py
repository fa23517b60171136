"""Compare the target tables with the rows of a backup; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from mock2pg.backups import json_rows
from mock2pg.backups.staged import Staged, row_count
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.step_results import RollbackComparison, RowChanges


@dataclass(frozen=True)
class Change:
    """The row counts of one table.

    restored      rows that a rollback would restore
    removed       rows that it would remove
    changed       rows that it would change back; without a primary key each counts as one removed and one restored
    content_hash  of the target table; None when there is no such table
    """

    restored: int = 0
    removed: int = 0
    changed: int = 0
    content_hash: str | None = None

    @property
    def rows(self) -> int:
        return self.restored + self.removed + self.changed

    @property
    def counts(self) -> RowChanges:
        return RowChanges(self.restored, self.removed, self.changed)


def changes(connection: Connection, schema: str, staged: Staged) -> dict[str, Change]:
    """Compare every table of the target schema and of the backup, by name."""
    target = catalogue.tables(connection, schema)
    return {
        name: _change(connection, schema, name, staged, there=name in target)
        for name in sorted({*target, *staged.hashes})
    }


def known(found: RollbackComparison) -> dict[str, Change]:
    """Return what `changes` found when a rollback was compared."""
    return {
        name: Change(change.restored, change.removed, change.changed, (found.hashes or {}).get(name))
        for name, change in found.changes.items()
    }


def _change(connection: Connection, schema: str, name: str, staged: Staged, *, there: bool) -> Change:
    if not there:
        return Change(restored=staged.state.tables[name])
    content = staged.content(schema, name)
    if name not in staged.hashes:
        return Change(removed=catalogue.rows(connection, schema, name), content_hash=content)
    if content == staged.hashes[name]:
        return Change(content_hash=content)
    keys = catalogue.primary_key(connection, schema, name)
    if keys and content.startswith("0:"):
        return Change(staged.state.tables[name], content_hash=content)
    if not keys:
        backup, target = json_rows.as_written(staged.lines(name)), staged.target_lines(schema, name)
        restored, removed = (
            catalogue.count(connection, sql.SQL("SELECT count(*) FROM ({} EXCEPT ALL {}) AS d").format(one, other))
            for one, other in ((backup, target), (target, backup))
        )
        return Change(restored, removed, content_hash=content)
    delta = staged.delta(schema, name)
    assert delta.gone is not None  # noqa: S101  the table has rows
    back, gone = row_count(connection, delta.back), row_count(connection, delta.gone)
    changed = catalogue.count(
        connection,
        sql.SQL(
            "SELECT count(*) FROM (SELECT {key} AS key FROM ({back}) AS r) AS b"
            " JOIN (SELECT {key} AS key FROM ({gone}) AS r) AS g USING (key)"
        ).format(key=_key(keys), back=delta.back, gone=delta.gone),
    )
    return Change(back - changed, gone - changed, changed, content)


def _key(names: Sequence[str]) -> sql.Composable:
    """Return SQL for the primary key of a JSON row, as texts; NULL where a row of another shape has none."""
    texts = [sql.SQL("r.line::json ->> {}").format(sql.Literal(name)) for name in names]
    return texts[0] if len(texts) == 1 else sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(texts))
