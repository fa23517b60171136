"""Proof that nobody wrote into a table since a snapshot, without reading the rows' values.

PostgreSQL keeps with each row the transaction that made it (`xmin`). Transactions below the horizon had ended when
it was taken, so it shows whatever they did. If no row is of a later transaction and no row is missing, none was
inserted, updated or deleted. A row of more than 2 billion transactions ago may look like a later one: then there is no
proof, and the rows have to be compared. Nor is there one for a horizon of so long ago, or of a future that the server
does not have: it was restored from before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from psycopg import sql

from mock2pg.postgres.catalogue import own_rows
from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.distribution import is_citus

_NAMING = "^(reg.*|aclitem)$"  # types whose values are written as names
_OF_NAMES = """
    WITH RECURSIVE parts AS (
        SELECT attrelid, atttypid AS type FROM pg_attribute
        WHERE attrelid = ANY (%s) AND attnum > 0 AND NOT attisdropped
        UNION SELECT attrelid, part.type FROM parts JOIN pg_type AS t ON t.oid = parts.type, LATERAL (
            VALUES (t.typelem), (t.typbasetype)
            UNION ALL SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid
            UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0) AS part (type)
        WHERE part.type <> 0)
    SELECT attrelid FROM parts JOIN pg_type AS t ON t.oid = parts.type
    WHERE t.typname ~ %s AND t.typnamespace = 'pg_catalog'::regnamespace"""

_COMPARABLE = 1 << 31  # transactions: `age` counts those between two as a signed integer of 32 bits
HORIZON = "pg_snapshot_xmin(pg_current_snapshot())::text"  # SQL for the horizon of the snapshot of a statement


def unwritten(connection: Connection, schema: str, rows: Mapping[str, int], horizon: str) -> set[str]:
    """Return the tables into which nobody, this transaction included, wrote since the horizon.

    rows     table -> how many it had then
    horizon  as `HORIZON` gives it
    """
    (now,) = one_row(connection, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    if not is_comparable(int(now), int(horizon)):
        return set()
    return {
        name
        for name in _heaps(connection, schema, rows)
        if _counts(connection, schema, name, horizon) == (rows[name], 0)
    }


def is_comparable(now: int, horizon: int) -> bool:
    """Return whether rows tell what was written since the horizon; both are numbers of transactions."""
    return 0 <= now - horizon < _COMPARABLE


def can_be_proven(connection: Connection, schema: str, names: Collection[str]) -> bool:
    """Return False when there is never a proof for one of these tables."""
    return {*names} == {*_heaps(connection, schema, names)}


def written(horizon: str, row: str = "t") -> sql.Composable:
    """Return the SQL condition that the row, by its name in the query, was written after the horizon."""
    return sql.SQL("age({}.xmin) <= age({}::xid8::xid)").format(sql.Identifier(row), sql.Literal(horizon))


def _counts(connection: Connection, schema: str, name: str, horizon: str) -> tuple[int, int]:
    """Count the rows, and those that were written since."""
    query = sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}) FROM {} AS t")
    rows, later = one_row(connection, query.format(written(horizon), own_rows(connection, schema, name)))
    return rows, later


def _heaps(connection: Connection, schema: str, names: Iterable[str]) -> list[str]:
    """The tables whose rows PostgreSQL itself keeps, and whose values no other object's name changes."""
    if is_citus(connection):
        return []
    rows = connection.execute(
        "SELECT c.oid, c.relname FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relname = ANY (%s)"
        " AND c.relkind = 'r' AND a.amname = 'heap'",
        [schema, list(names)],
    ).fetchall()
    of_names = connection.execute(_OF_NAMES, [[oid for oid, _ in rows], _NAMING]).fetchall()
    return [name for oid, name in rows if (oid,) not in of_names]
