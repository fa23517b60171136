"""Writing a backup: row by row, packed and encrypted on its way, under a name that it gets when it is complete."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from mock2pg.backups import encryption, names
from mock2pg.backups.checksums import ChecksumWriter, Sink
from mock2pg.backups.document import start_of
from mock2pg.backups.handing_over import HandedOver
from mock2pg.backups.packing import Packed
from mock2pg.backups.reading import Backup, Passes
from mock2pg.errors import BackupFailed


class Writer:
    """Writes a backup to a temporary file, and renames it when it is complete.

    A failure in its block leaves no file behind, also one that comes when the backup has its name.

    compression  none, gzip or zstd
    recipient    the age public keys to encrypt to, comma-separated; empty: it is not encrypted
    """

    def __init__(self, folder: Path, timestamp: str, compression: str = "none", recipient: str = "") -> None:
        self.id = names.id_of(timestamp)
        self._compression, self._recipients = compression, encryption.recipients(recipient)
        self.file = folder / names.name(self.id, compression, encrypted=bool(self._recipients))
        self._aside = folder / f".{self.id}.part"
        self._header: Mapping[str, Any] = {}
        self._counts, self._digests, self._contents = dict[str, int](), dict[str, str](), dict[str, str]()
        self._keys: list[Any] = []
        self._open = ExitStack()
        self._file: BinaryIO
        self._checked: ChecksumWriter
        self._out: HandedOver
        self._packed: Packed | None = None

    def __enter__(self) -> Self:
        folder = self.file.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            if self.id in names.files(folder).values():
                raise BackupFailed(f"{self.id} already exists: another backup began at the same moment")
            self._file = open(os.open(self._aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
            fcntl.flock(self._file, fcntl.LOCK_EX)  # as long as this process lives, nobody removes it
        except OSError as error:
            raise BackupFailed(f"cannot write into {folder}: {error.strerror}") from error
        self._open.callback(self._aside.unlink, missing_ok=True)
        self._open.callback(_close, self._file)
        sink: Sink = _Flushed(self._file)
        if self._recipients:
            # a key of this process's own, which is never written down: it can read again what it wrote
            public, identity = encryption.new_key()
            self._keys = encryption.identities(identity)
            sink = encrypted = encryption.Encrypted(sink, [*self._recipients, *encryption.recipients(public)])
            self._open.callback(encrypted.abandon)
        if self._compression != "none":
            sink = self._packed = Packed(sink, self._compression)
        self._checked = ChecksumWriter(sink)
        self._out = HandedOver(self._checked)
        self._open.callback(self._out.abandon)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if error is not None:
            self.file.unlink(missing_ok=True)

    def begin(self, header: Mapping[str, Any]) -> None:
        """Write the header: everything before the rows."""
        self._header = dict(header)
        lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()]
        self._write(("{" + ",\n".join(lines) + ',\n"data": {\n').encode())

    def table(self, name: str, blocks: Iterable[bytes], content: object = None) -> int:
        """One table. `blocks` hold lines that end in `,\\n`; the last comma is left out. Returns the rows.

        content  its text is the content hash of the rows, once they have been read
        """
        if self._counts:
            self._write(b",\n")
        digest, rows, held = hashlib.sha256(), 0, b""

        def write(text: bytes) -> None:
            digest.update(text)
            self._write(text)

        write(start_of(name))
        for block in blocks:
            rows += block.count(b"\n")
            text = held + block
            held = text[-2:]
            write(text[:-2])
        write(held.removesuffix(b",\n") + b"\n" if rows else b"")
        self._write(b"]")
        self._counts[name], self._digests[name] = rows, digest.hexdigest()
        if content is not None:
            self._contents[name] = str(content)
        return rows

    def finish(self) -> Backup:
        """Close the document, see it onto the disk, and give it its name."""
        tables = {
            name: {"rows": rows, "sha256": self._digests[name]}
            | ({"content": self._contents[name]} if name in self._contents else {})
            for name, rows in self._counts.items()
        }
        self._write(b"\n" if tables else b"")
        with self._named():
            self._out.settle()
            if self._packed:  # what follows can be read without all that comes before it
                self._packed.part()
        self._write(f'}},\n"tables": {json.dumps(tables, ensure_ascii=False)},\n'.encode())
        try:
            self._out.settle()
            checksum = self._checked.sha256
            self._out.close()
            os.fsync(self._file.fileno())
            self._file.close()
            self._aside.rename(self.file)
            _settle(self.file.parent)
            size = self.file.stat().st_size
        except OSError as error:
            raise BackupFailed(f"cannot keep {self.file.name}: {error.strerror}") from error
        passes = Passes(self.file, self._keys)
        return Backup(
            self.id, self.file, self._header, self._counts, checksum, size, self._digests, self._contents, passes
        )

    def _write(self, text: bytes) -> None:
        with self._named():
            self._out.write(text)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupFailed(f"cannot write {self.file.name}: {error.strerror}") from error


class _Flushed:
    """The file as a sink: ending it writes what is held back, and leaves it open to be seen onto the disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, block: bytes, /) -> None:
        self._file.write(block)

    def close(self) -> None:
        self._file.flush()


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # no room: what could not be written is tried once more
        file.close()


def _settle(folder: Path) -> None:
    """See the new name onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
