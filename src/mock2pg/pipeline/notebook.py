"""The calls of a notebook: run its step, or read the step's result of an earlier run."""

from __future__ import annotations

from pathlib import Path

from mock2pg import settings as settings_module
from mock2pg.errors import Mock2pgError, UsageError
from mock2pg.pipeline import verdict
from mock2pg.pipeline.step import run_step
from mock2pg.report.notebook_tables import Outcome
from mock2pg.runs import Run, all_runs
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult

_FIRST = {"rollback": "Run `mock2pg backups`, which lists the ids, then `mock2pg rollback ID`."}


def run_or_read(step: str, run_id: str, project: str = "", **parameters: str | bool) -> Outcome:
    """Run a step of the run in progress, or read its result in one that has ended. Raises nothing of the step's.

    run_id   `latest` is the newest run that has ended and has this step: then nothing is run
    project  the folder of the project; "" for the one that the settings name
    """
    settings = settings_module.load(**({"project": Path(project)} if project else {}))
    if run_id == "latest" and not (run_id := _latest(settings, step)):
        none = UsageError("there is no run yet", hint="Run `mock2pg migrate` first.")
        if any(all_runs(settings)):
            none = UsageError(f"no run has come to {step} yet", hint=_FIRST.get(step, "Run `mock2pg migrate` first."))
        return Outcome(StepResult(step, status="failed", error=none.as_dict()))
    run = Run(run_id, settings)
    try:
        return Outcome(run_step(step, run_id, project=str(settings.project), **parameters), run)
    except Mock2pgError as error:
        left = verdict.written(step, run)
        if left is None or left.status != "failed":  # it did not get so far as to write its result
            left = StepResult(step, status="failed", error=error.as_dict())
        return Outcome(left, run, error.with_traceback(None))


def _latest(settings: Settings, step: str) -> str:
    runs = (run for run in all_runs(settings) if run.has_ended and (run.folder / "steps" / f"{step}.json").exists())
    return max((run.id for run in runs), default="")
