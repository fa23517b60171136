"""The staging database (DuckDB), and SQL for its names and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from duckdb.func import SPECIAL

from mock2pg.errors import InternalError
from mock2pg.foreign_errors import scrubbed
from mock2pg.source.staging.json_values import FUNCTIONS

Connection = duckdb.DuckDBPyConnection


@contextmanager
def opened(database: Path, *, read_only: bool = False, threads: int | None = None) -> Iterator[Connection]:
    """Connect to the staging file; a DuckDB error is raised as an InternalError without the values in its text."""
    try:
        config: dict[str, str | bool | int | float | list[str]] = {"threads": threads} if threads else {}
        with duckdb.connect(str(database), read_only=read_only, config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            if not read_only:
                for function, parameters, result in FUNCTIONS:
                    connection.create_function(function.__name__, function, parameters, result, null_handling=SPECIAL)
            yield connection
    except duckdb.Error as error:
        raise InternalError(f"the staging database: {type(error).__name__}: {scrubbed(str(error))}") from error


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
