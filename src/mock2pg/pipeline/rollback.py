"""rollback: show what would change, or go back to a backup."""

from __future__ import annotations

from mock2pg.pipeline.step import ROLLBACK, SHOW
from mock2pg.pipeline.work import Work


def show(work: Work, backup_id: str, *, discard_changes: bool) -> None:
    """Find out what a rollback would change; the target is only read."""
    work.record.backup_id = backup_id
    with work.connected() as work:
        work.step(SHOW, backup_id=backup_id, discard_changes=discard_changes, show=True, last=True)


def roll_back(work: Work, backup_id: str, *, discard_changes: bool) -> None:
    """Go back to the backup, unless it would undo what others wrote since."""
    work.record.backup_id = backup_id
    with work.connected() as work:
        work.step(SHOW, backup_id=backup_id, discard_changes=discard_changes, show=True, refuse=True)
        work.refuse_invalid_notifications()
        work.step(ROLLBACK, backup_id=backup_id, discard_changes=discard_changes, last=True)
