"""The state that a run left the target tables in: one sentence for terminal, report, record and notifications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mock2pg.errors import Mock2pgError, NotAppliedYet, VerifyFailed
from mock2pg.report.log_messages import changes, of_added
from mock2pg.step_results import Checked, Loaded, Published, StepResult, Verified, find

UNCHANGED = Mock2pgError.state
_EXCEPT = ", except on a node that has not applied it yet: its part is"
_ONLY_READS = ("load", "plan", "verify", "backup", "rollback --show")


def of_run(record: Mapping[str, Any], steps: Iterable[StepResult]) -> str:
    """Return the state that a run left the target tables in.

    record  its record.json: command, status, mode, and the error with which it failed
    steps   their results, as far as the run came
    """
    results = {result.step: result for result in steps}
    command = record["command"]
    if command == "check":
        return "No database was contacted."
    if command in _ONLY_READS:
        refused = "connect" in results and not passed(results, "connect")
        return "The target tables were neither read nor changed." if refused else "The target tables were only read."
    return _of_rollback(record, results) if command == "rollback" else _of_migration(record, results)


def next_step(record: Mapping[str, Any]) -> str:
    """Return what to do after a migration that had published, or may have; empty where the error's own hint says it."""
    if record["status"] == "rollback_failed":
        return f"Correct the cause of the failed rollback, then run `mock2pg rollback {record['backup_id']}`."
    if record["status"] == "not_applied":
        return NotAppliedYet.hint
    if record["status"] == "unknown":
        return "Run `mock2pg verify` when the server accepts connections: it reports what the target tables hold."
    if record["status"] == "rolled_back" and record["error"]["name"] == VerifyFailed.__name__:
        return "Find out what changes these rows: a trigger, or another session. Then run the command again."
    return ""


def _of_rollback(record: Mapping[str, Any], results: Mapping[str, StepResult]) -> str:
    if record["status"] == "not_applied":
        return f"The target tables are as in the backup{_EXCEPT} as before the rollback."
    if record["status"] == "running":
        return "A rollback is one transaction: the target tables are as before, or exactly as in the backup."
    if passed(results, "rollback"):
        return "The target tables are as in the backup."
    error = record["error"] or {}
    return str(error.get("state") or "The target tables are as they were before.")


def _of_migration(record: Mapping[str, Any], results: Mapping[str, StepResult]) -> str:
    match record["status"]:
        case "rolled_back":
            return "The target tables are as they were before this run, restored from its backup. 0 rows changed."
        case "rollback_failed":
            return f"The target tables hold what this run published, which {_unproven(results)}."
        case "not_applied":
            if passed(results, "rollback"):
                return f"The target tables are as they were before this run{_EXCEPT} as it published them."
            return f"The target tables hold what this run published{_EXCEPT} as before."
        case "unknown":
            return "The target tables hold what they held before, or what this run built: never a mix."
        case "succeeded":
            return _of_success(record, results)
    published = find(results.values(), Published)
    if published and not changes(published):
        others = ": they are as others left them" if _is_refuted(results) else ""
        return f"This run changed nothing in the target tables, and undid nothing{others}."
    if published:
        return f"The target tables hold what this run published, which {_unproven(results)}."
    if record["status"] == "running" and "load" in results:
        return "Publishing is one transaction: the target tables are as before, or exactly as this run built them."
    return UNCHANGED


def _of_success(record: Mapping[str, Any], results: Mapping[str, StepResult]) -> str:
    if record["mode"] == "upsert":
        return "The target tables hold every row of the input; rows that it does not have were left alone."
    checked, loaded = find(results.values(), Checked), find(results.values(), Loaded)
    found = loaded or find(results.values(), Verified)
    without = ", without the rows that are refused" if checked and checked.refused else ""
    but = ", except for the columns that are changed on purpose" if found and found.derived else ""
    added = f", and {of_added(loaded.added)}" if loaded and loaded.added else ""
    return f"The target tables hold exactly the input, row by row{without}{but}{added}."


def _unproven(results: Mapping[str, StepResult]) -> str:
    """Return what is known of rows that were published and are not proven."""
    if passed(results, "verify"):
        return "passed verification"
    return "did not pass verification" if _is_refuted(results) else "was not verified"


def _is_refuted(results: Mapping[str, StepResult]) -> bool:
    """Return whether verify compared, and found a difference."""
    return "verify" in results and (results["verify"].error or {}).get("name") == VerifyFailed.__name__


def passed(results: Mapping[str, StepResult], step: str) -> bool:
    return step in results and results[step].status == "passed"
