"""A step runs in the process or in its notebook; a notebook of a run that has ended reads its result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mock2pg.errors import UsageError, VerifyFailed
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_results import result_of

RUN = "2026-11-22T10-30-00-000Z"
DEAD = 2**22 + 1  # above the highest number that a process can have


@pytest.mark.parametrize("record", [{"pid": os.getpid(), "finished_at": RUN}, {"pid": DEAD, "finished_at": None}])
def test_a_run_that_has_ended_is_shown_and_not_run_again(tmp_path: Path, record: dict[str, object]) -> None:
    """A notebook that somebody runs again finds the result that was left, or its error, and changes no file."""
    run = Run(RUN, Settings(project=tmp_path))
    run.write("record.json", record)
    left = result_of("backup", {"tables": {"a": 1}}, summary="as it was")
    failed = StepResult("verify", "failed", error=VerifyFailed("2 rows differ").as_dict())
    run.save(left)
    run.save(failed)
    before = {file: file.stat().st_mtime_ns for file in run.folder.rglob("*")}
    assert steps.run_step("backup", RUN, project=str(tmp_path)) == left
    with pytest.raises(VerifyFailed, match="2 rows differ"):
        steps.run_step("verify", RUN, project=str(tmp_path))
    with pytest.raises(UsageError, match="has ended without rollback"):
        steps.run_step("rollback", RUN, project=str(tmp_path), backup_id="any", undo=True)
    assert {file: file.stat().st_mtime_ns for file in run.folder.rglob("*")} == before
