"""The outcome of a run: the words and the colour that pages, lists and notifications share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """mood  good, care or bad: the colour"""

    mood: str
    word: str


_OUTCOMES = {
    "succeeded": Outcome("good", "Succeeded"),
    "failed": Outcome("bad", "Failed"),
    "rolled_back": Outcome("care", "Rolled back"),
    "rollback_failed": Outcome("bad", "Rollback failed"),
    "not_applied": Outcome("bad", "Not applied on every node"),
    "unknown": Outcome("bad", "Outcome unknown"),
    "running": Outcome("care", "Unfinished"),
}
_WARNED = Outcome("care", "Succeeded with warnings")


def outcome_of(record: Mapping[str, Any]) -> Outcome:
    """Return the outcome that record.json has: the status, and whether a success was `warned`."""
    status = record["status"]
    return _WARNED if status == "succeeded" and record.get("warned") else _OUTCOMES[status]


def word_of(record: Mapping[str, Any]) -> str:
    """Return the outcome as a list on the terminal has it: `rolled back`. A status of no record is its own word."""
    status = str(record["status"])
    return outcome_of(record).word.lower() if status in _OUTCOMES and status != "running" else status
