"""The lists of runs and of backups, in the columns that a terminal has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mock2pg.report.history_lists import backup_lines, history_lines
from mock2pg.report.output import UNLIMITED
from mock2pg.results import PastRun

AT = datetime(2026, 11, 22, 10, 30, 7, tzinfo=UTC)
ID = "2026-11-22T10-30-00-000Z"


def past(what: str = "migrate", outcome: str = "succeeded", **given: Any) -> PastRun:
    known = {"run_id": ID, "operator": "a long name", "error": None, "rows_changed": None, "backup_id": None}
    known |= {"host": "a-host", "database_user": "app", "client_address": None}
    return PastRun(**{"at": AT, "what": what, "outcome": outcome, **known, **given})


def backup(**given: Any) -> dict[str, Any]:
    known = {"timestamp": "t", "database": "shop", "schema": "public", "bytes": 123456, "encrypted": False}
    known |= {"tables": 14, "rows": 12345, "run_id": ID, "command": "migrate", "latest": False}
    return {"id": f"backup-{ID}", **known, **given}


RUNS = [
    past(rows_changed=100_593, backup_id=f"backup-{ID}"),
    past("rollback --show"),
    past("migrate", "rolled_back", rows_changed=0, backup_id=f"backup-{ID}", error="VerifyFailed"),
    past("plan", "failed", error="PreflightFailed"),
    past("prune", run_id=None, removed="2 backups removed", operator="root"),
]


def test_a_run_is_a_line_of_80_columns() -> None:
    """When, what, by whom, rows changed, verdict, and the backup or the error; a name is cut, an id never."""
    assert history_lines(RUNS, 80).splitlines() == [
        "When (UTC)        What      By    Changed  Verdict      Backup or error",
        "2026-11-22 10:30  migrate   a l…  100,593  succeeded    2026-11-22T10-30-00-000Z",
        "2026-11-22 10:30  rollbac…  a l…           succeeded",
        "2026-11-22 10:30  migrate   a l…        0  rolled back  2026-11-22T10-30-00-000Z",
        "2026-11-22 10:30  plan      a l…           failed       PreflightFailed",
        "2026-11-22 10:30  prune     root           succeeded    2 backups removed",
    ]
    assert history_lines([], 80) == "Nothing was published in this database yet."


def test_a_wide_terminal_shows_more() -> None:
    """Complete names and ids, the error of a run that has a backup too, from which host and as which user."""
    head, first, _, third, *_ = history_lines(RUNS, 200).splitlines()
    assert head.split("  ")[-1].strip() == "User"
    assert "Client" not in head  # no run has an address
    assert first.split()[-4:] == [f"backup-{ID}", ID, "a-host", "app"]
    assert "a long name" in first
    assert "VerifyFailed" in third


def test_a_pipe_has_everything() -> None:
    """No name is cut, every column with something in it is there, and why a backup was taken is beside it."""
    long = past("rollback --show", operator="o" * 300, host="h" * 300, backup_id=f"backup-{ID}", client_address="::1")
    line = history_lines([long], UNLIMITED).splitlines()[1]
    assert line.partition("rollback --show")[2].split() == [
        "o" * 300,
        "succeeded",
        f"backup-{ID}",
        ID,
        "h" * 300,
        "app",
        "::1",
    ]
    assert len(backup_lines([backup(latest=True)], UNLIMITED).splitlines()) == 2


def test_columns_come_in_the_order_of_their_importance() -> None:
    """If there is no room for the run, its host is left out, too."""
    heads = {limit: history_lines(RUNS, limit).splitlines()[0].split("  ")[-1].strip() for limit in (100, 130, 160)}
    assert heads == {100: "Backup or error", 130: "Run", 160: "User"}


def test_a_backup_has_its_rows_and_why_it_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it on a wide terminal, below it on one of 80 columns; what is not known is a dash, and how to find out.

    Commands are those of make where make was typed.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAKELEVEL", "1")
    (tmp_path / "Makefile").write_text("backups:\nrollback:\n", encoding="utf-8")
    found = [backup(latest=True), backup(command="backup", encrypted=True, rows=None, tables=None)]
    assert backup_lines(found, 80).splitlines() == [
        "Backup                             Rows  Tables      Size",
        f"backup-{ID}  12,345      14  123.5 kB",
        f"  before migrate {ID}, restored by `make rollback ID=latest`",
        f"backup-{ID}       -       -  123.5 kB",
        f"  by backup {ID}, encrypted",
        "-: known only after the whole file is read: `make backups ARGS=verify`",
    ]
    assert len(backup_lines(found[:1], 200).splitlines()) == 2
    others = [backup(schema="other", latest=None), backup(command=None), backup(timestamp=None, kind="a directory")]
    text = backup_lines(others, 200)
    assert "of shop.other" in text
    assert "by an unknown run" in text
    assert "not a backup: it is a directory" in text
    assert text.endswith(
        "The database was not reached, so the backup that `make rollback ID=latest` restores is not marked."
    )
