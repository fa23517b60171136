"""Sequences that go on after the values that rows hold."""

from __future__ import annotations

from psycopg import sql

from mock2pg.tools.postgres.catalogue import LiveColumn
from mock2pg.tools.postgres.connection import Connection


def advance(connection: Connection, table: sql.Composable, column: LiveColumn) -> None:
    """Let the next value of the column's sequence be one that comes after all that the column holds.

    By RESTART, which a rollback undoes and setval alone would not; who does not own the sequence may only set it.
    """
    assert column.sequence is not None  # noqa: S101
    sequence = sql.SQL(column.sequence)
    state = connection.execute(
        sql.SQL(
            "SELECT (SELECT CASE WHEN q.seqincrement > 0 THEN max({column}) ELSE min({column}) END FROM {table}),"
            " s.last_value + CASE WHEN s.is_called THEN q.seqincrement ELSE 0 END, q.seqincrement, q.seqmin, q.seqmax,"
            " q.seqcycle, pg_has_role(c.relowner, 'USAGE')"
            " FROM {sequence} AS s, pg_sequence AS q JOIN pg_class AS c ON c.oid = q.seqrelid"
            " WHERE q.seqrelid = {name}::regclass"
        ).format(column=sql.Identifier(column.name), table=table, sequence=sequence, name=sql.Literal(column.sequence))
    ).fetchone()
    assert state is not None  # noqa: S101
    last, following, step, least, greatest, cycles, owned = state
    behind = -1 if last is None else (int(last) - following) // step
    if behind < 0:
        return
    wanted = following + (behind + 1) * step
    exhausted = not least <= wanted <= greatest
    if exhausted and cycles:
        return
    start = min(max(wanted, least), greatest)
    if owned:
        connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sequence, sql.Literal(start)))
    if exhausted or not owned:
        connection.execute("SELECT setval(%s::regclass, %s, %s)", [column.sequence, start, exhausted])
