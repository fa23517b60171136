"""The cost of processes, read from /proc: CPU of a server and memory of trees of processes.

The memory of a process is its PSS: a page that several processes share counts once in their sum. Where /proc has no
answer (another system, another machine, another account's process), the answer is None or leaves that process out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One line of /proc/<pid>/stat: CPU in seconds, of the process itself and of its children that have ended."""

    pid: int
    name: str
    parent: int
    own: float
    ended: float


def parse(stat: str) -> Process:
    """Read a line of /proc/<pid>/stat. The name is in parentheses and may hold anything."""
    pid, _, rest = stat.partition(" (")
    name, _, fields = rest.rpartition(") ")
    numbers = fields.split()
    user, system, children_user, children_system = (int(number) / _TICKS for number in numbers[11:15])
    return Process(int(pid), name, int(numbers[1]), user + system, children_user + children_system)


def read(pid: int) -> Process | None:
    try:
        return parse((_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def children(pid: int) -> list[int]:
    """The pids of the living children of a process, whichever of its threads started them."""
    found = []
    with suppress(OSError):  # it has ended
        for file in (_PROC / str(pid) / "task").glob("*/children"):
            with suppress(OSError):  # one of its threads has
                found += [int(child) for child in file.read_text().split()]
    return found


def tree(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def memory(pids: Iterator[int] | list[int]) -> int:
    """The sum of PSS of the processes, in bytes."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:")), 0)


def cpu(root: int) -> float:
    """CPU seconds of a process, of the children that it has waited for, and of those that live."""
    total = 0.0
    for process in filter(None, map(read, tree(root))):
        total += process.own + process.ended
    return total
