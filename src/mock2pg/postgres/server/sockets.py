"""The folder of the server's socket, and a short way to it where the address of a socket has no room for its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mock2pg.postgres.server import account
from mock2pg.postgres.server.programs import failure

FROM_THE_DATA = "../run"  # PostgreSQL's current directory: a socket's address has room for no long path


class Sockets:
    """The folder of the socket in the server's home; `owner` returns the uid and gid that it belongs to."""

    def __init__(self, home: Path, owner: Callable[[], tuple[int, int]]) -> None:
        self.folder, self._owner = home / "run", owner
        self.alias = _alias_of(self.folder)

    @property
    def address(self) -> Path:
        """The folder as clients name it."""
        return self.alias or self.folder

    def listens(self) -> bool:
        return (self.folder / ".s.PGSQL.5432").exists()

    def make(self) -> None:
        """Make the folder afresh (0700)."""
        if os.path.lexists(self.folder):
            shutil.rmtree(self.folder)
        account.make_private(self.folder, *self._owner())

    def link(self) -> None:
        """Make the short way, unless it is there; whose else it is could pose as the server."""
        if self.alias is None:
            return
        folder = self.alias.parent
        with suppress(FileExistsError):
            account.make_private(folder, *self._owner())
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, self._owner()[0]) or found.st_mode & 0o77:
            raise failure(f"{folder} is not ours, and not private", "Remove it.")
        with suppress(FileExistsError):
            self.alias.symlink_to(self.folder)

    def remove(self) -> None:
        """Leave nothing in the temporary folder."""
        with suppress(OSError):
            self.folder.rmdir()
            if self.alias:
                self.alias.unlink()
                self.alias.parent.rmdir()


def _alias_of(sockets: Path) -> Path | None:
    """A link to the folder of the socket under a short name, where the address of a socket has no room for its own."""
    # an address is 107 bytes, on macOS 103, with the socket's name; libpq takes a comma for a list of hosts
    if len(os.fsencode(sockets)) <= 85 and not set(str(sockets)) & set(',"'):
        return None
    # not TMPDIR: every process must find it, whatever its environment says
    return Path("/tmp", f"mock2pg-{hashlib.sha256(os.fsencode(sockets)).hexdigest()[:20]}", "run")  # noqa: S108
