"""A short way to the folder of the socket, whose address has little room."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def alias_of(sockets: Path) -> Path | None:
    """A link to the folder of the socket under a short name, where the address of a socket has no room for its own."""
    # an address is 107 bytes, on macOS 103, with the socket's name; libpq takes a comma for a list of hosts
    if len(os.fsencode(sockets)) <= 85 and not set(str(sockets)) & set(',"'):
        return None
    # not TMPDIR: every process must find it, whatever its environment says
    return Path("/tmp", f"mock2pg-{hashlib.sha256(os.fsencode(sockets)).hexdigest()[:20]}", "run")  # noqa: S108
