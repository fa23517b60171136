"""The end of a run: write its manifest, and record its outcome in the database."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mock2pg import postgres
from mock2pg.errors import DatabaseError, Mock2pgError
from mock2pg.evidence import manifest
from mock2pg.evidence.manifest import Manifest
from mock2pg.history.events import Event, add
from mock2pg.log import log
from mock2pg.runs import VERSION, Run, now
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp, RollbackComparison, RolledBack, Staged, encode

_PACKAGE = Path(__file__).resolve().parents[1]


def write_manifest(run: Run) -> Manifest:
    """Write the manifest. Raises OSError."""
    record, settings = run.read("record.json"), run.settings
    content = {
        "format": manifest.FORMAT,
        "run_id": run.id,
        "command": record.get("command"),
        "status": record.get("status"),
        "files": {name: manifest.digest(run.folder / name) for name in manifest.files(run.folder)},
        "input": _input(run),
        "backups": _backups(run, record),
        "code": _code(settings),
        "sealed_at": now(),
        "runs_folder": _runs_folder(settings),
    }
    return manifest.write(run.folder, content)


def begin(run: Run) -> None:
    """Mark the run as one without a manifest yet, so that its absence is no fault. Raises OSError."""
    (run.folder / manifest.UNSEALED).touch()


def has_manifest(run: Run) -> bool:
    return (run.folder / manifest.NAME).exists()


def sha256(file: Path) -> str | None:
    """Return the SHA-256 of a file; None when it cannot be read."""
    with suppress(OSError):
        return str(manifest.digest(file)["sha256"])
    return None


def lacks_manifest(run: Run) -> bool:
    """Return True when the run's process, if it has ended, ended before it wrote the manifest."""
    return (run.folder / manifest.UNSEALED).exists() and not has_manifest(run)


def _input(run: Run) -> dict[str, Any] | None:
    """Return the hash over all arrays of the input, and the hash of each of its files."""
    staged = run.find(Staged)
    return {"source": staged.source, "sha256": staged.sha256, "files": encode(staged.files)} if staged else None


def _backups(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    """Return the digest of every backup that the run took or restored."""
    named = {record.get("backup_id")}
    for result in run.results():
        if isinstance(result.found, BackedUp | RollbackComparison):
            named.add(result.found.backup_id)
        if isinstance(result.found, RolledBack):
            named.add(result.found.present_backup_id)
    found = {}
    for backup_id in sorted(name for name in named if name):
        for file in run.settings.backups_dir.glob(f"{backup_id}.*"):
            found[file.name] = manifest.digest(file)
    return found


def _code(settings: Settings) -> dict[str, Any]:
    """Return the version and the hashes of the package, the dbt project, the suites and the notebooks."""
    return {
        "version": VERSION,
        "package": _package(),
        "dbt_project": manifest.tree(settings.dbt_dir),
        "suites": manifest.tree(settings.expectations_dir),
        "notebooks": {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(settings.notebooks_dir.glob("*.ipynb"))
        },
    }


@cache
def _package() -> str:
    """Return the hash of the package, whose modules this process loads once."""
    return manifest.tree(_PACKAGE)


def _runs_folder(settings: Settings) -> str:
    """Return the id that the manifests of this folder of runs have, or a new one for the first."""
    for file in settings.runs_dir.glob(f"*/{manifest.NAME}"):
        with suppress(manifest.Damaged, FileNotFoundError):
            if not file.parent.is_symlink():
                return manifest.read(file.parent).runs_folder
    return uuid.uuid4().hex


def tell_of(run: Run, url: str, outcome: Mapping[str, Any], sealed: Manifest | None) -> None:
    """Have the database remember the run, and its manifest. Raises DatabaseError when it cannot.

    outcome  command, status, error and backup_id, as record.json has them
    """
    error = outcome.get("error")
    known = {"operator": run.settings.operator, "schema": run.settings.target_schema, "run_id": run.id}
    events = [
        Event(
            kind=str(outcome.get("command")),
            outcome=str(outcome.get("status")),
            error=error["name"] if error else None,
            backup_id=outcome.get("backup_id"),
            **known,
        )
    ]
    if sealed:
        events.append(
            Event(kind="manifest", outcome="sealed", runs_folder=sealed.runs_folder, sha256=sealed.sha256, **known)
        )
    _add(url, f"run {run.id}", events)


def tell(url: str, what: str, events: Sequence[Event]) -> None:
    """Have the database remember events of `what`; when it cannot, the log says so, and that is all."""
    try:
        _add(url, what, events)
    except Mock2pgError as fault:
        log.warning("The database has no event of %s: %s", what, fault.message)


def _add(url: str, what: str, events: Sequence[Event]) -> None:
    with (
        postgres.connect(url, name=f"event of {what}") as connection,
        postgres.named(DatabaseError, "cannot write an event"),
    ):
        left_out = add(connection, events)
    if left_out:
        log.debug("no event of %s: %s", what, left_out)
