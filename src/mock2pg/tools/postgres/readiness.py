"""The first look: whether this role, on this database, can do what a command needs; all that it cannot is listed.

Only reads, but for one transaction that is rolled back: where event triggers are enabled, they are tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from mock2pg.errors import BackupFailed, DatabaseError, counted
from mock2pg.tools.postgres import client_programs, scratch, session
from mock2pg.tools.postgres.connection import Connection, named
from mock2pg.tools.postgres.preflight import privileges

PASSED, WARNING, FAILED = "passed", "warning", "failed"
# The most that a migration has open at once: the lock's, the load's, three of dbt, and one that has just ended.
SESSIONS = 6
_ROLES = "`mock2pg init-roles` prints what a role needs"
_RESTORE_TEST = "mock2pg_rehearsal"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    verdict  "passed", "warning" or "failed"
    found    what was found, in words
    remedy   what to do, unless it passed
    """

    name: str
    verdict: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.found}" + (f". {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Needs:
    """What a command does with the target.

    builds     in the scratch schemas
    reads      every table of the target schema, as a backup does
    publishes  into the target schema, with a row of the history
    """

    builds: bool = False
    reads: bool = False
    publishes: bool = False

    @property
    def writes(self) -> bool:
        return self.builds or self.publishes or self.reads


_READS = Needs()
NEEDS: Mapping[str, Needs] = {
    "migrate": Needs(builds=True, reads=True, publishes=True),
    "rollback": Needs(reads=True, publishes=True),
    "backup": Needs(reads=True),
    "plan": Needs(builds=True),
}


def look(connection: Connection, schema: str, command: str, pg_dump: Path) -> list[Check]:
    """Everything that was looked at for the command; `migrate` is the most that there is."""
    needs = NEEDS.get(command, _READS)
    with named(DatabaseError, "cannot look at the database"):
        facts = _facts(connection, schema)
        return [
            *_server(facts, needs),
            *_citus(connection, facts, schema),
            *_rights(connection, facts, schema, needs),
            *_sessions(connection, facts, needs),
            *_program(connection, needs, pg_dump),
            *(_event_triggers(connection, facts) if needs.writes else ()),
        ]


def _facts(connection: Connection, schema: str) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """
            SELECT current_database() AS database, current_user AS role, r.rolsuper AS superuser,
                current_setting('server_version') AS version,
                current_setting('server_version_num')::int AS version_number,
                current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
                current_setting('default_transaction_read_only') = 'on' AS read_only,
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
                    WHERE evtenabled IN ('O', 'A') AND evtevent <> 'login') AS event_triggers,
                EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS citus,
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


def _server(facts: Mapping[str, Any], needs: Needs) -> Iterator[Check]:
    version = f"PostgreSQL {facts['version'].split(' ')[0]}"
    old = facts["version_number"] < 140000
    yield Check(
        "server version", FAILED if old else PASSED, version, "mock2pg needs PostgreSQL 14 or later" if old else ""
    )
    foreign = facts["encoding"] != "UTF8"
    yield Check(
        "encoding",
        FAILED if foreign else PASSED,
        f"the database {facts['database']} is encoded in {facts['encoding']}",
        "JSON is UTF-8: create the database with ENCODING 'UTF8'" if foreign else "",
    )
    if needs.builds and set("'\"") & set(facts["database"]):
        yield Check(
            "database name",
            FAILED,
            f"the name of the database {facts['database']} holds a quotation mark, which dbt does not escape",
            "ALTER DATABASE ... RENAME TO ..., or migrate into another database",
        )
    if facts["standby"]:
        yield Check(
            "primary server",
            FAILED if needs.writes else WARNING,
            "the server is a standby, and takes no writes",
            "Connect to the primary; with several hosts in DATABASE_URL, target_session_attrs=read-write finds it",
        )
    else:
        yield Check("primary server", PASSED, "the server takes writes")
    if facts["read_only"]:
        role, database = (sql.Identifier(facts[key]).as_string() for key in ("role", "database"))
        yield Check(
            "writing",
            FAILED if needs.writes else WARNING,
            f"default_transaction_read_only is on for the role {facts['role']} or the database {facts['database']}",
            f"Use a role that may write, or ALTER ROLE {role} (or DATABASE {database}) SET"
            f" default_transaction_read_only = off; {_ROLES}",
        )
    else:
        yield Check("writing", PASSED, "transactions are not read-only by default")
    if facts["may_identify"]:
        yield Check("server identity", PASSED, "pg_control_system() tells one server from another")
    else:
        yield Check(
            "server identity",
            WARNING,
            f"{facts['role']} may not execute pg_control_system(): the server is known by its address alone",
            f"GRANT EXECUTE ON FUNCTION pg_control_system() TO {sql.Identifier(facts['role']).as_string()}",
        )


def _citus(connection: Connection, facts: Mapping[str, Any], schema: str) -> Iterator[Check]:
    """A backup of a distributed table is not one, and a rollback makes local tables of them."""
    if not facts["citus"]:
        return
    there = connection.execute(
        "SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL,"
        " to_regclass('pg_catalog.pg_dist_local_group') IS NOT NULL"
    ).fetchone()
    partitions, groups = there or (False, False)
    if groups:
        row = connection.execute("SELECT groupid FROM pg_catalog.pg_dist_local_group").fetchone()
        if row is not None and row[0] != 0:
            yield Check("Citus", FAILED, "this server is a worker of a Citus cluster", "Connect to the coordinator")
            return
    rows = (
        connection.execute(
            "SELECT c.relname FROM pg_catalog.pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid::oid"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s ORDER BY 1",
            [schema],
        ).fetchall()
        if partitions
        else []
    )
    if rows:
        names = ", ".join(name for (name,) in rows)
        yield Check(
            "Citus",
            FAILED,
            f"tables of schema {schema} are distributed or reference tables: {names}",
            "mock2pg migrates into local tables only: use a schema of local tables, or undistribute_table()",
        )
    else:
        yield Check("Citus", PASSED, f"no table of schema {schema} is distributed")


def _rights(connection: Connection, facts: Mapping[str, Any], schema: str, needs: Needs) -> Iterator[Check]:
    role, database = sql.Identifier(facts["role"]).as_string(), sql.Identifier(facts["database"]).as_string()
    home, me = sql.Identifier(schema).as_string(), facts["role"]
    wanted = [*((scratch.LANDING, scratch.NEXT) if needs.builds else ()), *((_RESTORE_TEST,) if needs.reads else ())]
    wanted += ["mock2pg"] if needs.publishes else []
    lacking, closed = _schemas(connection, wanted)
    if closed:
        yield Check(
            "schemas of mock2pg",
            FAILED,
            f"{me} may not use {', '.join(closed)}",
            f"GRANT ALL ON SCHEMA {', '.join(closed)} TO {role}; {_ROLES}",
        )
    elif lacking and not facts["may_create"]:
        yield Check(
            "schemas of mock2pg",
            FAILED,
            f"{me} has no CREATE on database {facts['database']}, and these schemas are not there:"
            f" {', '.join(lacking)}",
            f"GRANT CREATE ON DATABASE {database} TO {role}; {_ROLES}",
        )
    elif wanted:
        yield Check("schemas of mock2pg", PASSED, "they are there, or can be created")
    grant, found = "", ""
    if facts["there"] and not facts["may_use"]:
        grant, found = f"GRANT USAGE ON SCHEMA {home} TO {role}", f"{me} has no USAGE on schema {schema}"
    elif needs.publishes and facts["there"] and not facts["tables"] and not facts["may_create_tables"]:
        grant = f"GRANT CREATE ON SCHEMA {home} TO {role}"
        found = f"{me} has no CREATE on schema {schema}, which has no table yet"
    elif needs.publishes and not facts["there"] and not facts["may_create"]:
        grant = f"GRANT CREATE ON DATABASE {database} TO {role}"
        found = f"{me} has no CREATE on database {facts['database']}, and there is no schema {schema}"
    elif needs.publishes and facts["there"] and not facts["may_create_tables"]:
        yield Check(
            "target schema",
            WARNING,
            f"{me} has no CREATE on schema {schema}: tables that are not there cannot be created",
            f"GRANT CREATE ON SCHEMA {home} TO {role}",
        )
    else:
        tables = counted(facts["tables"], "table")
        state = f"{tables} in schema {schema}" if facts["there"] else f"no schema {schema} yet"
        yield Check("target schema", PASSED, state)
    if found:
        yield Check("target schema", FAILED, found, f"{grant}; {_ROLES}")
    if needs.builds or needs.publishes:
        temp = facts["may_temp"]
        yield Check(
            "temporary tables",
            PASSED if temp else FAILED,
            f"{me} {'may create' if temp else 'has no TEMPORARY on database ' + facts['database'] + ' to create'} them",
            "" if temp else f"GRANT TEMPORARY ON DATABASE {database} TO {role}; {_ROLES}",
        )
    if needs.reads and facts["there"] and facts["may_use"]:
        unreadable = privileges.of_reading(connection, schema)
        for finding in unreadable:
            yield Check("reading the target schema", FAILED, finding.what, finding.to_do)
        if not unreadable:
            yield Check("reading the target schema", PASSED, f"{me} may read every table and sequence")


def _schemas(connection: Connection, wanted: list[str]) -> tuple[list[str], list[str]]:
    """Those that are not there, and those that the role may not use as it must."""
    rows = connection.execute(
        "SELECT nspname, has_schema_privilege(oid, 'USAGE')"
        " AND (nspname = 'mock2pg' OR has_schema_privilege(oid, 'CREATE'))"
        " FROM pg_namespace WHERE nspname = ANY (%s) ORDER BY 1",
        [wanted],
    ).fetchall()
    there = dict(rows)
    return [name for name in wanted if name not in there], [name for name, usable in rows if not usable]


def _sessions(connection: Connection, facts: Mapping[str, Any], needs: Needs) -> Iterator[Check]:
    if session.is_pooled(connection):
        yield Check(
            "sessions of one's own",
            WARNING,
            "a connection pooler in session mode is in between",
            "The direct port of the server is safer: programs that mock2pg starts inherit the role's own settings",
        )
    else:
        yield Check("sessions of one's own", PASSED, "no connection pooler is in between")
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


def _program(connection: Connection, needs: Needs, bundled: Path) -> Iterator[Check]:
    if not needs.reads:
        return
    tls = bool(connection.pgconn.ssl_in_use)
    try:
        program = client_programs.pg_dump(bundled, connection.info.server_version, tls)
    except BackupFailed as error:
        yield Check("pg_dump", FAILED, error.message, error.hint.rstrip("."))
    else:
        yield Check("pg_dump", PASSED, "the bundled one" if program == bundled else str(program))


def _event_triggers(connection: Connection, facts: Mapping[str, Any]) -> Iterator[Check]:
    """Whether one forbids to create, alter or drop: tried, because only its function knows."""
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
