"""The page of a command that is at work: served by a process of its own, which the command does not wait for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mock2pg.environment import inherited
from mock2pg.settings import Settings
from mock2pg.watch.address import Address, listen

_servers: list[subprocess.Popen[bytes]] = []  # which end by themselves


@contextmanager
def watched(settings: Settings, port: int = 0) -> Iterator[Address]:
    """Serve the page of the run that this process begins in the block, and a while longer. Raises UsageError."""
    listening, address = listen(port)
    with listening:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "mock2pg.watch.served"],
            env=inherited("watch"),
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
