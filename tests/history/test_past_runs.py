"""The history by run: what the database lists of a run is one entry."""

from __future__ import annotations

from mock2pg import postgres
from mock2pg.history import events, layout
from mock2pg.history.past_runs import summarised
from mock2pg.results import PastRun
from tests.history.test_runs import record


def told(connection: postgres.Connection, kind: str, outcome: str, run: str | None = None, **given: str | None) -> None:
    event = events.Event(kind, outcome, "Ada", "public", run, given.get("error"), given.get("backup_id"))
    assert events.add(connection, [event]) == ""


def runs(connection: postgres.Connection, limit: int | None = None) -> list[PastRun]:
    return summarised(events.listed(connection, limit, by_run=True))


def test_a_run_is_one_entry_whatever_the_database_lists_of_it(connection: postgres.Connection) -> None:
    """Its row, its end and its manifest are one; an attempt without a run is an entry of its own."""
    layout.create(connection)
    record(connection, "1")
    told(connection, "migrate", "succeeded", "1", backup_id="backup-x")
    told(connection, "manifest", "sealed", "1")
    told(connection, "migrate", "failed", "2", error="CheckFailed")
    told(connection, "manifest", "sealed", "2")
    record(connection, "3")
    told(connection, "rollback", "failed", error="BackupRefused", backup_id="backup-y")
    record(connection, "3", "rollback")
    told(connection, "migrate", "rolled_back", "3", error="VerifyFailed", backup_id="backup-x")
    told(connection, "prune", "succeeded", backup_id="backup-1")
    told(connection, "prune", "succeeded", backup_id="backup-2")
    told(connection, "prune", "succeeded", "1")
    record(connection, "4")
    found = [
        (each.run_id, each.what, each.outcome, each.error, each.rows_changed, each.backup_id, each.removed)
        for each in runs(connection)
    ]
    assert found == [
        ("4", "migrate", "published", None, 1, "backup-x", None),
        (None, "prune", "succeeded", None, None, None, "1 run removed"),
        (None, "prune", "succeeded", None, None, None, "2 backups removed"),
        ("3", "migrate", "rolled_back", "VerifyFailed", 0, "backup-x", None),
        (None, "rollback", "failed", "BackupRefused", None, None, None),
        ("2", "migrate", "failed", "CheckFailed", None, None, None),
        ("1", "migrate", "succeeded", None, 1, "backup-x", None),
    ]
    assert [each.run_id for each in runs(connection, 5)][:1] == ["4"]
    (newest, third) = [each for each in runs(connection, 5) if each.run_id]
    assert (newest.run_id, third.run_id, third.outcome) == ("4", "3", "rolled_back")
    assert third.at < newest.at
