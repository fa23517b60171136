"""A process that calls functions, from the side that starts it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import Any

from mock2pg import progress, signals
from mock2pg.environment import inherited
from mock2pg.errors import InternalError

_GRACE = 5.0  # seconds in which an interrupted function may undo what it is doing, and the process may end
_KILLED = (
    "Free memory, then run the command again: something outside of mock2pg killed it, perhaps the kernel for lack of"
    " memory. `mock2pg status` reports which run the target tables hold."
)


@dataclass(frozen=True)
class Kind:
    """The purpose of a worker.

    purpose  completes "the process that ..."
    loads    the modules that it imports when it starts, or functions, `module:name`, that it calls
    """

    purpose: str
    loads: tuple[str, ...]


class Worker:
    """A process of this Python that calls functions, one after another."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.owner = kind, os.getpid()
        self.thread = 0  # that it was lent to last
        self._pipe, theirs = Pipe()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "mock2pg.workers.serving", *kind.loads],
            env=inherited(),
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the terminal is for us
        )
        theirs.close()
        self._busy = self._loaded = False

    @property
    def runs(self) -> bool:
        """Return whether it is this process's own and has not ended."""
        return self.owner == os.getpid() and self.process.poll() is None

    @property
    def usable(self) -> bool:
        """Return whether it runs and waits for a call; after an interrupted one it does not."""
        return self.runs and not self._busy

    def call(self, function: str, *arguments: Any, **named: Any) -> Any:
        """Call a function, `module:name`, and return its result or raise its error.

        What interrupts the wait interrupts the function, which may then undo what it is doing. Raises InternalError
        when the process ends meanwhile.
        """
        self._busy = True
        try:
            self._send(pickle.dumps((function, arguments, named, progress.handed())))
            error, answer = self._answer()
        except BaseException:
            self.interrupt()
            with suppress(Exception):
                self._answer(time.monotonic() + _GRACE)
            raise
        self._busy = False
        if error is not None:
            raise error
        return answer

    def load(self, *names: str) -> None:
        """Let it load more, while it waits for a call."""
        with suppress(InternalError):  # the next call will say so
            self._send(pickle.dumps(list(names)))

    def wait_until_loaded(self) -> None:
        """Wait until a new one has loaded what it is for, or is gone."""
        with suppress(OSError):
            # looked at again and again: what it says may be read by a call meanwhile
            while self.runs and not (self._loaded or self._pipe.poll(0.1)):
                pass

    def end(self) -> None:
        """End it, by force if it does not end by itself."""
        with suppress(InternalError):
            self._send(b"")
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(_GRACE)
                break
            except subprocess.TimeoutExpired:
                self._signal(number)
        self.process.wait()
        self._pipe.close()

    def interrupt(self) -> None:
        """Interrupt what it is calling, as Ctrl-C would."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End its process at once."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it at once: it has nothing to finish."""
        self.kill()
        self.process.wait()
        self._pipe.close()

    def _send(self, what: bytes) -> None:
        try:
            self._pipe.send_bytes(what)
        except OSError:
            raise self._ended() from None

    def _answer(self, deadline: float | None = None) -> tuple[BaseException | None, Any]:
        """Return what was raised, and the result."""
        while True:
            with signals.interruptible():
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not self._pipe.poll(left):
                    raise TimeoutError
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):
                raise self._ended() from None
            self._loaded = True
            if answer is not None:  # which says just that
                error, result, statements = answer
                progress.merge(statements)
                return error, result

    def _ended(self) -> InternalError:
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        hint = _KILLED if code == -signal.SIGKILL else None
        return InternalError(f"the process that {self.kind.purpose} ended ({how})", hint=hint)

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
