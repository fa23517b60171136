"""Compare the privileges of the role with those that publishing needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.postgres.catalogue import current_role, schema_exists
from mock2pg.postgres.connection import Connection, one_row
from mock2pg.publishing import sequences
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference, Finding

_ROLES = "`mock2pg init-roles` prints what a role needs"


def of_reading(connection: Connection, schema: str) -> list[Finding]:
    """A backup reads every table and sequence of the schema, whole."""
    if not schema_exists(connection, schema):
        return []
    if not _may(connection, "SELECT has_schema_privilege(%s, 'USAGE')", schema):
        return [_lacking(connection, "", "USAGE", "SCHEMA", sql.Identifier(schema))]
    rows = connection.execute(
        """
        SELECT c.relname, c.relkind = 'S', has_table_privilege(c.oid, 'SELECT'),
            c.relkind <> 'S' AND row_security_active(c.oid)
        FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'S')
            AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        ORDER BY c.relname COLLATE "C"
        """,
        [schema],
    ).fetchall()
    found = []
    for name, is_sequence, readable, hidden in rows:
        if not readable:
            kind = "SEQUENCE" if is_sequence else "TABLE"
            found.append(_lacking(connection, name, "SELECT", kind, sql.Identifier(schema, name)))
        elif hidden:
            found.append(
                Finding(
                    name,
                    f"row-level security would hide rows from {current_role(connection)}",
                    "Use the table's owner or a role with BYPASSRLS: without the hidden rows a backup is incomplete",
                )
            )
    return found


def of_writing(
    connection: Connection, schema: str, tables: Sequence[Table], differences: Mapping[str, Difference]
) -> list[Finding]:
    """Find missing privileges to publish these differences and to add a row to the history."""
    found = []
    for table in tables:
        difference, home = differences[table.name], sql.Identifier(schema, table.name)
        if difference.created:
            continue
        for right, rows in (
            ("INSERT", difference.inserted), ("UPDATE", difference.updated), ("DELETE", difference.deleted),
        ):  # fmt: skip
            query = "SELECT has_table_privilege(%s, %s)"
            if rows and not _may(connection, query, home.as_string(), right):
                found.append(_lacking(connection, table.name, right, "TABLE", home))
    for name, creates in (
        (schema, any(difference.created for difference in differences.values())),
        ("mock2pg", not _may(connection, "SELECT to_regclass('mock2pg.runs') IS NOT NULL")),
    ):
        if creates and not schema_exists(connection, name):
            if not _may(connection, "SELECT has_database_privilege(current_database(), 'CREATE')"):
                database = sql.Identifier(connection.info.dbname)
                found.append(_lacking(connection, "", "CREATE", "DATABASE", database))
        elif creates and not _may(connection, "SELECT has_schema_privilege(%s, 'CREATE')", name):
            found.append(_lacking(connection, "", "CREATE", "SCHEMA", sql.Identifier(name)))
    recorded = "SELECT to_regclass('mock2pg.runs') IS NULL OR has_column_privilege('mock2pg.runs', 'run_id', 'INSERT')"
    if schema_exists(connection, "mock2pg") and not _may(connection, recorded):
        found.append(_lacking(connection, "", "INSERT", "TABLE", sql.Identifier("mock2pg", "runs")))
    return found


def of_sequences(connection: Connection, merges: Sequence[TableMerge]) -> list[Finding]:
    """A sequence whose next value a new row would hold must be set."""
    found = []
    for merge in merges:
        for value in () if merge.altered else merge.next_values():
            for name in value.sequences:
                schema, sequence, reaches, reads, sets = one_row(
                    connection,
                    "SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'),"
                    " has_sequence_privilege(c.oid, 'SELECT'),"
                    " pg_has_role(c.relowner, 'USAGE') OR has_sequence_privilege(c.oid, 'UPDATE')"
                    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                    " WHERE c.relkind = 'S' AND format('%%I.%%I', n.nspname, c.relname) = %s",
                    [name],
                )
                home = sql.Identifier(schema, sequence)
                if not reaches:
                    found.append(_lacking(connection, merge.table.name, "USAGE", "SCHEMA", sql.Identifier(schema)))
                elif not reads:
                    found.append(_lacking(connection, merge.table.name, "SELECT", "SEQUENCE", home))
                elif not sets and sequences.is_behind(connection, merge.new_values(value.column), value, name):
                    found.append(_lacking(connection, merge.table.name, "UPDATE", "SEQUENCE", home))
    return found


def _lacking(connection: Connection, table: str, right: str, kind: str, home: sql.Identifier) -> Finding:
    role, thing = current_role(connection), home.as_string()
    grant = f"GRANT {right} ON {kind} {thing} TO {sql.Identifier(role).as_string()}"
    return Finding(table, f"{role} has no {right} on {kind.lower()} {thing}", f"{grant}; {_ROLES}")


def _may(connection: Connection, query: str, *parameters: str) -> bool:
    return connection.execute(query, parameters).fetchone() == (True,)
