"""Temporary folders and secrets of their owner alone, and locks that end with their process, however it ends."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "m2p-"  # short: a socket's whole path may have 107 bytes
_MARK = ".mock2pg"  # tells a folder of ours from another's; locked while its process lives
_SHORT = Path("/tmp")  # noqa: S108  mkdtemp makes a folder of our own in it


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder (0700) with a short path, removed with all that it holds when the block ends."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_parent(), ignore_cleanup_errors=True) as name:
        made = Path(name)
        unnamed = made / f"{_MARK}.new"
        unnamed.touch(mode=0o600)
        with locked(unnamed):
            unnamed.rename(made / _MARK)  # it gets its name locked: nobody can find it before
            yield made


def leftovers() -> list[Path]:
    """The folders of this user's processes that ended without removing them."""
    parents = {_SHORT, Path(tempfile.gettempdir())}
    return sorted(found for parent in parents for found in parent.glob(f"{_PREFIX}*") if _is_leftover(found))


def remove_leftovers() -> None:
    """Remove those folders."""
    for found in leftovers():
        shutil.rmtree(found, ignore_errors=True)


def secret(file: Path) -> str:
    """Return the secret in a file (0600), made when it is asked for first; where it cannot be kept, one for once."""
    made = secrets.token_hex(16)
    with suppress(OSError, UnicodeDecodeError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            suppress(FileExistsError),
            open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as out,
        ):
            out.write(made)
        return file.read_text(encoding="ascii") or made
    return made


@contextmanager
def locked(place: Path, *, patience: float = 0) -> Iterator[None]:
    """Hold a lock on a file or folder until the block or the process ends; without one where locks are not known.

    patience  seconds to wait for a process that holds it; after them the block runs without
    """
    descriptor, ends = os.open(place, os.O_RDONLY), time.monotonic() + patience
    try:
        with suppress(OSError):
            while not _locked(descriptor) and time.monotonic() < ends:
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the lock unless another process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(place: Path) -> bool:
    """Return whether a process holds the lock, or may hold it: where that is unknown, too."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _parent() -> Path | None:
    return _SHORT if os.access(_SHORT, os.W_OK) else None


def _is_leftover(place: Path) -> bool:
    try:
        found, mark = place.lstat(), (place / _MARK).lstat()
    except OSError:
        return False
    ours = found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode) and stat.S_ISREG(mark.st_mode)
    return ours and not is_locked(place / _MARK)
