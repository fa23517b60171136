"""Writing and reading backup files without a database."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mock2pg import backups
from mock2pg.backups import Backup, Writer

MOMENT = "2026-11-22T10:30:00.000Z"


def line(row: object) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b",\n"


def cut(whole: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """The bytes in blocks that end where `places` say."""
    at = 0
    for place in sorted(place % (len(whole) + 1) for place in places):
        yield whole[at:place]
        at = place
    yield whole[at:]


def write(
    folder: Path,
    tables: Mapping[str, list[Any]],
    *,
    moment: str = MOMENT,
    places: Any = (),
    compression: str = "none",
    recipient: str = "",
    **header: Any,
) -> Backup:
    """A backup of those rows."""
    with Writer(folder, moment, compression, recipient) as writer:
        writer.begin({"format": backups.FORMAT, "timestamp": moment, "schema": "public", "definitions": None, **header})
        for name, rows in tables.items():
            assert writer.table(name, cut(b"".join(map(line, rows)), places)) == len(rows)
        return writer.finish()


def read(backup: Backup, table: str) -> list[Any]:
    return [json.loads(line.rstrip(b",")) for block in backups.rows(backup, table) for line in block.splitlines()]


@contextmanager
def room(size: int) -> Iterator[None]:
    """A disk on which no file of this process can be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
