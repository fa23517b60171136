"""Prune the folders of runs by the retention policy, and record in the database that retention removed them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from mock2pg import evidence, history, pages, postgres, private
from mock2pg.backups import RetentionDecision, RetentionPolicy
from mock2pg.errors import DatabaseError, Mock2pgError, UsageError
from mock2pg.evidence.manifest import Damaged, Manifest
from mock2pg.evidence.manifest import read as read_manifest
from mock2pg.foreign_errors import unusable
from mock2pg.history import events, layout
from mock2pg.history.events import Event
from mock2pg.log import log
from mock2pg.runs import Run, all_runs, is_alive
from mock2pg.settings import Settings

_ASIDE = ".removed"  # in the folder of runs: where a run goes in one step, so that no reader finds a part of it


@dataclass(frozen=True)
class _Target:
    """The database that records what is removed.

    needed  the runs whose rows its target schema holds
    """

    name: str
    schema: str
    server: str
    needed: Collection[str]


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Return what the folder of each run says of it, newest first."""
    found = []
    for run in _runs(settings):
        record = run.record()
        if not record and not run.folder.exists():  # somebody has pruned it meanwhile
            continue
        database = record.get("database") or {}
        keys = (
            "command",
            "status",
            "warned",
            "started_at",
            "finished_at",
            "seconds",
            "operator",
            "source",
            "backup_id",
        )
        known = {key: record.get(key) for key in keys}
        if known["status"] == "running" and not _is_at_work(run, record):
            known["status"] = "interrupted"
        found.append(
            {"id": run.id, **known, **{key: database.get(key) for key in ("name", "schema")}, "bytes": _size(run)}
        )
    return found


def prune(settings: Settings, url: str | None, policy: RetentionPolicy, *, remove: bool) -> list[dict[str, Any]]:
    """Return the decision for each run, newest first; with `remove`, also remove the folders.

    url  None where there is no database yet, so that none lists a run

    Takes the advisory lock to remove. Raises UsageError when the policy keeps nothing, and DatabaseError when the
    history cannot be read, or cannot record what is removed; then nothing is removed.
    """
    if policy.keeps_nothing:
        raise UsageError(
            "no option or setting says which runs to keep",
            hint="Add `--keep-last N` or `--keep-days D`, or set MIGRATION_RUNS_KEEP.",
            state="No run was removed.",
        )
    with postgres.advisory_lock(url, "prune") if remove and url else nullcontext():
        decisions = _decisions(settings, url, policy)
        if remove:
            _remove(settings, url, decisions)
    return [decision.as_dict() for decision in decisions]


def after_end(run: Run, url: str | None) -> None:
    """Keep MIGRATION_RUNS_KEEP runs. The run has ended; a failure here is a warning.

    url  where the run reached the database; None of one that did not, which removes no run that did
    """
    settings = run.settings
    if settings.runs_keep is None:
        return
    try:
        _remove(settings, url, _decisions(settings, url, RetentionPolicy.of(settings.runs_keep), ended=run.id))
    except (Mock2pgError, OSError) as error:
        named = unusable(error, "cannot remove") if isinstance(error, OSError) else error
        log.warning("No more runs were removed: %s", named.message)


def _decisions(
    settings: Settings, url: str | None, policy: RetentionPolicy, ended: str | None = None
) -> list[RetentionDecision]:
    target = _target(settings, url) if url else None
    found, newer = [], 0
    for run in _runs(settings):
        record = run.record()
        kept = _kept(run, record, target, ended)
        remove, reason = policy.decide(newer, run.started_at, "run", "ended") if kept is None else (False, kept)
        newer += run.id == ended or bool(record.get("finished_at"))
        found.append(RetentionDecision(run.id, run.folder, run.started_at, _size(run), remove, reason))
    return found


