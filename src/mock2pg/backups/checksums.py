"""The checksum that a backup's document ends with: the SHA-256 of every byte before the line that holds it."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

_LINE = re.compile(rb'"checksum": "sha256:([0-9a-f]{64})"}\n')
_LENGTH = len('"checksum": "sha256:"}\n') + hashlib.sha256().digest_size * 2


class Source(Protocol):
    """A source to read from."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """A sink to write to; `close` writes what it adds at the end, and closes the sink behind it."""

    def write(self, block: bytes, /) -> object: ...

    def close(self) -> None: ...


class Damaged(Exception):
    """The content is damaged; the text gives the reason, and quotes nothing."""


class ChecksumReader:
    """A source without its checksum. Reading its end raises Damaged when the checksum does not hold."""

    def __init__(self, source: Source) -> None:
        self._source, self._digest, self._held = source, hashlib.sha256(), b""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what was read so far."""
        return self._digest.hexdigest()

    def read(self, size: int, /) -> bytes:
        while block := self._source.read(size):
            text = self._held + block
            given, self._held = text[:-_LENGTH], text[-_LENGTH:]
            if given:
                self._digest.update(given)
                return given
        self._check()
        return b""

    def _check(self) -> None:
        line = _LINE.fullmatch(self._held)
        if line is None:
            raise Damaged("is truncated: it does not end with its checksum")
        if line[1].decode() != self.sha256:
            raise Damaged("is damaged: its checksum does not match")


class ChecksumWriter:
    """A sink that ends with the checksum of what was written to it."""

    def __init__(self, out: Sink) -> None:
        self._out, self._digest = out, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what was written so far."""
        return self._digest.hexdigest()

    def write(self, block: bytes, /) -> None:
        self._digest.update(block)
        self._out.write(block)

    def close(self) -> None:
        self._out.write(f'"checksum": "sha256:{self.sha256}"}}\n'.encode())
        self._out.close()
