"""One transaction, tried again when that makes sense; what became of a COMMIT is looked up and not guessed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import tenacity
from psycopg import conninfo, errors

from mock2pg import postgres
from mock2pg.errors import PublishFailed
from mock2pg.postgres import prepared_transactions, transactions
from tests.citus import double

Body = Callable[[postgres.Connection], Any]
Transact = Callable[..., tuple[Any, list[str]]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses are tenacity's own."""
    monkeypatch.setattr(transactions, "_WAIT", tenacity.wait_none())


@pytest.fixture
def transact(database: str, connection: postgres.Connection) -> Transact:
    """Runs a body on the test's database; gives its result and what stopped the attempts that were made again."""
    connection.execute("CREATE TABLE public.done (n int)")

    def run(body: Body, url: str = database, attempts: int = 3) -> tuple[Any, list[str]]:
        told: list[str] = []
        result = transactions.transact(
            url,
            "a test",
            body,
            committed=lambda asking: rows(asking) > 0,
            attempts=attempts,
            tell=lambda attempt, reason: told.append(f"{attempt} {reason}"),
        )
        return result, told

    return run


def rows(connection: postgres.Connection) -> int:
    return len(connection.execute("SELECT n FROM public.done").fetchall())


def write(connection: postgres.Connection) -> str:
    connection.execute("INSERT INTO public.done VALUES (1)")
    return "written"


def test_patience_makes_more_attempts() -> None:
    """A server that is away is asked for as long as was said, however many attempts that takes."""
    away = [psycopg.OperationalError() for _ in range(20)]

    def body() -> str:
        if away:
            raise away.pop()
        return "there"

    assert transactions.retried(body, attempts=2, tell=lambda *_: None, patience=lambda: 60) == "there"
    away += [psycopg.OperationalError() for _ in range(2)]
    with pytest.raises(psycopg.OperationalError):
        transactions.retried(body, attempts=2, tell=lambda *_: None)


def test_what_goes_well_is_done_once(transact: Transact, connection: postgres.Connection) -> None:
    """The body's result comes back, and its work is committed."""
    assert transact(write) == ("written", [])
    assert rows(connection) == 1


def test_a_lock_that_is_given_later_is_waited_for(
    transact: Transact, database: str, connection: postgres.Connection
) -> None:
    """The attempt that met the lock leaves nothing behind, and the one after it goes through."""
    with postgres.connect(database, name="another") as other:
        other.execute("BEGIN; LOCK public.done IN EXCLUSIVE MODE")

        def body(own: postgres.Connection) -> str:
            own.execute("SET LOCAL lock_timeout = '50ms'")
            try:
                return write(own)
            finally:
                other.execute("ROLLBACK")

        result, (stopped,) = transact(body)
    assert result == "written"
    assert stopped.startswith("1 lock not available: a lock was not given in time; table public.done is locked by ")
    assert rows(connection) == 1


@pytest.mark.parametrize(
    ("sqlstate", "again"),
    [("55P03", True), ("40P01", True), ("40001", True), ("57P01", True), ("08006", True),
     ("23505", False), ("57014", False), ("42501", False), ("53100", False), ("P0001", False)],
)  # fmt: skip
def test_only_what_may_pass_is_tried_again(sqlstate: str, again: bool, transact: Transact) -> None:
    """A lock, a deadlock, a conflict, a lost connection; not a broken constraint, a timeout, a right, a full disk."""
    query = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"
    tries: list[int] = []

    def body(own: postgres.Connection) -> None:
        tries.append(1)
        own.execute(query)  # type: ignore[call-overload]

    with pytest.raises(psycopg.Error) as raised:
        transact(body)
    assert raised.value.sqlstate == sqlstate
    assert len(tries) == (3 if again else 1)


def test_a_connection_that_is_cut_before_the_commit_is_made_again(
    transact: Transact, connection: postgres.Connection
) -> None:
    """Writes on the lost connection are gone, so they are made again."""
    tries: list[int] = []

    def body(own: postgres.Connection) -> str:
        tries.append(1)
        write(own)
        if len(tries) == 1:
            connection.execute("SELECT pg_terminate_backend(%s)", [own.info.backend_pid])
        return write(own)

    assert transact(body) == ("written", ["1 admin shutdown"])
    assert rows(connection) == 2


