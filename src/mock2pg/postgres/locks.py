"""Locks on tables: who holds one that a statement of ours was not given, and how writers are kept out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg import sql

from mock2pg.text import printable

if TYPE_CHECKING:
    from mock2pg.postgres.connection import Connection

# From the weakest on, as pg_locks spells them.
_MODES = ("AccessShare", "RowShare", "RowExclusive", "ShareUpdateExclusive", "Share", "ShareRowExclusive", "Exclusive",
          "AccessExclusive")  # fmt: skip
# The weakest lock of another session that a statement may have waited for. Any other statement writes rows, and waits
# for those that SELECT ... FOR UPDATE holds, too.
_WEAKEST = {"SELECT": "AccessExclusive", "COPY": "AccessExclusive", "LOCK": "RowExclusive", "DROP": "AccessShare",
            "ALTER": "AccessShare", "TRUNCATE": "AccessShare"}  # fmt: skip
_SHARD = re.compile(r"_\d+$")
_INTERNAL = re.compile(r"citus_[a-z_]+ gpid=(\d+)$")
_NODE = 10**10  # a global process id is the node's, times this, plus the server process


def share(connection: Connection, schema: str, tables: Sequence[str], *, wait: bool = True) -> None:
    """Lock the tables as a reader does until the transaction ends: nobody alters, empties or drops them.

    wait  for others who alter one, or wait to; else LockNotAvailable is raised at once
    """
    if tables:
        names = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
        query = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE" if wait else "LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT")
        connection.execute(query.format(names))


@dataclass(frozen=True)
class _Lock:
    schema: str
    table: str
    mode: str
    granted: bool
    pid: int | None
    user: str | None
    application: str | None
    since: str | None
    node: str = ""  # of a cluster, where the session was begun; empty for the coordinator

    @property
    def quoted(self) -> str:
        return sql.Identifier(self.schema, self.table).as_string()

    @property
    def holder(self) -> tuple[str, str, str, int | None]:
        return self.schema, self.table, self.node, self.pid

    def __str__(self) -> str:
        table, on = printable(f"{self.schema}.{self.table}"), f" of {self.node}" if self.node else ""
        if self.pid is None:
            return f"table {table} is locked by a prepared transaction (pg_prepared_xacts{on} lists it)"
        since = f", in a transaction since {self.since}" if self.since else ""
        verb = "is locked" if self.granted else "is waited for"
        user = printable(self.user or "")
        application = f"application {printable(self.application)}" if self.application else "no application name"
        return f"table {table} {verb} by server process {self.pid}{on}, user {user}, {application}{since}"


_HELD = """
    SELECT n.nspname, c.relname, l.mode, l.granted, l.pid, a.usename, a.application_name,
        a.xact_start::timestamptz(0)::text
    FROM pg_locks AS l LEFT JOIN pg_index AS i ON i.indexrelid = l.relation
        JOIN pg_class AS c ON c.oid = coalesce(i.indrelid, l.relation)
        JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.database =
        (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.mode = ANY ({})
        AND c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'pg_catalog'
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", NOT l.granted, a.xact_start, l.pid
"""


def blockers(connection: Connection, waiter: int, statement: str, *, reads: bool = False) -> list[str]:
    """The locks of other sessions that may have kept a statement from running, in words.

    waiter     the server process that ran the statement, in vain
    statement  as our sessions write it: every table qualified and quoted
    reads      whether the session that ran it only reads
    """
    verb = statement.lstrip().split(" ", 1)[0].upper()
    writes = verb == "COPY" and " FROM STDIN" in statement
    weakest = _MODES.index("AccessExclusive" if reads else "RowShare" if writes else _WEAKEST.get(verb, "RowShare"))
    held = sql.SQL(_HELD).format(sql.Literal([f"{mode}Lock" for mode in _MODES[weakest:]]))
    rows = connection.execute(held).fetchall()
    locks = [lock for row in rows if (lock := _Lock(*row)).pid != waiter]
    named = [lock for lock in locks if lock.quoted in statement]
    if not named or any(_INTERNAL.match(lock.application or "") for lock in named):
        if _has_workers(connection):  # the tables of a worker's sessions need not be locked here
            named = [lock for lock in _over_nodes(connection, rows, held) if lock.quoted in statement]
        named = [lock for lock in named if (lock.node, lock.pid) != ("", waiter)]
    return list(dict.fromkeys(map(str, named or locks)))


def _has_workers(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regproc('pg_catalog.run_command_on_workers') IS NOT NULL").fetchone()
    return row == (True,)


def _over_nodes(connection: Connection, here: Sequence[Sequence[Any]], held: sql.Composed) -> list[_Lock]:
    """The locks on tables and their shards on all nodes, as locks on the tables by the sessions that clients opened.

    Each of those has sessions of Citus on other nodes, whose application name says whose they are.
    """
    nodes = connection.execute(
        "SELECT nodeid, groupid, nodename || ':' || nodeport FROM pg_catalog.pg_dist_node"
    ).fetchall()
    opened = {nodeid: "" if group == 0 else node for nodeid, group, node in nodes}
    query = sql.SQL("SELECT coalesce(json_agg(h), '[]') FROM ({}) AS h").format(held).as_string()
    answers = connection.execute(
        "SELECT nodename || ':' || nodeport, result FROM pg_catalog.run_command_on_workers(%s) WHERE success", [query]
    ).fetchall()
    rows = [("", row) for row in here]
    rows += [(node, list(row.values())) for node, answer in answers for row in json.loads(answer)]
    found: dict[object, _Lock] = {}
    for node, row in rows:
        lock = replace(_Lock(*row), node=node)
        if node:
            lock = replace(lock, table=_SHARD.sub("", lock.table))
        if internal := _INTERNAL.match(lock.application or ""):
            nodeid, pid = divmod(int(internal[1]), _NODE)
            lock = replace(lock, node=opened.get(nodeid, node), pid=pid)
        if lock.holder not in found or not internal:
            found[lock.holder] = lock
    return list(found.values())
