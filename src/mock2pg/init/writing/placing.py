"""The folder of a project, which is there whole or not at all, whoever else writes into it and however init ends."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mock2pg import private
from mock2pg.errors import UsageError
from mock2pg.init.writing.update import RECORD


@contextmanager
def aside(into: Path) -> Iterator[Path]:
    """A folder on the file system of `into`, to write a project in: beside it, or in it where that cannot be.

    It is removed when the block ends, and with it those of processes that could not.
    """
    there = into.is_dir()
    home = into if there and (os.path.ismount(into) or not os.access(into.parent, os.W_OK)) else into.parent
    home.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(into)
    unnamed = Path(tempfile.mkdtemp(prefix=_prefix(into)[:-1], dir=home))
    made = unnamed
    try:
        with private.locked(unnamed):
            made = unnamed.rename(home / f"{_prefix(into)}{unnamed.name[-8:]}")  # it gets its name locked
            project = made / "project"
            project.mkdir()  # with the rights that a folder of this user has
            yield project
    finally:
        shutil.rmtree(made, ignore_errors=True)


def refuse_full(into: Path) -> None:
    """Raise UsageError for a folder in which there is anything."""
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is a file", hint="Name a folder that is empty or not there yet.")
    if into.is_dir() and any(not part.name.startswith(_prefix(into)[:-1]) for part in into.iterdir()):
        hint = "Name another folder."
        if (into / RECORD).is_file():
            hint = f"{hint} It is a project of init: run `make update SOURCE=PATH` there to update it."
        raise UsageError(f"{into} is not empty", hint=hint)


def move(written: Path, into: Path) -> None:
    """Give the project its name; into a folder that is there, part by part: somebody may be in it.

    Raises UsageError where others have put something there meanwhile.
    """
    if not into.exists():
        with suppress(OSError):  # of two at once one finds it full
            written.rename(into)
            return
    with _alone(into):
        refuse_full(into)
        moved: list[Path] = []
        try:
            for part in sorted(written.iterdir()):
                if os.path.lexists(into / part.name):
                    raise UsageError(f"{into} is not empty any more", hint="Name another folder.")
                moved.append(part.rename(into / part.name))
        except BaseException:
            for part in moved:
                part.rename(written / part.name)
            raise


@contextmanager
def _alone(into: Path) -> Iterator[None]:
    """Hold a lock on the folder; without one where locks are not known."""
    descriptor = os.open(into, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(f"another init writes into {into}", hint="Name another folder.") from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(into: Path) -> None:
    for home in (into.parent, into):
        for left in home.glob(f"{glob.escape(_prefix(into))}*"):
            found = left.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()  # not what others put into /tmp
            if ours and not private.is_locked(left):
                shutil.rmtree(left, ignore_errors=True)


def _prefix(into: Path) -> str:
    return f".{into.name.encode()[:100].decode(errors='ignore')}.mock2pg-init-"
