"""Check the privileges of the role in the database and its schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import sql

from mock2pg.postgres import scratch
from mock2pg.postgres.connection import Connection
from mock2pg.publishing.preflight import privileges
from mock2pg.readiness.check import FAILED, PASSED, ROLES, WARNING, Needs
from mock2pg.step_results import Check
from mock2pg.text import counted


def of_role(connection: Connection, facts: Mapping[str, Any], schema: str, needs: Needs) -> Iterator[Check]:
    role, database = sql.Identifier(facts["role"]).as_string(), sql.Identifier(facts["database"]).as_string()
    home, me = sql.Identifier(schema).as_string(), facts["role"]
    wanted = _wanted(facts, needs)
    lacking, closed = _schemas(connection, wanted)
    if closed:
        yield Check(
            "schemas of mock2pg",
            FAILED,
            f"{me} may not use {', '.join(closed)}",
            f"GRANT ALL ON SCHEMA {', '.join(closed)} TO {role}; {ROLES}",
        )
    elif lacking and not facts["may_create"]:
        yield Check(
            "schemas of mock2pg",
            FAILED,
            f"{me} has no CREATE on database {facts['database']}, and these schemas do not exist: {', '.join(lacking)}",
            f"GRANT CREATE ON DATABASE {database} TO {role}; {ROLES}",
        )
    elif wanted:
        yield Check("schemas of mock2pg", PASSED, "they exist, or can be created")
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
            f"{me} has no CREATE on schema {schema}: missing tables cannot be created",
            f"GRANT CREATE ON SCHEMA {home} TO {role}",
        )
    else:
        tables = counted(facts["tables"], "table")
        state = f"{tables} in schema {schema}" if facts["there"] else f"no schema {schema} yet"
        yield Check("target schema", PASSED, state)
    if found:
        yield Check("target schema", FAILED, found, f"{grant}; {ROLES}")
    if needs.writes:
        temp = facts["may_temp"]
        yield Check(
            "temporary tables",
            PASSED if temp else FAILED,
            f"{me} {'may create' if temp else 'has no TEMPORARY on database ' + facts['database'] + ' to create'} them",
            "" if temp else f"GRANT TEMPORARY ON DATABASE {database} TO {role}; {ROLES}",
        )
    if needs.reads and facts["there"] and facts["may_use"]:
        unreadable = privileges.of_reading(connection, schema)
        for finding in unreadable:
            yield Check("reading the target schema", FAILED, finding.what, finding.to_do)
        if not unreadable:
            yield Check("reading the target schema", PASSED, f"{me} may read every table and sequence")


def missing(connection: Connection, facts: Mapping[str, Any], schema: str, needs: Needs) -> list[str]:
    """Return the schemas that the command has to make."""
    return _schemas(connection, [*_wanted(facts, needs), *([schema] if needs.publishes else ())])[0]


def _wanted(facts: Mapping[str, Any], needs: Needs) -> list[str]:
    """Return the schemas of mock2pg that the command uses."""
    wanted = [*(scratch.SCHEMAS if needs.builds else ()), *(["mock2pg"] if needs.publishes else ())]
    return [*wanted, scratch.RESTORED] if needs.publishes and facts["citus"] else wanted


def _schemas(connection: Connection, wanted: list[str]) -> tuple[list[str], list[str]]:
    """Return the missing schemas, and those that the role may not use."""
    rows = connection.execute(
        "SELECT nspname, has_schema_privilege(oid, 'USAGE')"
        " AND (nspname = 'mock2pg' OR has_schema_privilege(oid, 'CREATE'))"
        " FROM pg_namespace WHERE nspname = ANY (%s) ORDER BY 1",
        [wanted],
    ).fetchall()
    there = dict(rows)
    return [name for name in wanted if name not in there], [name for name, usable in rows if not usable]
