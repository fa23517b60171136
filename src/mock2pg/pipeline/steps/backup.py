"""backup: the complete state of the live schema, of one moment, in one file that was restored once to prove it."""

from __future__ import annotations

from typing import Any

from mock2pg import backups
from mock2pg.backups import dump, restore, restore_test, snapshot
from mock2pg.errors import BackupFailed, BackupRefused
from mock2pg.postgres import server
from mock2pg.runs import Run, StepResult, Times, now
from mock2pg.text import counted, duration


def run(run: Run) -> StepResult:
    """Raises BackupFailed. Taken when nothing is there yet, too: that is a state one may want to go back to."""
    settings, timestamp, times = run.settings, now(), Times()
    with snapshot.export(
        settings.url,
        settings.target_schema,
        server.binary("pg_dump"),
        targets=_targets(run),
        lock_timeout=settings.lock_timeout,
        attempts=settings.publish_attempts,
    ) as exported:
        with (
            backups.Writer(
                settings.backups_dir, timestamp, settings.backup_compression, settings.backup_recipient
            ) as writer,
            times.of("read and write"),
        ):
            backup = snapshot.save(exported, writer, exported.header(timestamp, backups.FORMAT))
        tested = _restore_test(run, backup, exported)
    saved = f"{counted(sum(backup.tables.values()), 'row')} of {counted(len(backup.tables), 'table')}"
    return StepResult(
        step="backup",
        summary=f"{backup.id}: {saved}, {_told(tested)}",
        data={
            "backup_id": backup.id,
            "file": f"backups/{backup.file.name}",
            "bytes": backup.bytes,
            "sha256": backup.sha256,
            "tables": dict(backup.tables),
            "sequences": len(exported.sequences),
            "definitions_sha256": dump.fingerprint(exported.definitions),
            "definitions_bytes": sum(len(text.encode()) for text in (exported.definitions or {}).values()),
            **tested,
            "times": {**times, **tested["times"]},
        },
    )


def _targets(run: Run) -> list[str]:
    """The tables that the run is to publish; none of a backup alone."""
    try:
        return [table["name"] for table in run.read("contracts.json")]
    except FileNotFoundError:
        return []


def _restore_test(run: Run, backup: backups.Backup, exported: snapshot.Snapshot) -> dict[str, Any]:
    """Run the restore test, and return what the step records; a backup that does not restore equal is removed."""
    settings = run.settings
    if settings.backup_restore_test == "never":
        return {
            "restore_tested": False,
            "times": {},
            "hashes": {name: dump.live_hash(exported.connection, exported.schema, name) for name in backup.tables},
            "cautions": ["No restore test was made: whether the backup restores is not known."],
        }
    try:
        opened = backups.reread(backup)
        state = restore.State.of(opened.header, opened.tables, lambda table: backups.rows(opened, table))
        found = restore_test.run(settings.url, state, exported, server.binary("pg_dump"))
    except (BackupFailed, BackupRefused) as error:
        backup.file.unlink(missing_ok=True)
        if isinstance(error, BackupFailed):
            raise
        raise BackupFailed(f"what was written does not read back: {error.message}") from error
    return {
        "restore_tested": True,
        "restore_seconds": found.times[restore_test.RESTORE],
        "times": found.times,
        "hashes": found.tables,
        "definitions": f"not executed: {found.definitions}" if found.definitions else "equal",
    }


def _told(tested: dict[str, Any]) -> str:
    if not tested["restore_tested"]:
        return "no restore test"
    return f"restore test passed in {duration(tested['restore_seconds'])} (definitions {tested['definitions']})"
