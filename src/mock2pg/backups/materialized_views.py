"""Materialized views: which can be read, and filling them anew after the tables below them have changed."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from mock2pg.contracts import key_groups
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode


def unfilled(connection: Connection, schema: str) -> list[str]:
    """The materialized views that cannot be read before they are refreshed."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'm' AND NOT relispopulated AND relnamespace ="
        ' (SELECT oid FROM pg_namespace WHERE nspname = %s) ORDER BY relname COLLATE "C"',
        [schema],
    ).fetchall()
    return [name for (name,) in rows]


def refresh(connection: Connection, schema: str, empty: Collection[str], code: OwnersCode) -> tuple[str, ...]:
    """Fill them, each after those that it reads, and without keeping its readers waiting where it has a unique index.

    empty  those that are to be such that they cannot be read
    code   how functions in them are run

    Returns those that this role may not refresh.
    """
    found = connection.execute(
        """
        SELECT c.relname, c.relispopulated,
            pg_has_role(c.relowner, 'USAGE'), EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid
                AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL)
        FROM pg_class AS c
        WHERE c.relkind = 'm' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        ORDER BY c.oid
        """,
        [schema],
    ).fetchall()
    known = {name: (filled, owned, unique) for name, filled, owned, unique in found}
    for (name,) in key_groups(list(known), _read_by(connection, schema)):
        filled, owned, unique = known[name]
        if not owned or (name in empty and not filled):
            continue
        how = sql.SQL("CONCURRENTLY " if unique and filled and name not in empty else "")
        query = sql.SQL("REFRESH MATERIALIZED VIEW {}{}").format(how, sql.Identifier(schema, name))
        with code.path():
            connection.execute(query + sql.SQL(" WITH NO DATA" if name in empty else ""))
    return tuple(name for name, (_, owned, _unique) in known.items() if not owned)


def _read_by(connection: Connection, schema: str) -> dict[str, set[str]]:
    """Materialized view -> those of the schema that it reads, through other views too."""
    rows = connection.execute(
        """
        WITH RECURSIVE reads AS (
            SELECT r.ev_class AS view, d.refobjid AS read FROM pg_rewrite AS r JOIN pg_depend AS d
                ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
            WHERE d.refobjid <> r.ev_class),
        through AS (
            SELECT view, read FROM reads
            UNION SELECT t.view, r.read FROM through AS t JOIN reads AS r ON r.view = t.read)
        SELECT v.relname, m.relname
        FROM through AS t JOIN pg_class AS v ON v.oid = t.view JOIN pg_class AS m ON m.oid = t.read
        WHERE v.relkind = 'm' AND m.relkind = 'm' AND v.relnamespace = m.relnamespace
            AND v.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        """,
        [schema],
    ).fetchall()
    found: dict[str, set[str]] = {}
    for view, read in rows:
        found.setdefault(view, set()).add(read)
    return found
