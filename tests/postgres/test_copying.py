"""Rows out of COPY, which are read past psycopg: what ends a COPY is noticed as psycopg notices it."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest

from mock2pg import postgres
from mock2pg.postgres import copying

SERIES = "COPY (SELECT n, repeat('x', n) FROM generate_series(1, {}) AS n) TO STDOUT"


@pytest.mark.parametrize("rows", [0, 1, 256, 257, 3000])
def test_all_rows_come_and_are_counted(rows: int, connection: postgres.Connection) -> None:
    with connection.cursor() as cursor:
        with cursor.copy(SERIES.format(rows)) as copy:
            blocks = [*copying.blocks(connection, copy)]
        assert cursor.rowcount == rows
    assert b"".join(blocks) == b"".join(b"%d\t%s\n" % (n, b"x" * n) for n in range(1, rows + 1))
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_error_among_the_rows_is_raised(connection: postgres.Connection) -> None:
    """The session can be used afterwards."""
    query = "COPY (SELECT 1 / (3000 - n) FROM generate_series(1, 5000) AS n) TO STDOUT"
    with pytest.raises(psycopg.errors.DivisionByZero) as failed, connection.cursor().copy(query) as copy:
        for _ in copying.blocks(connection, copy):
            pass
    assert failed.value.diag.message_primary == "division by zero"
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_rows_that_are_not_read_any_more_are_let_go(connection: postgres.Connection) -> None:
    with suppress(KeyboardInterrupt), connection.cursor().copy(SERIES.format(3000)) as copy:
        next(copying.blocks(connection, copy))
        raise KeyboardInterrupt
    assert connection.execute("SELECT 1").fetchone() == (1,)
