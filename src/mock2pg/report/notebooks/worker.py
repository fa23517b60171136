"""The process that runs the cells of a notebook, from the side that starts it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mock2pg import signals
from mock2pg.environment import inherited
from mock2pg.errors import InternalError

Show = Callable[[dict[str, Any]], None]

_GRACE = 5.0  # seconds in which an interrupted cell may undo what it is doing, and the process may end


class Worker:
    """A process of this Python that runs the cells of one notebook. It ends with this one, however that ends."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self.owner = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "mock2pg.report.notebooks.cells", *modules],
            env=inherited(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the terminal is for us
        )
        self._unread = b""

    def begin(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Give it its working directory, and its environment besides ours."""
        self._tell({"folder": str(folder), "environment": {**inherited(), **environment}})

    def run(self, source: str, name: str, show: Show) -> None:
        """Run a cell; `show` is given each of its outputs. Raises InternalError when the process ends meanwhile.

        What interrupts the wait interrupts the cell, which may then undo what it is doing.
        """
        try:
            self._tell({"source": source, "name": name})
            self._until_end(show)
        except BaseException:
            self._send(signal.SIGINT)
            with suppress(Exception):
                self._until_end(show, time.monotonic() + _GRACE)
            raise

    def end(self) -> None:
        """End it, by force if it does not end by itself."""
        with suppress(InternalError):
            self._tell(None)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(_GRACE)
                break
            except subprocess.TimeoutExpired:
                self._send(number)
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()

    def _tell(self, what: Any) -> None:
        pipe = _pipe(self.process.stdin)
        try:
            pipe.write(json.dumps(what).encode() + b"\n")
            pipe.flush()
        except OSError:
            raise self._ended() from None

    def _until_end(self, show: Show, deadline: float | None = None) -> None:
        pipe = _pipe(self.process.stdout)
        while True:
            *lines, self._unread = self._unread.split(b"\n")
            for output in map(json.loads, lines):
                if output is None:  # the last: nothing comes after it until the next cell is sent
                    return
                show(output)
            with signals.interruptible():
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not select.select([pipe], [], [], left)[0]:
                    raise TimeoutError
            more = os.read(pipe.fileno(), 1 << 16)
            if not more:
                raise self._ended()
            self._unread += more

    def _ended(self) -> InternalError:
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return InternalError(f"the process that runs its cells ended ({how})")

    def _send(self, number: int) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101
    return pipe


_spare: Worker | None = None


def prepare(modules: Sequence[str]) -> None:
    """Start a worker for the next notebook: it loads what that needs while something else is done."""
    global _spare
    with suppress(OSError):  # then the notebook will say so
        _spare = _spare or Worker(modules)


def take() -> Worker:
    """Return the worker that was prepared, or a new one."""
    global _spare
    worker, _spare = _spare, None
    if worker and worker.owner == os.getpid():  # not the child of a process that this one was forked from
        if worker.process.poll() is None:
            return worker
        worker.end()
    return Worker()
