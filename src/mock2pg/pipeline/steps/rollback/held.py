"""The comparison that a rollback makes before it locks anything, kept for the step that writes.

The present is read once, into its backup; on the way each row is compared with the backup to go back to. The step that
writes runs in another process. Under its locks it finds out that nobody has written since, or compares again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock2pg import backups, files, postgres
from mock2pg.backups import added_objects, sequences, snapshot
from mock2pg.backups.exported_rows import ContentHash
from mock2pg.backups.held_difference import ComparedContent, HeldDifference, HeldRows
from mock2pg.errors import BackupFailed
from mock2pg.pipeline.sessions import session
from mock2pg.pipeline.steps.rollback import present
from mock2pg.pipeline.steps.rollback.comparison import Definitions, state_of
from mock2pg.postgres import catalogue, server, unwritten
from mock2pg.runs import Run, Times
from mock2pg.step_results import Horizon, RollbackPreview, decode, encode

_FOLDER = "held"  # rows themselves are in it: what interrupted runs leave of it is removed
_RECORD = f"{_FOLDER}/record.json"


@dataclass(frozen=True)
class Held:
    """The present as it was compared with a backup.

    opened         the backup, as it was opened
    present_id, present_file  of the backup of the present
    rows, hashes, sequences  of the target tables
    definitions    of the target schema; `rest` without the relations that were `added` since the backup
    gone           table that differs -> content hash of its rows that go
    preview        what the step that looks found
    """

    opened: Mapping[str, Any]
    present_id: str
    present_file: str
    horizon: Horizon
    rows: Mapping[str, int]
    hashes: Mapping[str, str]
    sequences: Mapping[str, Mapping[str, Any]]
    definitions: Mapping[str, str] | None
    added: tuple[tuple[str, str], ...]
    rest: Mapping[str, str] | None
    gone: Mapping[str, str]
    times: Mapping[str, float]
    preview: RollbackPreview | None = None

    def backup(self, run: Run) -> backups.Backup:
        """Return the backup to go back to."""
        return backups.opened_before(run.settings.backups_dir, self.opened, run.settings.identity)

    def kept(self, run: Run) -> present.Kept:
        """Return the backup of the present."""
        return present.Kept(self.present_id, run.settings.backups_dir / self.present_file, self.hashes)

    def defined(self, backup: backups.Backup) -> Definitions:
        """Return the definitions of then."""
        return Definitions(state_of(backup), self.definitions, added_objects.Added(self.added, self.rest))

    def difference(self, run: Run) -> HeldDifference:
        """Return what is held of the rows."""
        tables = {name: HeldRows(_rows_of(run, name), gone) for name, gone in self.gone.items()}
        return HeldDifference(self.horizon.transaction, tables)

    def is_present(self, connection: postgres.Connection, schema: str) -> bool:
        """Return whether the target tables, which are locked and have the same definitions, are as they were."""
        return (
            unwritten.unwritten(connection, schema, self.rows, self.horizon.transaction) == {*self.rows}
            and sequences.positions(connection, schema) == self.sequences
        )


def hold(run: Run, backup: backups.Backup) -> Held | None:
    """Back up the present, and hold where it differs from the backup.

    None where that cannot be done, or nothing would tell later that nobody wrote: then tables are compared when they
    are locked.
    """
    settings, schema, times = run.settings, run.settings.target_schema, Times()
    program, limit = server.binary("pg_dump"), settings.lock_timeout
    if {*backup.contents} != {*backup.tables}:
        return None
    compared = dict[str, ComparedContent]()
    try:
        with snapshot.export(settings.url, schema, program, lock_timeout=limit, attempts=1) as exported:
            connection = exported.connection
            tables = catalogue.tables(connection, schema)
            if exported.horizon is None or not unwritten.can_be_proven(connection, schema, tables):
                return None

            def content_of(table: str) -> ContentHash:
                if table not in backup.tables or not catalogue.primary_key(connection, schema, table):
                    return ContentHash()
                compared[table] = ComparedContent(backups.rows(backup, table), _rows_of(run, table))
                return compared[table]

            with times.of(present.BACK_UP):
                saved = present.save(run, exported, content_of)
    except (BackupFailed, OSError):  # a full disk: a rollback may need less of it when nothing is held
        take(run)
        return None
    try:  # the snapshot has no locks any more: pg_dump must not wait behind somebody who waits for us
        added = _added(run, backup, exported.definitions)
    except BaseException as error:
        saved.file.unlink(missing_ok=True)
        if not isinstance(error, BackupFailed):
            raise
        take(run)
        return None
    return Held(
        opened=backup.record(),
        present_id=saved.id,
        present_file=saved.file.name,
        horizon=exported.horizon,
        rows=saved.tables,
        hashes=exported.hashes,
        sequences=exported.sequences,
        definitions=exported.definitions,
        added=added.relations,
        rest=added.rest,
        gone={name: each.held.gone_hash for name, each in compared.items() if each.held},
        times=times,
    )


def _added(run: Run, backup: backups.Backup, current: Mapping[str, str] | None) -> added_objects.Added:
    """Return what is added to the definitions of the backup. Raises BackupFailed."""
    settings, before = run.settings, backup.header["definitions"]
    with session(run, "definitions", read_only=True) as connection, postgres.named(BackupFailed, "cannot read them"):
        return added_objects.find(
            connection,
            settings.url,
            settings.target_schema,
            server.binary("pg_dump"),
            before,
            current,
            lock_timeout=settings.lock_timeout,
        )


def keep(run: Run, held: Held) -> None:
    """Keep it for the step that writes."""
    run.write(_RECORD, encode(held))


def kept(run: Run, backup_id: str) -> Held | None:
    """Return what the step that looks has kept; None when there is nothing, or it was taken already."""
    found = _kept(run)
    return found if found and found.opened["id"] == backup_id else None


def _kept(run: Run) -> Held | None:
    try:
        return decode(Held, run.read(_RECORD))
    except FileNotFoundError:
        return None


def take(run: Run) -> None:
    """Let the backup of the present stay: the state before a rollback."""
    shutil.rmtree(run.folder / _FOLDER, ignore_errors=True)


def discard(run: Run, held: Held | None = None) -> None:
    """Remove what is held or kept, with the backup of a present that is not left, or is not the present any more."""
    if held := held or _kept(run):
        (run.settings.backups_dir / held.present_file).unlink(missing_ok=True)
    take(run)


def _rows_of(run: Run, table: str) -> Path:
    return run.path(_FOLDER, files.named(table))
