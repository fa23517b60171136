"""The page of a command that is at work: served by a process of its own, which the command does not wait for."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mock2pg.environment import inherited
from mock2pg.runs import began
from mock2pg.settings import Settings
from mock2pg.watch.address import Address, listen

_UNSEEN = 10.0  # seconds that the page is served when nobody has it open any more
_MOST = 300.0  # seconds that it is served after the command, whoever looks at it
_servers: list[subprocess.Popen[bytes]] = []  # which end by themselves


@contextmanager
def watched(settings: Settings, port: int = 0) -> Iterator[Address]:
    """Serve the page of the run that this process begins in the block, and a while longer. Raises UsageError."""
    listening, address = listen(port)
    with listening:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "mock2pg.watch.beside"],
            env=inherited(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            start_new_session=True,  # Ctrl-C on the terminal is for the run
        )
        _servers.append(server)
        assert server.stdin  # noqa: S101
        given = {
            "runs": str(settings.runs_dir),
            "pid": os.getpid(),
            "descriptor": listening.fileno(),
            "port": address.port,
            "token": address.token,
        }
        with suppress(OSError):
            server.stdin.write(json.dumps(given).encode() + b"\n")
            server.stdin.flush()
    try:
        yield address
    finally:
        with suppress(OSError):
            server.stdin.close()  # which says that the run has ended


def run_of(runs: Path, pid: int) -> Callable[[], str | None]:
    """Return a function that finds the run which a process has begun, however many others there are."""
    from mock2pg.watch import state

    found: list[str] = []
    start = began(pid)

    def find() -> str | None:
        if not found:
            found.extend(state.run_of(runs, pid, start))
        return found[0] if found else None

    return find


def main() -> None:
    """Serve until the command has ended and nobody looks at the page any more."""
    from mock2pg.watch.app import Watch
    from mock2pg.watch.serving import serve

    given: dict[str, Any] = json.loads(_line())
    runs = Path(given["runs"])
    watch = Watch(runs, run_of(runs, int(given["pid"])))
    listening = socket.socket(fileno=int(given["descriptor"]))
    serve(watch, listening, Address(given["port"], given["token"]), _until_seen(watch, 0))


def _line() -> bytes:
    """Read one line of standard input, and nothing after it: its end is waited for."""
    line = b""
    while not line.endswith(b"\n") and (read := os.read(0, 1)):
        line += read
    return line


def _until_seen(watch: Any, descriptor: int) -> Callable[[], Coroutine[Any, Any, None]]:
    async def until() -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, ended.set)  # its end, however the command ended
        await ended.wait()
        asyncio.get_running_loop().remove_reader(descriptor)
        began_at = time.monotonic()
        while not is_over(watch.streams, time.monotonic() - began_at, time.monotonic() - max(began_at, watch.seen_at)):
            await asyncio.sleep(0.5)

    return until


def is_over(open_pages: int, since_end: float, since_seen: float) -> bool:
    """Return whether the page need not be served any more. Seconds since the command ended, and since it was seen."""
    return since_end >= _MOST or (not open_pages and since_seen >= _UNSEEN)


if __name__ == "__main__":
    main()
