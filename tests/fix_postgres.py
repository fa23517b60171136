"""One throw-away server per test process, and a fresh database per test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from mock2pg.tools import postgres
from mock2pg.tools.server import Server

# One name for all, one after the other: what dbt has parsed counts for one database, and backups tell their own by it.
DATABASE = "mock2pg_test"
_EMPTY = "mock2pg_empty"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def server(_no_settings_from_outside: None) -> Iterator[Server]:
    """A server that ends with this process, in memory where there is room for it."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 1 << 29
    home = Path(tempfile.mkdtemp(prefix="mock2pg-test-", dir=memory if roomy else None))
    home.chmod(0o755)
    server = Server(home, keep=False, options=_FAST)
    url = server.start()
    postgres.ensure_database(url, _EMPTY)
    with postgres.connect(server.url(_EMPTY), name="test"):
        pass  # the first session writes what every later one reads
    yield server
    server.stop()
    shutil.rmtree(home)


@contextmanager
def new_database(server: Server, name: str = DATABASE, template: str = _EMPTY) -> Iterator[str]:
    """The URL of a database like the template, which is dropped afterwards."""
    with postgres.connect(server.url("postgres"), name="test") as connection:
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        assert Path(row[0]).is_relative_to(server.home)  # nothing is dropped on a server that is not ours
        # files are copied in half of the time that their blocks take
        create = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(create.format(Identifier(name), Identifier(template)))
        try:
            yield server.url(name)
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with new_database(server) as url:
        yield url


@pytest.fixture
def connection(database: str) -> Iterator[postgres.Connection]:
    """A session on the test's own database."""
    with postgres.connect(database, name="test") as opened:
        yield opened
