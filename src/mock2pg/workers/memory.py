"""The most memory that the processes of a run held."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_EVERY = 0.2  # seconds


def own_peak() -> int:
    """The most that this process held at any time, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Together:
    """The most that some processes held at the same time, as far as looking now and then shows it."""

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self.peak: int | None = None  # where a process cannot be asked
        self._processes, self._ended = processes, threading.Event()

    def look(self) -> None:
        held = [_resident(process) for process in self._processes()]
        if known := [each for each in held if each is not None]:
            self.peak = max(sum(known), self.peak or 0)

    def watch(self) -> None:
        """Look a few times a second, until `end`."""
        with suppress(Exception):
            self.look()
            while not self._ended.wait(_EVERY):
                self.look()

    def begin(self) -> None:
        with suppress(RuntimeError):  # no thread can be started
            threading.Thread(target=self.watch, name="memory", daemon=True).start()

    def end(self) -> None:
        self._ended.set()


def _resident(process: int) -> int | None:
    """Return what a process holds; None for one that is gone, and where there is no /proc."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return None
