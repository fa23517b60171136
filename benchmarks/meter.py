"""The meter: runs a command and says what it cost, with all processes that it started, and PostgreSQL apart."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks import processes
from mock2pg import postgres

_EVERY = 0.2  # seconds between two looks at the memory: reading it costs a few milliseconds of one core
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS = 5.0  # seconds for processes that outlive the command


@dataclass(frozen=True)
class Cost:
    """The cost of one command.

    wall           seconds until it returned
    cpu            CPU seconds of all its processes; None where the system does not say
    postgres_cpu   CPU seconds of all of PostgreSQL's processes; None when they are not on this machine
    memory         the largest sum of PSS of all its processes, in bytes
    postgres_memory  the same of PostgreSQL
    wal            bytes of WAL
    lag            seconds from its last output until it returned
    """

    wall: float
    cpu: float | None = None
    postgres_cpu: float | None = None
    memory: int | None = None
    postgres_memory: int | None = None
    wal: int | None = None
    lag: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class CommandFailed(Exception):
    """A measured command that failed: its name, exit code and the end of its output."""


class Meter:
    """Measures commands, one at a time, against one server.

    url  any database of the server
    """

    def __init__(self, url: str, log: Path) -> None:
        self._connection = postgres.connect(url, name="benchmark")
        self._log = log
        pid = self._connection.info.backend_pid
        backend = processes.read(pid) if _is_local(self._connection) else None
        self._postmaster = backend.parent if backend and backend.name.startswith("postgres") else None
        if sys.platform == "linux":
            # processes that outlive their parents become ours, so that their CPU counts, too
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(
        self, command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, timeout: float = 1_200
    ) -> Cost:
        """Run a command to its end. Raises CommandFailed, also for one that takes longer than `timeout` seconds."""
        self._connection.execute("CHECKPOINT")  # nothing of the measurement before is left to write
        others = set(processes.children(os.getpid()))
        position, used, server = self._wal_position(), _children_cpu(), self._server_cpu()
        with self._log.open("wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            watch, output = _Watch(process.pid, self._postmaster), _Output(process, log)
            code = _code(process, timeout)
            wall = time.perf_counter() - began
            output.join(0.2)  # a server that the command started keeps the pipe open
            _reap(others)
            memory, postgres_memory = watch.end()
        if code:
            end = self._log.read_bytes().decode(errors="replace")[-2000:]
            raise CommandFailed(f"{Path(command[0]).name} ended with {code}: {end}")
        server_now = self._server_cpu()
        return Cost(
            wall=wall,
            cpu=_children_cpu() - used,
            postgres_cpu=None if server is None or server_now is None else server_now - server,
            memory=memory or None,
            postgres_memory=postgres_memory or None,
            wal=self._wal_position() - position,
            lag=max(0.0, began + wall - output.last) if output.last else None,
        )

    def close(self) -> None:
        self._connection.close()

    def _wal_position(self) -> int:
        row = self._connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
        assert row is not None
        return int(row[0])

    def _server_cpu(self) -> float | None:
        return processes.cpu(self._postmaster) if self._postmaster else None


def _code(process: subprocess.Popen[bytes], timeout: float) -> int | str:
    """Wait for the end and return the exit code, or a text for a process that was killed after `timeout` seconds."""
    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        for pid in list(processes.tree(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        code = process.wait()  # with a timeout of its own it would look only every 50 ms, and each figure be too large
    finally:
        timer.cancel()
    return f"a timeout of {timeout:,.0f} s" if expired.is_set() else code


class _Output(threading.Thread):
    """Copies the output of a command to a file, and knows when the last of it came."""

    def __init__(self, process: subprocess.Popen[bytes], log: BinaryIO) -> None:
        super().__init__(daemon=True)
        assert process.stdout is not None
        self._output, self._log, self.last = process.stdout, log, 0.0
        self.start()

    def run(self) -> None:
        while chunk := os.read(self._output.fileno(), 1 << 16):
            self.last = time.perf_counter()
            if not self._log.closed:
                self._log.write(chunk)
                self._log.flush()


class _Watch(threading.Thread):
    """Looks at the memory of a command and of PostgreSQL until `end`."""

    def __init__(self, command: int, postmaster: int | None) -> None:
        super().__init__(daemon=True)
        self._command, self._postmaster, self._ended = command, postmaster, threading.Event()
        self._others = set(processes.children(os.getpid())) - {command}
        self._most, self._most_postgres = 0, 0
        self.start()

    def run(self) -> None:
        while not self._ended.wait(_EVERY):
            ours = [child for child in processes.children(os.getpid()) if child not in self._others]
            self._most = max(self._most, processes.memory([pid for child in ours for pid in processes.tree(child)]))
            if self._postmaster:
                self._most_postgres = max(self._most_postgres, processes.memory(processes.tree(self._postmaster)))

    def end(self) -> tuple[int, int]:
        self._ended.set()
        self.join()
        return self._most, self._most_postgres


def _is_local(connection: postgres.Connection) -> bool:
    return connection.info.host.startswith("/") or connection.info.hostaddr in ("127.0.0.1", "::1")


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap(others: set[int]) -> None:
    """Wait for processes that the command left behind, so that their CPU counts; a server may stay."""
    deadline = time.monotonic() + _ORPHANS
    while left := [pid for pid in processes.children(os.getpid()) if pid not in others]:
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline or all(_is_server(pid) for pid in left):
            return
        time.sleep(0.02)


def _is_server(pid: int) -> bool:
    process = processes.read(pid)
    return process is not None and process.name.startswith("postgres")
