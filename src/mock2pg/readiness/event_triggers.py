"""Event triggers are tried in a transaction that is rolled back: only their functions know what they forbid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.postgres import scratch
from mock2pg.postgres.connection import Connection
from mock2pg.readiness.check import FAILED, PASSED
from mock2pg.step_results import Check


def of_event_triggers(connection: Connection, facts: Mapping[str, Any]) -> Iterator[Check]:
    """Check that no event trigger forbids to create, alter or drop, by trying: only its function knows."""
    if not facts["event_triggers"]:
        yield Check("event triggers", PASSED, "none is enabled")
        return
    names = ", ".join(facts["event_triggers"])
    if facts["standby"] or facts["read_only"] or not (facts["may_create"] or facts["may_build"]):
        return  # said already
    home = scratch.NEXT if not facts["may_create"] else "mock2pg_doctor"
    statements = [
        *(["CREATE SCHEMA {schema}"] if facts["may_create"] else []),
        "CREATE UNLOGGED TABLE {table} (id integer, other integer)",
        "ALTER TABLE {table} ADD PRIMARY KEY (id)",
        "CREATE INDEX ON {table} (other)",
        "DROP TABLE {table}",
        *(["DROP SCHEMA {schema}"] if facts["may_create"] else []),
    ]
    parts = {"schema": sql.Identifier(home), "table": sql.Identifier(home, "mock2pg_doctor")}
    before = connection.read_only
    connection.read_only = False
    doing = ""
    try:
        with connection.transaction(force_rollback=True):
            for statement in statements:
                doing = " ".join(statement.split()[:2])
                connection.execute(sql.SQL(statement).format(**parts))
    except psycopg.Error as error:
        yield Check(
            "event triggers",
            FAILED,
            f"with the event triggers {names}, {doing} fails (SQLSTATE {error.sqlstate})",
            "ALTER EVENT TRIGGER ... DISABLE while mock2pg works, or let its function spare this role",
        )
    else:
        yield Check("event triggers", PASSED, f"{names}: a table can be created, altered and dropped")
    finally:
        connection.read_only = before
