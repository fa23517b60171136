"""The server and the database: version, encoding, whether they take writes, distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import sql

from mock2pg.postgres import distribution
from mock2pg.postgres.connection import Connection
from mock2pg.readiness.check import FAILED, PASSED, ROLES, WARNING, Needs
from mock2pg.step_results import Check
from mock2pg.text import counted

CITUS = "Citus"  # the check that only a database with the extension has
_OLDEST = 13  # the oldest version whose behaviour is known


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
    if source := facts["read_only"]:
        yield Check(
            "writing", FAILED if needs.writes else WARNING, *_read_only(source, facts["role"], facts["database"])
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
    if facts["citus"]:
        found, remedy = _unfit_for_citus(connection, facts["citus"], schema) or (_cluster(connection, facts), "")
        yield Check(CITUS, FAILED if remedy else PASSED, found, remedy)


def _cluster(connection: Connection, facts: Mapping[str, Any]) -> str:
    """Return the version and the size of the cluster, in words."""
    workers = connection.execute(
        "SELECT FROM pg_catalog.pg_dist_node WHERE groupid > 0 AND noderole::text = 'primary' AND isactive"
    ).rowcount
    return f"version {facts['citus']} with {counted(workers, 'worker')}"


def _unfit_for_citus(connection: Connection, version: str, schema: str) -> tuple[str, str] | None:
    """Return what mock2pg does not work with, and what to do."""
    if int(version.partition(".")[0]) < _OLDEST:
        return f"version {version}", f"mock2pg needs Citus {_OLDEST} or later"
    row = connection.execute("SELECT groupid FROM pg_catalog.pg_dist_local_group").fetchone()
    if row and row[0]:
        return "this server is a worker of a Citus cluster", "Connect to the coordinator"
    row = connection.execute(
        "SELECT FROM pg_catalog.pg_dist_schema WHERE schemaid = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
        [schema],
    ).fetchone()
    if row is not None:
        told = "mock2pg publishes into schemas that are not: citus_schema_undistribute(), or MIGRATION_SCHEMA"
        return f"schema {schema} is distributed as a whole (schema-based sharding)", told
    there = distribution.of_schema(connection, schema)
    if others := [name for name, found in there.items() if found.kind == distribution.OTHER]:
        found = f"tables of schema {schema} are distributed by append or range, or have one shard: {', '.join(others)}"
        return found, "Distribute them by hash, make them reference tables, or move them into another schema"
    return None


def _read_only(source: str, role: str, database: str) -> tuple[str, str]:
    """Return what sets default_transaction_read_only, and the remedy.

    source  as pg_settings has it
    """
    of_role, of_database = (sql.Identifier(name).as_string() for name in (role, database))
    where, changed = {
        "database": (f"for the database {database}", f"DATABASE {of_database}"),
        "user": (f"for the role {role}", f"ROLE {of_role}"),
        "client": ("by `options` in DATABASE_URL or by PGOPTIONS", ""),
    }.get(
        source,
        (f"for the role {role} in the database {database}, or the server", f"ROLE {of_role} IN DATABASE {of_database}"),
    )
    # Otherwise, the setting would refuse its own change.
    remedy = f"BEGIN READ WRITE; ALTER {changed} SET default_transaction_read_only = off; COMMIT"
    return (
        f"default_transaction_read_only is on, set {where}",
        f"Use a role that may write, or {remedy}; {ROLES}" if changed else "Remove it there",
    )
