"""The advisory lock of a database, which one run at a time holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mock2pg.errors import AlreadyRunning, DatabaseError
from mock2pg.postgres.connection import Connection, connect, named, one_row

_LOCK = 0x6D6F636B  # "mock"


@contextmanager
def advisory_lock(url: str, name: str) -> Iterator[Connection]:
    """Hold the database's advisory lock for as long as the block runs, which is given the session that holds it.

    Raises AlreadyRunning, saying who holds it.
    """
    with connect(url, name=name) as connection:
        with named(DatabaseError, "cannot take the lock"):
            (taken,) = one_row(connection, "SELECT pg_try_advisory_lock(%s)", [_LOCK])
            if not taken:
                holder = lock_holder(connection) or "it has just ended"
                raise AlreadyRunning(f"another run holds the lock on this database: {holder}")
        yield connection


def lock_holder(connection: Connection) -> str | None:
    """Describe the session that holds the advisory lock of the database; None when no session does."""
    row = connection.execute(
        "SELECT a.pid, a.usename, a.application_name, a.backend_start::timestamptz(0)"
        " FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s AND l.database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())",
        [_LOCK],
    ).fetchone()
    if row is None:
        return None
    pid, user, application, since = row
    return f"server process {pid}, user {user}, {application}, since {since}"
