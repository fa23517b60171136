"""Queries of DuckDB that a signal ends at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
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
    running = _thread().submit(connection.execute, query, parameters)
    try:
        return running.result()
    except KeyboardInterrupt:
        connection.interrupt()
        wait([running])
        raise


@cache
def _thread() -> ThreadPoolExecutor:  # to start one for each query takes as long as a short query
    return ThreadPoolExecutor(1, "query")


os.register_at_fork(after_in_child=_thread.cache_clear)  # a forked process does not have the thread
