"""Retention of the folders of runs: which are removed, and that the evidence says so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mock2pg import MigrationService, cli, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import AlreadyRunning, DatabaseError, UsageError
from mock2pg.pages import run_list
from mock2pg.pipeline import prune_runs
from mock2pg.private import locked
from mock2pg.runs import Run, all_runs, point_latest
from mock2pg.settings import Settings

Recorded = Callable[..., str]


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """Settings of a project that has no runs, and no database yet."""
    return settings_module.load(project=tmp_path)


@pytest.fixture
def recorded(here: Settings) -> Recorded:
    """Writes the folder of a check of the n-th second."""

    def record(second: int, **given: object) -> str:
        run = Run(f"2026-11-22T10-30-{second:02}-000Z", here)
        known = {"command": "check", "status": "succeeded", "finished_at": "now", "seconds": 1.0, "operator": "Ada"}
        known |= {"error": None, "message": ""}
        run.write("record.json", {**known, "started_at": run.started_at, "pid": 0, "backup_id": None, **given})
        return run.id

    return record


def removed(service: MigrationService, **keep: float) -> list[str]:
    return [entry["id"] for entry in service.prune_runs(**keep) if entry["remove"]]  # type: ignore[arg-type]


def ids(settings: Settings) -> set[str]:
    return {run.id for run in all_runs(settings)}


def test_runs_are_kept_by_number_and_by_age_as_backups_are(here: Settings, recorded: Recorded) -> None:
    """Nothing is removed without `yes`; what is removed leaves the list of runs, too."""
    runs = [recorded(second) for second in (4, 3, 2, 1)]
    service = MigrationService(here)
    assert [entry["id"] for entry in service.runs()] == runs
    assert removed(service, keep_last=2) == runs[2:]
    assert removed(service, keep_last=9) == []
    assert removed(service, keep_days=0) == runs[1:]  # the newest is always kept
    assert removed(service, keep_days=100_000) == []
    assert ids(here) == set(runs)
    service.prune_runs(keep_last=3, yes=True)
    assert ids(here) == set(runs[:3])
    page = (here.runs_dir / "index.html").read_text()
    assert ("10:30:02" in page, "10:30:01" in page) == (True, False)
    with pytest.raises(UsageError, match="no option or setting says which runs to keep"):
        service.prune_runs()
    kept = MigrationService(here.model_copy(update={"runs_keep": 1}))
    assert removed(kept) == runs[1:3]


def test_a_run_that_is_removed_meanwhile_is_no_failure(
    here: Settings, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process prunes between the look at the folder and the look at the run."""
    kept, gone = recorded(2), Run("2026-11-22T10-30-01-000Z", here)
    for module in (prune_runs, run_list):
        monkeypatch.setattr(module, "all_runs", lambda _: [Run(kept, here), gone])
    assert [entry["id"] for entry in MigrationService(here).runs()] == [kept]
    (elsewhere := here.project / "elsewhere").mkdir()
    (here.runs_dir / ".removed").symlink_to(elsewhere)
    decisions = prune_runs.prune(here, None, prune_runs.RetentionPolicy(1), remove=True)
    assert [entry["remove"] for entry in decisions] == [False, False]
    assert not (here.runs_dir / ".removed").is_symlink()
    page = run_list.write_run_list(here).read_text()
    assert "10:30:02" in page
    assert "10:30:01" not in page


def test_a_run_that_somebody_needs_is_kept(here: Settings, recorded: Recorded) -> None:
    """One that is in progress, interrupted or unreadable, one that reached a database, and the last that ended."""
    runs = [recorded(second) for second in range(9, 2, -1)]
    _, latest, working, interrupted, unreadable, reached, checked = runs
    point_latest(Run(latest, here))
    recorded(6, status="running", finished_at=None)
    (here.runs_dir / unreadable / "record.json").write_text("{")
    recorded(4, command="migrate")
    with locked(here.runs_dir / working):
        decisions = prune_runs.prune(here, None, prune_runs.RetentionPolicy(1), remove=True)
    assert {entry["id"]: entry["reason"] for entry in decisions if not entry["remove"]} == {
        runs[0]: "the newest that ended",
        latest: "the last that ended",
        working: "in progress",
        interrupted: "interrupted: the next run completes it",
        unreadable: "its record cannot be read",
        reached: "it reached a database, which was not asked",
    }
    assert ids(here) == set(runs) - {checked}


