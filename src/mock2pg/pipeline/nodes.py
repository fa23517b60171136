"""The nodes of a distributed target: what is committed, and whether each of them has applied it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from mock2pg import history, postgres
from mock2pg.errors import DatabaseError, NotAppliedYet
from mock2pg.log import log
from mock2pg.pipeline import verdict
from mock2pg.postgres import prepared_transactions
from mock2pg.runs import Run
from mock2pg.signals import interruptible
from mock2pg.step_results import Connected

PATIENCE = prepared_transactions.PATIENCE
_PAUSE = 1.0  # seconds between two questions


def is_distributed(run: Run) -> bool:
    """Return whether the target is a Citus coordinator, as the connect step found."""
    found = run.find(Connected)
    return found is not None and found.database.citus


def transaction(run: Run, connection: postgres.Connection) -> str:
    """Return what the history keeps of a transaction that will be committed: the names that it has on the nodes."""
    return prepared_transactions.names(connection) if is_distributed(run) else ""


def unapplied(run: Run, connection: postgres.Connection) -> tuple[str, Sequence[str]]:
    """Return the newest run of the target schema, and in words the nodes that have not applied what it committed."""
    row = history.newest(connection, run.settings.target_schema)
    return (row.run_id, prepared_transactions.unapplied(connection, row.transaction)) if row else ("", ())


def is_applied(run: Run) -> bool:
    """Return whether every node has applied what the newest run committed. Raises DatabaseError."""
    if not is_distributed(run):
        return True
    with verdict.asking(run) as connection, postgres.named(DatabaseError, "cannot ask the nodes"):
        return not unapplied(run, connection)[1]


def require_applied(run: Run) -> None:
    """Wait, for a limited time, until every node has applied what the newest run committed.

    Raises NotAppliedYet, also when the waiting is interrupted, and DatabaseError when the coordinator cannot be asked.
    """
    if is_distributed(run):
        postgres.retried(
            partial(_wait, run),
            attempts=run.settings.publish_attempts,
            patience=lambda: postgres.PATIENCE,
            tell=lambda *_: None,
        )


def _wait(run: Run) -> None:
    deadline, told = time.monotonic() + PATIENCE, False
    with verdict.asking(run) as connection, postgres.named(DatabaseError, "cannot ask the nodes"):
        while (found := unapplied(run, connection))[1]:
            error = _not_applied(*found)
            if time.monotonic() >= deadline:
                raise error
            if not told:
                log.warning("%s; waiting up to %.0f s", error.message, PATIENCE)
                told = True
            try:
                with interruptible():
                    time.sleep(_PAUSE)
            except KeyboardInterrupt as interrupt:
                raise error from interrupt
            prepared_transactions.recover(connection)


def _not_applied(run_id: str, nodes: Sequence[str]) -> NotAppliedYet:
    return NotAppliedYet("; ".join([f"run {run_id} is committed", *nodes]))
