"""The document as a stream: out of its file, through decryption and unpacking, cut into head, tables and rest."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, BinaryIO

from mock2pg.backups import names
from mock2pg.backups.checksums import ChecksumReader, Damaged, Source
from mock2pg.backups.encryption import Decrypted
from mock2pg.backups.packing import Unpacked

FORMAT = "mock2pg-backup/2"

_BLOCK = 1 << 16  # larger ones are given back to the system each time, which takes longer than to read them
_FIRST = b'{"format": '
_ROWS = b'"data": {\n'
_CLOSING = re.compile(rb"\n\]")
_OPEN, _CLOSE = b": [\n", b"]"  # how a table's first line ends, and how the line after its rows begins


@dataclass(frozen=True)
class Table:
    """One table as the document lists it; `start` is its first line.

    content  the content hash of its rows; None in a backup of an earlier version
    """

    name: str
    start: bytes
    rows: int
    sha256: str
    content: str | None = None


def start_of(table: str) -> bytes:
    """The line that a table begins with."""
    return json.dumps(table, ensure_ascii=False).encode() + _OPEN


@contextmanager
def document(file: Path, keys: Sequence[Any]) -> Iterator[tuple[io.BufferedReader, ChecksumReader]]:
    """The document without its last line, and what knows its checksum. Reading raises Damaged or NoKey."""
    parts = names.split(file)
    assert parts is not None  # noqa: S101  it was found by its name
    _, compression, encrypted = parts
    try:
        if kind := names.other_kind(file):
            raise Damaged(f"is {kind}: only a regular file is restored")
        with ExitStack() as stack:
            opened = stack.enter_context(names.open_regular(file))
            source: Source = opened
            if encrypted:
                source = stack.enter_context(closing(Decrypted(opened, keys)))
            if compression != "none":
                source = Unpacked(source, compression)
            checked = ChecksumReader(source)
            yield stack.enter_context(io.BufferedReader(_Raw(checked), _BLOCK)), checked
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror}") from error


def head_lines(text: BinaryIO) -> list[bytes]:
    """The lines before the rows; none when it does not begin like a backup."""
    first = text.readline(100)
    if not (first.startswith(_FIRST) and first.endswith(b"\n")):
        return []
    return [first, *takewhile(lambda line: line != _ROWS, text)]


def tables(text: io.BufferedReader, rest: list[bytes]) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Each table's first line and its rows, in blocks of whole lines; those that are not asked for are passed over.

    rest  gets what follows the last table
    """
    for line in text:
        if not line.endswith(_OPEN):
            rest += [line, *islice(text, 1)]
            return
        blocks = _blocks(text)
        yield line, blocks
        for _ in blocks:
            pass


def _blocks(text: io.BufferedReader) -> Iterator[bytes]:
    """Read up to the line that closes a table, which is read, too."""
    while (seen := text.peek()) and seen[:1] != _CLOSE:
        end = _CLOSING.search(seen)
        last = end.start() if end else seen.rfind(b"\n")
        yield text.read(last + 1) if last >= 0 else text.readline()
    text.readline()


def header_in(lines: Sequence[bytes]) -> dict[str, Any]:
    """Return the header from the lines before the rows; empty when it is not JSON."""
    try:
        header: dict[str, Any] = json.loads(b"".join(lines).rstrip(b",\n") + b"}")
    except ValueError:
        return {}
    return header


def tables_in(rest: Sequence[bytes]) -> list[Table] | None:
    """The tables as what follows the last one lists them; None when it is not that."""
    try:
        closed, line = rest
        found: Mapping[str, Any] = json.loads(line.removeprefix(b'"tables": ').removesuffix(b",\n"))
        listed = [
            Table(name, start_of(name), table["rows"], table["sha256"], table.get("content"))
            for name, table in found.items()
        ]
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    return listed if closed == b"},\n" else None


class _Raw(io.RawIOBase):
    """A source that can be read by lines."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        block = self._source.read(len(into))
        into[: len(block)] = block
        return len(block)
