"""A run clears up after interrupted ones, and leaves everything else alone."""

from __future__ import annotations

from typing import Any

import pytest

from mock2pg import MigrationService, postgres
from mock2pg.errors import UsageError
from mock2pg.pipeline import recovery, target
from mock2pg.runs import Run, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import Database
from tests.fix_results import result_of

DEAD = 2**22 + 1  # above the highest number that a process can have


@pytest.fixture
def here(connection: postgres.Connection) -> dict[str, Any]:
    return {**postgres.describe_database(connection), "schema": "public"}


def killed(settings: Settings, database: dict[str, Any] | None) -> Run:
    """A run whose process is gone, that had reached this database."""
    run = new_run(settings)
    record = {
        "command": "migrate",
        "status": "running",
        "pid": DEAD,
        "message": "",
        "error": None,
        "database": database,
    }
    run.write("record.json", record)
    (run.folder / "staging.duckdb").touch()
    return run


def test_what_killed_runs_left_is_cleared_up(settings: Settings, here: dict[str, Any]) -> None:
    """Those that had reached this database, and those that had reached none."""
    runs = [killed(settings, here), killed(settings, None)]
    assert [run.id in left for run, left in zip(runs, MigrationService(settings).status().leftovers, strict=True)] == [
        True
    ] * 2
    recovery.after_killed(new_run(settings))
    assert [run.read("record.json")["status"] for run in runs] == ["failed", "failed"]
    assert not any((run.folder / "staging.duckdb").exists() for run in runs)


@pytest.mark.parametrize("other", [{"name": "elsewhere"}, {"system_identifier": "7"}])
def test_a_run_on_another_database_is_left_to_it(
    settings: Settings, here: dict[str, Any], other: dict[str, str]
) -> None:
    """Only the database that it reached can say whether it published."""
    run = killed(settings, here | other)
    recovery.after_killed(new_run(settings))
    assert run.read("record.json")["status"] == "running"


@pytest.mark.parametrize("text", ["", "{", "[]", "\0"])
def test_a_record_that_cannot_be_read_stops_nobody(settings: Settings, text: str) -> None:
    """The run is passed over, with a warning that names it."""
    run = new_run(settings)
    (run.folder / "record.json").write_text(text)
    assert MigrationService(settings).status().leftovers == ()
    recovery.after_killed(new_run(settings))
    assert f"runs/{run.id}/record.json cannot be read" in settings.log_file.read_text()
    staged = new_run(settings)
    staged.save(result_of("stage"))
    with pytest.raises(UsageError, match="never migrated on another server"):
        target.require_migrated_on_another_server(staged, Database("app", "public", "18.6", "7"))
