"""The process that serves the page of a command: `python -m mock2pg.watch.served`.

Its input is one line, the address and the command that it is for. The end of its input is the end of the command.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mock2pg.runs import began
from mock2pg.watch import state
from mock2pg.watch.address import Address
from mock2pg.watch.app import Watch
from mock2pg.watch.serving import Until, serve

_UNSEEN = 10.0  # seconds that the page is served when nobody has it open any more
_MOST = 300.0  # seconds that it is served after the command, whoever looks at it


def run_of(runs: Path, pid: int) -> Callable[[], str | None]:
    """Return a function that finds the run which a process has begun, however many others there are."""
    found: list[str] = []
    start = began(pid)

    def find() -> str | None:
        if not found:
            found.extend(state.run_of(runs, pid, start))
        return found[0] if found else None

    return find


def main() -> None:
    """Serve until the command has ended and nobody looks at the page any more."""
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


def _until_seen(watch: Watch, descriptor: int) -> Until:
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
