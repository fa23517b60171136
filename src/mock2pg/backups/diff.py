"""What a rollback would change: live compared with the rows of a backup, table by table; nothing is written."""

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
    """One table; counts of rows.

    back       those that a rollback would bring back
    gone       those that it would take away
    different  those that it would set back; without a primary key such a row counts as one gone and one back
    live       the hash of what is live; None when the table is not there
    """

    back: int = 0
    gone: int = 0
    different: int = 0
    live: str | None = None

    @property
    def rows(self) -> int:
        return self.back + self.gone + self.different

    @property
    def counts(self) -> RowChanges:
        return RowChanges(self.back, self.gone, self.different)


def changes(connection: Connection, schema: str, staged: Staged) -> dict[str, Change]:
    """Every table of live and of the backup, by name."""
    live = catalogue.tables(connection, schema)
    return {
        name: _change(connection, schema, name, staged, there=name in live) for name in sorted({*live, *staged.homes})
    }


def _change(connection: Connection, schema: str, name: str, staged: Staged, *, there: bool) -> Change:
    if not there:
        return Change(back=staged.state.tables[name])
    live = dump.lines(connection, schema, name)
    content = dump.content_hash(connection, live)
    if name not in staged.homes:
        return Change(gone=catalogue.rows(connection, schema, name), live=content)
    if content == staged.hashes[name]:
        return Change(live=content)
    backup = json_rows.as_written(staged.homes[name])
    keys = catalogue.primary_key(connection, schema, name)
    if not keys:
        back, gone = (
            catalogue.count(connection, sql.SQL("SELECT count(*) FROM ({} EXCEPT ALL {}) AS d").format(one, other))
            for one, other in ((backup, live), (live, backup))
        )
        return Change(back, gone, live=content)
    row = connection.execute(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE l.hash IS NULL), count(*) FILTER (WHERE b.hash IS NULL),"
            " count(*) FILTER (WHERE l.hash <> b.hash) FROM (SELECT {key} AS key, {hash} AS hash FROM ({live}) AS r)"
            " AS l FULL JOIN (SELECT {key} AS key, {hash} AS hash FROM ({backup}) AS r) AS b USING (key)"
        ).format(key=_key(keys), hash=sql.SQL("sha256(convert_to(r.line, 'UTF8'))"), live=live, backup=backup)
    ).fetchone()
    assert row is not None  # noqa: S101
    back, gone, different = row
    return Change(back, gone, different, content)


def _key(names: Sequence[str]) -> sql.Composable:
    """The primary key of a row of JSON, as texts; NULL where a row of another shape has none."""
    return sql.SQL("ARRAY[{}]").format(
        sql.SQL(", ").join(sql.SQL("r.line::json ->> {}").format(sql.Literal(name)) for name in names)
    )
