"""The rows in which target tables and a backup differ, found while the target tables are read for another backup.

Both give lines of JSON, mostly in the same order, in which they are compared. Where they differ, a line waits until the
other side gives it, too. What waits in the end is the difference. It is kept in private files, so that a rollback that
locks the tables later has only to find out that nobody wrote since.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mock2pg.backups.exported_rows import ContentHash

_COMPARED = 64  # lines at once
_WAITING = 1 << 26  # bytes of lines that may wait; where the orders differ more, PostgreSQL compares


@dataclass(frozen=True)
class HeldRows:
    """The difference of one table with a primary key, in files of lines.

    files      their path without the ending
    gone_hash  the content hash of the rows that go
    """

    files: Path
    gone_hash: str

    @property
    def back(self) -> Path:
        """Return the file of the rows of the backup that the table does not hold."""
        return self.files.with_suffix(".back")

    @property
    def gone(self) -> Path:
        """Return the file of the rows of the table that the backup does not hold."""
        return self.files.with_suffix(".gone")


@dataclass(frozen=True)
class HeldDifference:
    """The differences that were found. Only to be used where nobody has written since.

    horizon  of the snapshot that was compared, as `postgres.unwritten` takes it
    """

    horizon: str
    tables: Mapping[str, HeldRows] = field(default_factory=dict)


class ComparedContent(ContentHash):
    """The content hash of a target table's lines, which are compared with those of a backup on their way.

    held  the difference, once all lines have come; None where there is none, or too many lines waited
    """

    def __init__(self, backup: Iterable[bytes], files: Path) -> None:
        """backup: the lines of the table that it holds, in blocks; files: where to keep them, without the ending."""
        super().__init__()
        self._backup, self._ahead = _lines(backup), list[bytes]()
        self._waited, self._bytes = 0, 0
        self._back, self._gone = set[bytes](), set[bytes]()
        self._files, self._has_given_up = files, False
        self.held: HeldRows | None = None

    def add(self, lines: Sequence[bytes]) -> None:
        super().add(lines)
        for at in range(0, len(lines), _COMPARED):
            here = lines[at : at + _COMPARED]
            if here == self._next(len(here)):
                del self._ahead[: len(here)]
            else:
                self._differ(here)

    def end(self) -> None:
        if not self.rows:
            return  # all of the backup is the difference
        while there := self._take(_COMPARED):
            self._wait(there, self._back, self._gone)
        if self._back or self._gone:
            gone = ContentHash()
            gone.add([*self._gone])
            self.held = HeldRows(self._files, str(gone))
            _keep(self._back, self.held.back)
            _keep(self._gone, self.held.gone)

    def _differ(self, here: Sequence[bytes]) -> None:
        """Take as many lines of the backup as are missing, so that the next ones are compared with each other again."""
        before, missing = len(self._gone), len(here) + 1
        self._wait(here, self._gone, self._back)
        while 0 < (left := len(self._gone) - before) < missing and (there := self._take(left)):
            missing = left
            self._wait(there, self._back, self._gone)

    def _next(self, count: int) -> list[bytes]:
        """The next lines of the backup, which stay the next ones."""
        while len(self._ahead) < count and (more := next(self._backup, None)):
            self._ahead += more
        return self._ahead[:count]

    def _take(self, count: int) -> list[bytes]:
        there = self._next(count)
        del self._ahead[:count]
        return there

    def _wait(self, lines: Sequence[bytes], mine: set[bytes], others: set[bytes]) -> None:
        """Let lines wait until the other side gives them, unless it has already, or too many wait."""
        if self._has_given_up:
            return
        self._waited += len(lines)
        self._bytes += sum(map(len, lines))
        found = set(lines)
        both = found & others
        others -= both
        mine |= found - both
        if (len(mine) + len(others)) * self._bytes > _WAITING * self._waited:  # by their average
            self._has_given_up, self._backup = True, iter(())
            for held in (self._ahead, self._back, self._gone):
                held.clear()


def _keep(lines: Iterable[bytes], file: Path) -> None:
    with open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        out.writelines(line + b"\n" for line in lines)


def _lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of each block, without what ends them; the last one of a table has no comma."""
    for block in blocks:
        yield block.rstrip(b",\n").split(b",\n")