def test_the_published_run_is_kept_and_the_evidence_reports_a_removal(published_small: Settings) -> None:
    """After a run that ended, by the setting; a folder that somebody else removed is still missing."""
    service = MigrationService(published_small)
    published = str(service.status().published_run)
    verified, checked = service.verify().run_id, service.check({"owners": [], "pets": []}).run_id
    keeping = MigrationService(published_small.model_copy(update={"runs_keep": 1, "operator": "Ada"}))
    last = keeping.verify()
    assert ids(published_small) == {published, last.run_id}
    assert last.warnings == ()
    evidence = service.verify_evidence(every=True)
    assert evidence.success, evidence.faults
    assert any(note.startswith(f"{verified} was removed by retention at ") for note in evidence.notes)
    assert not any(checked in note for note in evidence.notes)  # no database listed it
    assert service.verify_evidence(verified).success
    events = [entry for entry in service.history() if entry["kind"] == "prune"]
    assert {(entry["run_id"], entry["operator"]) for entry in events} == {(verified, "Ada"), (checked, "Ada")}
    assert [run.removed for run in service.past_runs() if run.what == "prune"] == ["2 runs removed"]

    gone = service.verify().run_id
    shutil.rmtree(published_small.runs_dir / gone)
    faults = service.verify_evidence(every=True).faults
    assert [(fault.run_id, fault.what) for fault in faults] == [(gone, "is missing: the database lists it")]


def test_a_removal_that_cannot_be_recorded_is_none(published_small: Settings) -> None:
    """A database that is read-only or not reached, or another run that holds the lock, keeps every run."""
    service = MigrationService(published_small)
    service.verify()
    service.verify()
    before = ids(published_small)
    with postgres.connect(published_small.url, name="test") as connection:
        name = postgres.database_name(published_small.url)
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')  # type: ignore[arg-type]
    with pytest.raises(DatabaseError, match="cannot record which runs are removed"):
        service.prune_runs(keep_last=1, yes=True)
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')  # type: ignore[arg-type]
    with postgres.advisory_lock(published_small.url, "run of another"), pytest.raises(AlreadyRunning):
        service.prune_runs(keep_last=1, yes=True)
    away = MigrationService(project=published_small.project, database_url="postgresql://u@127.0.0.1:1/db")
    with pytest.raises(DatabaseError):
        away.prune_runs(keep_last=1, yes=True)
    assert ids(published_small) == before


def test_runs_are_listed_and_pruned_by_the_command(here: Settings, recorded: Recorded) -> None:
    """In 80 columns; --json has all that is known; --yes removes."""
    assert "There is no run yet." in asked(here)
    newer, older = recorded(2, command="rollback --show", status="failed"), recorded(1, status="running")
    head, first, second = asked(here).splitlines()
    assert head.split() == ["Run", "What", "Verdict", "Time", "Size", "By"]
    assert first.split() == [newer, "rollback", "--show", "failed", "1.0", "s", *first.split()[6:8], "Ada"]
    assert "interrupted" in second
    assert max(map(len, (head, first, second))) <= 80
    assert json.loads(asked(here, "--json"))[0]["command"] == "rollback --show"
    recorded(1)
    assert f"{older}" in asked(here, "prune", "--keep-last", "1")
    assert "would be removed: 1 newer run ended" in asked(here, "prune", "--keep-last", "1")
    assert " removed: " in asked(here, "prune", "--keep-last", "1", "--yes")
    assert ids(here) == {newer}


def asked(settings: Settings, *arguments: str) -> str:
    variables = {name: value for name, value in settings.environment().items() if name != "DATABASE_URL"}
    done = CliRunner().invoke(cli.command, ["runs", *arguments], env={**os.environ, **variables, "COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout
