"""The backup to go back to: by its id, the latest, or the one that a run took."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mock2pg import history, postgres
from mock2pg.backups import names
from mock2pg.errors import BackupRefused, Mock2pgError, NothingPublished, UsageError
from mock2pg.history import events
from mock2pg.log import log, timestamp
from mock2pg.pipeline import target
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, open_run
from mock2pg.settings import Settings
from mock2pg.text import LIMIT, identity

LATEST = "latest"
_LISTED = "Name a run that `mock2pg history` lists."
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT[0-9-]+Z")  # an id without its prefix, as `history` shows it in few columns


@dataclass(frozen=True)
class Destination:
    """A backup and, where it was found by a run, what it holds: in words."""

    backup_id: str
    words: str = ""


def find(settings: Settings, url: str, backup_id: str | None, before: str | None = None) -> Destination:
    """Return the backup that is meant.

    backup_id  an id, or `latest`: the state before the newest migration or rollback of the target schema
    before     a run: the state before it
    url        empty where no database was made yet

    Raises NothingPublished when nothing was ever published, and BackupRefused for a run that took no backup.
    """
    if backup_id is not None and backup_id != LATEST:
        return Destination(_complete(settings, backup_id))
    if not url:
        raise NothingPublished("there is no database yet, so there is nothing to go back from")
    with history.reading(settings, url, "rollback") as connection:
        return _latest(settings, connection) if before is None else _before(settings, connection, before)


def known_latest(settings: Settings) -> str | None:
    """Return the id of the latest backup, empty before any; None when the database cannot be asked, or is stopped."""
    if settings.database_url is None and not Server(settings.postgres_dir).status().running:
        return None
    try:
        return find(settings, target.url(settings), LATEST).backup_id
    except (NothingPublished, BackupRefused):
        return ""
    except Mock2pgError as error:
        log.debug("the latest backup is not known: %s", error.message)
        return None


def refuse_moved(settings: Settings, url: str, expected: str) -> None:
    """Raise BackupRefused when another run published since `latest` was looked up."""
    if find(settings, url, LATEST).backup_id != expected:
        raise BackupRefused(
            "another run published in the meantime, so there is a newer latest backup",
            hint="Run the command again to undo that run.",
        )


def _complete(settings: Settings, backup_id: str) -> str:
    """Return the id with its prefix. Raises BackupRefused for the id of a run, which looks like one without it."""
    if not _TIMESTAMP.fullmatch(backup_id):
        return backup_id
    complete = f"backup-{backup_id}"
    if (settings.runs_dir / backup_id).exists() and complete not in names.files(settings.backups_dir).values():
        raise BackupRefused(
            f"{backup_id} is a run, not a backup",
            hint=f"Run `mock2pg rollback --before {backup_id}`: it restores the state before it.",
        )
    return complete


def _latest(settings: Settings, connection: postgres.Connection) -> Destination:
    newest = history.newest(connection, settings.target_schema)
    if newest is None:
        raise NothingPublished(
            f"nothing was ever published into schema {settings.target_schema}: there is no change to undo",
            hint="Name a backup to go back to: `mock2pg backups` lists them.",
        )
    return _before(settings, connection, newest.run_id)


def _before(settings: Settings, connection: postgres.Connection, run_id: str) -> Destination:
    if not run_id.isprintable() or len(run_id) > LIMIT:  # neither the database nor a folder takes such a name
        raise UsageError(f"there is no run {identity(run_id)}", hint=_LISTED)
    run = open_run(settings, run_id) if (settings.runs_dir / run_id / "record.json").exists() else None
    run_id = run.id if run else run_id
    row = history.of(connection, run_id, "migrate") or history.of(connection, run_id, "rollback")
    taken = history.backup_before(connection, run_id) or events.backup_taken(connection, run_id) or _recorded(run)
    if taken is None:
        if run is None and not events.is_known(connection, run_id):
            raise UsageError(f"there is no run {identity(run_id)}", hint=_LISTED)
        raise BackupRefused(
            f"run {identity(run_id)} took no backup: it changed nothing in the target tables",
            hint="Name another run: `mock2pg history` lists them, and the backup that each took.",
        )
    if row is None:
        return Destination(taken, f"{taken} holds the state that run {run_id} backed up")
    what = f"published by {row.operator}" if row.command == "migrate" else f"which rolled back to {row.backup_id}"
    return Destination(taken, f"{taken} holds the state before run {run_id}, {what} at {timestamp(row.published_at)}")


def _recorded(run: Run | None) -> str | None:
    """Return the backup that the run took, as its own record has it: the database may have no event of it."""
    record = run.record() if run else {}
    return record.get("backup_id") if record.get("command") in ("migrate", "backup") else None
