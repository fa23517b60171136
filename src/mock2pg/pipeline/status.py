"""The status of a target: its published run, its lock holder, and the leftovers of interrupted runs."""

from __future__ import annotations

from mock2pg import history, postgres
from mock2pg.errors import DatabaseError, Interrupted
from mock2pg.history import HistoryRow, events
from mock2pg.log import timestamp
from mock2pg.pipeline import recovery, verdict
from mock2pg.postgres import prepared_transactions
from mock2pg.results import Status
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import Verified
from mock2pg.text import first_line


def read(settings: Settings, url: str) -> Status:
    """Read the status in one session, which changes nothing."""
    with (
        postgres.connect(url, name="status", read_only=True, lock_timeout=settings.lock_timeout) as connection,
        postgres.named(DatabaseError, "cannot ask the database"),
    ):
        newest = history.newest(connection, settings.target_schema)
        lock_holder = postgres.lock_holder(connection)
        return Status(
            database=postgres.describe_database(connection)["name"],
            schema=settings.target_schema,
            published_run=newest.published_run if newest else None,
            published_at=timestamp(newest.published_at) if newest else None,
            command=newest.command if newest else None,
            operator=newest.operator if newest else None,
            lock_holder=lock_holder,
            protected=history.is_protected(connection),
            leftovers=() if lock_holder else tuple(recovery.leftovers_of(settings, connection)),
            refused=recovery.refused(connection),
            unapplied=prepared_transactions.unapplied(connection, newest.transaction) if newest else (),
            unverified=_unverified(settings, connection, newest) if newest and not lock_holder else None,
        )


def _unverified(settings: Settings, connection: postgres.Connection, newest: HistoryRow) -> str | None:
    """Return why the published run is not verified, in words; a rollback proves only that its rows are there again."""
    if newest.published_run is None:
        return None
    run = Run(newest.published_run, settings)
    result = verdict.written("verify", run)
    passed = events.verified_by(connection, run.id, settings.target_schema)
    known = passed is not None or run.folder.is_dir()
    verified = any(_is_of(run, Run(each, settings)) for each in passed or ())
    if verified or (result and not result.error) or not known:
        return None
    why = "was interrupted"
    if result and result.error and result.error["name"] != Interrupted.__name__:
        why = f"failed: {first_line(result.error['message'])}"
    elif not run.folder.is_dir():
        why = "is not recorded"
    back = "latest" if newest.command == "migrate" else f"--before {run.id}"
    return f"the verification of the run {why}. Run `mock2pg verify`, or undo the run with `mock2pg rollback {back}`"


def _is_of(published: Run, verifying: Run) -> bool:
    """Return whether a verification that passed was of the run: `verify` takes no lock, and may have begun before."""
    result = verdict.written("verify", verifying)
    return result is None or (isinstance(result.found, Verified) and result.found.published_run == published.id)
