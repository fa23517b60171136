"""Sums over the results of a run's steps: its warnings, and the changes that it left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mock2pg.step_results.change import Difference, Planned, Published, RolledBack
from mock2pg.step_results.record import StepResult, find
from mock2pg.step_results.source import Checked


def is_warned(results: Iterable[StepResult], warnings: Sequence[str]) -> bool:
    """Return whether a success has something to report: refused rows, broken rules or warnings.

    warnings  of the run itself: what failed beside its verdict
    """
    results = list(results)
    checked = find(results, Checked)
    return bool(warnings_of(results, warnings) or (checked and (checked.refused or checked.errors)))


def warnings_of(results: Iterable[StepResult], warnings: Sequence[str]) -> int:
    """Return the number of warnings: cautions, and rows that break a rule which only warns."""
    results = list(results)
    checked = find(results, Checked)
    return len(cautions_of(results, warnings)) + (checked.warnings if checked else 0)


def cautions_of(results: Iterable[StepResult], warnings: Sequence[str]) -> list[str]:
    """Return the warnings in words: those of the steps, and those of the run itself."""
    return [*(caution for result in results if result.found for caution in result.found.cautions), *warnings]


def changes_of(record: Mapping[str, Any], results: Iterable[StepResult]) -> Mapping[str, Difference]:
    """Return the tables that a run changed and left changed, or that a plan would change.

    record  its record.json
    """
    if record["status"] == "rolled_back":
        return {}
    results = list(results)
    found = [find(results, Published), find(results, RolledBack), find(results, Planned)]
    tables: Mapping[str, Difference] = next((each.tables for each in found if each), {})
    return {name: table for name, table in tables.items() if table.changed or table.created}


def is_redefined(record: Mapping[str, Any], results: Iterable[StepResult]) -> bool:
    """Return whether a run changed definitions and left them changed, or a plan would change some."""
    results = list(results)
    published, back, planned = find(results, Published), find(results, RolledBack), find(results, Planned)
    redefined = (published and published.redefined) or (back and (back.definitions_changed or back.dropped))
    return record["status"] != "rolled_back" and bool(redefined or (planned and planned.statements))
