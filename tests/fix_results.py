"""The result of a step, made from as much of it as a test is about."""

from __future__ import annotations

from typing import Any

from mock2pg.step_results import StepResult

# What a step cannot have left out.
LEAST: dict[str, dict[str, Any]] = {
    "stage": {"source": None, "sha256": "s", "bytes": 1, "tables": {}},
    "check": {**dict.fromkeys(("rules", "failed", "warned", "skipped", "errors", "warnings"), 0), "entities": {}},
    "load": {"landed": {}, "built": {}, "target_oids": [], "models": 0, "tests": 0, "contracts_sha256": "c",
             "rules": 0},
    "preflight": {},
    "backup": {"backup_id": "backup-1", "file": "backups/backup-1.json", "bytes": 9, "sha256": "b", "tables": {},
               "sequences": 0, "definitions_sha256": None, "definitions_bytes": 0, "hashes": {},
               "restore_tested": False},
    "plan": {"tables": {}, "alter": False, "file": "runs/a-run/plan.json", "arguments": []},
    "publish": {"tables": {}, "published_at": "2026-11-22T10:30:00.000Z"},
    "verify": {"published_run": "a-run", "tables": {}, "rows_compared": 0, "columns_compared": 0},
    "rollback": {"backup_id": "backup-1", "tables": {}},
    "report": {"index": "runs/a-run/index.html"},
}  # fmt: skip


def result_of(step: str, data: dict[str, Any] | None = None, *, kind: str | None = None, **record: Any) -> StepResult:
    """The result of a step that passed, with these data; of one that failed, by the kind of what it found."""
    data = {**LEAST[step], **(data or {})}
    return StepResult.from_dict({"step": step, "status": "passed", "kind": kind, **record, "data": data}, step)


def changed(result: StepResult, **data: Any) -> StepResult:
    """The result with other data."""
    return StepResult.from_dict({**result.as_dict(), "data": {**result.data, **data}}, result.step)
