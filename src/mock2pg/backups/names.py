"""Names of backups: the id comes from the timestamp, the file's extension from compression and encryption."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from mock2pg.errors import BackupRefused
from mock2pg.text import identity

PACKED = {"none": "", "gzip": ".gz", "zstd": ".zst"}
ENCRYPTED = ".age"

_ID = re.compile(r"backup-[0-9A-Za-z-]+")
_FILE = re.compile(r"(?P<id>backup-[0-9A-Za-z-]+)\.json(?P<packed>\.gz|\.zst)?(?P<encrypted>\.age)?")


def id_of(timestamp: str) -> str:
    return "backup-" + timestamp.replace(":", "-").replace(".", "-")


def name(backup_id: str, compression: str, *, encrypted: bool) -> str:
    return f"{backup_id}.json{PACKED[compression]}{ENCRYPTED if encrypted else ''}"


def split(file: Path) -> tuple[str, str, bool] | None:
    """Id, compression and whether it is encrypted; None when the file's name is not that of a backup."""
    found = _FILE.fullmatch(file.name)
    if found is None:
        return None
    compression = next(kind for kind, ending in PACKED.items() if ending == (found["packed"] or ""))
    return found["id"], compression, bool(found["encrypted"])


def id_in(file: Path) -> str:
    """The id that a backup's file is called by."""
    parts = split(file)
    return parts[0] if parts else ""


def other_kind(file: Path) -> str:
    """A noun for a name that is not that of a regular file; empty when it is one, or gone.

    mock2pg writes regular files only. A link may lead anywhere and change what it leads to between two passes, and
    reading a pipe or a device may never end.
    """
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return ""
    kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a directory",
             stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}  # fmt: skip
    return "" if stat.S_ISREG(mode) else kinds.get(stat.S_IFMT(mode), "not a regular file")


def open_regular(file: Path) -> BinaryIO:
    """The file for reading. Raises OSError when the name is not that of a regular file; nothing is waited for."""
    opened = open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        opened.close()
        raise OSError(errno.EINVAL, "Not a regular file")
    return opened


def valid_id(text: str | None) -> str | None:
    """The text when it could be the id of a backup, else nothing."""
    return text if text and _ID.fullmatch(text) else None


def files(folder: Path) -> dict[Path, str]:
    """Every file that is called like a backup, and its id; in the order of their names."""
    found = ((file, split(file)) for file in sorted(folder.glob("backup-*")))
    return {file: parts[0] for file, parts in found if parts}


def file_of(folder: Path, backup_id: str) -> Path:
    """The one file of that id. Raises BackupRefused."""
    if not _ID.fullmatch(backup_id):
        raise BackupRefused(
            f"'{identity(backup_id)}' is not the id of a backup",
            hint="Run `mock2pg backups`: it lists the ids, which look like backup-2026-11-22T10-30-00-000Z.",
        )
    found = [file for file, file_id in files(folder).items() if file_id == backup_id]
    if not found:
        raise BackupRefused(f"there is no backup {backup_id} in {folder.name}/")
    if len(found) > 1:
        raise BackupRefused(f"{backup_id} exists twice: {', '.join(file.name for file in found)}")
    return found[0]
