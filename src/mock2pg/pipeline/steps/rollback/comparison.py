"""The target tables, their definitions and their distribution, compared with a backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mock2pg import backups, postgres, progress
from mock2pg.backups import added_objects, belonging, diff, distributions, dump, snapshot
from mock2pg.backups.held_difference import HeldDifference
from mock2pg.backups.staged import Staged, State
from mock2pg.errors import BackupFailed, RollbackFailed
from mock2pg.postgres import distribution, server
from mock2pg.publishing import others_code, writers
from mock2pg.runs import Run
from mock2pg.step_results import RollbackPreview


@dataclass(frozen=True)
class Look:
    """The comparison: target tables through `connection`, the staged backup, and the differences between them.

    definitions  object -> what became of its definition since the backup
    within       those that are part of another one -> that one
    added        the relations that are not in the backup, where nothing else was defined anew
    redistributed  those of the definitions that say how Citus distributes a table
    kept         tables that are distributed now and stay so, though they were not
    """

    run: Run
    connection: postgres.Connection
    backup: backups.Backup
    staged: Staged
    changes: Mapping[str, diff.Change]
    definitions: Mapping[str, str]
    within: Mapping[str, str]
    current: Mapping[str, str] | None
    added: added_objects.Added
    redistributed: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definitions:
    """The state of the backup, the definitions as they are now, and the relations that only these have."""

    state: State
    current: Mapping[str, str] | None
    added: added_objects.Added


def state_of(backup: backups.Backup) -> State:
    return State.of(backup.header, backup.tables, lambda table: backups.rows(backup, table), backup.contents)


def definitions(run: Run, backup: backups.Backup, connection: postgres.Connection, *, lock: bool) -> Definitions:
    """Read the present definitions; with `lock`, nobody writes to the tables until the transaction ends."""
    settings = run.settings
    schema = settings.target_schema
    others_code.refuse(connection, schema)
    state = state_of(backup)
    before = snapshot.defined(connection, schema)
    try:  # without a lock of ours: pg_dump must not wait behind somebody who waits for us
        program, limit = server.binary("pg_dump"), settings.lock_timeout
        current = dump.definitions(connection, settings.url, schema, program, lock_timeout=limit)
        added = added_objects.find(
            connection, settings.url, schema, program, state.definitions, current, lock_timeout=limit
        )
    except BackupFailed as error:
        raise RollbackFailed(f"the present definitions cannot be read: {error.message}") from error
    if lock:
        writers.keep_out_of_schema(connection, schema)
    refuse_defined_anew(connection, schema, before)
    return Definitions(state, current, added)


def refuse_defined_anew(connection: postgres.Connection, schema: str, before: str) -> None:
    """Raise SerializationFailure, after which the transaction is tried again, when the definitions have changed.

    before  the number that `snapshot.defined` gave when they were read
    """
    if snapshot.defined(connection, schema) != before:
        raise postgres.SerializationFailure("something was defined anew in the meantime")


def compare(
    run: Run,
    backup: backups.Backup,
    connection: postgres.Connection,
    now_defined: Definitions,
    found: Mapping[str, str] | None = None,
    held: HeldDifference | None = None,
    known: RollbackPreview | None = None,
) -> Look:
    """Compare the target tables with the backup.

    found  table -> content hash of the target tables, where it is known
    held   where they differ, as far as it is known
    known  what an earlier comparison of the same found
    """
    state, current = now_defined.state, now_defined.current
    staged, schema = Staged(connection, state, found, held), run.settings.target_schema
    progress.expect(0, "comparing")  # the rows of each table that differs are added
    there = distribution.of_schema(connection, schema)
    changes = diff.known(known) if known else diff.changes(connection, schema, staged)
    present = [name for name, change in changes.items() if change.content_hash is not None]
    redistributed = distributions.changed(staged.state.distribution, there, present)
    changed = dump.changed_entries(state.definitions, current)
    return Look(
        run=run,
        connection=connection,
        backup=backup,
        staged=staged,
        changes=changes,
        definitions={**changed, **redistributed},
        within=belonging.of(changed, state.definitions, current),
        current=current,
        added=now_defined.added,
        redistributed=redistributed,
        kept=tuple(distributions.kept(staged.state.distribution, there, state.tables)),
    )


def preview(look: Look, written: Mapping[str, str]) -> RollbackPreview:
    """Return the differences that a rollback would undo, and which of them others wrote."""
    return RollbackPreview(
        backup_id=look.backup.id,
        changes={name: change.counts for name, change in look.changes.items()},
        hashes={name: change.content_hash for name, change in look.changes.items() if change.content_hash},
        definitions_sha256=dump.definitions_fingerprint(look.current),
        definitions_changed=look.definitions,
        definitions_within=look.within,
        written_since=written,
    )


def distribution_notes(look: Look) -> list[str]:
    """Return, in words, where the distribution of tables is not what the backup says."""
    if look.backup.header.get("distribution") and not distribution.is_citus(look.connection):
        return ["this database has no Citus: tables that were distributed in the backup are local tables"]
    return [
        f"{name} stays distributed: nothing is un-distributed, and the backup has it as local" for name in look.kept
    ]
