"""Rows out of COPY ... TO STDOUT, in blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import psycopg
from psycopg import errors, generators, pq, waiting

from mock2pg import progress
from mock2pg.postgres.connection import Connection

_ROWS = 256  # in a block


def blocks(connection: Connection, copy: psycopg.Copy) -> Iterator[bytes]:
    """Yield the rows in blocks; psycopg's own iterator waits for each row, which takes longer than the row.

    A row may end in the next block.
    """
    while messages := connection.wait(_messages(copy)):
        progress.rows(len(messages))  # each is one row
        yield b"".join(messages)


def _messages(copy: psycopg.Copy) -> Generator[Any, Any, list[Any]]:
    """Read up to `_ROWS` messages in one wait; none when there are no more."""
    connection, found = copy.connection.pgconn, list[Any]()
    get = connection.get_copy_data
    while len(found) < _ROWS and not copy._finished:
        size, message = get(1)
        if size > 0:
            found.append(message)
        elif size == 0:
            while not (yield waiting.WAIT_R):
                pass
            connection.consume_input()
        else:
            (result,) = yield from generators.fetch_many(connection)
            copy._finished = True
            if result.status != pq.ExecStatus.COMMAND_OK:
                raise errors.error_from_result(result)
            copy.cursor._rowcount = result.command_tuples or 0
    return found
