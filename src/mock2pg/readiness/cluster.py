"""The server and the database: version, encoding, whether they take writes, distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import sql

from mock2pg.contracts import REFERENCE
from mock2pg.postgres import distribution
from mock2pg.postgres.connection import Connection
from mock2pg.readiness.check import FAILED, PASSED, ROLES, WARNING, Needs
from mock2pg.step_results import Check
from mock2pg.text import counted

CITUS = "Citus"  # the check that only a database with the extension has


def of_server(facts: Mapping[str, Any], needs: Needs) -> Iterator[Check]:
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
            f" default_transaction_read_only = off; {ROLES}",
        )
    else:
        yield Check("writing", PASSED, "transactions are not read-only by default")
    if facts["may_identify"]:
        yield Check("server identity", PASSED, "pg_control_system() identifies the server")
    else:
        yield Check(
            "server identity",
            WARNING,
            f"{facts['role']} may not execute pg_control_system(): the server is identified by its address alone",
            f"GRANT EXECUTE ON FUNCTION pg_control_system() TO {sql.Identifier(facts['role']).as_string()}",
        )


def of_citus(connection: Connection, facts: Mapping[str, Any], schema: str) -> Iterator[Check]:
    """A coordinator that keeps the tables of the schema in ways that publish, backup and rollback know."""
    if not facts["citus"]:
        return
    if _number(connection, "pg_dist_local_group", "groupid"):
        yield Check(CITUS, FAILED, "this server is a worker of a Citus cluster", "Connect to the coordinator")
        return
    there = distribution.of_schema(connection, schema)
    others = [name for name, found in there.items() if found.kind == distribution.OTHER]
    if others:
        yield Check(
            CITUS,
            FAILED,
            f"tables of schema {schema} are neither local, reference nor distributed by hash: {', '.join(others)}",
            "mock2pg keeps no others: move them into another schema",
        )
        return
    references = sum(found.kind == REFERENCE for found in there.values())
    distributed = len(there) - references
    told = f"{counted(references, 'reference table')}, {counted(distributed, 'distributed table')}"
    yield Check(
        CITUS, PASSED, f"schema {schema} has {told}" if there else f"no table of schema {schema} is distributed"
    )


def _number(connection: Connection, table: str, column: str) -> int:
    """Return what a table of Citus with one row says; 0 when it is not there."""
    if connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"pg_catalog.{table}"]).fetchone() != (True,):
        return 0
    query = sql.SQL("SELECT {} FROM pg_catalog.{}").format(sql.Identifier(column), sql.Identifier(table))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
