"""Workers: processes that load what takes long, call functions, and end with the process that started them."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from mock2pg import signals, workers
from mock2pg.errors import CheckFailed, InternalError, ValidationError
from mock2pg.foreign_errors import traced
from mock2pg.settings import REPOSITORY
from mock2pg.workers import serving, worker

pytestmark = pytest.mark.usefixtures("executed_notebooks")

HERE = workers.Kind("is tried", (__name__,))


@pytest.fixture(autouse=True)
def _ended() -> Any:
    yield
    workers.end_all()


def pid() -> int:
    return os.getpid()


def loaded(module: str) -> bool:
    return module in sys.modules


def refuse() -> None:
    error = CheckFailed("no", [ValidationError("orders", "1", "id", "is wrong")], hint="Correct it.")
    error.found = {"a": 1}
    raise error


def fail() -> None:
    raise ValueError("a value")


def leave() -> None:
    os._exit(9)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hold(size: int) -> int:
    return len(bytearray(size).replace(b"\0", b"1"))


def wait(started: str) -> None:
    Path(started).write_text(str(os.getpid()))
    time.sleep(120)


def call(function: str, *arguments: Any, kind: workers.Kind = HERE, **named: Any) -> Any:
    return workers.call(kind, f"{__name__}:{function}", *arguments, **named)


def is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def eventually(holds: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_is_used_again_but_not_by_two_at_once() -> None:
    """A worker keeps what it loaded for the next call."""
    first = call("pid")
    assert first != os.getpid()
    assert call("pid") == first
    with workers.lent(HERE):
        assert call("pid") != first


def test_workers_that_are_done_are_ended_by_their_kind() -> None:
    """A kind that is not needed any more gives its memory back; a call of it starts another."""
    done, other = call("pid"), workers.Kind("is tried, too", ())
    kept = call("pid", kind=other)
    workers.end_waiting(HERE)
    assert not is_there(done)
    assert call("pid") != done
    assert call("pid", kind=other) == kept


def test_a_prepared_worker_has_loaded_what_it_is_for() -> None:
    """A module that is not there is the matter of the function that needs it."""
    kind = workers.Kind("is tried", ("wave", "no.such.module", f"{__name__}:pid"))
    assert not call("loaded", "wave")
    workers.prepare(kind)
    (prepared,) = workers._spare[kind]
    assert call("loaded", "wave", kind=kind)
    assert call("pid", kind=kind) == prepared.process.pid
    workers.prepare(kind)
    assert workers._spare[kind] == [prepared]
    with workers.lent(kind) as lent:  # it comes back, also when it is calling something just now
        for lent._busy in (False, True):
            workers.prepare(kind)
            assert workers._spare[kind] == []
        lent._busy = False


def test_a_worker_that_was_killed_meanwhile_is_replaced() -> None:
    """A worker that the system ended between two steps is replaced."""
    workers.prepare(HERE)
    (prepared,) = workers._spare[HERE]
    prepared.process.kill()
    prepared.process.wait()
    assert call("pid") not in (prepared.process.pid, os.getpid())


def test_a_worker_loads_more_while_it_waits() -> None:
    """A waiting worker loads what the next call needs."""
    assert call("loaded", "wave") is False
    workers.load(HERE, "wave", "no.such.module")
    assert call("loaded", "wave") is True


def test_an_error_arrives_as_it_was_raised() -> None:
    """Its listed errors, its hint and what was found by then come along; its traceback says where it was raised."""
    with pytest.raises(CheckFailed, match=r"^no\n") as caught:
        call("refuse")
    error = caught.value
    assert (error.hint, error.found, error.errors[0].field) == ("Correct it.", {"a": 1}, "id")
    assert " in refuse" in traced(error)
    assert call("pid")


def test_an_unforeseen_error_comes_without_its_text() -> None:
    """The text of an error that is not ours may hold a value."""
    with pytest.raises(InternalError, match=r"^unexpected: ValueError\n") as caught:
        call("fail")
    assert " in fail" in traced(caught.value)
    assert "a value" not in traced(caught.value)


def test_a_worker_that_dies_is_an_error() -> None:
    """The next call has another; one that was killed from outside is no fault of mock2pg."""
    with pytest.raises(InternalError, match=r"^the process that is tried ended \(exit code 9\)$"):
        call("leave")
    assert call("pid")
    with pytest.raises(InternalError, match=r"ended \(SIGKILL\)$") as caught:
        call("die")
    assert caught.value.hint.startswith(
        "Free memory, then run the command again: something outside of mock2pg killed it"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_function_and_its_process(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM interrupt what the worker does; it is not used again."""
    started = tmp_path / "started"

    def press() -> None:
        eventually(lambda: started.exists() and started.read_text())
        os.kill(os.getpid(), number)

    presser = threading.Thread(target=press)
    presser.start()
    with signals.interrupting(), pytest.raises(KeyboardInterrupt):
        call("wait", str(started))
    presser.join()
    assert not is_there(int(started.read_text()))
    assert not workers._spare.get(HERE)


