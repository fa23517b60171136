"""status: whether the rows that the newest run published are verified."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from mock2pg import MigrationService, postgres
from mock2pg.errors import VerifyFailed
from mock2pg.history import events, layout
from mock2pg.report.terminal import status_lines
from mock2pg.runs import Run, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_results import result_of
from tests.history.test_runs import record

Tell = Callable[[str, str, str], None]


@pytest.fixture
def run(settings: Settings) -> Run:
    """A run that published, and was killed before its verification ended."""
    run = new_run(settings)
    with postgres.connect(settings.url, name="test") as connection:
        layout.create(connection)
        record(connection, run.id)
    return run


@pytest.fixture
def tell(settings: Settings) -> Tell:
    """Write an event: kind, outcome, run."""

    def write(kind: str, outcome: str, run_id: str) -> None:
        with postgres.connect(settings.url, name="test") as connection:
            assert not events.add(connection, [events.Event(kind, outcome, "Ada", "public", run_id)])

    return write


def unverified(run: Run) -> str | None:
    return MigrationService(run.settings).status().unverified


def test_a_verification_that_never_ended_is_reported_until_another_passes(run: Run, tell: Tell) -> None:
    """The reader learns that the published rows are not verified, and the commands that help; not while one works."""
    text = status_lines(MigrationService(run.settings).status())
    assert "not verified the verification of the run was interrupted. Run `" in text
    assert " verify`, or undo the run with `" in text
    assert " rollback latest`" in text
    for kind, outcome, run_id in (
        ("migrate", "failed", run.id),
        ("verify", "failed", "2"),
        ("backup", "succeeded", "3"),
    ):
        tell(kind, outcome, run_id)
        assert unverified(run)
    with postgres.advisory_lock(run.settings.url, "migrate"):
        assert unverified(run) is None
    tell("verify", "succeeded", "4")
    assert unverified(run) is None


def test_the_verification_of_an_earlier_run_proves_nothing_of_a_later_one(run: Run, tell: Tell) -> None:
    """Also that of an earlier migration; where a rollback has left nothing published, nothing is to be verified."""
    for kind in ("migrate", "verify"):
        tell(kind, "succeeded", "1")
    later = new_run(run.settings)
    with postgres.connect(run.settings.url, name="test") as connection:
        record(connection, later.id)
        assert unverified(later)
        record(connection, later.id, "rollback")
    assert unverified(later) is None


def test_a_rollback_to_what_was_never_verified_does_not_verify_it(run: Run, tell: Tell) -> None:
    """It proves that the rows of the run are there again, not that they are the input; a verification of it counts."""
    later = new_run(run.settings)
    with postgres.connect(run.settings.url, name="test") as connection:
        record(connection, later.id)
        tell("migrate", "succeeded", later.id)
        tell("verify", "succeeded", "of the later one")
        assert unverified(run) is None
        record(connection, later.id, "rollback", published=run.id)
    assert f"undo the run with `mock2pg rollback --before {run.id}`" in str(unverified(run))
    tell("verify", "succeeded", "of the run")
    assert unverified(run) is None


def test_a_verification_that_began_before_the_run_published_is_not_of_it(run: Run, tell: Tell) -> None:
    """`verify` takes no lock: what it proved is what its snapshot held, however late it ends."""
    verifying = new_run(run.settings)
    tell("verify", "succeeded", verifying.id)
    verifying.save(result_of("verify", {"published_run": "an earlier run"}))
    assert unverified(run)
    verifying.save(result_of("verify", {"published_run": run.id}))
    assert unverified(run) is None


def test_what_the_run_itself_says_counts(run: Run, tell: Tell) -> None:
    """Its own result, if no event was written, and its event, if its folder is gone; a failure is named."""
    run.save(result_of("verify"))
    assert unverified(run) is None
    error = VerifyFailed("the target tables are not what was published:\n  pets: 1 missing").as_dict()
    run.save(StepResult("verify", "failed", error=error))
    assert "of the run failed: the target tables are not what was published. Run" in str(unverified(run))
    shutil.rmtree(run.folder)
    assert "of the run is not recorded. Run" in str(unverified(run))
    tell("migrate", "succeeded", run.id)
    assert unverified(run) is None
