"""The statements that a step executes, in numbers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress


class Statements:
    """The statements of a step: their number, their seconds, and the slowest of them."""

    LISTED = 5

    def __init__(self) -> None:
        self.number, self.seconds, self.slowest = 0, 0.0, list[tuple[float, str]]()

    def add(self, seconds: float, text: Callable[[], str]) -> None:
        """Add one that was executed. `text` gives it without values; it is asked only of a slow one."""
        self.number += 1
        self.seconds += seconds
        if len(self.slowest) < self.LISTED or seconds > self.slowest[-1][0]:
            with suppress(Exception):  # nothing of this may fail a statement that has passed
                self._keep([(seconds, text())])

    def merge(self, other: Statements) -> None:
        """Add those of another process."""
        self.number, self.seconds = self.number + other.number, self.seconds + other.seconds
        self._keep(other.slowest)

    def _keep(self, more: list[tuple[float, str]]) -> None:
        self.slowest = sorted([*self.slowest, *more], reverse=True)[: self.LISTED]
