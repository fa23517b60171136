"""rollback: show what would change, or go back to a backup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from mock2pg import signals
from mock2pg.pipeline import destination
from mock2pg.pipeline.step import ROLLBACK, SHOW, load_report_ahead
from mock2pg.pipeline.verdict import paperwork
from mock2pg.pipeline.work import Work


def show(work: Work, backup_id: str, *, discard_changes: bool, latest: bool = False) -> None:
    """Find out what a rollback would change; the target is only read."""
    with _connected(work, backup_id, latest=latest) as work:
        work.step(SHOW, backup_id=backup_id, discard_changes=discard_changes, show=True, last=True)


def roll_back(work: Work, backup_id: str, *, discard_changes: bool, latest: bool = False) -> None:
    """Go back to the backup, unless it would undo what others wrote since.

    latest  it was chosen as the latest, and must still be that
    """
    with _connected(work, backup_id, latest=latest) as work:
        try:
            work.step(SHOW, backup_id=backup_id, discard_changes=discard_changes, show=True, refuse=True)
            work.refuse_invalid_notifications()
            work.step(ROLLBACK, backup_id=backup_id, discard_changes=discard_changes, last=True)
        except BaseException:
            with signals.closed(), paperwork("what was held for the rollback is not removed", work.record.warn):
                import_module("mock2pg.pipeline.steps.rollback.held").discard(work.run)
            raise


@contextmanager
def _connected(work: Work, backup_id: str, *, latest: bool) -> Iterator[Work]:
    work.record.backup_id = backup_id
    load_report_ahead()
    with work.connected() as work:
        if latest:
            destination.refuse_moved(work.run.settings, work.run.settings.url, backup_id)
        yield work