def _kept(run: Run, record: Mapping[str, Any], target: _Target | None, ended: str | None) -> str | None:
    """Return why the run is kept, whatever the policy says; None where the policy decides."""
    if not record:
        return "its record cannot be read"
    if run.id in (ended, (run.settings.runs_dir / "latest").resolve().name):
        return "the last that ended"
    if _is_at_work(run, record):
        return "in progress"
    if record.get("finished_at") is None or evidence.lacks_manifest(run):
        return "interrupted: the next run completes it"
    if record.get("command") == "check":
        return None
    if target is None:
        return "it reached a database, which was not asked"
    if run.id in target.needed:
        return "the target schema holds its rows"
    database = record.get("database") or {}
    if database and (database["name"], database["schema"]) != (target.name, target.schema):
        return f"of {database['name']}.{database['schema']}, not of {target.name}.{target.schema}"
    if database and database["system_identifier"] != target.server:
        return f"of {target.name}.{target.schema} on another server"
    try:
        _manifest(run)
    except Damaged as reason:
        return f"its manifest {reason}"
    return None


def _target(settings: Settings, url: str) -> _Target:
    with history.reading(settings, url, "prune") as connection:
        newest = history.newest(connection, settings.target_schema)
        database = postgres.describe_database(connection)
    needed = {newest.run_id, newest.published_run or ""} if newest else set[str]()
    return _Target(database["name"], settings.target_schema, database["system_identifier"], needed)


def _remove(settings: Settings, url: str | None, decisions: Sequence[RetentionDecision]) -> None:
    """Record what will be removed, and remove it: whatever is then still there is looked at as before."""
    aside = settings.runs_dir / _ASIDE
    if aside.is_symlink():  # nothing is moved out of the folder of runs
        aside.unlink()
    shutil.rmtree(aside, ignore_errors=True)
    if not (removed := [decision for decision in decisions if decision.remove]):
        return
    if url:
        _tell(settings, url, [Run(decision.id, settings) for decision in removed])
    aside.mkdir(mode=0o700, exist_ok=True)
    for decision in removed:
        with suppress(FileNotFoundError):  # another process was faster
            decision.path.rename(aside / decision.id)
            log.info("Removed run %s: %s", decision.id, decision.reason)
    shutil.rmtree(aside, ignore_errors=True)
    pages.write_run_list(settings)


def _tell(settings: Settings, url: str, runs: Sequence[Run]) -> None:
    """Raise DatabaseError when the database lists runs and cannot record that they are removed."""
    known = {"operator": settings.operator, "schema": settings.target_schema}
    found = []
    for run in runs:
        sealed = _manifest(run)
        given = {"runs_folder": sealed.runs_folder, "sha256": sealed.sha256} if sealed else {}
        found.append(Event("prune", "succeeded", run_id=run.id, **known, **given))
    with (
        postgres.connect(url, name="event of prune") as connection,
        postgres.named(DatabaseError, "cannot write an event"),
    ):
        if layout.present(connection) and (left_out := events.add(connection, found)):
            raise DatabaseError(
                f"the database cannot record which runs are removed: {left_out}",
                state="No run was removed.",
                hint="Run the command as a role that may migrate.",
            )


def _manifest(run: Run) -> Manifest | None:
    """Return the manifest of a run; None of one that has none. Raises Damaged."""
    try:
        return read_manifest(run.folder)
    except FileNotFoundError:
        return None


def _runs(settings: Settings) -> list[Run]:
    return sorted(all_runs(settings), key=lambda run: run.id, reverse=True)


def _is_at_work(run: Run, record: Mapping[str, Any]) -> bool:
    return private.is_locked(run.folder) or (record.get("finished_at") is None and is_alive(record))


def _size(run: Run) -> int:
    """Return the bytes of its files; of those that were found before somebody pruned it."""
    found = 0
    with suppress(FileNotFoundError):
        for file in run.folder.rglob("*"):
            found += 0 if file.is_dir() else file.lstat().st_size
    return found
