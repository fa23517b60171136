"""List and verify the backups of a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mock2pg.backups import encryption, names, reading
from mock2pg.backups.checksums import Damaged
from mock2pg.backups.encryption import NoKey


@dataclass(frozen=True)
class Listed:
    """A file with the name of a backup; its content is not verified.

    header     empty when it cannot be read: it is damaged, or its key is not available
    encrypted  by its name
    kind       a noun for what is not a regular file, and so not a backup; empty for a file
    """

    id: str
    file: Path
    header: Mapping[str, Any]
    bytes: int
    encrypted: bool
    kind: str = ""

    @property
    def timestamp(self) -> str:
        """Return the timestamp in the header, not the file's; empty when there is no header."""
        return str(self.header.get("timestamp", ""))

    def as_dict(self) -> dict[str, Any]:
        known = {key: self.header.get(key) for key in ("timestamp", "database", "schema")}
        kind = {"kind": self.kind} if self.kind else {}
        return {"id": self.id, **known, "bytes": self.bytes, "encrypted": self.encrypted, **kind}


@dataclass(frozen=True)
class Verified:
    """The result of reading one backup through.

    refused  the reason why it is not valid; empty when it is
    no_key   it is encrypted, and no available key decrypts it: it may be valid or not
    """

    listed: Listed
    rows: Mapping[str, int]
    refused: str = ""
    no_key: bool = False

    def as_dict(self) -> dict[str, Any]:
        found = {"valid": not self.refused, "reason": self.refused or None}
        return {**self.listed.as_dict(), **found, "tables": len(self.rows), "rows": sum(self.rows.values())}


def list_backups(folder: Path, identity: SecretStr | None = None) -> list[Listed]:
    """Return every backup, newest first by its header; by its id, when no available key decrypts it."""
    keys = encryption.identities(identity)
    found = []
    for file, backup_id in names.files(folder).items():
        encrypted = file.suffix == names.ENCRYPTED
        kind, size = names.other_kind(file), file.lstat().st_size
        found.append(Listed(backup_id, file, reading.head(file, keys), size, encrypted, kind))
    return sorted(found, key=_moment, reverse=True)


def verify(folder: Path, identity: SecretStr | None = None, backup_id: str | None = None) -> list[Verified]:
    """Read every backup through, or the one of that id. Raises BackupRefused when there is no such id."""
    only = names.file_of(folder, backup_id) if backup_id is not None else None
    keys = encryption.identities(identity)
    found = []
    for entry in list_backups(folder, identity):
        if only not in (None, entry.file):
            continue
        try:
            found.append(Verified(entry, reading.examined(entry.file, keys).tables))
        except (Damaged, NoKey) as fault:
            found.append(Verified(entry, {}, f"it {fault}", isinstance(fault, NoKey)))
    return found


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished backups of interrupted processes; one that is being written is locked, and kept."""
    for aside in unfinished(folder):
        with suppress(OSError), names.open_regular(aside) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside.unlink(missing_ok=True)


def unfinished(folder: Path) -> list[Path]:
    """Return the files of backups that are unfinished or being written."""
    return sorted(folder.glob(".backup-*.part"))


def _moment(entry: Listed) -> str:
    if entry.timestamp:
        return names.id_of(entry.timestamp)
    return entry.id if entry.encrypted else ""
