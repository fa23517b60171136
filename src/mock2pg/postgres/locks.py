"""Locks on tables: who holds one that a statement of ours was not given, and how writers are kept out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    @property
    def quoted(self) -> str:
        return sql.Identifier(self.schema, self.table).as_string()

    def __str__(self) -> str:
        table = printable(f"{self.schema}.{self.table}")
        if self.pid is None:
            return f"table {table} is locked by a prepared transaction (pg_prepared_xacts lists it)"
        since = f", in a transaction since {self.since}" if self.since else ""
        verb = "is locked" if self.granted else "is waited for"
        user = printable(self.user or "")
        application = f"application {printable(self.application)}" if self.application else "no application name"
        return f"table {table} {verb} by server process {self.pid}, user {user}, {application}{since}"


def blockers(connection: Connection, waiter: int, statement: str, *, reads: bool = False) -> list[str]:
    """The locks of other sessions that may have kept a statement from running, in words.

    waiter     the server process that ran the statement, in vain
    statement  as our sessions write it: every table qualified and quoted
    reads      whether the session that ran it only reads
    """
    verb = statement.lstrip().split(" ", 1)[0].upper()
    weakest = _MODES.index("AccessExclusive" if reads else _WEAKEST.get(verb, "RowShare"))
    rows = connection.execute(
        """
        SELECT n.nspname, c.relname, l.mode, l.granted, l.pid, a.usename, a.application_name,
            a.xact_start::timestamptz(0)::text
        FROM pg_locks AS l LEFT JOIN pg_index AS i ON i.indexrelid = l.relation
            JOIN pg_class AS c ON c.oid = coalesce(i.indrelid, l.relation)
            JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
        WHERE l.locktype = 'relation' AND l.database =
            (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.pid IS DISTINCT FROM %s AND l.mode = ANY (%s)
            AND c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'pg_catalog'
        ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", NOT l.granted, a.xact_start, l.pid
        """,
        [waiter, [f"{mode}Lock" for mode in _MODES[weakest:]]],
    ).fetchall()
    locks = [_Lock(*row) for row in rows]
    named = [lock for lock in locks if lock.quoted in statement]
    return list(dict.fromkeys(map(str, named or locks)))
