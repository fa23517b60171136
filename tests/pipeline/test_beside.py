"""The backup is taken beside what is built, in a process of its own, and is kept only for a run that may publish."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mock2pg import MigrationService, pages, signals, workers
from mock2pg.errors import CheckFailed, InternalError
from mock2pg.pipeline import known_build
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.beside import Beside
from mock2pg.results import MigrationResult
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp, Loaded, StepResult
from tests.fix_published import small_rows

pytestmark = pytest.mark.usefixtures("executed_notebooks")


@pytest.fixture
def settings(published_small: Settings) -> Settings:
    return published_small


@pytest.fixture(scope="module", autouse=True)
def _workers_of_all_tests() -> Iterator[None]:
    """A worker that has loaded its modules serves the next test, too."""
    yield
    workers.end_all()


def kept(settings: Settings) -> set[str]:
    return {file.name for file in settings.backups_dir.iterdir()}


def of(result: MigrationResult, settings: Settings) -> Run:
    return Run(result.run_id, settings)


def refuse_all(settings: Settings) -> None:
    """Let no row pass the rule of a built table: the load fails when dbt has built it."""
    rule = '{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 99}}'
    file = settings.expectations_dir / "tables" / "owners.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'{{"name": "owners", "expectations": [{rule}]}}')


def after_backup(monkeypatch: pytest.MonkeyPatch, step: str = "preflight") -> None:
    """Let a step begin only when there is a backup."""
    execute = steps.run_in_process

    def later(name: str, run: Run, *given: object) -> object:
        if name == step:
            deadline = time.monotonic() + 60
            while run.find(BackedUp) is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        return execute(name, run, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "run_in_process", later)


def test_a_backup_is_taken_while_the_tables_are_built(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has begun before the load has ended, and the run publishes when both have passed."""
    after_backup(monkeypatch)
    document = small_rows()
    document["pets"].pop()
    result = MigrationService(settings).migrate_all_data(document)
    assert result.success, result.message
    run = of(result, settings)
    loaded, taken = run.result(Loaded.step), run.result(BackedUp.step)
    assert loaded
    assert taken
    assert loaded.started_at < taken.started_at
    assert run.read("record.json")["backup_id"] == taken.of(BackedUp).backup_id
    assert taken.of(BackedUp).file.removeprefix("backups/") in kept(settings)


def test_a_run_that_fails_before_it_publishes_leaves_no_backup(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conflicts that are found when the backup is there already: it is removed, and no result speaks of it."""
    after_backup(monkeypatch)
    before = kept(settings)
    result = MigrationService(settings, max_deleted="0").migrate_all_data({"owners": [], "pets": []})
    assert type(result.error).__name__ == "PreflightFailed", result.message
    run = of(result, settings)
    assert kept(settings) == before
    assert run.result(BackedUp.step) is None
    assert not (run.folder / "notebooks" / "backup.ipynb").exists()
    assert run.read("record.json")["backup_id"] is None


def test_a_backup_begins_with_the_check_where_nothing_is_built(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same input, the tables are those of the run that published it, so what is backed up is known."""
    after_backup(monkeypatch, "load")
    result = MigrationService(settings).migrate_all_data(small_rows())
    assert result.success, result.message
    assert of(result, settings).require(Loaded).built_by


def test_a_check_that_fails_leaves_no_backup(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the backup was taken while it checked."""
    before = kept(settings)

    def fail(_: Run) -> None:
        raise CheckFailed("a rule whose result is not always the same")

    after_backup(monkeypatch, "check")
    monkeypatch.setattr("mock2pg.pipeline.steps.check.run", fail)
    result = MigrationService(settings).migrate_all_data(small_rows())
    assert type(result.error).__name__ == "CheckFailed", result.message
    assert kept(settings) == before
    assert of(result, settings).result(BackedUp.step) is None


def test_a_run_that_has_ended_is_not_written_into(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that answers only when the check has failed tells of tables that nobody will back up any more."""
    ended, told, likely = threading.Event(), threading.Event(), known_build.likely

    def late(run: Run) -> object:
        found = likely(run)
        assert found
        ended.wait(60)
        return found

    def fail(_: Run) -> None:
        raise CheckFailed("a rule")

    monkeypatch.setattr(known_build, "likely", late)
    monkeypatch.setattr(pages, "compile_templates", told.set)  # which follows
    monkeypatch.setattr("mock2pg.pipeline.steps.check.run", fail)
    result = MigrationService(settings).migrate_all_data(small_rows())
    ended.set()
    assert told.wait(60)
    assert not (of(result, settings).folder / "contracts.json").exists()


def test_a_load_that_fails_ends_the_backup(settings: Settings) -> None:
    """Nobody waits for it, and nothing of it is left."""
    refuse_all(settings)
    before = kept(settings)
    result = MigrationService(settings).migrate_all_data(small_rows())
    assert type(result.error).__name__ == "LoadFailed", result.message
    assert kept(settings) == before
    assert of(result, settings).result(BackedUp.step) is None


def test_a_backup_that_fails_ends_the_run(settings: Settings) -> None:
    """Its own error is the run's, and its result is kept."""
    folder = settings.backups_dir
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("no folder")
    result = MigrationService(settings).migrate_all_data(small_rows())
    folder.unlink()
    aside.rename(folder)
    assert type(result.error).__name__ == "BackupFailed", result.message
    failed = of(result, settings).result(BackedUp.step)
    assert failed
    assert failed.status == "failed"


def test_an_interrupt_ends_both(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the tables are built ends the backup, too."""
    before = kept(settings)

    def pressed(_: object) -> None:
        deadline = time.monotonic() + 60
        while not workers._lent.get(workers.CELLS):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("mock2pg.build.build", pressed)
    rows = small_rows()
    rows["pets"][0]["legs"] += 1  # else nothing is built
    result = MigrationService(settings).migrate_all_data(rows)
    assert type(result.error).__name__ == "Interrupted", result.message
    assert kept(settings) == before
    deadline = time.monotonic() + 60
    while workers._lent.get(workers.CELLS):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_backup_that_does_not_listen_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that heeds no interrupt is killed when its result is not wanted any more."""
    monkeypatch.setattr("mock2pg.pipeline.beside._GRACE", 0.5)
    run = Run("a-run", Settings(project=tmp_path))
    run.write("contracts.json", [])
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(120)"
    monkeypatch.setattr(steps, "run_recorded", lambda *_, **__: workers.call(workers.CELLS, "builtins:exec", deaf))
    beside = Beside(steps.BACKUP, run, lambda *_: None)
    beside.begin()
    while not workers._lent.get(workers.CELLS):
        time.sleep(0.02)
    beside.give_up()
    assert not workers._lent[workers.CELLS]
    assert beside.has_failed


def test_an_interrupt_that_became_another_error_is_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python itself makes a RuntimeError of a Ctrl-C that comes while a class is made, as in a late import."""

    def pressed(name: str, run: Run, _: object) -> None:
        run.save(StepResult(name, status="failed", error=InternalError("verify failed: RuntimeError").as_dict()))
        raise signals.Signalled("Ctrl-C")

    monkeypatch.setattr(steps, "run_in_notebook", pressed)
    with pytest.raises(signals.Signalled):
        steps.run_recorded(steps.VERIFY, Run("a-run", Settings(project=tmp_path)), warn=lambda *_: None)
