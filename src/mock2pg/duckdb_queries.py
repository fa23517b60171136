"""Queries of DuckDB that a signal ends at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def execute(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """Execute a query that may take long.

    DuckDB looks for a signal when a task of the query has ended: when a table is sorted, say, which may take seconds. A
    thread that waits for another one is interrupted at once.
    """
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        return connection.execute(query, parameters)
    with ThreadPoolExecutor(1, "query") as pool:
        running = pool.submit(connection.execute, query, parameters)
        try:
            return running.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise
