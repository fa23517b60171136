"""A transaction over several nodes: prepared on each of them, committed on the coordinator, then committed on each.

A node that is lost in between keeps it prepared: it is committed, and its rows are not to be seen there yet. Citus's
coordinator knows which they are (pg_dist_transaction), and commits them when the node is back. What a node has prepared
of a transaction that was never committed keeps its locks until the coordinator has it rolled back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from mock2pg.postgres.connection import Connection, one_row

PATIENCE = 75.0  # seconds; Citus ends what is left every minute, unless citus.recover_2pc_interval says otherwise

# A transaction of which nothing was sent to another node has no number yet, and is prepared nowhere.
_NAMES = """
    SELECT 'citus_' || g.groupid || '_' || t.process_id || '_' || t.transaction_number || '_'
    FROM pg_catalog.get_current_transaction_id() AS t, pg_catalog.pg_dist_local_group AS g
    WHERE t.transaction_number > 0
"""
_COMMITTED = """
    SELECT t.gid, coalesce(n.nodename || ':' || n.nodeport, 'the node of group ' || t.groupid), t.groupid = g.groupid
    FROM pg_catalog.pg_dist_transaction AS t CROSS JOIN pg_catalog.pg_dist_local_group AS g
        LEFT JOIN pg_catalog.pg_dist_node AS n ON n.groupid = t.groupid AND n.noderole::text = 'primary'
    WHERE starts_with(t.gid, %s)
"""
_PREPARED = "SELECT coalesce(string_agg(gid, ','), '') FROM pg_catalog.pg_prepared_xacts WHERE starts_with(gid, {})"
# A node may take a connection, and not answer.
_LIMITS = (
    "SELECT set_config('citus.node_connection_timeout', '10s', false), set_config('statement_timeout', '30s', false)"
)
_ASK = "SELECT nodename || ':' || nodeport, success, result FROM pg_catalog.run_command_on_workers(%s)"


@dataclass(frozen=True)
class _Prepared:
    gid: str
    node: str
    here: bool  # on the coordinator itself


def names(connection: Connection) -> str:
    """Return how the names begin under which this transaction is prepared on the nodes; empty when it needs none."""
    row = connection.execute(_NAMES).fetchone()
    return row[0] if row else ""


def unapplied(connection: Connection, beginning: str) -> tuple[str, ...]:
    """Return the nodes on which a committed transaction is prepared still, or that do not answer, in words.

    beginning  as `names` returned it
    """
    committed = [_Prepared(*row) for row in connection.execute(_COMMITTED, [beginning]).fetchall()] if beginning else []
    if not committed:
        return ()  # every node has committed it, and the coordinator has seen that
    query = sql.SQL(_PREPARED).format(sql.Literal(beginning))
    connection.execute(_LIMITS)
    asked = connection.execute(_ASK, [query.as_string()]).fetchall()
    answers = {node: result.split(",") for node, success, result in asked if success}
    if any(each.here for each in committed):
        (here,) = one_row(connection, query)
        answers |= {each.node: here.split(",") for each in committed if each.here}
    left = {each.node for each in committed if each.gid in answers.get(each.node, ())}
    silent = {each.node for each in committed if each.node not in answers}
    return (
        *(f"{node} has not applied it yet" for node in sorted(left)),
        *(f"{node} does not answer whether it has applied it" for node in sorted(silent)),
    )


def recover(connection: Connection) -> None:
    """Let Citus end what is left on nodes that are back, where the role may; else its daemon does it in time.

    That may be at it: then it is not waited for.
    """
    row = connection.execute(
        "SELECT has_function_privilege('pg_catalog.recover_prepared_transactions()', 'EXECUTE')"
    ).fetchone()
    if row == (True,):
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_catalog.recover_prepared_transactions()")
