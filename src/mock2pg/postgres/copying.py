"""Rows out of COPY ... TO STDOUT, in blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import psycopg

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
    found: list[Any] = []
    while len(found) < _ROWS and (message := (yield from copy._read_gen())):
        found.append(message)
    return found
