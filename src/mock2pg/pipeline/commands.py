"""The commands of few steps: check, load, plan, verify, backup."""

from __future__ import annotations

from contextlib import nullcontext

from mock2pg.pipeline import nodes, recovery
from mock2pg.pipeline.step import BACKUP, CHECK, LOAD, PLAN, PREFLIGHT, STAGE, VERIFY, load_ahead, load_report_ahead
from mock2pg.pipeline.work import Work


def check(work: Work) -> None:
    """Stage and check, without a database."""
    recovery.after_killed_checks(work.run)
    work.step(STAGE)
    work.step(CHECK, last=True)


def load(work: Work, *, keep: bool) -> None:
    """Build the tables beside the target tables, and publish nothing. `keep`: leave the scratch schemas there."""
    with work.connected() as work:
        work.step(STAGE)
        load_ahead()
        work.step(CHECK)
        with nullcontext() if keep else work.scratch():
            work.step(LOAD, purpose="build", last=True)


def plan(work: Work) -> None:
    """Find out what a migration would change; the target is only read."""
    with work.connected() as work:
        work.step(STAGE)
        load_ahead()
        work.step(CHECK)
        with work.scratch():
            work.step(LOAD, purpose="plan")
            work.step(PREFLIGHT, purpose="plan")
            work.step(PLAN, last=True)


def verify(work: Work) -> None:
    """Prove the target tables against the run that published them."""
    load_report_ahead()
    with work.connected(exclusive=False) as work:
        nodes.require_applied(work.run)
        work.step(VERIFY, last=True)


def backup(work: Work) -> None:
    """Take a backup of the target schema."""
    load_report_ahead()
    with work.connected() as work:
        work.record.backup_id = work.step(BACKUP, last=True).backup_id
