"""The backup of the present state, which a rollback takes before it changes anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mock2pg import backups, postgres
from mock2pg.backups import sequences, snapshot
from mock2pg.backups.exported_rows import ContentHash
from mock2pg.errors import BackupFailed, RollbackFailed
from mock2pg.pipeline.sessions import session
from mock2pg.postgres import catalogue, locks
from mock2pg.runs import Run, now

BACK_UP = "back up the present state"  # what the time is of


@dataclass(frozen=True)
class Kept:
    """The backup of the present state: its id and file, or why there is none.

    hashes  table -> content hash of the present rows
    """

    id: str | None = None
    file: Path | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    failure: BackupFailed | None = None

    def cautions(self, *, needed: bool) -> list[str]:
        """Return what to say of a backup that could not be taken. Raises RollbackFailed when it is `needed`."""
        if self.failure is None:
            return []
        if needed:
            raise RollbackFailed(
                f"the present state cannot be backed up: {self.failure.message}",
                hint="Free disk space, or allow this user to write in the backup folder.",
            ) from self.failure
        return [f"What this run published is not kept: {self.failure.message}"]


def keep(run: Run, current: Mapping[str, str] | None) -> Kept:
    """Back up the target tables, which are locked by a session of ours that waits for this one.

    Raises LockNotAvailable at once where another session waits for that lock: this one would wait behind it.
    """
    schema = run.settings.target_schema
    try:
        with (
            session(run, "present", read_only=True) as connection,
            postgres.repeatable_read(connection),
        ):
            locks.share(connection, schema, catalogue.tables(connection, schema), wait=False)
            positions = sequences.positions(connection, schema)
            exported = snapshot.Snapshot(connection, schema, current, positions)
            backup = save(run, exported)
    except BackupFailed as error:
        return Kept(failure=error)
    return Kept(backup.id, backup.file, exported.hashes)


def save(
    run: Run, exported: snapshot.Snapshot, content_of: Callable[[str], ContentHash] = lambda _: ContentHash()
) -> backups.Backup:
    """Write a backup of a snapshot of the present. Raises BackupFailed.

    content_of  returns what is given the lines of a table
    """
    settings, timestamp = run.settings, now()
    with backups.Writer(
        settings.backups_dir, timestamp, settings.backup_compression, settings.backup_recipient
    ) as writer:
        header = exported.header(timestamp, backups.FORMAT, run_id=run.id, command="rollback")
        return snapshot.save(exported, writer, header, content_of)
