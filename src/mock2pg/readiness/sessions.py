"""Sessions: their limits, poolers in between, and the pg_dump program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mock2pg.errors import BackupFailed
from mock2pg.postgres import client_programs, session
from mock2pg.postgres.connection import Connection
from mock2pg.readiness.check import FAILED, PASSED, WARNING, Needs
from mock2pg.step_results import Check

# The most that a migration has open at once: the lock's, the load's, three of dbt; beside them the backup's and three
# of its restore test; and one that has just ended.
SESSIONS = 10


def of_sessions(connection: Connection, facts: Mapping[str, Any], needs: Needs) -> Iterator[Check]:
    if session.is_pooled(connection):
        yield Check(
            "connection pooler",
            WARNING,
            "one in session mode is between mock2pg and the server",
            "The direct port of the server is safer: programs that mock2pg starts inherit the role's own settings",
        )
    else:
        yield Check("connection pooler", PASSED, "none between mock2pg and the server")
    if not needs.writes:
        return
    limits = {
        f"CONNECTION LIMIT {facts['role_limit']} of the role": (facts["role_limit"], facts["role_sessions"]),
        f"CONNECTION LIMIT {facts['database_limit']} of the database": (
            facts["database_limit"],
            facts["database_sessions"],
        ),
        f"max_connections of the server ({facts['max_sessions']} for ordinary roles)": (
            facts["max_sessions"],
            facts["sessions"],
        ),
    }
    short = {
        name: most - (used - 1)  # this session counts, and is one of ours
        for name, (most, used) in limits.items()
        if most >= 0 and most - (used - 1) < SESSIONS and not facts["superuser"]
    }
    if short:
        told = ", ".join(f"{name} leaves {max(free, 1)}" for name, free in short.items())
        yield Check(
            "number of sessions",
            FAILED,
            f"{told}, and up to {SESSIONS} are needed at once",
            f"ALTER ROLE or ALTER DATABASE ... CONNECTION LIMIT {SESSIONS} or more, or end other sessions",
        )
    else:
        yield Check("number of sessions", PASSED, f"up to {SESSIONS} at once are allowed")


def of_program(connection: Connection, needs: Needs, bundled: Path) -> Iterator[Check]:
    if not needs.reads:
        return
    tls = bool(connection.pgconn.ssl_in_use)
    try:
        program = client_programs.pg_dump(bundled, connection.info.server_version, tls)
    except BackupFailed as error:
        yield Check("pg_dump", FAILED, error.message, error.hint.rstrip("."))
    else:
        yield Check("pg_dump", PASSED, "the bundled one" if program == bundled else str(program))
