"""Removing backups that nobody needs any more: what live can go back to, and the newest whole one, always stay."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mock2pg import backups, evidence, history, postgres
from mock2pg.errors import DatabaseError, Mock2pgError, UsageError, counted, unusable
from mock2pg.history.events import Event
from mock2pg.log import log, timestamp
from mock2pg.settings import Settings


@dataclass(frozen=True)
class Keep:
    """What is to stay: so many of the newest, and those of so many days; with `damaged`, nothing that is not whole."""

    last: int | None = None
    days: float | None = None
    damaged: bool = False


def prune(settings: Settings, url: str, keep: Keep, *, remove: bool) -> list[dict[str, Any]]:
    """Say of each backup whether it goes and why, newest first; with `remove` those that go are gone afterwards.

    Takes the lock for that. Raises UsageError when nothing is said to be kept, and DatabaseError when the database
    cannot say what live can go back to; nothing is removed then.
    """
    if (keep.last, keep.days) == (None, None):
        raise UsageError(
            "nothing says which backups are to stay",
            hint="--keep-last N, --keep-days D, or MIGRATION_BACKUP_KEEP. No backup was removed.",
        )
    with postgres.advisory_lock(url, "prune") if remove else nullcontext():
        fates = _fates(settings, url, keep)
        if remove:
            _remove(settings, url, fates)
    return [
        {
            "id": fate.listed.id,
            "timestamp": fate.listed.timestamp or None,
            "bytes": fate.listed.bytes,
            "goes": fate.goes,
            "reason": fate.reason,
        }
        for fate in fates
    ]


def after_success(settings: Settings, url: str) -> None:
    """Keep MIGRATION_BACKUP_KEEP backups. The run has the lock, and has succeeded, whatever comes of this."""
    if settings.backup_keep is None:
        return
    try:
        fates = _fates(settings, url, Keep(settings.backup_keep))
        _remove(settings, url, fates)
    except (Mock2pgError, OSError) as error:
        named = unusable(error, "cannot remove") if isinstance(error, OSError) else error
        log.warning("🧹 No more backups were removed: %s", named.message)
        return
    unjudged = sum(fate.unjudged for fate in fates)
    if unjudged:
        log.warning("🧹 %s stay: whether they are whole cannot be told here", counted(unjudged, "backup"))


def _fates(settings: Settings, url: str, keep: Keep) -> list[backups.Fate]:
    verdicts = backups.judged(settings.backups_dir, settings.identity)
    with (
        postgres.connect(url, name="prune", read_only=True, lock_timeout=settings.lock_timeout) as connection,
        postgres.named(DatabaseError, "cannot read the history"),
    ):
        needed = history.backups_needed(connection, settings.target_schema)
        database = postgres.describe_database(connection)
    since = None if keep.days is None else timestamp(datetime.now(UTC) - timedelta(days=keep.days))
    rule = backups.Rule(keep.last, since, keep.damaged)
    return backups.fates(
        verdicts,
        rule,
        server=database["system_identifier"],
        database=database["name"],
        schema=settings.target_schema,
        needed=needed,
    )


def _remove(settings: Settings, url: str, fates: list[backups.Fate]) -> None:
    removed = []
    try:
        for fate in fates:
            if fate.goes:
                fate.listed.file.unlink()
                removed.append(fate.listed.id)
                log.info("🧹 Removed %s: %s", fate.listed.id, fate.reason)
    finally:
        known = {"operator": settings.operator, "schema": settings.target_schema}
        events = [Event("prune", "succeeded", backup_id=backup_id, **known) for backup_id in removed]
        if events:
            evidence.tell(url, "prune", events)
