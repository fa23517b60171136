"""mock2pg.runs: what was published when, written in the transaction that published it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from mock2pg.errors import DatabaseError
from mock2pg.history import layout
from mock2pg.history.row import Findings, HistoryRow, read
from mock2pg.postgres.connection import Connection, connect, named, one_row
from mock2pg.settings import Settings
from mock2pg.step_results import encode

_ROWS = (
    "SELECT run_id, command, operator, published_run, backup_id, published_at, tables, owned, found FROM mock2pg.runs"
)


def record(
    connection: Connection,
    *,
    run_id: str,
    command: str,
    operator: str,
    started_at: str,
    schema: str,
    published_run: str | None,
    mode: str | None = None,
    input_sha256: str | None,
    contracts_sha256: str | None = None,
    backup_id: str | None,
    present_backup_id: str | None = None,
    tables: Mapping[str, Any],
    owned: Mapping[str, Any],
    version: str,
    findings: Findings | None = None,
) -> None:
    """Add the run's row; the table is made when it is not there yet, which may need a right that the role lacks."""
    if not layout.present(connection):
        layout.create(connection)
    connection.execute(
        "INSERT INTO mock2pg.runs (run_id, command, operator, started_at, target_schema, published_run, mode,"
        " input_sha256, contracts_sha256, backup_id, present_backup_id, tables, owned, version, found)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            run_id,
            command,
            operator,
            started_at,
            schema,
            published_run,
            mode,
            input_sha256,
            contracts_sha256,
            backup_id,
            present_backup_id,
            Jsonb(tables),
            Jsonb(owned),
            version,
            Jsonb(encode(findings)) if findings else None,
        ],
    )


@contextmanager
def reading(settings: Settings, url: str, purpose: str) -> Iterator[Connection]:
    """Open a session to read the history. Raises DatabaseError."""
    with (
        connect(url, name=purpose, read_only=True, lock_timeout=settings.lock_timeout) as connection,
        named(DatabaseError, "cannot read the history"),
    ):
        yield connection


def is_protected(connection: Connection) -> bool:
    """Return True when the database's owner has marked it as `protected`."""
    if not layout.version(connection):  # of any version: nothing was upgraded yet
        return False
    row = connection.execute("SELECT value = 'true' FROM mock2pg.settings WHERE name = 'protected'").fetchone()
    return row == (True,)


def of(connection: Connection, run_id: str, command: str) -> HistoryRow | None:
    """Return the row that the run committed with the command; None when there is none."""
    if not layout.present(connection):
        return None
    row = connection.execute(_ROWS + " WHERE run_id = %s AND command = %s", [run_id, command]).fetchone()
    return read(row) if row else None


def newest(connection: Connection, schema: str) -> HistoryRow | None:
    """Return the newest row of the schema, or None when nothing was ever published into it.

    The server numbers the rows: its clock may go back.
    """
    if not layout.present(connection):
        return None
    row = connection.execute(
        _ROWS + " WHERE target_schema = %s ORDER BY id DESC LIMIT 1",
        [schema],
    ).fetchone()
    return read(row) if row else None


def after(connection: Connection, schema: str, newest_then: Mapping[str, str] | None) -> list[HistoryRow]:
    """The schema's rows since the one that was the newest then (its run_id and command), or all; oldest first."""
    if not layout.present(connection):
        return []
    then = newest_then or {}
    query = _ROWS + " WHERE target_schema = %s AND id > coalesce((SELECT id FROM mock2pg.runs"  # noqa: S608
    query += " WHERE run_id = %s AND command = %s), 0) ORDER BY id"
    rows = connection.execute(query, [schema, then.get("run_id"), then.get("command")]).fetchall()
    return [read(row) for row in rows]


def backups_before(connection: Connection, schema: str, newest_then: Mapping[str, str] | None) -> set[str]:
    """Return the ids of the schema's backups that were taken before the row that was the newest then was added."""
    if not newest_then or not layout.present(connection):
        return set()
    rows = connection.execute(
        "WITH b AS (SELECT id, target_schema, CASE command WHEN 'migrate' THEN backup_id ELSE present_backup_id END"
        " AS taken FROM mock2pg.runs UNION ALL"
        " SELECT id, target_schema, backup_id FROM mock2pg.events WHERE kind = 'backup')"
        " SELECT taken FROM b WHERE target_schema = %s"
        " AND id <= (SELECT id FROM mock2pg.runs WHERE run_id = %s AND command = %s)",
        [schema, newest_then.get("run_id"), newest_then.get("command")],
    ).fetchall()
    return {backup_id for (backup_id,) in rows if backup_id}


def backup_before(connection: Connection, run_id: str) -> str | None:
    """Return the backup that the run took before it changed the target tables; None for a run without a row."""
    if not layout.present(connection):
        return None
    (backup_id,) = one_row(
        connection,
        "SELECT coalesce(max(backup_id) FILTER (WHERE command = 'migrate'), max(present_backup_id))"
        " FROM mock2pg.runs WHERE run_id = %s",
        [run_id],
    )
    return None if backup_id is None else str(backup_id)


def owned(connection: Connection, schema: str) -> Mapping[str, Any]:
    """The tables that migrations created, as the newest row has them: table -> oid and contract."""
    row = newest(connection, schema)
    return row.owned if row else {}


def owned_by(connection: Connection, run_id: str | None) -> Mapping[str, Any]:
    """Return the owned tables as a migration recorded them."""
    row = of(connection, run_id, "migrate") if run_id else None
    return row.owned if row else {}


def backups_needed(connection: Connection, schema: str) -> set[str]:
    """Return the ids of backups that a rollback may need: of the newest row, before it, and of the published run."""
    published = newest(connection, schema)
    if published is None:
        return set()
    rows = connection.execute(
        "SELECT backup_id FROM mock2pg.runs WHERE target_schema = %s AND command = 'migrate' AND run_id = %s",
        [schema, published.published_run],
    ).fetchall()
    found = [*(backup_id for (backup_id,) in rows), published.backup_id, backup_before(connection, published.run_id)]
    return {backup_id for backup_id in found if backup_id}


def backups_named(connection: Connection, schema: str) -> dict[str, datetime]:
    """Return the backups of the schema that migrations named as the state before them -> when the newest did."""
    if not layout.present(connection):
        return {}
    rows = connection.execute(
        "SELECT backup_id, max(published_at) FROM mock2pg.runs"
        " WHERE target_schema = %s AND command = 'migrate' AND backup_id IS NOT NULL GROUP BY backup_id",
        [schema],
    ).fetchall()
    return dict(rows)
