"""The bytes of a source, copied to a file of our own: a file that others shrink while we look at it would kill us."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import zstandard

from mock2pg.errors import UsageError

STANDARD_INPUT = Path("-")

_BLOCK = 1 << 16  # packed, it may be a thousand times as much
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Unreadable(Exception):
    """A source that cannot be copied whole; its text says why and quotes nothing."""


def is_stream(source: Path) -> bool:
    """Whether it can be read once only: `-` or a named pipe."""
    return source == STANDARD_INPUT or source.is_fifo()


@dataclass(frozen=True)
class Copied:
    """What was read: whether it began with a byte order mark, and its bytes as they lay there, still packed."""

    marked: bool
    sha256: str
    bytes: int


def copy(source: Path, to: Path) -> Copied:
    """Copy a file, `.gz` and `.zst` unpacked and without a byte order mark, into a file of mode 0600.

    Of a pipe the first bytes tell how it is packed. Raises Unreadable.
    """
    read = _Read(source)
    try:
        with open(os.open(to, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600), "wb") as out:
            head = b""
            blocks = _unpacked(source, iter(read))
            while len(head) < len(codecs.BOM_UTF8) and (block := next(blocks, b"")):
                head += block
            marked = head.startswith(codecs.BOM_UTF8)
            out.write(head.removeprefix(codecs.BOM_UTF8))
            out.writelines(blocks)
    except (zlib.error, zstandard.ZstdError):
        raise Unreadable("cannot be unpacked: it is damaged, or packed in another way than its name says") from None
    except EOFError:
        raise Unreadable("cannot be unpacked: it ends too early") from None
    return Copied(marked, read.digest.hexdigest(), read.bytes)


def fingerprint(file: Path) -> tuple[int, ...]:
    """What changes when a file is written or replaced; empty when there is none."""
    try:
        found = file.stat()
    except OSError:
        return ()
    if stat.S_ISFIFO(found.st_mode):
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def changed(before: Mapping[Path, tuple[int, ...]]) -> list[Path]:
    """The files that are no longer what they were."""
    return [file for file, known in before.items() if fingerprint(file) != known]


class _Read:
    """The blocks of a source; afterwards what they were, in all."""

    def __init__(self, source: Path) -> None:
        self._source, self.digest, self.bytes = source, hashlib.sha256(), 0

    def __iter__(self) -> Iterator[bytes]:
        for block in _blocks(self._source):
            self.digest.update(block)
            self.bytes += len(block)
            yield block


def _unpacked(source: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    packing = source.suffix
    if is_stream(source):
        first = next(blocks, b"")
        packing = ".gz" if first.startswith(_GZIP) else ".zst" if first.startswith(_ZSTD) else ""
        blocks = chain([first], blocks)
    if packing == ".gz":
        return _inflated(blocks, lambda: zlib.decompressobj(wbits=31))
    if packing == ".zst":
        return _inflated(blocks, lambda: zstandard.ZstdDecompressor().decompressobj())
    return blocks


def _inflated(blocks: Iterator[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """The content of one packed stream after the other. Raises EOFError when the last one is not whole."""
    stream = new()
    for packed in blocks:
        block = packed
        while block:
            stream = new() if stream.eof else stream
            if content := stream.decompress(block):
                yield content
            block = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise EOFError


def _blocks(source: Path) -> Iterator[bytes]:
    if source == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("standard input is a terminal", hint="Pipe the JSON in: cat mock.json | mock2pg check -")
        yield from iter(partial(sys.stdin.buffer.read, _BLOCK), b"")
        return
    try:
        with source.open("rb") as file:
            yield from iter(partial(file.read, _BLOCK), b"")
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
