"""One throw-away server per test process, and a fresh database per test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from mock2pg import postgres
from mock2pg.postgres.server import Server

# One name for all, one after the other: what dbt has parsed counts for one database, and backups tell their own by it.
DATABASE = "mock2pg_test"
_EMPTY = "mock2pg_empty"
_INSTALLED, _OLDEST, _EMBEDDED = Path("/usr/lib/postgresql"), 14, 18
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


@dataclass(frozen=True)
class OlderServer:
    """An older PostgreSQL of this machine, used as the embedded server is."""

    home: Path
    major: int

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.home}&port=5432"


@pytest.fixture(scope="session")
def older_server(_no_settings_from_outside: None) -> Iterator[OlderServer]:
    """The oldest that is installed and supported, started once; where there is none, its tests are skipped."""
    majors = [int(each.parts[-3]) for each in _INSTALLED.glob("*/bin/initdb") if each.parts[-3].isdigit()]
    major = min((each for each in majors if _OLDEST <= each < _EMBEDDED), default=None)
    if major is None:
        pytest.skip(f"no PostgreSQL {_OLDEST} to {_EMBEDDED - 1} in {_INSTALLED} (apt-get install postgresql)")
    programs = _INSTALLED / str(major) / "bin"
    home = Path(tempfile.mkdtemp(prefix=f"mock2pg-{major}-"))
    account: dict[str, Any] = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:  # whom PostgreSQL refuses
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        account |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data, fast = home / "data", [f"-c{name}={value}" for name, value in _FAST.items()]
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run(initdb, check=True, **account)
    command = [programs / "postgres", "-D", data, "-k", home, "-c", "listen_addresses=", *fast]
    server = subprocess.Popen(command, **account)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([programs / "pg_isready", "-qh", home], check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with postgres.connect(OlderServer(home, major).url(), name="test") as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(_EMPTY)))
        yield OlderServer(home, major)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(home)


@contextmanager
def new_database(server: Server | OlderServer, name: str = DATABASE, template: str = _EMPTY) -> Iterator[str]:
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
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of the test's own; on both servers in turn where a module asks for that."""
    with new_database(request.getfixturevalue(getattr(request, "param", "server"))) as url:
        yield url


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on_both_servers: with the embedded server, and with an older PostgreSQL")
    config.addinivalue_line("markers", "citus: on a cluster, which MOCK2PG_TEST_CITUS_URL names; else skipped")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On the older server a test runs with its first parameters and every fourth after them, unless it is named.

    What differs between versions is the catalogue and what a statement takes; that shows with a few.
    """
    if config.option.keyword or any("::" in given for given in config.args):
        return
    seen, kept, left_out = Counter[str](), list[pytest.Item](), list[pytest.Item]()
    for item in items:
        older = getattr(item, "callspec", None) and item.callspec.params.get("database") == "older_server"  # type: ignore[attr-defined]
        function = item.nodeid.partition("[")[0]
        (left_out if older and seen[function] % 4 else kept).append(item)
        seen[function] += bool(older)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that use the database run twice where their module is marked `on_both_servers`."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("on_both_servers"):
        metafunc.parametrize("database", ["server", "older_server"], indirect=True)


@pytest.fixture
def connection(database: str) -> Iterator[postgres.Connection]:
    """A session on the test's own database."""
    with postgres.connect(database, name="test") as opened:
        yield opened


@contextmanager
def held(url: str, statement: str) -> Iterator[str]:
    """Another session, in whose open transaction the statement was run: in words, as an error names it."""
    with postgres.connect(url, name="holder") as other:
        other.execute("BEGIN")
        other.execute(statement)  # type: ignore[arg-type]
        yield f"server process {other.info.backend_pid}, user postgres, application mock2pg holder, in a transaction"
        other.execute("ROLLBACK")
