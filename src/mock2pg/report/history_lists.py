"""Output of `mock2pg history`, `mock2pg backups` and `mock2pg runs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mock2pg.pages.outcome import word_of
from mock2pg.report.listings import Column, table
from mock2pg.report.typed import typed
from mock2pg.results import PastRun
from mock2pg.text import duration, size

_PREFIX = "backup-"
_HISTORY = (
    Column("When (UTC)"),
    Column("What", least=8),
    Column("By", least=4),
    Column("Changed", right=True),
    Column("Verdict"),
    Column("Backup or error"),
    Column("Run", extra=True),
    Column("Error", extra=True),
    Column("Host", extra=True),
    Column("User", extra=True),
    Column("Client", extra=True),
)
_BACKUPS = (Column("Backup"), Column("Rows", right=True), Column("Tables", right=True), Column("Size", right=True))
_RUNS = (
    Column("Run"),
    Column("What", least=8),
    Column("Verdict"),
    Column("Time", right=True),
    Column("Size", right=True),
    Column("By", extra=True),
    Column("Target", extra=True),
    Column("Source", extra=True),
    Column("Backup", extra=True),
)
_UNKNOWN = "-"


def history_lines(runs: Sequence[PastRun], limit: int) -> str:
    """Return one line per run under a heading."""
    if not runs:
        return "Nothing was published in this database yet."
    shown = table(_HISTORY, [_run(run, short=False) for run in runs], limit)
    if max(map(len, shown)) > limit or not _is_whole(runs, shown):
        shown = table(_HISTORY, [_run(run, short=True) for run in runs], limit)
    return "\n".join(shown)


def _is_whole(runs: Sequence[PastRun], shown: Sequence[str]) -> bool:
    """Return True where nothing had to be cut for the complete ids of the backups."""
    return all(run.operator in line and run.what in line for run, line in zip(runs, shown[1:], strict=True))


def _run(run: PastRun, *, short: bool) -> tuple[str, ...]:
    backup = (run.backup_id or "").removeprefix(_PREFIX if short else "")
    return (
        f"{run.at:%Y-%m-%d %H:%M}",
        run.what,
        run.operator,
        "" if run.rows_changed is None else f"{run.rows_changed:,}",
        word_of({"status": run.outcome}),
        run.removed or backup or run.error or "",
        run.run_id or "",
        (backup and run.error) or "",
        run.host or "",
        run.database_user or "",
        run.client_address or "",
    )


def backup_lines(found: Sequence[Mapping[str, Any]], limit: int) -> str:
    """Return the backups under a heading, each with why it was taken: beside it, or below it where that is too wide."""
    if not found:
        return "There is no backup yet."
    places = {(entry["database"], entry["schema"]) for entry in found if entry["timestamp"]}
    rows = [_backup(entry) for entry in found]
    notes = [_note(entry, place=len(places) > 1) for entry in found]
    lines = table((*_BACKUPS, Column("Taken")), [(*row, note) for row, note in zip(rows, notes, strict=True)], limit)
    if max(map(len, lines)) > limit:
        head, *lines = table(_BACKUPS, rows, limit)
        lines = [head, *(f"{line}\n  {note}" for line, note in zip(lines, notes, strict=True))]
    if any(entry["rows"] is None and not entry.get("kind") for entry in found):
        lines.append(typed(f"{_UNKNOWN}: known only after the whole file is read: `mock2pg backups verify`"))
    if any(entry["latest"] is None for entry in found):
        marked = "The database was not reached, so the backup that `mock2pg rollback latest` restores is not marked."
        lines.append(typed(marked))
    return "\n".join(lines)


def _backup(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if entry.get("kind"):
        return entry["id"], "", "", ""
    return entry["id"], _number(entry["rows"]), _number(entry["tables"]), size(entry["bytes"])


def run_lines(found: Sequence[Mapping[str, Any]], limit: int) -> list[str]:
    """Return the runs in runs/ under a heading; nothing when there are none."""
    return table(_RUNS, [_folder(entry) for entry in found], limit) if found else []


def _folder(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        entry["id"],
        entry["command"] or "",
        word_of(entry) if entry["status"] else "unreadable",
        duration(entry["seconds"]) if entry["finished_at"] else "",
        size(entry["bytes"]),
        entry["operator"] or "",
        f"{entry['name']}.{entry['schema']}" if entry["name"] else "",
        entry["source"] or "",
        entry["backup_id"] or "",
    )


def decision(entry: Mapping[str, Any], *, removed: bool) -> str:
    """Return what retention decided about a backup or a run."""
    word = ("removed" if removed else "would be removed") if entry["remove"] else "kept"
    return f"{word}: {entry['reason']}"


def _number(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _note(entry: Mapping[str, Any], *, place: bool) -> str:
    """Return why the backup was taken, and what else is particular about it."""
    if entry.get("kind"):
        return f"not a backup: it is {entry['kind']}"
    taken = f"{'by' if entry['command'] == 'backup' else 'before'} {entry['command']} {entry['run_id']}"
    notes = [taken if entry["command"] else "by an unknown run"]
    if entry["latest"]:
        notes.append(typed("restored by `mock2pg rollback latest`"))
    if not entry["timestamp"]:
        notes.append("its key is not available" if entry["encrypted"] else "damaged: its header is unreadable")
    elif place:
        notes.append(f"of {entry['database']}.{entry['schema']}")
    return ", ".join([*notes, *["encrypted"] * entry["encrypted"]])
