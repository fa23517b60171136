"""Run all readiness checks in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from mock2pg.errors import DatabaseError
from mock2pg.postgres.connection import Connection, named
from mock2pg.readiness import cluster, event_triggers, rights, sessions
from mock2pg.readiness.check import NEEDS, Needs
from mock2pg.step_results import Check


def look(connection: Connection, schema: str, command: str, pg_dump: Path) -> list[Check]:
    """Return all checks for the command; `migrate` has the most."""
    needs = NEEDS.get(command, Needs())
    with named(DatabaseError, "cannot look at the database"):
        facts = _facts(connection, schema)
        return [
            *cluster.of_server(facts, needs),
            *cluster.of_citus(connection, facts, schema),
            *rights.of_role(connection, facts, schema, needs),
            *sessions.of_sessions(connection, facts, needs),
            *sessions.of_program(connection, needs, pg_dump),
            *(event_triggers.of_event_triggers(connection, facts, schema, needs) if needs.writes else ()),
        ]


def _facts(connection: Connection, schema: str) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """
            SELECT current_database() AS database, current_user AS role, r.rolsuper AS superuser,
                current_setting('server_version') AS version,
                current_setting('server_version_num')::int AS version_number,
                current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
                (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on')
                    AS read_only,
                has_database_privilege(d.oid, 'CREATE') AS may_create,
                has_database_privilege(d.oid, 'TEMPORARY') AS may_temp,
                has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify,
                n.oid IS NOT NULL AS there, coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
                coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_create_tables,
                (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')) AS tables,
                l.rolconnlimit AS role_limit, d.datconnlimit AS database_limit,
                (SELECT count(*) FROM pg_stat_activity WHERE usesysid = l.oid) AS role_sessions,
                (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid) AS database_sessions,
                (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions,
                current_setting('max_connections')::int
                    - current_setting('superuser_reserved_connections')::int AS max_sessions,
                (SELECT array_agg(evtname::text ORDER BY evtname) FROM pg_event_trigger
                    WHERE evtenabled IN ('O', 'A') AND evtevent <> 'login'
                        AND NOT EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
                            WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = pg_event_trigger.oid
                                AND d.deptype = 'e' AND x.extname = 'citus')) AS event_triggers,
                (SELECT extversion FROM pg_extension WHERE extname = 'citus') AS citus,
                coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace
                    WHERE nspname = 'mock2pg_next'), false) AS may_build
            FROM pg_database AS d CROSS JOIN pg_roles AS r LEFT JOIN pg_namespace AS n ON n.nspname = %s
                JOIN pg_roles AS l ON l.rolname = session_user
            WHERE d.datname = current_database() AND r.rolname = current_user
            """,
            [schema],
        ).fetchone()
    assert row is not None  # noqa: S101
    return dict(row)