def test_a_thread_s_own_worker_is_interrupted(tmp_path: Path) -> None:
    """Two runs in two threads: what one gives up is its own."""
    errors: dict[int, BaseException] = {}

    def run(number: int) -> None:
        try:
            call("wait", str(tmp_path / str(number)))
        except BaseException as error:
            errors[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for number, thread in enumerate(threads):
        thread.start()
        eventually((tmp_path / str(number)).exists)
    for end, thread in zip((workers.interrupt, workers.stop), threads, strict=True):
        end(HERE, thread)
        thread.join(60)
        assert [each.is_alive() for each in threads] == [False, thread is threads[0]]
    assert isinstance(errors[0], KeyboardInterrupt)
    assert isinstance(errors[1], InternalError)


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Whoever kills that leaves no process that goes on writing where nobody holds the lock any more."""
    started = tmp_path / "started"
    script = f"from tests import test_workers; test_workers.call('wait', {str(started)!r})"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    eventually(lambda: process.poll() is None and started.exists() and started.read_text(), 60)
    process.kill()
    process.wait()
    eventually(lambda: not is_there(int(started.read_text())))


@pytest.mark.parametrize("told", [b"", b"\0\0\0"], ids=["nothing", "half a request"])
def test_a_worker_ends_with_its_input(told: bytes) -> None:
    """Whatever the process that started it was telling when it was killed."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-m", "mock2pg.workers.serving"], stdin=theirs)
    theirs.close()
    ours.sendall(told)
    ours.close()
    assert process.wait(60) == 1


def test_nobody_waits_at_the_end_for_what_is_still_being_loaded(tmp_path: Path) -> None:
    """A command that fails at once ends at once, whatever it had begun to load; and so does a worker that waits."""
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(3600)")
    script = "from mock2pg import workers; kind = workers.Kind('is tried', ('endless',)); workers.prepare(kind)"
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path, env=environment, timeout=60, capture_output=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_worker_of_another_process_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was forked from the one that started it starts its own."""
    workers.prepare(HERE)
    (prepared,) = workers._spare[HERE]
    monkeypatch.setattr(prepared, "owner", 1)
    assert call("pid") != prepared.process.pid
    assert prepared.process.poll() is None
    prepared.stop()


def test_the_errors_of_every_kind_can_be_sent() -> None:
    """Whatever a step raises comes out of a worker as it went in."""
    for kind in (InternalError, *InternalError.__mro__[1].__subclasses__()):
        error = pickle.loads(pickle.dumps(kind("what", hint="how")))
        assert (type(error), error.message, error.hint, error.code) == (kind, "what", "how", kind.code)


def test_a_deaf_worker_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that heeds neither the end of its calls nor SIGTERM does not outlive its use."""
    monkeypatch.setattr(worker, "_GRACE", 0.5)
    with workers.lent(HERE) as lent:
        assert lent.call("signal:signal", signal.SIGTERM, signal.SIG_IGN) == signal.SIG_DFL
        with pytest.raises(InternalError, match="unexpected: TypeError"):  # what cannot be sent
            lent.call("threading:Lock")
        os.kill(lent.process.pid, signal.SIGSTOP)
        lent.end()
    assert lent.process.returncode == -signal.SIGKILL


def test_no_request_waits_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is collected when there is nothing else to do, and once until the next request."""
    requests = SimpleQueue[bytes]()
    monkeypatch.setattr(gc, "collect", lambda: requests.put(b"after"))
    requests.put(b"at once")
    assert [serving._next(requests) for _ in range(2)] == [b"at once", b"after"]
    assert requests.empty()


def test_nobody_waits_for_one_that_has_loaded() -> None:
    """A call has read that it is loaded: who waits for that later goes on at once."""
    assert workers.call(HERE, f"{__name__}:pid")
    waiting = threading.Thread(target=workers.wait_until_loaded, args=[HERE], daemon=True)
    waiting.start()
    waiting.join(30)
    assert not waiting.is_alive()
