"""Reading a backup: once through before anything is touched, then table by table, each compared again as it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
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


@dataclass
class _Seen:
    """The parts of a document that a pass has read.

    found   each table's first line, rows and SHA-256; the latter is empty until it was read through
    rest    what follows the tables
    to_end  its end is to be read, too
    sha256  of the document, once its end was read and its checksum holds
    """

    to_end: bool = False
    head: list[bytes] = field(default_factory=list)
    found: list[tuple[bytes, int, str]] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)
    sha256: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.sha256) and all(sha256 for *_, sha256 in self.found)


class Passes:
    """A backup's tables, in passes through its file: one is enough for who takes them in the order of the file."""

    def __init__(self, file: Path, keys: Sequence[Any]) -> None:
        self._file, self.keys = file, keys
        self._begin()

    def table(self, start: bytes) -> Iterator[bytes]:
        """The lines after the one that opens the table, in blocks; none when it is not there."""
        blocks = self._ahead(start)
        if blocks is None:  # it was passed already, or no pass has begun
            self._begin()
            blocks = self._ahead(start)
        return blocks or iter(())

    @property
    def last(self) -> tuple[bytes, int, str] | None:
        """Return the first line, rows and SHA-256 of the table that was read last."""
        return self._seen.found[-1] if self._seen.found else None

    def end(self) -> _Seen:
        """Read the document to its end."""
        self._seen.to_end = True
        for _ in self._pass:
            pass
        return self._seen

    def _begin(self) -> None:
        self._seen = _Seen()
        self._pass = _begun(self._file, self.keys, self._seen)

    def _ahead(self, start: bytes) -> Iterator[bytes] | None:
        return next((blocks for line, blocks in self._pass if line == start), None)


def _begun(file: Path, keys: Sequence[Any], seen: _Seen) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """A pass. What it opened is closed as soon as nobody has it any more, so it must not refer to who has it."""
    with document(file, keys) as (text, checked):
        seen.head += head_lines(text)
        for start, blocks in tables(text, seen.rest) if seen.head else ():
            seen.found.append((start, 0, ""))
            yield start, _digested(start, blocks, seen.found)
        if seen.to_end:
            while text.read(_BLOCK):  # then the checksum is compared
                pass
            seen.sha256 = checked.sha256


def _digested(start: bytes, blocks: Iterator[bytes], found: list[tuple[bytes, int, str]]) -> Iterator[bytes]:
    digest, rows = hashlib.sha256(start), 0
    for block in blocks:
        digest.update(block)
        rows += block.count(b"\n")
        yield block
    found[-1] = (start, rows, digest.hexdigest())


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


def reopened(backup: Backup) -> Backup:
    """Return a backup that this process wrote with the header that is in its file: what `read_to_end` must return."""
    return replace(backup, header=head(backup.file, backup.passes.keys) or reread(backup).header)


def read_to_end(backup: Backup) -> Backup:
    """Return the backup as its file has it, of which all rows were read already. Raises BackupRefused.

    All of it is read again where they were not read in one pass, or are damaged, to tell in which table.
    """
    with suppress(Damaged, NoKey):
        if (seen := backup.passes.end()).is_complete:
            return _verified(backup.file, backup.passes.keys, seen)
    return reread(backup)


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
    seen = _Seen(to_end=True)
    try:
        for _, blocks in _begun(file, keys, seen):
            for _ in blocks:
                pass
    except Damaged as fault:
        raise Damaged(f"{fault}{_named(_wrong(seen.found, tables_in(seen.rest) or []))}") from None
    return _verified(file, keys, seen)


def _verified(file: Path, keys: Sequence[Any], seen: _Seen) -> Backup:
    """Return the backup that was read through. Raises Damaged when its parts do not belong together."""
    header, listed = header_in(seen.head), tables_in(seen.rest)
    if header.get("format") != FORMAT:
        raise Damaged("has a format that this version does not know")
    backup_id, timestamp = names.id_in(file), str(header.get("timestamp"))
    if names.id_of(timestamp) != backup_id:
        raise Damaged(f"was renamed: it is the backup of {timestamp}")
    if listed is None or seen.found != [(table.start, table.rows, table.sha256) for table in listed]:
        raise Damaged(f"is damaged: its tables are not those that it lists{_named(_wrong(seen.found, listed or []))}")
    counts, digests = {table.name: table.rows for table in listed}, {table.name: table.sha256 for table in listed}
    contents = {table.name: table.content for table in listed if table.content}
    size, passes = file.stat().st_size, Passes(file, keys)
    return Backup(backup_id, file, header, counts, seen.sha256, size, digests, contents, passes)


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
    try:
        yield from backup.passes.table(start)
    except (Damaged, NoKey) as fault:
        raise BackupRefused(f"{backup.file.name} {fault}") from None
    if backup.passes.last != (start, backup.tables.get(table), backup.digests.get(table)):
        raise BackupRefused(f"{backup.file.name} was changed after it was opened{_named([table])}")


def _wrong(found: Sequence[tuple[bytes, int, str]], listed: Sequence[Table]) -> list[str]:
    """The listed tables that are not there as they are listed, and whether others are there."""
    wrong = [table.name for table in listed if (table.start, table.rows, table.sha256) not in found]
    return wrong + (["one that is not listed"] if len(found) > len(listed) > 0 else [])


def _named(wrong: Sequence[str]) -> str:
    return f" (table {', '.join(wrong)})" if wrong else ""
