"""Long queries of DuckDB, and the signals that end them."""

from __future__ import annotations

import os
import signal
import threading

import duckdb
import pytest

from mock2pg import duckdb_queries


def test_a_signal_ends_a_long_query_at_once() -> None:
    """It is raised as the signal that it is, and the connection goes on."""
    with duckdb.connect() as connection:
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - on a busy machine it comes before the query
            timer.start()
            duckdb_queries.execute(connection, "SELECT count(*) FROM range(10000000) AS a, range(10000000) AS b")
        timer.join()
        assert duckdb_queries.execute(connection, "SELECT ?", [7]).fetchone() == (7,)
        with pytest.raises(duckdb.CatalogException):
            duckdb_queries.execute(connection, "TABLE nowhere")


def test_one_thread_waits_for_all_queries() -> None:
    """A rule is a query or two, of a millisecond each; to start a thread for it would take as long again."""
    with duckdb.connect() as connection:
        duckdb_queries.execute(connection, "SELECT 1")
        before = threading.enumerate()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread is started"))
            assert duckdb_queries.execute(connection, "SELECT 2").fetchone() == (2,)
        assert threading.enumerate() == before
