"""The end of a stream that proves the rest of it: a form of known length that holds the SHA-256 of all before.

A document ends with its own; a packed one has another around it, because a packed file has bits that mean nothing:
to gzip an empty member, to zstd a frame to skip, so that `zcat` and `zstd -d` unpack the file without a word.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Protocol

_TEXT = re.compile(rb"sha256:[0-9a-f]{64}")
_BLOCK = 1 << 16


class Source(Protocol):
    """What is read from."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """What is written to; `close` ends what it adds, and closes the sink behind it."""

    def write(self, block: bytes, /) -> object: ...

    def close(self) -> None: ...


class Damaged(Exception):
    """What was read is not what was written; its text says how, and quotes nothing."""


def seal(kind: str, digest: str) -> bytes:
    """The last bytes of a stream whose other bytes have that digest."""
    text = f"sha256:{digest}".encode()
    if kind == "gzip":  # an empty member with a comment: no time, unknown system
        return b"\x1f\x8b\x08\x10" + bytes(4) + b"\x00\xff" + text + b"\x00" + b"\x03\x00" + bytes(8)
    if kind == "zstd":
        return struct.pack("<II", 0x184D2A50, len(text)) + text
    return b'"checksum": "' + text + b'"}\n'


class Unsealed:
    """A source without its seal. Reading its end raises Damaged when the seal does not hold."""

    def __init__(self, source: Source, kind: str) -> None:
        self._source, self._kind = source, kind
        self._digest, self._held = hashlib.sha256(), b""
        self._length = len(seal(kind, self.sha256))

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._digest.hexdigest()

    def read(self, size: int, /) -> bytes:
        while len(self._held) <= self._length:
            block = self._source.read(_BLOCK)
            if not block:
                self._check()
                return b""
            self._held += block
        given = self._held[: min(size, len(self._held) - self._length)]
        self._held = self._held[len(given) :]
        self._digest.update(given)
        return given

    def _check(self) -> None:
        if self._held == seal(self._kind, self.sha256):
            return
        text = _TEXT.search(self._held)
        if text is None or self._held != seal(self._kind, text[0].decode().removeprefix("sha256:")):
            raise Damaged("is cut short: it does not end with its checksum")
        raise Damaged("is damaged: its checksum does not hold")


class Sealed:
    """A sink that ends with the seal of what was written to it."""

    def __init__(self, out: Sink, kind: str) -> None:
        self._out, self._kind, self._digest = out, kind, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()

    def write(self, block: bytes, /) -> None:
        self._digest.update(block)
        self._out.write(block)

    def close(self) -> None:
        self._out.write(seal(self._kind, self.sha256))
        self._out.close()
