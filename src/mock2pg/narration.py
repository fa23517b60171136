"""What the log says of a run, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mock2pg.errors import Mock2pgError, counted
from mock2pg.runs import StepResult

_DONE = {
    "check": "The input can be migrated.",
    "migrate": "Migrated and proven.",
    "plan": "Planned: live was only read.",
    "verify": "Live is what was published.",
    "backup": "Backup taken.",
    "rollback": "Rolled back.",
    "rollback --show": "Shown: live was only read.",
}
_STEPS = {
    "connect": "🔌 Connected to {}",
    "stage": "📥 Staged {}",
    "check": "🔎 Checked: {}",
    "backup": "📦 Created backup {}",
    "load": "🧱 Built: {}",
    "preflight": "🛫 Preflight: {}",
    "plan": "🧭 Planned: {}",
    "verify": "🧾 Verified: {}",
    "rollback": "🔙 Rolled back: {}",
}


_NOTHING = "✅ Nothing to change, proven by hash: live already holds this input"


def of_step(result: StepResult) -> Sequence[str]:
    """The lines about a step that passed."""
    if result.step in ("connect", "stage"):
        return [_STEPS[result.step].format(result.summary), *(f"📎 {note}" for note in result.data["notes"])]
    if result.data.get("shown"):
        return [f"🔎 A rollback {result.summary}", *_changes(result.data)]
    if result.step != "publish":
        return [_STEPS[result.step].format(result.summary)]
    tables = result.data["tables"]
    deleted = sum(table["deleted"] for table in tables.values())
    changed = deleted + sum(table["inserted"] + table["updated"] for table in tables.values())
    cleared = [f"🧹 Cleared {deleted} rows that are gone"] if deleted else []
    migrated = [f"✅ Migrated {table['after']} {name}" for name, table in tables.items()]
    return cleared + migrated + ([] if changed else [_NOTHING])


def _changes(data: Mapping[str, Any]) -> Iterator[str]:
    """What a rollback would change, table by table."""
    for name, change in data["changes"].items():
        if any(change.values()):
            yield f"   {name}: {change['back']} back, {change['gone']} gone, {change['different']} different"
    for name, what in data["definitions_changed"].items():
        yield f"   {name}: {what} since the backup"


def of_start(command: str, run_id: str) -> str:
    return f"🚀 Starting {_named(command)} (run {run_id})"


def of_end(command: str, milliseconds: int, error: Mock2pgError | None) -> str:
    name = _named(command)
    name = name[0].upper() + name[1:]
    return f"❌ {name} failed in {milliseconds} ms" if error else f"✅ {name} completed in {milliseconds} ms"


def verdict(
    command: str,
    status: str,
    error: Mock2pgError | None,
    backup_id: str | None,
    undo_error: Mock2pgError | None,
    refused: int = 0,
) -> str:
    """One line for the whole run."""
    if error is None:
        return _DONE[command] + (
            f" {counted(refused, 'row')} refused: refused.jsonl says which and why." if refused else ""
        )
    what = error.message.split("\n", 1)[0]
    if status == "rolled_back":
        return f"Rolled back to {backup_id}: {what}"
    if status == "rollback_failed":
        return f"Failed, and the rollback failed too: {what}; {undo_error}"
    if status == "unknown":
        return f"Live holds the new rows or the old ones, never a mix, and cannot be asked now: {what}"
    return what


def _named(command: str) -> str:
    return "data migration" if command == "migrate" else command
