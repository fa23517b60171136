"""The status of a target: its published run, its lock holder, and what interrupted runs left."""

from __future__ import annotations

from mock2pg import history, postgres
from mock2pg.errors import DatabaseError
from mock2pg.log import timestamp
from mock2pg.pipeline import recovery
from mock2pg.postgres import prepared_transactions
from mock2pg.results import Status
from mock2pg.settings import Settings


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
        )
