"""The log's messages about a run, in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mock2pg.errors import Mock2pgError, NotAppliedYet
from mock2pg.step_results import BackedUp, Found, Planned, Published, RollbackPreview, RolledBack, RowChanges, Verified
from mock2pg.text import counted, duration, first_line

_DONE = {
    "check": "Checked in {}: the input can be migrated.",
    "load": "Built and tested in {}: nothing was published.",
    "migrate": "Migrated and verified in {}.",
    "plan": "Planned in {}: the target tables were only read.",
    "verify": "Verified in {}: the target tables hold what was published.",
    "backup": "Backup taken in {}.",
    "rollback": "Rolled back in {}.",
    "rollback --show": "Compared in {}: the target tables were only read.",
}
_STEPS = {
    "connect": "Connected to {}",
    "stage": "Staged {}",
    "check": "Checked: {}",
    "backup": "Created backup {}",
    "load": "Loaded: {}",
    "preflight": "Preflight: {}",
    "plan": "Planned: {}",
    "publish": "Published, not verified yet: {}",
    "verify": "Verified: {}",
    "rollback": "Rolled back: {}",
}
_ALREADY = "Already backed up: {}"
_NOTHING = "Nothing changed, as the row hashes prove: the target tables already held this input"
_UNCHANGED = {
    "migrate": "Verified in {}; nothing changed: the target tables hold this input.",
    "plan": "Planned in {}; nothing to change: the target tables hold this input.",
    "rollback": "Rolled back in {}; nothing changed: the target tables were as in the backup.",
}
TITLES = {
    "load": "Build",
    "migrate": "Migration",
    "verify": "Verification",
    "rollback --show": "Comparison",
}
_CHANGED = ("inserted", "updated", "deleted")


def of_step(found: Found, published: Published | None = None) -> Sequence[str]:
    """The lines about a step that passed.

    published  what a migration published: it is reported as migrated only when it is verified, too
    """
    if isinstance(found, RollbackPreview):
        return [found.summary, *_undone(found)]
    already = isinstance(found, BackedUp) and found.is_reused
    lines = [(_ALREADY if already else _STEPS[found.step]).format(found.summary)]
    lines += [f"Accepted: {note}" for note in found.notes]
    if isinstance(found, Verified) and published is not None:
        lines += _migrated(published)
    return lines


def changes(found: Published | Planned | RolledBack) -> bool:
    """Return whether what publish or a rollback did, or plan would do, changes anything: rows or definitions."""
    match found:
        case Published():
            definitions = found.redefined
        case Planned():
            definitions = bool(found.statements)
        case RolledBack():
            definitions = bool(found.dropped or found.definitions_changed)
    return definitions or not found.tables or any(table.changed or table.created for table in found.tables.values())


def _migrated(published: Published) -> Sequence[str]:
    """Return the lines about what a migration did to each table."""
    if not changes(published):
        return [_NOTHING]
    lines = []
    for name, table in published.tables.items():
        changed = [f"{getattr(table, key):,} {key}" for key in _CHANGED if getattr(table, key)]
        changed = changed or ["created, without rows"] * table.created
        lines.append(f"Migrated {name}: {', '.join(changed)}" if changed else f"{name}: unchanged")
    return lines


def of_added(added: Mapping[str, int]) -> str:
    """`1 row added by a model: users`: what is built and is in no source."""
    models = "a model" if len(added) == 1 else "models"
    return f"{counted(sum(added.values()), 'row')} added by {models}: {', '.join(added)}"


def _undone(preview: RollbackPreview) -> Iterator[str]:
    """Yield the lines about what a rollback would change, table by table."""
    for name, change in preview.changes.items():
        if change != RowChanges():
            removed = f"{change.removed:,} to remove"
            yield f"   {name}: {change.restored:,} to restore, {removed}, {change.changed:,} to change back"
    parts = Counter(preview.definitions_within.values())
    for name, what in preview.definitions_changed.items():
        if name not in preview.definitions_within:
            within = f", with {counted(parts[name], 'definition')} of its own" if parts[name] else ""
            yield f"   {name}: {what} since the backup{within}"


def of_start(command: str, run_id: str) -> str:
    return f"{title(command)} begins (run {run_id})"


def of_end(command: str, message: str, seconds: float, error: Mock2pgError | None) -> str:
    """The verdict, which names how long it took; of a failure with the error's name, too."""
    if error is None:
        return message
    return f"{title(command)} failed after {duration(seconds)}: {message} ({named(error)})"


def named(error: Mock2pgError) -> str:
    """Return the name of an error and its exit code, as they are printed everywhere."""
    return f"{type(error).__name__}, exit code {error.code}"


def verdict(
    command: str,
    status: str,
    error: Mock2pgError | None,
    backup_id: str | None,
    undo_error: Mock2pgError | None,
    refused: int = 0,
    *,
    unchanged: bool = False,
    seconds: float = 0.0,
) -> str:
    """One line for the whole run.

    unchanged  a migration or a rollback changed nothing, or a plan would not
    """
    if error is None:
        return (_UNCHANGED if unchanged else _DONE)[command].format(duration(seconds)) + (
            f" {counted(refused, 'row')} refused: refused.jsonl lists them with the reasons." if refused else ""
        )
    what = first_line(error.message)
    if status == "rolled_back":
        return f"Rolled back to {backup_id}: {what}"
    if status == "rollback_failed":
        return f"Failed, and the rollback failed too: {what}; {undo_error}"
    if status == "not_applied":
        last = undo_error or error
        told = first_line(last.message)
        return told if isinstance(last, NotAppliedYet) else f"Committed, and not applied on every node yet: {told}"
    if status == "unknown":
        return f"It is not known yet whether the target tables hold the new rows or the old ones, never a mix: {what}"
    return what


def title(command: str) -> str:
    """Return the noun for what a command does: `Migration`."""
    return TITLES.get(command, command.capitalize())
