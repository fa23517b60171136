"""mock2pg.events: who did what from where, and which manifest a run's folder was sealed with; rows are only added."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import dict_row

from mock2pg.errors import SchemaRefused
from mock2pg.history import layout
from mock2pg.history.row import refuse_damaged
from mock2pg.postgres.connection import Connection

# asked of the catalogue, which everybody may read: a schema that one may not use cannot be looked into
_MAY: Mapping[str, LiteralString] = {
    "SELECT": "has_table_privilege(c.oid, 'SELECT')",
    "INSERT": "has_any_column_privilege(c.oid, 'INSERT') AND current_setting('transaction_read_only') = 'off'",
}


_ENTRIES: LiteralString = (
    "SELECT published_at AS at, 'published' AS kind, command, run_id, 'succeeded' AS outcome,"
    " NULL AS error, target_schema AS schema, published_run, backup_id, operator, NULL AS host,"
    " database_user, host(client_address) AS client_address, application, NULL AS sha256, id, present_backup_id, tables"
    " FROM mock2pg.runs UNION ALL"
    " SELECT happened_at, kind, CASE WHEN kind <> 'manifest' THEN kind END, run_id, outcome,"
    " error, target_schema, NULL, backup_id, operator, host,"
    " database_user, host(client_address), application, sha256, id, NULL, NULL"
    " FROM mock2pg.events"
)
_LISTED: LiteralString = f"{_ENTRIES} ORDER BY id DESC LIMIT %s"
_OF_RUN: LiteralString = "CASE WHEN kind = 'prune' OR run_id IS NULL THEN 'event ' || id ELSE run_id END"
_BY_RUN: LiteralString = (
    f"WITH e AS ({_ENTRIES}), newest AS (SELECT {_OF_RUN} AS run, max(id) AS last FROM e GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608
    f" LIMIT %s) SELECT e.* FROM e JOIN newest ON newest.run = {_OF_RUN} ORDER BY newest.last DESC, e.id DESC"
)


@dataclass(frozen=True)
class Event:
    """One event. The server adds the time, the database user and the client address.

    kind         the command, `prune` for a backup or a run that was removed, or `manifest`: of a run that ended
    outcome      what became of it, as in the run's record; `sealed` of a manifest
    error        the name of the error, when there was one
    runs_folder  of a manifest: the id of the folder of runs that it is in
    sha256       of a manifest
    """

    kind: str
    outcome: str
    operator: str
    schema: str
    run_id: str | None = None
    error: str | None = None
    backup_id: str | None = None
    runs_folder: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class RecordedManifest:
    """A manifest as the database lists it.

    removed_at      when an event says that retention removed the run's folder; None without one
    removed_by      the operator, as that event says
    removed_sha256  of the manifest that the folder then had
    """

    run_id: str
    runs_folder: str
    sha256: str
    removed_at: datetime | None = None
    removed_by: str | None = None
    removed_sha256: str | None = None


def add(connection: Connection, events: Sequence[Event]) -> str:
    """Write the events down, all or none; returns why that cannot be, or nothing.

    Nothing is made for them: the first migration, and the SQL of `init-roles`, make the table.
    """
    try:
        if not layout.present(connection):
            return "nothing was ever published in this database"
    except SchemaRefused as error:
        return error.message
    if not _may(connection, "INSERT"):
        return "the role may only read"
    with connection.transaction():
        for event in events:
            connection.execute(
                "INSERT INTO mock2pg.events"
                " (kind, run_id, outcome, error, target_schema, backup_id, operator, host, chain, sha256)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    event.kind,
                    event.run_id,
                    event.outcome,
                    event.error,
                    event.schema,
                    event.backup_id,
                    event.operator,
                    platform.node(),
                    event.runs_folder,
                    event.sha256,
                ],
            )
    return ""


def manifests(connection: Connection) -> list[RecordedManifest] | None:
    """Return every manifest that the database lists; None when it cannot be read."""
    if not (layout.present(connection) and _may(connection, "SELECT")):
        return None
    rows = connection.execute(
        "SELECT m.run_id, m.chain, m.sha256, p.happened_at, p.operator, p.sha256 FROM mock2pg.events AS m"
        " LEFT JOIN (SELECT DISTINCT ON (run_id, chain) * FROM mock2pg.events WHERE kind = 'prune'"
        " AND outcome = 'succeeded' AND run_id IS NOT NULL ORDER BY run_id, chain, id DESC) AS p"
        " ON p.run_id = m.run_id AND p.chain = m.chain AND p.id > m.id"
        " WHERE m.kind = 'manifest' ORDER BY m.id"
    ).fetchall()
    return [RecordedManifest(*row) for row in rows]


def listed(connection: Connection, limit: int | None, *, by_run: bool = False) -> list[Mapping[str, Any]]:
    """Return runs and events, newest first; empty when nothing was ever published.

    limit   the most entries
    by_run  the most runs: all entries of each. An event without a run counts as one, and so does a removal

    Of each: at (a datetime), kind (`published` for a row of mock2pg.runs), command, run_id, outcome, error, schema,
    published_run, backup_id, present_backup_id, rows_changed, operator, host, database_user, client_address,
    application, sha256.
    """
    if not layout.present(connection):
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_counted(entry) for entry in cursor.execute(_BY_RUN if by_run else _LISTED, [limit])]


def _counted(entry: dict[str, Any]) -> Mapping[str, Any]:
    """Return an entry with the number of rows that its run changed instead of its tables."""
    tables = entry.pop("tables")
    if entry["kind"] != "published":
        return {**entry, "rows_changed": None}
    refuse_damaged(entry["run_id"], entry["command"], tables)
    changed = (table[key] for table in tables.values() for key in ("inserted", "updated", "deleted"))
    return {**entry, "rows_changed": sum(changed)}


def backup_taken(connection: Connection, run_id: str) -> str | None:
    """Return the backup that the run took, whatever became of the run; None when no event says so."""
    if not (layout.present(connection) and _may(connection, "SELECT")):
        return None
    row = connection.execute(
        "SELECT backup_id FROM mock2pg.events WHERE run_id = %s AND kind IN ('migrate', 'backup')"
        " AND backup_id IS NOT NULL ORDER BY id DESC LIMIT 1",
        [run_id],
    ).fetchone()
    return row[0] if row else None


def verified_by(connection: Connection, run_id: str, schema: str) -> list[str] | None:
    """Return the runs that passed a verification of what a migration published, newest first: itself, and each `verify`
    while nothing else was published, whose snapshot may be from before; None when no event can be read."""
    if not _may(connection, "SELECT"):
        return None
    rows = connection.execute(
        "SELECT e.run_id FROM mock2pg.events AS e WHERE e.outcome = 'succeeded' AND e.target_schema = %(schema)s"
        " AND (e.kind = 'migrate' AND e.run_id = %(run)s OR e.kind = 'verify' AND %(run)s = (SELECT published_run"
        " FROM mock2pg.runs AS r WHERE r.target_schema = %(schema)s AND r.id < e.id ORDER BY r.id DESC LIMIT 1))"
        " ORDER BY e.id DESC",
        {"run": run_id, "schema": schema},
    ).fetchall()
    return [verifying for (verifying,) in rows]


def is_known(connection: Connection, run_id: str) -> bool:
    """Return whether an event names the run."""
    if not (layout.present(connection) and _may(connection, "SELECT")):
        return False
    return bool(connection.execute("SELECT FROM mock2pg.events WHERE run_id = %s LIMIT 1", [run_id]).fetchall())


def _may(connection: Connection, right: str) -> bool:
    return bool(_catalogue(connection, f"has_schema_privilege(n.oid, 'USAGE') AND {_MAY[right]}"))


def _catalogue(connection: Connection, question: LiteralString) -> bool | None:
    """The answer to a question about the table; None when it is not there."""
    row = connection.execute(
        sql.SQL(
            "SELECT {} FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'mock2pg' AND c.relname = 'events'"
        ).format(sql.SQL(question))
    ).fetchone()
    return None if row is None else bool(row[0])
