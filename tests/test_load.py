"""However busy the machine is, and however slowly a notebook's process ends, a verdict is true."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.runs import Run
from mock2pg.settings import Settings
from tests.fix_small import small_document, small_project


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With `-n 10`, ten of them at once leave a tenth of the machine to each."""
    metafunc.parametrize("at_once", range(metafunc.config.getoption("--at-once")))


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    given: int = request.config.getoption("--rounds")
    return given


def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker that has ended seem alive at first: SIGTERM is then sent to one that is gone."""
    wait, waited = subprocess.Popen.wait, set[int]()

    def waits(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        code = wait(process, timeout)
        if process.args[3:4] == ["mock2pg.workers.serving"] and process.pid not in waited:  # type: ignore[index]
            waited.add(process.pid)
            raise subprocess.TimeoutExpired("a worker", timeout or 0.0)
        return code

    monkeypatch.setattr(subprocess.Popen, "wait", waits)


def rows(settings: Settings) -> list[str]:
    with postgres.connect(settings.url, name="test") as connection:
        return [row[0] for row in connection.execute("SELECT id FROM public.pets ORDER BY id").fetchall()]


@pytest.mark.usefixtures("executed_notebooks")
def test_every_verdict_is_true_on_a_busy_machine(
    rounds: int, at_once: int, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrate, verify, roll back, so many times; in every other round the workers are gone when SIGTERM is sent.

    What was changed by hand is found, and what was published is proven and goes back: exactly that, each time.
    """
    settings = settings_module.load(project=small_project(tmp_path), database_url=database, max_deleted="100%")
    service = MigrationService(settings)
    assert service.migrate_all_data(small_document("old")).success
    for number in range(rounds):
        with monkeypatch.context() as patched:
            if number % 2 == 0:
                late(patched)
            done = service.migrate_all_data(small_document("old", f"new {number}"))
            assert (done.success, done.message, rows(settings)) == (
                True,
                "Migrated and proven.",
                [f"new {number}", "old"],
            )
            with postgres.connect(database, name="test") as connection:
                connection.execute("UPDATE public.pets SET legs = 5 WHERE id = 'old'")
                assert not service.verify().success
                connection.execute("UPDATE public.pets SET legs = 4 WHERE id = 'old'")
            back = service.rollback(done.summary["backup"]["backup_id"])
            assert (back.success, rows(settings)) == (True, ["old"]), back.message
            for result in (done, back):
                assert Run(result.run_id, settings).read("record.json")["status"] == "succeeded"
