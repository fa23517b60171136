"""Sessions that an interrupted process of ours left on the server."""

from __future__ import annotations

import time

from mock2pg.errors import DatabaseError
from mock2pg.postgres.connection import Connection

_LONGEST = 30.0  # seconds


def end_sessions(connection: Connection, name: str) -> None:
    """End the sessions of that name (as `connect` gives it) in this database; return when they are gone.

    A server goes on with what a client told it before it died, a COMMIT too. Raises DatabaseError when one stays.
    """
    deadline = time.monotonic() + _LONGEST
    while connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename = current_user AND application_name = %s AND pid <> pg_backend_pid()",
        [f"mock2pg {name}"],
    ).fetchall():
        if time.monotonic() > deadline:
            raise DatabaseError(f"the session {name} does not end", hint="Wait until the server has ended it.")
        time.sleep(0.05)