class Proxy:
    """A socket before the server's that cuts the connection at the first COMMIT: before or after the server has it."""

    def __init__(self, url: str, home: Path, *, after: bool, deaf: bool = False) -> None:
        known = conninfo.conninfo_to_dict(url)
        name = f".s.PGSQL.{known['port']}"
        self._server, self._after, self._deaf = Path(str(known["host"]), name), after, deaf
        self._cut = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(home / name))
        self._listener.listen()
        self.url = conninfo.make_conninfo(url, host=str(home))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._cut and self._deaf:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        while data := self._read(client):
            if b"COMMIT" in data and not self._cut:
                self._cut = True
                if self._after:
                    client.shutdown(socket.SHUT_RDWR)  # the reply leads nowhere
                    server.sendall(data)
                    continue
                break
            server.sendall(data)
        for end in (client, server):
            end.close()

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        while data := self._read(server):
            try:
                client.sendall(data)
            except OSError:
                return

    @staticmethod
    def _read(end: socket.socket) -> bytes:
        try:
            return end.recv(65536)
        except OSError:
            return b""

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def proxy(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Proxy]]:
    made: list[Proxy] = []

    def make(**how: bool) -> Proxy:
        made.append(Proxy(database, tmp_path_factory.mktemp("p"), **how))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_commit_whose_reply_was_lost_is_not_made_twice(
    transact: Transact, proxy: Callable[..., Proxy], connection: postgres.Connection
) -> None:
    """The server had committed: the history says so, and the work is not done again."""
    assert transact(write, proxy(after=True).url) == ("written", [])
    assert rows(connection) == 1


def test_a_commit_that_did_not_arrive_is_made_again(
    transact: Transact, proxy: Callable[..., Proxy], connection: postgres.Connection
) -> None:
    """The server had not committed: the history says so, and the work is done again."""
    assert transact(write, proxy(after=False).url) == ("written", ["1 connection failure during COMMIT"])
    assert rows(connection) == 1


def test_a_commit_that_is_lost_each_time_is_reported_as_what_it_is(
    transact: Transact, proxy: Callable[..., Proxy], connection: postgres.Connection
) -> None:
    """The last attempt raises the error of the connection."""
    with pytest.raises(psycopg.OperationalError) as raised:
        transact(write, proxy(after=False).url, attempts=1)
    assert raised.value.__context__ is None  # it leads to nothing that leads to it
    assert rows(connection) == 0


SLOW = """
    CREATE SEQUENCE public.commits;
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('public.commits') = 1 THEN PERFORM pg_sleep(100); END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON public.done DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.slow()
"""


def test_a_commit_that_is_lost_under_way_is_ended_before_it_is_made_again(
    transact: Transact, proxy: Callable[..., Proxy], connection: postgres.Connection
) -> None:
    """The server is at the COMMIT still: else it would commit both."""
    connection.execute(SLOW)
    assert transact(write, proxy(after=True).url) == ("written", ["1 connection failure during COMMIT"])
    assert rows(connection) == 1
    query = "SELECT FROM pg_stat_activity WHERE application_name = 'mock2pg a test' AND wait_event = 'PgSleep'"
    assert connection.execute(query).fetchall() == []


def test_a_commit_that_does_not_return_is_given_up_when_it_is_committed(
    transact: Transact, database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of a cluster that hangs keeps the coordinator from answering, and the rows are there already."""
    connection.execute(SLOW)
    monkeypatch.setattr(transactions, "PATIENCE", 0.1)
    asked: list[int] = []

    def committed(_: postgres.Connection) -> bool:
        asked.append(1)
        return len(asked) > 1  # at the first time it is not yet

    result = transactions.transact(
        database, "a test", write, committed=committed, attempts=1, tell=lambda *_: None, over_nodes=True
    )
    assert (result, len(asked)) == ("written", 3)  # two by the one who waits, one when the connection is lost


def test_what_nodes_have_prepared_of_a_lost_commit_is_waited_for(
    database: str, proxy: Callable[..., Proxy], connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds locks until Citus has rolled it back, so more attempts are made than else, and each asks for that."""
    tries: list[int] = []
    recover = prepared_transactions.recover
    monkeypatch.setattr(prepared_transactions, "recover", lambda own: recover(own) if len(tries) == 4 else None)

    def body(own: postgres.Connection) -> str:
        tries.append(1)
        if len(tries) > 1 and own.execute("SELECT FROM pg_dist_transaction").fetchall():
            raise errors.LockNotAvailable
        return "committed"

    double.install(database)
    connection.execute("INSERT INTO pg_catalog.pg_dist_transaction VALUES (1, 'citus_0_1_1_0')")
    result = transactions.transact(
        proxy(after=False).url, "a test", body, committed=lambda _: False, attempts=2, tell=lambda *_: None,
        over_nodes=True,
    )  # fmt: skip
    assert (result, len(tries)) == ("committed", 5)


@pytest.mark.parametrize("after", [True, False])
def test_a_commit_that_nobody_can_be_asked_about_is_not_guessed(
    after: bool, transact: Transact, proxy: Callable[..., Proxy], connection: postgres.Connection
) -> None:
    """The server is gone: neither success nor failure is claimed, and nothing is done again."""
    with pytest.raises(PublishFailed, match="cannot be asked what became of it"):
        transact(write, proxy(after=after, deaf=True).url)
    assert rows(connection) == (1 if after else 0)


def test_the_errors_that_may_pass_are_postgresqls() -> None:
    """The classes are those of the SQLSTATEs that the documentation names."""
    assert [errors.lookup(state) for state in ("55P03", "40P01", "40001")] == list(transactions._PASSING)
