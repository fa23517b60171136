"""The outcome of a run, in the words and the colour that all pages use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mock2pg.step_results import StepResult


class Outcome(NamedTuple):
    """mood  good, care or bad: the colour"""

    mood: str
    word: str


_OUTCOMES = {
    "succeeded": Outcome("good", "Succeeded"),
    "failed": Outcome("bad", "Failed"),
    "rolled_back": Outcome("care", "Rolled back"),
    "rollback_failed": Outcome("bad", "Failed, and so did the rollback"),
    "unknown": Outcome("bad", "Failed, state unknown"),
    "running": Outcome("care", "Unfinished"),
}
_WARNED = Outcome("care", "Succeeded with warnings")


def outcome_of(record: Mapping[str, Any], *, warned: bool) -> Outcome:
    """Return the outcome that record.json has; `warned` when something is to be told about a success."""
    status = record["status"]
    return _WARNED if status == "succeeded" and warned else _OUTCOMES[status]


def cautions_of(record: Mapping[str, Any], results: Iterable[StepResult]) -> list[str]:
    """Return the warnings of a run: those of its steps, and what failed after its verdict."""
    cautions = [caution for result in results if result.found for caution in result.found.cautions]
    return [*cautions, *record.get("warnings", ())]
