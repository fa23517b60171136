"""Compare the target tables with the rows of a backup; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from mock2pg.backups import dump, json_rows
from mock2pg.backups.restore import Staged
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.step_results import RowChanges


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
        for name in sorted({*target, *staged.homes})
    }


def _change(connection: Connection, schema: str, name: str, staged: Staged, *, there: bool) -> Change:
    if not there:
        return Change(restored=staged.state.tables[name])
    target = dump.lines(connection, schema, name)
    content = dump.lines_hash(connection, target)
    if name not in staged.homes:
        return Change(removed=catalogue.rows(connection, schema, name), content_hash=content)
    if content == staged.hashes[name]:
        return Change(content_hash=content)
    backup = json_rows.as_written(staged.homes[name])
    keys = catalogue.primary_key(connection, schema, name)
    if not keys:
        restored, removed = (
            catalogue.count(connection, sql.SQL("SELECT count(*) FROM ({} EXCEPT ALL {}) AS d").format(one, other))
            for one, other in ((backup, target), (target, backup))
        )
        return Change(restored, removed, content_hash=content)
    row = connection.execute(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE l.hash IS NULL), count(*) FILTER (WHERE b.hash IS NULL),"
            " count(*) FILTER (WHERE l.hash <> b.hash) FROM (SELECT {key} AS key, {hash} AS hash FROM ({target}) AS r)"
            " AS l FULL JOIN (SELECT {key} AS key, {hash} AS hash FROM ({backup}) AS r) AS b USING (key)"
        ).format(key=_key(keys), hash=sql.SQL("sha256(convert_to(r.line, 'UTF8'))"), target=target, backup=backup)
    ).fetchone()
    assert row is not None  # noqa: S101
    restored, removed, changed = row
    return Change(restored, removed, changed, content)


def _key(names: Sequence[str]) -> sql.Composable:
    """Return SQL for the primary key of a JSON row, as texts; NULL where a row of another shape has none."""
    return sql.SQL("ARRAY[{}]").format(
        sql.SQL(", ").join(sql.SQL("r.line::json ->> {}").format(sql.Literal(name)) for name in names)
    )
