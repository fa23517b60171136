"""The history as a person asks for it: one entry per run, from its row in mock2pg.runs and its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from mock2pg.results import PastRun
from mock2pg.text import counted

_AT_ONCE = timedelta(seconds=1)  # between the removals of one pruning


def summarised(entries: Sequence[Mapping[str, Any]]) -> list[PastRun]:
    """Return one entry per run. `entries` are those of `events.listed`, all of each run together."""
    return [_one(list(group)) for _, group in groupby(_marked(entries), key=lambda marked: marked[0])]


def _marked(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield each entry with a key that all entries of its run share, and those of one pruning."""
    key, before = None, None
    for entry in entries:
        run = None if entry["kind"] == "prune" else entry["run_id"]
        together = before is not None and _is_same_pruning(before, entry)
        key = key if together else (run or entry["id"])
        before = entry
        yield key, entry


def _is_same_pruning(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    kinds = [(each["kind"], each["outcome"], each["operator"], each["run_id"] is None) for each in (one, other)]
    return kinds[0] == kinds[1] and kinds[0][0] == "prune" and abs(one["at"] - other["at"]) < _AT_ONCE


def _one(marked: Sequence[tuple[Any, Mapping[str, Any]]]) -> PastRun:
    entries = [entry for _, entry in marked]
    published = {entry["command"]: entry for entry in entries if entry["kind"] == "published"}
    ended = [entry for entry in entries if entry["kind"] not in ("published", "manifest")]
    migrated, back = published.get("migrate"), published.get("rollback")
    first, event = migrated or back or (ended or entries)[-1], ended[0] if ended else None
    what = first["command"] or (event or first)["kind"]
    changed = None if not published else 0 if migrated and back else first["rows_changed"]
    return PastRun(
        at=first["at"],
        run_id=None if what == "prune" else first["run_id"],
        what=what,
        operator=first["operator"],
        outcome=event["outcome"] if event else "published",
        error=event["error"] if event else None,
        rows_changed=changed,
        backup_id=_taken(migrated, back, first),
        host=event["host"] if event else None,
        database_user=first["database_user"],
        client_address=first["client_address"],
        removed=_removed(ended) if what == "prune" else None,
    )


def _taken(migrated: Mapping[str, Any] | None, back: Mapping[str, Any] | None, event: Mapping[str, Any]) -> str | None:
    if migrated:
        return str(migrated["backup_id"])
    if back:
        return back["present_backup_id"] and str(back["present_backup_id"])
    return event["backup_id"] if event["kind"] in ("migrate", "backup") else None


def _removed(entries: Sequence[Mapping[str, Any]]) -> str | None:
    if entries[0]["outcome"] != "succeeded":
        return None
    return f"{counted(len(entries), 'run' if entries[0]['run_id'] else 'backup')} removed"
