"""A backup that an earlier run took of the state that the target schema is still in: a second one would say the same.

That is so when it was tested, its file is the one that was, its header is what would be written now, and no row was
written since: see docs/decisions.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mock2pg import evidence, history
from mock2pg.backups import reading, snapshot
from mock2pg.errors import UsageError
from mock2pg.postgres import Connection
from mock2pg.runs import Run
from mock2pg.step_results import BackedUp

_OF_ITS_TIME = {"timestamp", "taken_by", "published_run", "newest"}  # all else in a header is of the state


def of(run: Run, exported: snapshot.Snapshot, header: Mapping[str, Any]) -> BackedUp | None:
    """Return what the run that took it found, for the snapshot; None when a backup has to be taken.

    header  of the backup that would be taken
    """
    found = _unwritten_since(run, exported.connection)
    if found is None:
        return None
    taken, file, held = found
    if _of_state(held) != _of_state(json.loads(json.dumps(header))):
        return None
    if not taken.file_sha256 or evidence.sha256(file) != taken.file_sha256:  # a manifest has it as the run ended
        return None
    return replace(taken, horizon=exported.horizon)


def is_to_be_written(run: Run, connection: Connection) -> bool:
    """Return whether the run has yet to write a backup, as far as that is known before it is read."""
    return run.find(BackedUp) is None and _unwritten_since(run, connection) is None


def _unwritten_since(run: Run, connection: Connection) -> tuple[BackedUp, Path, Mapping[str, Any]] | None:
    """Return the last run's backup, its file and header; None when it was not tested, or rows were written since."""
    settings, schema = run.settings, run.settings.target_schema
    if settings.backup_recipient:  # nobody but its owner could open it again to roll back
        return None
    newest = history.newest(connection, schema)
    taken = _found(Run(newest.run_id, settings)) if newest else None
    if newest is None or taken is None or not (taken.restore_tested or settings.backup_restore_test == "never"):
        return None
    file = settings.backups_dir / Path(taken.file).name
    held = reading.head(file, [])
    before = history.of(connection, str(held.get("published_run")), "migrate")
    if before is None or _published(before) != _published(newest):
        return None
    if snapshot.unwritten_since(connection, schema, taken.horizon, taken.tables) != set(taken.tables):
        return None
    return replace(taken, taken_by=taken.taken_by or newest.run_id), file, held


def _of_state(header: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in header.items() if key not in _OF_ITS_TIME}


def _found(run: Run) -> BackedUp | None:
    with suppress(UsageError, OSError):  # a result that cannot be read
        return run.find(BackedUp)
    return None


def _published(row: history.HistoryRow) -> tuple[Any, ...]:
    """Return what a rollback to a state takes from the run that published it."""
    hashes = {name: table.get("hash") for name, table in row.tables.items()}
    return row.command, hashes, row.owned, row.findings and row.findings.contracts
