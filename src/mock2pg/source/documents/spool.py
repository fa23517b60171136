"""The bytes of a source, copied to a file of our own: a file that others shrink while we look at it would kill us."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import zstandard

from mock2pg.errors import UsageError
from mock2pg.source.presence import STANDARD_INPUT

_BLOCK = 1 << 16
_PACKED = 1 << 10  # bytes that are unpacked at a time: 32 MiB at most come out of them
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
_SMALL = 1 << 26  # bytes up to which it does not matter how often a source was repeated in itself
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Unreadable(Exception):
    """A source that cannot be copied whole; its text says why and quotes nothing."""


@dataclass(frozen=True)
class Unpacking:
    """The size that a packed source may reach: `times` its packed size, from 64 MiB on, and `bytes` in all."""

    times: int = 20
    bytes: int = 10 << 30

    def refuse(self, packed: int, unpacked: int) -> None:
        """Raise Unreadable when the bytes that came out so far are too many for those that went in."""
        allowed = self.bytes
        if unpacked > _SMALL:
            allowed = min(allowed, max(_SMALL, self.times * packed))
        if unpacked > allowed:
            limit = f"{self.bytes:,} bytes" if allowed == self.bytes else f"{self.times} times its packed size"
            raise Unreadable(f"becomes larger than {limit} when it is unpacked; MIGRATION_MAX_UNPACKED allows more")


UNPACKING = Unpacking()


@dataclass(frozen=True)
class Copied:
    """The data read: whether it began with a byte order mark, and its bytes, still packed."""

    marked: bool
    sha256: str
    bytes: int


def copy(source: Path, to: Path, unpacking: Unpacking, *, stream: bool) -> Copied:
    """Copy a file, `.gz` and `.zst` unpacked and without a byte order mark, into a file of mode 0600.

    stream  the source is standard input or a named pipe, whose first bytes tell how it is packed

    Raises Unreadable, also for anything else that is not a file: reading a pipe, a device or a socket may never end.
    """
    read = _Read(source, stream)
    try:
        with open(os.open(to, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600), "wb") as out:
            head = b""
            blocks = _unpacked(read, unpacking)
            while len(head) < len(codecs.BOM_UTF8) and (block := next(blocks, b"")):
                head += block
            marked = head.startswith(codecs.BOM_UTF8)
            out.write(head.removeprefix(codecs.BOM_UTF8))
            out.writelines(blocks)
    except (zlib.error, zstandard.ZstdError):
        raise Unreadable("cannot be unpacked: it is damaged, or packed in another format than its name says") from None
    except EOFError:
        raise Unreadable("cannot be unpacked: it ends too early") from None
    return Copied(marked, read.digest.hexdigest(), read.bytes)


def file_state(file: Path) -> tuple[int, ...]:
    """Return a tuple that changes when a file is written or replaced; empty when there is none."""
    try:
        found = file.stat()
    except OSError:
        return ()
    if stat.S_ISFIFO(found.st_mode):
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def changed(before: Mapping[Path, tuple[int, ...]]) -> list[Path]:
    """The files that are no longer what they were."""
    return [file for file, known in before.items() if file_state(file) != known]


class _Read:
    """The blocks of a source; afterwards what they were, in all."""

    def __init__(self, source: Path, stream: bool) -> None:
        self.source, self.stream, self.digest, self.bytes = source, stream, hashlib.sha256(), 0

    def __iter__(self) -> Iterator[bytes]:
        for block in _blocks(self.source, self.stream):
            self.digest.update(block)
            self.bytes += len(block)
            yield block


def _unpacked(read: _Read, unpacking: Unpacking) -> Iterator[bytes]:
    packing, blocks = read.source.suffix, iter(read)
    if read.stream:
        first = next(blocks, b"")
        packing = ".gz" if first.startswith(_GZIP) else ".zst" if first.startswith(_ZSTD) else ""
        blocks = chain([first], blocks)
    if packing not in _STREAMS:
        yield from blocks
        return
    unpacked = 0
    for block in _inflated(blocks, _STREAMS[packing]):
        unpacked += len(block)
        unpacking.refuse(read.bytes, unpacked)
        yield block


_STREAMS: Mapping[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


def _inflated(blocks: Iterable[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """The content of one packed stream after the other. Raises EOFError when the last one is not whole."""
    stream = new()
    for packed in (block[at : at + _PACKED] for block in blocks for at in range(0, len(block), _PACKED)):
        block = packed
        while block:
            stream = new() if stream.eof else stream
            if content := stream.decompress(block):
                yield content
            block = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise EOFError


def _blocks(source: Path, stream: bool) -> Iterator[bytes]:
    if source == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("standard input is a terminal", hint="Pipe the JSON in: cat mock.json | mock2pg check -")
        yield from iter(partial(sys.stdin.buffer.read, _BLOCK), b"")
        return
    try:
        # to open a pipe that nobody writes to would wait for ever
        opened = os.open(source, os.O_RDONLY | (0 if stream else os.O_NONBLOCK))
        kind = stat.S_IFMT(os.fstat(opened).st_mode)
        if not stream and kind != stat.S_IFREG:
            os.close(opened)
            raise Unreadable(f"is {_KINDS.get(kind, 'a device')}, not a file")
        with os.fdopen(opened, "rb") as file:
            yield from iter(partial(file.read, _BLOCK), b"")
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
