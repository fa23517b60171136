"""Which backups there are, and which of them are whole."""

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
    """A file that is called like a backup; nothing of it was compared with anything.

    header     empty when it cannot be read: it is damaged, or encrypted to a key that is not at hand
    encrypted  by its name
    kind       a noun for what is no regular file, and no backup of ours; empty for a file
    """

    id: str
    file: Path
    header: Mapping[str, Any]
    bytes: int
    encrypted: bool
    kind: str = ""

    @property
    def timestamp(self) -> str:
        """As the backup says it, not its file; empty when it cannot."""
        return str(self.header.get("timestamp", ""))

    def as_dict(self) -> dict[str, Any]:
        known = {key: self.header.get(key) for key in ("timestamp", "database", "schema")}
        kind = {"kind": self.kind} if self.kind else {}
        return {"id": self.id, **known, "bytes": self.bytes, "encrypted": self.encrypted, **kind}


@dataclass(frozen=True)
class Verdict:
    """What reading a backup through came to.

    refused  why it would not be restored; empty when it is whole
    sealed   that is because it is encrypted, and no key at hand opens it: it may be whole or not
    """

    listed: Listed
    rows: Mapping[str, int]
    refused: str = ""
    sealed: bool = False

    def as_dict(self) -> dict[str, Any]:
        found = {"whole": not self.refused, "reason": self.refused or None}
        return {**self.listed.as_dict(), **found, "tables": len(self.rows), "rows": sum(self.rows.values())}


def listed(folder: Path, identity: SecretStr | None = None) -> list[Listed]:
    """Every backup, newest first by what each says; an encrypted one by its id, when no key at hand opens it."""
    keys = encryption.identities(identity)
    found = []
    for file, backup_id in names.files(folder).items():
        encrypted = file.suffix == names.ENCRYPTED
        kind, size = names.other_kind(file), file.lstat().st_size
        found.append(Listed(backup_id, file, reading.head(file, keys), size, encrypted, kind))
    return sorted(found, key=_moment, reverse=True)


def judged(folder: Path, identity: SecretStr | None = None, backup_id: str | None = None) -> list[Verdict]:
    """Every backup, or the one of that id, read through; in the order of `listed`. Raises BackupRefused: no such id."""
    only = names.file_of(folder, backup_id) if backup_id is not None else None
    keys = encryption.identities(identity)
    verdicts = []
    for entry in listed(folder, identity):
        if only not in (None, entry.file):
            continue
        try:
            verdicts.append(Verdict(entry, reading.examined(entry.file, keys).tables))
        except (Damaged, NoKey) as fault:
            verdicts.append(Verdict(entry, {}, f"it {fault}", isinstance(fault, NoKey)))
    return verdicts


def tidy(folder: Path) -> None:
    """Remove what a process that was killed left unfinished; what another is writing is locked, and stays."""
    for aside in unfinished(folder):
        with suppress(OSError), names.open_regular(aside) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside.unlink(missing_ok=True)


def unfinished(folder: Path) -> list[Path]:
    """Backups that came to no end, or that are being written."""
    return sorted(folder.glob(".backup-*.part"))


def _moment(entry: Listed) -> str:
    if entry.timestamp:
        return names.id_of(entry.timestamp)
    return entry.id if entry.encrypted else ""
