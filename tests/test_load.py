"""However busy the machine is, and however slowly a notebook's process ends, a verdict is true."""

from __future__ import annotations

import subprocess

import pytest

from mock2pg import MigrationService, postgres
from mock2pg.runs import Run
from mock2pg.settings import Settings
from tests.fix_published import small_rows


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
        return sorted(row[0] for row in connection.execute("SELECT id FROM public.pets").fetchall())


@pytest.mark.usefixtures("executed_notebooks")
def test_every_verdict_is_true_on_a_busy_machine(
    rounds: int, at_once: int, published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrate, verify, roll back, so many times; in every other round the workers are gone when SIGTERM is sent.

    What was changed by hand is found, and what was published is proven and goes back: exactly that, each time.
    """
    settings, service, document = published_small, MigrationService(published_small), small_rows()
    before = rows(settings)
    for number in range(rounds):
        with monkeypatch.context() as patched:
            if number % 2 == 0:
                late(patched)
            document["pets"][-1]["id"] = f"new {number}"
            done = service.migrate_all_data(document)
            assert (done.success, done.message.partition(" in ")[0], rows(settings)) == (
                True,
                "Migrated and verified",
                sorted(pet["id"] for pet in document["pets"]),
            )
            with postgres.connect(settings.url, name="test") as connection:
                connection.execute("UPDATE public.pets SET legs = 5 WHERE id = 'pet 1'")
                assert not service.verify().success
                connection.execute("UPDATE public.pets SET legs = 4 WHERE id = 'pet 1'")
            back = service.rollback(done.summary["backup"]["backup_id"])
            assert (back.success, rows(settings)) == (True, before), back.message
            for result in (done, back):
                assert Run(result.run_id, settings).read("record.json")["status"] == "succeeded"
