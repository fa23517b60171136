"""One throw-away server per test process, and a fresh database per test."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mock2pg.tools import postgres
from mock2pg.tools.server import Server

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def server(_no_settings_from_outside: None) -> Iterator[Server]:
    """A server that ends with this process, in memory where there is room for it."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 1 << 29
    home = Path(tempfile.mkdtemp(prefix="mock2pg-test-", dir=memory if roomy else None))
    home.chmod(0o755)
    server = Server(home, keep=False, options=_FAST)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home)


@contextmanager
def new_database(server: Server) -> Iterator[str]:
    """The URL of an empty database that is dropped afterwards."""
    name = f"test_{secrets.token_hex(4)}"
    url = server.url("postgres")
    with postgres.connect(url, name="test") as connection:  # nothing is dropped on a server that is not ours
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        assert Path(row[0]).is_relative_to(server.home)
    postgres.ensure_database(url, name)
    yield server.url(name)
    postgres.drop_database(url, name)


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
