"""Backup files: one JSON document that is written and read row by row and proves that it is whole.

    {"format": "mock2pg-backup/1",
    "timestamp": ..., "database": ..., "schema": ..., "server_version": ..., "published_run": ...,
    "definitions": {"pre_data": SQL, "post_data": SQL} or null when the schema was not there,
    "sequences": {name: {"last_value": n, "is_called": bool}},
    "data": {
    "a_table": [
    {a row},
    {a row}
    ]
    },
    "counts": {name: n},
    "checksum": "sha256:..."}

One row a line. The checksum is the SHA-256 of every byte before the line that holds it, so a file that was
reformatted, cut short or edited does not hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from mock2pg.errors import BackupFailed, BackupRefused

FORMAT = "mock2pg-backup/1"
_LAST = re.compile(rb'"checksum": "sha256:([0-9a-f]{64})"}\n')
_ID = re.compile(r"backup-[0-9A-Za-z-]+")


@dataclass(frozen=True)
class Backup:
    """One backup file, as far as its header and its end tell.

    tables  table -> rows
    """

    id: str
    file: Path
    header: Mapping[str, Any]
    tables: Mapping[str, int]
    sha256: str
    bytes: int


class Writer:
    """Writes a backup aside, and gives it its name when it is whole; a fault leaves no file behind."""

    def __init__(self, folder: Path, timestamp: str) -> None:
        self.id = "backup-" + timestamp.replace(":", "-").replace(".", "-")
        self.file = folder / f"{self.id}.json"
        self._aside = folder / f".{self.id}.part"
        self._digest, self._counts = hashlib.sha256(), dict[str, int]()
        self._out: BinaryIO

    def __enter__(self) -> Self:
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.file.parent.chmod(0o700)
            if self.file.exists():
                raise BackupFailed(f"{self.file.name} is there already: another backup began at the same moment")
            self._out = open(os.open(self._aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
        except OSError as error:
            raise BackupFailed(f"cannot write into {self.file.parent}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # no room: what could not be written is tried once more
            self._out.close()
        self._aside.unlink(missing_ok=True)

    def begin(self, header: Mapping[str, Any]) -> None:
        """Everything that stands before the rows."""
        lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()]
        self._write(("{" + ",\n".join(lines) + ',\n"data": {').encode())

    def table(self, name: str, blocks: Iterable[bytes]) -> int:
        """One table. `blocks` hold lines that end in `,\\n`; the last comma is left out. Returns the rows."""
        self._write((("," if self._counts else "") + f"\n{json.dumps(name, ensure_ascii=False)}: [").encode())
        rows, held = 0, b"\n"
        for block in blocks:
            rows += block.count(b"\n")
            text = held + block
            held = text[-2:]
            self._write(text[:-2])
        self._write((held.removesuffix(b",\n") if rows else b"") + b"\n]")
        self._counts[name] = rows
        return rows

    def finish(self) -> Backup:
        """Close the document, see it onto the disk, and give it its name."""
        self._write(f'\n}},\n"counts": {json.dumps(self._counts, ensure_ascii=False)},\n'.encode())
        checksum = self._digest.hexdigest()
        self._write(f'"checksum": "sha256:{checksum}"}}\n'.encode())
        try:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._aside.rename(self.file)
        except OSError as error:
            raise BackupFailed(f"cannot keep {self.file.name}: {error.strerror}") from error
        return Backup(self.id, self.file, {}, dict(self._counts), checksum, self.file.stat().st_size)

    def _write(self, text: bytes) -> None:
        self._digest.update(text)
        try:
            self._out.write(text)
        except OSError as error:
            raise BackupFailed(f"cannot write {self.file.name}: {error.strerror}") from error


def opened(folder: Path, backup_id: str) -> Backup:
    """A backup that was read through once and is whole. Raises BackupRefused, saying why it is not."""
    if not _ID.fullmatch(backup_id):
        raise BackupRefused(
            f"{backup_id!r} is not the id of a backup",
            hint="An id looks like backup-2026-11-22T10-30-00-000Z.",
        )
    file = folder / f"{backup_id}.json"
    digest, held = hashlib.sha256(), b""
    try:
        with file.open("rb") as lines:
            for line in lines:
                digest.update(held)
                held = line
    except FileNotFoundError:
        raise BackupRefused(f"there is no backup {backup_id} in {folder.name}/") from None
    except OSError as error:
        raise BackupRefused(f"{file.name} cannot be read: {error.strerror}") from error
    last = _LAST.fullmatch(held)
    if last is None:
        raise BackupRefused(f"{file.name} is cut short: it does not end with its checksum")
    if digest.hexdigest() != last[1].decode():
        raise BackupRefused(f"{file.name} is damaged: its checksum does not hold")
    header = _header(file)
    if header.get("format") != FORMAT:
        raise BackupRefused(f"{file.name} has a format that this version does not know")
    if "backup-" + str(header["timestamp"]).replace(":", "-").replace(".", "-") != backup_id:
        raise BackupRefused(f"{file.name} was renamed: it is the backup of {header['timestamp']}")
    with file.open("rb") as lines:
        counts = _tail(lines)[-2]
    tables = json.loads(counts.removeprefix(b'"counts": ').rstrip(b",\n"))
    return Backup(backup_id, file, header, tables, digest.hexdigest(), file.stat().st_size)


def rows(backup: Backup, table: str) -> Iterator[bytes]:
    """The lines of one table: a row of JSON each, with or without a comma at the end."""
    start = f"{json.dumps(table, ensure_ascii=False)}: [\n".encode()
    with backup.file.open("rb") as lines:
        for line in lines:
            if line == start:
                break
        for line in lines:
            if line[:1] == b"]":
                return
            yield line


def tidy(folder: Path) -> None:
    """Remove what a process that was killed left unfinished; only while no other can be writing one."""
    for aside in unfinished(folder):
        aside.unlink(missing_ok=True)


def unfinished(folder: Path) -> list[Path]:
    """Backups that came to no end, or that are being written."""
    return sorted(folder.glob(".backup-*.part"))


def listed(folder: Path) -> list[tuple[str, Mapping[str, Any], int]]:
    """Every backup by id, newest first, with its header and its size in bytes; none of them is checked."""
    found = [(file.stem, _header(file), file.stat().st_size) for file in folder.glob("backup-*.json")]
    return sorted(found, key=lambda entry: str(entry[1].get("timestamp", "")), reverse=True)


def _header(file: Path) -> dict[str, Any]:
    lines: list[bytes] = []
    with file.open("rb") as stream:
        for line in stream:
            if line == b'"data": {\n' or len(lines) > 100:
                break
            lines.append(line)
    try:
        header: dict[str, Any] = json.loads(b"".join(lines).rstrip(b",\n") + b"}")
    except ValueError:
        return {}
    return header


def _tail(stream: BinaryIO) -> list[bytes]:
    """The last lines, without reading what stands before them."""
    stream.seek(0, os.SEEK_END)
    size = min(stream.tell(), 1 << 20)
    stream.seek(-size, os.SEEK_END)
    return stream.readlines()
