"""Disable triggers while rows are restored: their effects on these rows are in the backup already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from mock2pg.postgres.connection import Connection


@contextmanager
def triggers(connection: Connection, schema: str) -> Iterator[None]:
    """The schema's own triggers, but for those of foreign keys, are disabled and then what they were; readers read on.

    Only who owns a table may do that to its triggers.
    """
    found = _triggers(connection, schema)
    for table, trigger, _ in found:
        _alter(connection, schema, table, "DISABLE", trigger)
    yield
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with events that wait cannot be altered
    for table, trigger, state in found:
        _alter(connection, schema, table, state, trigger)


def has_triggers(connection: Connection, schema: str) -> bool:
    return bool(_triggers(connection, schema))


def _triggers(connection: Connection, schema: str) -> list[tuple[str, str, str]]:
    return connection.execute(
        """
        SELECT c.relname, t.tgname, CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND NOT t.tgisinternal
            AND t.tgenabled IN ('O', 'A') AND c.relkind IN ('r', 'p')
        """,
        [schema],
    ).fetchall()


def _alter(connection: Connection, schema: str, table: str, state: str, trigger: str) -> None:
    query = sql.SQL("ALTER TABLE ONLY {} {} TRIGGER {}")
    connection.execute(query.format(sql.Identifier(schema, table), sql.SQL(state), sql.Identifier(trigger)))
