"""Disk space for the backup and for the rows to publish."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.databases import host
from mock2pg.step_results import Difference, Finding

_NAME = 6  # bytes that JSON adds to each column's name and value: quotes, a colon, a comma
_COPIES = 3  # of each row that is written: the row, its index entries, and both in the WAL


@dataclass(frozen=True)
class Backups:
    """The folder of the backup, and whether one has yet to be written into it; asked only where space is short."""

    folder: Path
    is_to_be_written: Callable[[Connection], bool] = lambda _: True


def findings(
    connection: Connection, built: str, target: str, differences: Mapping[str, Difference], backups: Backups
) -> list[Finding]:
    """Estimate the bytes to write, on the safe side; a disk that fills up nevertheless stops the run without harm."""
    found = []
    needed, free = _backup_size(connection, target), _free(backups.folder)
    if free is not None and free < needed and backups.is_to_be_written(connection):
        found.append(_short(f"the backup in {backups.folder.name}/", needed, free))
    data = _data_directory(connection)
    free = _free(data) if data else None
    needed = sum(
        _COPIES * _size(connection, built, name) * (change.inserted + change.updated) // max(change.after, 1)
        for name, change in differences.items()
    )
    if free is not None and free < needed:
        found.append(_short("the rows in the server's data directory", needed, free))
    return found


def _backup_size(connection: Connection, schema: str) -> int:
    """Estimate the size of all rows as JSON."""
    row = one_row(
        connection,
        """
        SELECT coalesce(sum(pg_table_size(c.oid) + greatest(c.reltuples, 0)::bigint * (
            SELECT sum(octet_length(attname) + %s) FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)), 0)::bigint
        FROM pg_class AS c
        WHERE c.relkind = 'r' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        """,
        [_NAME, schema],
    )
    return int(row[0])


def _size(connection: Connection, schema: str, table: str) -> int:
    name = sql.Identifier(schema, table).as_string()
    return int(one_row(connection, "SELECT pg_table_size(%s::regclass)", [name])[0])


def _data_directory(connection: Connection) -> Path | None:
    """Return the server's folder, when it is on this machine and the role may read the setting."""
    if host(connection):
        return None
    try:
        with connection.transaction():
            row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return Path(row[0]) if row else None


def _free(folder: Path) -> int | None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # of another user, or of another machine behind a tunnel
        return None


def _short(what: str, needed: int, free: int) -> Finding:
    return Finding(
        "", f"about {needed:,} bytes are needed for {what}, and {free:,} are free", "Free disk space there first"
    )
