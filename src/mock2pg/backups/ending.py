"""The end of a backup's file, which lists its tables: read without the rest."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from mock2pg.backups import names
from mock2pg.backups.document import tables_in
from mock2pg.backups.packing import last_parts

_TAIL = 1 << 20  # bytes of the file, and eight times as many when they are unpacked
_TABLES = b'},\n"tables": '


def rows(file: Path) -> Mapping[str, int] | None:
    """Return table -> rows, not verified; None for an encrypted file, and where the end cannot be read by itself."""
    parts = names.split(file)
    if parts is None or parts[2]:
        return None
    try:
        with names.open_regular(file) as opened:
            opened.seek(max(0, opened.seek(0, io.SEEK_END) - _TAIL))
            tail = opened.read()
    except OSError:
        return None
    for text in _texts(tail, parts[1]):
        lines = text[max(0, text.rfind(_TABLES)) :].splitlines(keepends=True)
        if (listed := tables_in(lines[:-1])) is not None:
            return {table.name: table.rows for table in listed}
    return None


def _texts(tail: bytes, compression: str) -> Iterator[bytes]:
    if compression == "none":
        yield tail
    else:
        yield from last_parts(tail, compression, _TAIL << 3)
