"""Interrupted runs: find out what they committed, and record the outcome that they lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mock2pg import evidence, postgres
from mock2pg.errors import Mock2pgError, SchemaRefused, from_dict
from mock2pg.log import log
from mock2pg.pipeline import leftovers, nodes, verdict
from mock2pg.pipeline import step as step_module
from mock2pg.pipeline.sessions import session
from mock2pg.report import log_messages
from mock2pg.runs import Run, all_runs
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp, RollbackPreview, find, is_warned

NOT_DROPPED = "Not dropped, and left for the next run"
_LAST = {"migrate": "verify"}  # command -> the step that decides, where it has another name


def after_killed(run: Run) -> None:
    """Close the interrupted runs on this database. Only under the lock: then no other run works on it.

    Raises NotAppliedYet when a node of a cluster has not applied yet what the newest run committed, killed or not.
    """
    with session(run, "recovery") as connection:
        killed = [other for other in _killed(run.settings, connection) if other.id != run.id]
        for other in killed:
            _recover(other, connection)
        nodes.require_applied(run)  # a run whose outcome is open on a node is not closed
        with suppress(Mock2pgError):  # a schema of another role: whoever needs it will say so
            for left in postgres.scratch.drop(connection):
                log.warning("%s: %s", NOT_DROPPED, left)
        for other in killed:
            _close(other, run.settings.url)


def after_killed_checks(run: Run) -> None:
    """Close the interrupted checks, which take no lock and leave nothing but their own folder."""
    for other in _killed(run.settings):
        if other.id != run.id and other.record().get("command") == "check":
            _close(other, None)


def leftovers_of(settings: Settings, connection: postgres.Connection) -> list[str]:
    """Return the leftovers of interrupted runs, in words."""
    schemas = [name for name in postgres.scratch.present(connection) if not _refusal(connection, [name])]
    return leftovers.found(settings) + [f"the schema {name}" for name in schemas]


def refused(connection: postgres.Connection) -> str | None:
    """Return why the next run is refused: a schema that it empties is another role's, or open to others; or None."""
    return _refusal(connection, postgres.scratch.used(connection))


def _refusal(connection: postgres.Connection, schemas: Sequence[str]) -> str | None:
    try:
        postgres.schemas.refuse_foreign(connection, [], schemas)
    except SchemaRefused as error:
        return f"{error.message}. {error.hint}"
    return None


def _killed(settings: Settings, connection: postgres.Connection | None = None) -> list[Run]:
    """Return the runs recorded as running whose process is gone, except those that reached another database."""
    here = _place(postgres.describe_database(connection)) if connection else None
    found = []
    for run in all_runs(settings):
        database = run.record().get("database")
        if (not database or _place(database) == here) and leftovers.is_dead(run):
            found.append(run)
    return sorted(found, key=lambda run: run.id)


def _place(database: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(map(database.get, ("name", "system_identifier")))


def _recover(run: Run, connection: postgres.Connection) -> None:
    """Save the results of what an interrupted run committed and did not record: the history has them."""
    for step in ("publish", "rollback"):
        written = verdict.written(step, run)
        if written is None or written.error or isinstance(written.found, RollbackPreview):
            committed = verdict.committed(step, run, connection)
            if committed:
                run.save(committed)


def _close(run: Run, url: str | None) -> None:
    """Record the run's outcome: the results of its steps decide, and a run without a decision failed."""
    record = run.record()
    outcome = _outcome(run, record) if record.get("status") == "running" else {}  # else it had its end
    try:
        leftovers.clear(run)
        run.write("record.json", {**record, **outcome})
        with suppress(Mock2pgError, OSError):
            step_module.run_in_process("report", run)
        if not evidence.has_manifest(run):  # or somebody made it look like an interrupted one
            sealed = evidence.write_manifest(run)
            if url:
                evidence.tell_of(run, url, {**record, **outcome}, sealed)
    except (Mock2pgError, OSError) as error:
        log.warning("Run %s, which was killed, cannot be closed: %s", run.id, verdict.reason(error))
        return
    log.info("Removed the leftovers of run %s, which was interrupted", run.id)


def _outcome(run: Run, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return status, warned, error, backup_id and message of an interrupted run."""
    command = str(record.get("command"))
    results = {result.step: result for result in run.results() if not isinstance(result.found, RollbackPreview)}
    passed = {step for step, result in results.items() if result.error is None}
    if command == "migrate" and "rollback" in passed:
        status = "rolled_back"
    else:
        status = "succeeded" if _LAST.get(command, command) in passed else "failed"
    error = next((result.error for result in results.values() if result.error), None) if status != "succeeded" else None
    backup_id = record.get("backup_id") or (taken.backup_id if (taken := find(results.values(), BackedUp)) else None)
    message = "The process was killed."
    if error or status == "succeeded":
        known = from_dict(error) if error else None
        message = f"{log_messages.verdict(command, status, known, backup_id, None)} {message}"
    warned = status == "succeeded" and is_warned(results.values(), record.get("warnings") or ())
    return {"status": status, "warned": warned, "error": error, "backup_id": backup_id, "message": message}
