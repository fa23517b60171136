"""Reading a backup: once through before anything is touched, then table by table, each compared again as it is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mock2pg.backups import encryption, names
from mock2pg.backups.checksums import Damaged
from mock2pg.backups.document import FORMAT, Table, document, head_lines, header_in, start_of, tables, tables_in
from mock2pg.backups.encryption import NoKey
from mock2pg.errors import BackupRefused

_BLOCK = 1 << 18
_NOT_A_FILE = "Copy the file itself into the backup folder."


@dataclass(frozen=True)
class Backup:
    """One backup that this process wrote or read through.

    tables   table -> rows
    sha256   of the document but for its last line, which has it
    bytes    the file's size
    digests  table -> SHA-256 of its lines
    contents  table -> content hash of its rows, where the backup has it
    """

    id: str
    file: Path
    header: Mapping[str, Any]
    tables: Mapping[str, int]
    sha256: str
    bytes: int
    digests: Mapping[str, str]
    contents: Mapping[str, str]
    passes: Passes = field(compare=False, repr=False)

    def record(self) -> dict[str, Any]:
        """Return what was read, for `opened_before` of another process."""
        return {name: value for name, value in vars(self).items() if name not in ("file", "passes")}


class Passes:
    """A backup's tables, in passes through its file: one is enough for who takes them in the order of the file."""

    def __init__(self, file: Path, keys: Sequence[Any]) -> None:
        self._file, self.keys = file, keys
        self._pass: Iterator[tuple[bytes, Iterator[bytes]]] = iter(())

    def table(self, start: bytes) -> Iterator[bytes]:
        """The lines after the one that opens the table, in blocks; none when it is not there."""
        blocks = self._ahead(start)
        if blocks is None:  # it was passed already, or no pass has begun
            self._pass = _begun(self._file, self.keys)
            blocks = self._ahead(start)
        return blocks or iter(())

    def _ahead(self, start: bytes) -> Iterator[bytes] | None:
        return next((blocks for line, blocks in self._pass if line == start), None)


def _begun(file: Path, keys: Sequence[Any]) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """A pass. What it opened is closed as soon as nobody has it any more, so it must not refer to who has it."""
    with document(file, keys) as (text, _):
        head_lines(text)
        yield from tables(text, [])


def open_backup(folder: Path, backup_id: str, identity: SecretStr | None = None) -> Backup:
    """Read a backup through once, and return it when it is valid. Raises BackupRefused with the reason otherwise.

    identity  the age key that opens it when it is encrypted, or the path of a file of such keys
    """
    return _read_through(names.file_of(folder, backup_id), encryption.identities(identity))


def opened_before(folder: Path, record: Mapping[str, Any], identity: SecretStr | None = None) -> Backup:
    """Return the backup that another process of the run has opened: each table is compared again as it is read."""
    file = names.file_of(folder, record["id"])
    return Backup(file=file, passes=Passes(file, encryption.identities(identity)), **record)


def reread(backup: Backup) -> Backup:
    """Read the backup through again, with the keys with which it was written or opened. Raises BackupRefused."""
    return _read_through(backup.file, backup.passes.keys)


def _read_through(file: Path, keys: Sequence[Any]) -> Backup:
    try:
        return examined(file, keys)
    except NoKey as fault:
        hint = "Set MIGRATION_BACKUP_IDENTITY to the key, or to the path of its file."
        raise BackupRefused(f"{file.name} {fault}", hint=hint) from None
    except Damaged as fault:
        kept = _NOT_A_FILE if names.other_kind(file) else None
        raise BackupRefused(f"{file.name} {fault}", hint=kept) from None


def examined(file: Path, keys: Sequence[Any]) -> Backup:
    """Read a file through and verify it. Raises Damaged or NoKey."""
    found: list[tuple[bytes, int, str]] = []
    rest: list[bytes] = []
    with document(file, keys) as (text, checked):
        try:
            head = head_lines(text)
            if head:
                _digest_tables(text, found, rest)
            while text.read(_BLOCK):  # the checksum is compared at the end
                pass
        except Damaged as fault:
            raise Damaged(f"{fault}{_named(_wrong(found, tables_in(rest) or []))}") from None
        sha256 = checked.sha256
    header, listed = header_in(head), tables_in(rest)
    if header.get("format") != FORMAT:
        raise Damaged("has a format that this version does not know")
    backup_id, timestamp = names.id_in(file), str(header.get("timestamp"))
    if names.id_of(timestamp) != backup_id:
        raise Damaged(f"was renamed: it is the backup of {timestamp}")
    if listed is None or found != [(table.start, table.rows, table.sha256) for table in listed]:
        raise Damaged(f"is damaged: its tables are not those that it lists{_named(_wrong(found, listed or []))}")
    counts, digests = {table.name: table.rows for table in listed}, {table.name: table.sha256 for table in listed}
    contents = {table.name: table.content for table in listed if table.content}
    return Backup(backup_id, file, header, counts, sha256, file.stat().st_size, digests, contents, Passes(file, keys))


def head(file: Path, keys: Sequence[Any]) -> dict[str, Any]:
    """Return the header, not verified; empty when it cannot be read."""
    try:
        with document(file, keys) as (text, _):
            return header_in(head_lines(text))
    except (Damaged, NoKey):
        return {}


def rows(backup: Backup, table: str) -> Iterator[bytes]:
    """The lines of one table, in blocks: a row of JSON each, with or without a comma at the end. One table at a time.

    Raises BackupRefused after the last line when they are not those that were there when the backup was opened.
    """
    start = start_of(table)
    digest = hashlib.sha256(start)
    try:
        for block in backup.passes.table(start):
            digest.update(block)
            yield block
    except (Damaged, NoKey) as fault:
        raise BackupRefused(f"{backup.file.name} {fault}") from None
    if digest.hexdigest() != backup.digests.get(table):
        raise BackupRefused(f"{backup.file.name} was changed after it was opened{_named([table])}")


def _digest_tables(text: io.BufferedReader, found: list[tuple[bytes, int, str]], rest: list[bytes]) -> None:
    for start, blocks in tables(text, rest):
        digest, count = hashlib.sha256(start), 0
        for block in blocks:
            digest.update(block)
            count += block.count(b"\n")
        found.append((start, count, digest.hexdigest()))


def _wrong(found: Sequence[tuple[bytes, int, str]], listed: Sequence[Table]) -> list[str]:
    """The listed tables that are not there as they are listed, and whether others are there."""
    wrong = [table.name for table in listed if (table.start, table.rows, table.sha256) not in found]
    return wrong + (["one that is not listed"] if len(found) > len(listed) > 0 else [])


def _named(wrong: Sequence[str]) -> str:
    return f" (table {', '.join(wrong)})" if wrong else ""
