"""Citus: which tables are distributed, how a table becomes one, and the transactions that change them.

A coordinator is PostgreSQL with the extension `citus`; everywhere else nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from mock2pg.contracts import REFERENCE, Table
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.session import SETTINGS, SPELLING

LOCAL, DISTRIBUTED, OTHER = "local", "distributed", "other"  # beside REFERENCE

# pg_dist_partition.partmethod and repmodel: h hash; n with repmodel t a reference table, else a local table that Citus
# knows (s) or one of a distributed schema.
_OF_SCHEMA = """
    SELECT c.relname, p.partmethod::text, p.repmodel::text, p.colocationid,
        CASE WHEN p.partkey IS NOT NULL THEN pg_catalog.column_to_column_name(p.logicalrelid, p.partkey) END,
        (SELECT count(*) FROM pg_catalog.pg_dist_shard AS s WHERE s.logicalrelid = p.logicalrelid)
    FROM pg_catalog.pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid::oid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %s ORDER BY c.relname COLLATE "C"
"""


@dataclass(frozen=True)
class Distribution:
    """The distribution of a table that Citus knows.

    kind        "reference", "distributed" (by the hash of a column) or "other", which mock2pg does not publish into
    column      the distribution column; empty unless distributed
    shards      how many
    colocation  pg_dist_partition.colocationid: tables of one group have equal values on the same node
    """

    kind: str
    column: str = ""
    shards: int = 1
    colocation: int = 0

    @property
    def declared(self) -> str:
        """Return it as a model declares it: "reference", or the column."""
        return REFERENCE if self.kind == REFERENCE else self.column


def is_citus(connection: Connection) -> bool:
    """Return whether the database has Citus; every session of ours knows it from when it was set up."""
    return bool(connection.__dict__.get("citus"))


def of_schema(connection: Connection, schema: str) -> dict[str, Distribution]:
    """Return the distribution of each table of the schema that has one; a local table is not among them."""
    if not is_citus(connection):
        return {}
    return {
        name: found
        for name, method, model, colocation, column, shards in connection.execute(_OF_SCHEMA, [schema]).fetchall()
        if (found := _distribution(method, model, colocation, column, shards)).kind != LOCAL
    }


def in_group(connection: Connection, schema: str, table: str, found: Distribution) -> sql.Identifier | None:
    """Return a table of the colocation group `found`, which may be that of another server: one that fits the table."""
    row = connection.execute(
        """
        SELECT n.nspname, c.relname FROM pg_catalog.pg_dist_partition AS p
            JOIN pg_catalog.pg_dist_colocation AS g USING (colocationid)
            JOIN pg_class AS c ON c.oid = p.logicalrelid::oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE p.partmethod = 'h' AND g.colocationid = %s AND g.shardcount = %s AND g.distributioncolumntype =
            (SELECT atttypid FROM pg_attribute WHERE attrelid = %s::text::regclass AND attname = %s)
        ORDER BY c.oid LIMIT 1
        """,
        [found.colocation, found.shards, sql.Identifier(schema, table).as_string(), found.column],
    ).fetchone()
    return sql.Identifier(*row) if row else None


def distribute(
    connection: Connection, schema: str, table: str, how: str, like: sql.Composable | None = None, *, shards: int = 0
) -> None:
    """Make a reference or a distributed table of a local one, with the rows that it has.

    how     "reference", or the distribution column
    like    a distributed table, with which it is to be colocated; else it joins Citus's default group
    shards  where it is colocated with none: how many it is to have, in a group of its own
    """
    name = sql.Literal(sql.Identifier(schema, table).as_string())
    if how == REFERENCE:
        connection.execute(sql.SQL("SELECT pg_catalog.create_reference_table({})").format(name))
        return
    group: sql.Composable = sql.SQL("")
    if like:
        group = sql.SQL(", colocate_with => {}").format(sql.Literal(like.as_string()))
    elif shards:
        group = sql.SQL(", colocate_with => 'none', shard_count => {}").format(sql.Literal(shards))
    query = sql.SQL("SELECT pg_catalog.create_distributed_table({}, {}{})")
    connection.execute(query.format(name, sql.Literal(how), group))


def begin(connection: Connection, lock_timeout: str) -> None:
    """Let the transaction write distributed and reference tables one after the other, and its timeout reach the shards.

    Nothing happens where there is no Citus.
    """
    if is_citus(connection):
        connection.execute("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")
        spell_alike(connection)
        connection.execute(sql.SQL("SET LOCAL lock_timeout TO {}").format(sql.Literal(lock_timeout)))


def begin_for(connection: Connection, tables: Iterable[Table], lock_timeout: str) -> None:
    """Do so where one of the tables is a distributed or a reference table; else nothing, and nothing is asked."""
    if any(table.distribution for table in tables):
        begin(connection, lock_timeout)


def spell_alike(connection: Connection) -> None:
    """Let the shards spell values in this transaction as this session does: a worker's database may be set otherwise.

    Nothing happens where there is no Citus. It passes on what SET LOCAL sets, not what set_config() does.
    """
    if is_citus(connection):
        connection.execute("SET LOCAL citus.propagate_set_commands TO 'local'")
        for name in SPELLING:
            query = sql.SQL("SET LOCAL {} TO {}")
            connection.execute(query.format(sql.Identifier(name), sql.Literal(SETTINGS[name])))


def _distribution(method: str, model: str, colocation: int, column: str | None, shards: int) -> Distribution:
    if method == "h":
        return Distribution(DISTRIBUTED, column or "", shards, colocation)
    if method == "n" and model == "t":
        return Distribution(REFERENCE, colocation=colocation)
    if method == "n" and model == "s" and not colocation:
        return Distribution(LOCAL)
    return Distribution(OTHER, column or "", shards, colocation)
