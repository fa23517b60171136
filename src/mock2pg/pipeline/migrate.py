"""migrate: the whole job, and how it is undone when a step after publishing fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from mock2pg import log, signals, workers
from mock2pg.errors import Mock2pgError, NotAppliedYet
from mock2pg.pipeline import known_build, nodes, reviewed_plan, target, verdict
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.step import BACKUP, CHECK, LOAD, PREFLIGHT, PUBLISH, ROLLBACK, STAGE, VERIFY, load_ahead
from mock2pg.pipeline.steps import backup
from mock2pg.pipeline.work import Work
from mock2pg.report.log_messages import changes
from mock2pg.runs import Run
from mock2pg.step_results import Published


def migrate(work: Work, reviewed: Path | None = None) -> None:
    """Connect, stage, check, load, preflight, back up, publish, verify.

    reviewed  the plan.json that somebody agreed to
    """
    with work.connected() as work:
        staged = work.step(STAGE)
        rows = sum(table.rows for table in staged.tables.values())
        load_ahead(work.run, with_notebooks=rows <= workers.MANY_ROWS)
        with work.scratch():
            with work.beside(BACKUP, backup.discard) as backed_up:  # it only reads what these do not write
                work.step(CHECK)
                work.refuse_invalid_notifications()
                if reviewed:
                    reviewed_plan.refuse_other_input(reviewed, work.run)
                target.require_migrated_elsewhere(work.run, work.record)
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
    """Undo the run if its transaction was committed, and changed anything: the history row was written in it."""
    with signals.stage(partial(_tell_undoing, work.record)):
        try:
            published = _published(work.run)
        except Mock2pgError as error:
            work.record.status = _unknown(error)
            return
        if published is None:
            return
        if isinstance(work.record.error, NotAppliedYet) or not _is_applied(work.run):
            work.record.status = "not_applied"  # to undo it would be on top of what a node does not have yet
        elif changes(published):
            _undo(work)
        else:  # a rollback would undo nothing but what others wrote since the backup
            log.log.info("The run had changed nothing, so nothing is rolled back")


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
        try:
            record.status = "rolled_back" if _published(work.run) is None else "rollback_failed"
        except Mock2pgError as unasked:
            record.status = _unknown(unasked)
        holds = f"The target holds what run {work.run.id} published." if record.status == "rollback_failed" else ""
        log.log.error("The rollback failed too: %s. %s", record.undo_error.message, holds)


def _published(run: Run) -> Published | None:
    """Return what the target holds of the run, by the history. Raises Mock2pgError when it cannot be asked."""
    with verdict.asking(run) as connection:
        committed = verdict.committed("publish", run, connection)
        if committed is None or verdict.committed("rollback", run, connection) is not None:
            return None
        return committed.of(Published)


def _unknown(error: Mock2pgError) -> str:
    log.log.error("It is not known whether the run was published (%s). Run verify later.", error.message)
    return "unknown"


def _is_applied(run: Run) -> bool:
    """Return whether every node has applied the run; False when that cannot be asked."""
    with suppress(Mock2pgError):
        return nodes.is_applied(run)
    return False


def _tell_undoing(record: Record, signal: str) -> None:
    log.log.warning("%s: the run is being rolled back to %s; wait for that", signal, record.backup_id)
