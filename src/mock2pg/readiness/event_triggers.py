"""Event triggers are tried in a transaction that is rolled back: only their functions know what they forbid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.history import layout
from mock2pg.postgres import scratch
from mock2pg.postgres.connection import Connection
from mock2pg.readiness import rights
from mock2pg.readiness.check import FAILED, PASSED, Needs
from mock2pg.step_results import Check

_RESTORING = (
    "CREATE TEMPORARY TABLE {table} (id integer)",
    "DROP TABLE {table}",
)
_BUILDING = (
    "CREATE UNLOGGED TABLE {table} (id integer, other integer)",
    "ALTER TABLE {table} ADD PRIMARY KEY (id)",
    "CREATE INDEX ON {table} (other)",
    "DROP TABLE {table}",
)


def of_event_triggers(connection: Connection, facts: Mapping[str, Any], schema: str, needs: Needs) -> Iterator[Check]:
    """Check that no event trigger forbids what the command does, by trying: only its function knows."""
    if not facts["event_triggers"]:
        yield Check("event triggers", PASSED, "none is enabled")
        return
    names = ", ".join(facts["event_triggers"])
    missing = rights.missing(connection, facts, schema, needs)
    lacks = not facts["may_create"] if missing else needs.builds and not facts["may_build"]
    if facts["standby"] or facts["read_only"] or lacks or not facts["may_temp"]:
        return  # said already
    home = ("mock2pg_doctor" if missing else scratch.NEXT) if needs.builds else "pg_temp"
    statements = [
        *(["CREATE SCHEMA mock2pg_doctor"] if missing else []),
        *(_BUILDING if needs.builds else _RESTORING),
        *(["DROP SCHEMA mock2pg_doctor"] if {*scratch.SCHEMAS, scratch.RESTORED}.intersection(missing) else []),
    ]
    table = sql.Identifier(home, "mock2pg_doctor")
    before = connection.read_only
    connection.read_only = False
    doing = ""
    try:
        with connection.transaction(force_rollback=True):
            for statement in statements:
                doing = " ".join(statement.split()[:2])
                connection.execute(sql.SQL(statement).format(table=table))
            if layout.SCHEMA in missing:
                doing = "making the history"
                layout.create(connection)
    except psycopg.Error as error:
        yield Check(
            "event triggers",
            FAILED,
            f"with the event triggers {names}, {doing} fails (SQLSTATE {error.sqlstate})",
            "ALTER EVENT TRIGGER ... DISABLE while mock2pg works, or let its function spare this role",
        )
    else:
        yield Check("event triggers", PASSED, f"{names}: none forbids what is needed")
    finally:
        connection.read_only = before
