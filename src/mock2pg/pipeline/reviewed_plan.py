"""The plan that somebody reviewed: publishing makes this difference and no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mock2pg.errors import PublishFailed, UsageError
from mock2pg.runs import Run
from mock2pg.step_results import Staged

# The fields of a plan beside the differences.
_WHAT = {
    "schema": "the schema",
    "mode": "the mode",
    "alter": "whether tables are altered",
    "input_sha256": "the input",
    "contracts_sha256": "the contracts",
}


def refuse_other_input(plan: Path, run: Run) -> None:
    """Raise PublishFailed when the plan is of another input: that is known before the database is reached."""
    refuse_changed(
        read(plan),
        {
            "schema": run.settings.target_schema,
            "mode": run.settings.mode,
            "alter": run.settings.alter,
            "input_sha256": run.require(Staged).sha256,
        },
        {},
    )


def refuse_changed(reviewed: Mapping[str, Any], found: Mapping[str, Any], fingerprints: Mapping[str, str]) -> None:
    """Refuse a difference other than the one that the reviewer approved."""
    changed = [_WHAT[what] for what, value in found.items() if reviewed[what] != value]
    changed += sorted(
        f"table {name}" for name, found_now in fingerprints.items() if reviewed["fingerprints"].get(name) != found_now
    )
    if changed:
        raise PublishFailed(
            f"the difference is no longer the one that was reviewed in run {reviewed['run_id']}: "
            f"{', '.join(changed)} changed",
            hint="Run `mock2pg plan` again and review that.",
        )


def read(file: Path) -> dict[str, Any]:
    """Read the plan that the step `plan` wrote. Raises UsageError."""
    try:
        plan: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if {"run_id", "fingerprints", *_WHAT} <= plan.keys():
            return plan
    except (OSError, ValueError, AttributeError):
        pass
    raise UsageError(f"{file} is not a plan", hint="Run `mock2pg plan`: it writes plan.json into its run's folder.")
