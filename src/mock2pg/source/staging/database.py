"""The staging database (DuckDB), and SQL for its names and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from duckdb.func import SPECIAL

from mock2pg import staging_limits
from mock2pg.settings import STAGING_MEMORY
from mock2pg.source.staging.json_values import FUNCTIONS

Connection = duckdb.DuckDBPyConnection


@contextmanager
def opened(
    database: Path, *, memory: str = STAGING_MEMORY, read_only: bool = False, threads: int | None = None
) -> Iterator[Connection]:
    """Connect to the staging file.

    threads  None: as many as pay

    A DuckDB error is raised as a StagingFailed or InternalError, without the values in its text.
    """
    try:
        if threads is None and read_only:
            threads = staging_limits.threads(database)
        config = staging_limits.config(memory, reads_json=not read_only, threads=threads)
        with duckdb.connect(str(database), read_only=read_only, config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            if not read_only:
                for function, parameters, result in FUNCTIONS:
                    connection.create_function(function.__name__, function, parameters, result, null_handling=SPECIAL)
            yield connection
    except duckdb.Error as error:
        raise staging_limits.named(error, memory) from error


def quoted(name: str) -> str:
    """A DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def texts(values: Sequence[str]) -> str:
    return "[" + ", ".join(text(value) for value in values) + "]::VARCHAR[]"


def at(value: str, keys: Sequence[str]) -> str:
    """SQL for what is at these keys of a JSON value: a JSON pointer, in which no character of a key is a wildcard."""
    if not keys:
        return value
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    return f"({value}->{text(pointer)})"


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101  an aggregate always gives a row
    return row[0]
