"""Prune backups by the retention policy; those that a rollback may need, and the newest valid one, are kept."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from mock2pg import backups, evidence, history, postgres
from mock2pg.backups import RetentionDecision, RetentionPolicy
from mock2pg.errors import Mock2pgError, UsageError
from mock2pg.foreign_errors import unusable
from mock2pg.history.events import Event
from mock2pg.log import log, timestamp
from mock2pg.settings import Settings
from mock2pg.text import counted


def prune(settings: Settings, url: str, policy: RetentionPolicy, *, remove: bool) -> list[dict[str, Any]]:
    """Return the decision for each backup, newest first; with `remove`, also remove the files.

    Takes the advisory lock to remove. Raises UsageError when the policy keeps nothing, and DatabaseError when the
    history cannot be read; then nothing is removed.
    """
    if policy.keeps_nothing:
        raise UsageError(
            "no option or setting says which backups to keep",
            hint="Add `--keep-last N` or `--keep-days D`, or set MIGRATION_BACKUP_KEEP. No backup was removed.",
        )
    with postgres.advisory_lock(url, "prune") if remove else nullcontext():
        decisions = _decisions(settings, url, policy)
        if remove:
            _remove(settings, url, decisions)
    return [decision.as_dict() for decision in decisions]


def after_success(settings: Settings, url: str) -> None:
    """Keep MIGRATION_BACKUP_KEEP backups. The run has the lock and has succeeded; a failure here is a warning."""
    if settings.backup_keep is None:
        return
    try:
        decisions = _decisions(settings, url, RetentionPolicy.of(settings.backup_keep))
        _remove(settings, url, decisions)
    except (Mock2pgError, OSError) as error:
        named = unusable(error, "cannot remove") if isinstance(error, OSError) else error
        log.warning("No more backups were removed: %s", named.message)
        return
    unverified = sum(decision.unverified for decision in decisions)
    if unverified:
        log.warning("Kept %s: not verified without the key", counted(unverified, "encrypted backup"))


def _decisions(settings: Settings, url: str, policy: RetentionPolicy) -> list[RetentionDecision]:
    entries = backups.verify(settings.backups_dir, settings.identity)
    with history.reading(settings, url, "prune") as connection:
        needed = history.backups_needed(connection, settings.target_schema)
        named = history.backups_named(connection, settings.target_schema)
        database = postgres.describe_database(connection)
    return backups.decide(
        entries,
        policy,
        server=database["system_identifier"],
        database=database["name"],
        schema=settings.target_schema,
        needed=needed,
        named={backup_id: timestamp(at) for backup_id, at in named.items()},
    )


def _remove(settings: Settings, url: str, decisions: list[RetentionDecision]) -> None:
    removed = []
    try:
        for decision in decisions:
            if decision.remove:
                decision.path.unlink()
                removed.append(decision.id)
                log.info("Removed %s: %s", decision.id, decision.reason)
    finally:
        known = {"operator": settings.operator, "schema": settings.target_schema}
        events = [Event("prune", "succeeded", backup_id=backup_id, **known) for backup_id in removed]
        if events:
            evidence.tell(url, "prune", events)
