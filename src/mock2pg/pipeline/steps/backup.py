"""backup: the complete state of the target schema, of one moment, in one file that was restored once to prove it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mock2pg import backups, evidence
from mock2pg.backups import dump, restore_test, snapshot
from mock2pg.backups.staged import State
from mock2pg.errors import BackupFailed, BackupRefused
from mock2pg.pipeline import known_backup
from mock2pg.postgres import server
from mock2pg.runs import Run, Times, now
from mock2pg.step_results import BackedUp
from mock2pg.text import counted, duration

_UNTESTED = "No restore test was made: whether the backup restores is not known."


def run(run: Run) -> BackedUp:
    """Take a backup, also of an empty target: one may want to go back to that state. Raises BackupFailed.

    A migration whose target is still in the state of the last one's backup takes none.
    """
    settings, timestamp, times = run.settings, now(), Times()
    with snapshot.export(
        settings.url,
        settings.target_schema,
        server.binary("pg_dump"),
        targets=_targets(run),
        lock_timeout=settings.lock_timeout,
        attempts=settings.publish_attempts,
    ) as exported:
        header = exported.header(timestamp, backups.FORMAT, run_id=run.id, command=_command(run))
        with times.of("look for an earlier backup"):
            known = known_backup.of(run, exported, header) if _command(run) == "migrate" else None
        if known:
            return _still_of_the_target(known, times)
        with backups.Writer(
            settings.backups_dir, timestamp, settings.backup_compression, settings.backup_recipient
        ) as writer:  # until it has been restored: what comes before that, an interrupt too, leaves no backup
            with times.of("read and write"):
                backup = snapshot.save(exported, writer, header)
            file_sha256 = evidence.sha256(backup.file)  # before the test, which proves what it is of
            tested = None if settings.backup_restore_test == "never" else _restore_test(run, backup, exported)
        hashes = tested.tables if tested else exported.hashes
    saved = f"{counted(sum(backup.tables.values()), 'row')} of {counted(len(backup.tables), 'table')}"
    return BackedUp(
        summary=f"{backup.id}: {saved}, {_in_words(tested)}",
        cautions=() if tested else (_UNTESTED,),
        backup_id=backup.id,
        file=f"backups/{backup.file.name}",
        bytes=backup.bytes,
        sha256=backup.sha256,
        tables=backup.tables,
        sequences=len(exported.sequences),
        definitions_sha256=dump.definitions_fingerprint(exported.definitions),
        definitions_bytes=sum(len(text.encode()) for text in (exported.definitions or {}).values()),
        hashes=hashes,
        restore_tested=tested is not None,
        restore_seconds=tested.times[restore_test.RESTORE] if tested else None,
        definitions=_of_definitions(tested) if tested else None,
        times={**times, **(tested.times if tested else {})},
        horizon=exported.horizon,
        file_sha256=file_sha256,
    )


def _still_of_the_target(known: BackedUp, times: Times) -> BackedUp:
    """Return the result of a run that takes no backup."""
    saved = f"{counted(known.rows, 'row')} of {counted(len(known.tables), 'table')}"
    return replace(
        known,
        summary=f"{known.backup_id}: {saved}, taken by run {known.taken_by}; nothing was written since",
        cautions=() if known.restore_tested else (_UNTESTED,),
        times=times,
    )


def discard(run: Run) -> None:
    """Remove the backup of a run that failed before it could publish, and what says that there is one."""
    backups.remove_unfinished(run.settings.backups_dir)  # of a step that had to be ended
    taken = run.find(BackedUp)
    if taken and not taken.taken_by:
        (run.settings.backups_dir / Path(taken.file).name).unlink(missing_ok=True)
    (run.folder / "notebooks" / "backup.ipynb").unlink(missing_ok=True)
    run.forget(BackedUp.step)


def _command(run: Run) -> str:
    """The command that takes the backup; a step that is run by itself is a backup alone."""
    try:
        return str(run.read("record.json")["command"])
    except FileNotFoundError:
        return BackedUp.step


def _targets(run: Run) -> list[str]:
    """The tables that the run is to publish; none of a backup alone."""
    try:
        return [table.name for table in run.tables()]
    except FileNotFoundError:
        return []


def _restore_test(run: Run, backup: backups.Backup, exported: snapshot.Snapshot) -> restore_test.RestoreTest:
    """Restore the backup out of its file, which is read to its end, and compare. Raises BackupFailed."""
    try:
        opened = backups.reopened(backup)
        state = State.of(opened.header, opened.tables, lambda table: backups.rows(opened, table), opened.contents)
        try:
            tested = restore_test.run(run.settings.url, state, exported, server.binary("pg_dump"))
        except BackupFailed:
            backups.reread(opened)  # damage would be the reason
            raise
        if backups.read_to_end(opened) != opened:
            raise BackupFailed(f"{backup.file.name} is not what was written")
        return tested
    except BackupRefused as error:
        raise BackupFailed(f"what was written does not read back: {error.message}") from error


def _in_words(tested: restore_test.RestoreTest | None) -> str:
    if tested is None:
        return "no restore test"
    took = duration(tested.times[restore_test.RESTORE])
    return f"restore test passed in {took} (definitions {_of_definitions(tested)})"


def _of_definitions(tested: restore_test.RestoreTest) -> str:
    return f"not executed: {tested.definitions}" if tested.definitions else "equal"
