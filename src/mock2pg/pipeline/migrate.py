"""migrate: the whole job, and how it is undone when a step after publishing fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from mock2pg import log, signals, workers
from mock2pg.errors import Mock2pgError, NotAppliedYet
from mock2pg.pipeline import known_build, nodes, target, verdict
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.step import BACKUP, CHECK, LOAD, PREFLIGHT, PUBLISH, ROLLBACK, STAGE, VERIFY, load_ahead
from mock2pg.pipeline.steps import backup
from mock2pg.pipeline.steps.publish import refuse_other_input
from mock2pg.pipeline.work import Work
from mock2pg.runs import Run


def migrate(work: Work, reviewed: Path | None = None) -> None:
    """Connect, stage, check, load, preflight, back up, publish, verify.

    reviewed  the plan.json that somebody agreed to
    """
    with work.connected() as work:
        staged = work.step(STAGE)
        rows = sum(table.rows for table in staged.tables.values())
        load_ahead(work.run, with_notebooks=rows <= workers.MANY_ROWS)
        work.step(CHECK)
        work.refuse_invalid_notifications()
        if reviewed:
            refuse_other_input(reviewed, work.run)
        target.require_migrated_elsewhere(work.run, work.record)
        with work.scratch():
            with work.beside(BACKUP, backup.discard) as backed_up:  # it only reads what these do not write
                loaded = work.step(LOAD, purpose="build" if reviewed else "migrate")
                work.step(PREFLIGHT)
            work.record.backup_id = backed_up[0].backup_id
            if changed := known_build.changed(work.run, loaded, backed_up[0]):
                log.log.info("Changed since run %s published them: %s", loaded.built_by, ", ".join(changed))
                work.step(LOAD, purpose="build")
                work.step(PREFLIGHT)
            with _undone_on_failure(work):
                work.step(PUBLISH, plan=str(reviewed.resolve()) if reviewed else "")
                work.step(VERIFY, last=True)


@contextmanager
def _undone_on_failure(work: Work) -> Iterator[None]:
    """Undo what the block published when it fails; no signal comes between the failure and that."""
    with signals.closed():
        try:
            yield
        except BaseException as error:
            if not work.record.decided:
                work.record.fail(error, work.record.command)
                _undo_if_committed(work)
            raise


def _undo_if_committed(work: Work) -> None:
    """Undo the run if its transaction was committed: the history row was written in it, so it knows."""
    with signals.stage(partial(_tell_undoing, work.record)):
        published = _is_published(work.run)
        if published is None:
            work.record.status = "unknown"
        elif not published:
            return
        elif isinstance(work.record.error, NotAppliedYet) or not _is_applied(work.run):
            work.record.status = "not_applied"  # to undo it would be on top of what a node does not have yet
        else:
            _undo(work)


def _undo(work: Work) -> None:
    """Go back to the backup; a failure of that is kept beside the error that led to it."""
    record = work.record
    log.log.error("A step after publishing failed; rolling back to %s", record.backup_id)
    record.interrupted = None  # it is what led here, or comes to the same
    try:
        work.step(ROLLBACK, backup_id=str(record.backup_id), undo=True)
        record.status = "rolled_back"
    except BaseException as error:
        record.undo_error = verdict.classified(error, "rollback")
        if isinstance(error, NotAppliedYet):
            record.status = "not_applied"
            return
        published = _is_published(work.run)
        record.status = {True: "rollback_failed", False: "rolled_back", None: "unknown"}[published]
        holds = f"The target holds what run {work.run.id} published." if published else ""
        log.log.error("The rollback failed too: %s. %s", record.undo_error.message, holds)


def _is_published(run: Run) -> bool | None:
    """Return whether the target holds what the run published, by the history; None when it cannot be asked."""
    try:
        with verdict.asking(run) as connection:
            if verdict.committed("publish", run, connection) is None:
                return False
            return verdict.committed("rollback", run, connection) is None
    except Mock2pgError as error:
        log.log.error("It is not known whether the run was published (%s). Run verify later.", error.message)
        return None


def _is_applied(run: Run) -> bool:
    """Return whether every node has applied the run; False when that cannot be asked."""
    with suppress(Mock2pgError):
        return nodes.is_applied(run)
    return False


def _tell_undoing(record: Record, signal: str) -> None:
    log.log.warning("%s: the run is being rolled back to %s; wait for that", signal, record.backup_id)
