"""The address of the page: a port on loopback, and a token that only the person who started it knows."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from mock2pg.errors import UsageError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """The token is a part of the path: a cookie would be sent to every other port of this machine, too."""

    port: int
    token: str

    @property
    def hosts(self) -> tuple[str, ...]:
        """The Host headers of a browser that was given this address, and not the name of another site."""
        return f"{HOST}:{self.port}", f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/{self.token}/"

    def page(self, folder: Path) -> Path:
        """Write a page (0600) that leads to the address, for a browser whose arguments other users can read."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        page = folder / "watch.html"
        page.unlink(missing_ok=True)
        with open(os.open(page, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
            out.write(f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={self.url}"><title>mock2pg</title>')
        return page


def listen(port: int) -> tuple[socket.socket, Address]:
    """Listen on a port of loopback, a free one for 0. Raises UsageError."""
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen on {HOST}:{port}: {error.strerror}", hint="Name another --port, or none for a free one."
        ) from error
    return listening, Address(listening.getsockname()[1], secrets.token_urlsafe(24))
