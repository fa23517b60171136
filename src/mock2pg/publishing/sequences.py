"""Sequences that continue after the values that rows hold."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.distribution import is_citus
from mock2pg.publishing.next_values import NextValue

# Of a text, only what a sequence could have given counts.
_NUMBER = "{column}"
_NUMBER_OF_TEXT = (
    'CASE WHEN {column}::text COLLATE "C" ~ \'^-?[0-9]{{1,18}}$\' THEN {column}::text COLLATE "C"::numeric END'
)


def advance(connection: Connection, table: sql.Composable, values: Iterable[NextValue]) -> None:
    """Let the next value of each sequence be one that comes after all that the column holds in `table`'s rows.

    In its own direction and steps, and never back. By RESTART, which a rollback undoes and setval alone would not; who
    does not own the sequence may only set it, and so does Citus, which takes no RESTART for a distributed table's.
    """
    for value in values:
        for sequence in value.sequences:
            start, step, exhausted, owned = _wanted(connection, table, value, sequence)
            if start is None:
                continue
            if owned:
                # to set what is set already waits until nobody else draws a value, and lets nobody draw one after that
                connection.execute(sql.SQL("ALTER SEQUENCE {} INCREMENT BY {}").format(sql.SQL(sequence), step))
                start, step, exhausted, owned = _wanted(connection, table, value, sequence)
                if start is None:
                    continue
                connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sql.SQL(sequence), start))
            if exhausted or not owned:
                ahead = sql.SQL("WHERE NOT s.is_called OR {}").format(
                    sql.SQL("s.last_value < {0}" if step > 0 else "s.last_value > {0}").format(start)
                )
                connection.execute(
                    sql.SQL("SELECT setval({}::regclass, {}, {}) FROM {} AS s {}").format(
                        sql.Literal(sequence), start, sql.Literal(exhausted), sql.SQL(sequence), ahead
                    )
                )


def is_behind(connection: Connection, table: sql.Composable, value: NextValue, sequence: str) -> bool:
    """Return True when the sequence would reach a value that the column already holds in the rows of `table`."""
    return _wanted(connection, sql.SQL("{} AS n").format(table), value, sequence)[0] is not None


def _wanted(
    connection: Connection, table: sql.Composable, value: NextValue, sequence: str
) -> tuple[int | None, int, bool, bool]:
    """The value to start with, or None when the sequence is right; its step, whether that is its last, and whether it
    may be given a new start.

    The sequence never reaches a value beyond its own bounds.
    """
    number = sql.SQL(_NUMBER_OF_TEXT if value.is_text else _NUMBER).format(column=sql.Identifier(value.column))
    last_held: sql.Composable = sql.SQL(
        "(SELECT CASE WHEN q.seqincrement > 0 THEN max(held.n) ELSE min(held.n) END"
        " FROM (SELECT {number} AS n FROM {table}) AS held WHERE held.n BETWEEN q.seqmin AND q.seqmax)"
    ).format(number=number, table=table)
    if is_citus(connection):
        last_held = _on_shards(connection, table, number, sequence)
    last, following, step, least, greatest, cycles, owned = one_row(
        connection,
        sql.SQL(
            "SELECT {last_held},"
            " s.last_value + CASE WHEN s.is_called THEN q.seqincrement ELSE 0 END, q.seqincrement, q.seqmin, q.seqmax,"
            " q.seqcycle, pg_has_role(c.relowner, 'USAGE')"
            " FROM {sequence} AS s, pg_sequence AS q JOIN pg_class AS c ON c.oid = q.seqrelid"
            " WHERE q.seqrelid = {name}::regclass"
        ).format(last_held=last_held, sequence=sql.SQL(sequence), name=sql.Literal(sequence)),
    )
    behind = -1 if last is None else (int(last) - following) // step
    wanted = following + (behind + 1) * step
    exhausted = not least <= wanted <= greatest
    right = behind < 0 or (exhausted and cycles)
    start = None if right else min(max(wanted, least), greatest)
    return start, step, exhausted, owned and not is_citus(connection)


def _on_shards(connection: Connection, table: sql.Composable, number: sql.Composable, sequence: str) -> sql.Composable:
    """The last value that rows hold within the sequence's bounds, asked for by itself: shards know no sequence."""
    rises, *between = one_row(
        connection,
        "SELECT seqincrement > 0, seqmin, seqmax FROM pg_sequence WHERE seqrelid = %s::text::regclass",
        [sequence],
    )
    query = sql.SQL("SELECT {}(held.n) FROM (SELECT {} AS n FROM {}) AS held WHERE held.n BETWEEN {} AND {}")
    last = query.format(sql.SQL("max" if rises else "min"), number, table, *map(sql.Literal, between))
    return sql.Literal(one_row(connection, last)[0])
