"""The steps, and how one is run: in this process or in its notebook, timed, recorded, its error named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic

from mock2pg import pages, progress, signals, workers
from mock2pg import settings as settings_module
from mock2pg.errors import InternalError, Interrupted, UsageError, from_dict
from mock2pg.pipeline import known_build, verdict
from mock2pg.report import notebooks
from mock2pg.runs import Run, now, open_run
from mock2pg.step_results import (
    BackedUp,
    Checked,
    Connected,
    F,
    Found,
    Loaded,
    Planned,
    Preflighted,
    Published,
    RollbackPreview,
    RolledBack,
    Staged,
    StepResult,
    Verified,
)
from mock2pg.text import first_line
from mock2pg.workers.memory import own_peak


@dataclass(frozen=True)
class Step(Generic[F]):
    """One step of a command, by what it finds. A step with a notebook runs inside it, which is its receipt."""

    kind: type[F]
    notebook: bool = False

    @property
    def name(self) -> str:
        return self.kind.step


CONNECT = Step(Connected)  # before any other step of a command that needs the target
STAGE = Step(Staged)
CHECK = Step(Checked)
LOAD = Step(Loaded)
PREFLIGHT = Step(Preflighted)
PLAN = Step(Planned)
BACKUP = Step(BackedUp, notebook=True)
PUBLISH = Step(Published)
VERIFY = Step(Verified, notebook=True)
ROLLBACK = Step(RolledBack, notebook=True)
SHOW = Step(RollbackPreview)  # what it would change, without a receipt
MIGRATE: tuple[Step[Any], ...] = (STAGE, CHECK, LOAD, PREFLIGHT, BACKUP, PUBLISH, VERIFY)


def load_ahead(run: Run | None = None, *, with_notebooks: bool = False) -> None:
    """Load what the next steps need, in a thread: this process waits for another one meanwhile.

    run  needs dbt unless it would build what is published: then its contracts are known, too, and its backup may begin
    with_notebooks  one of these steps is run in its notebook; what it needs is loaded when a processor is free for it
    """
    if run is None:
        workers.prepare(workers.DBT)

    def load() -> None:
        if run and (tables := known_build.likely(run)):
            if not run.has_ended:  # its folder is sealed
                run.write("contracts.json", [table.as_dict() for table in tables])
        elif run:
            workers.prepare(workers.DBT)
        _load(LOAD.name, PREFLIGHT.name, PUBLISH.name)
        if with_notebooks:
            workers.wait_until_loaded(workers.DBT)
            workers.prepare(workers.CELLS)

    _beside(load)


def load_report_ahead() -> None:
    """Load what the report needs, in a thread: this process waits for the one that runs the notebook meanwhile."""
    _beside(_load)


def _load(*steps: str) -> None:
    for name in (*steps, "report"):
        import_module(f"mock2pg.pipeline.steps.{name}")
    pages.compile_templates()


def _beside(load: Callable[[], None]) -> None:
    """Load in a thread. Nothing is wrong when that fails: the step that needs it loads it, or says why it cannot."""

    def quietly() -> None:
        with suppress(Exception):
            load()

    with suppress(RuntimeError):  # no thread can be started
        threading.Thread(target=quietly, daemon=True).start()


def run_step(name: str, run_id: str, *, project: str, **parameters: str | bool) -> StepResult:
    """Run a step of a run that another process began: this is what a notebook calls.

    Nothing is done again in a run that has ended: its result is given as it was left. Raises the step's Mock2pgError
    after its result was written to runs/<run_id>/steps/<name>.json.
    """
    run = open_run(settings_module.load(project=Path(project)), run_id)
    if not run.has_ended:
        return run_in_process(name, run, parameters)
    result = run.result(name)
    if result is None:
        raise UsageError(
            f"run {run_id} has ended without {name}", hint="Begin another run: the folder of this one is sealed."
        )
    if result.error is not None:
        raise from_dict(result.error)
    return result


def run_in_process(name: str, run: Run, parameters: Mapping[str, str | bool] | None = None) -> StepResult:
    """Run a step in this process; its result is written whether it passes or fails."""
    started_at, began = now(), time.perf_counter()
    try:
        step: Callable[..., Found] = import_module(f"mock2pg.pipeline.steps.{name}").run
        with progress.of_step(run.folder, name, started_at) as statements:
            found = step(run, **(parameters or {}))
    except BaseException as error:
        known = verdict.classified(error, name)
        failed = StepResult(
            step=name,
            status="failed",
            started_at=started_at,
            seconds=_since(began),
            summary=first_line(known.message),
            found=known.found,
            error=known.as_dict(),
            peak_memory_bytes=own_peak(),
        )
        with suppress(OSError):  # the error that is raised is the step's own, not that its result cannot be written
            run.save(failed)
        if known is error:
            raise
        raise known from error
    result = StepResult(
        name,
        "passed",
        started_at,
        _since(began),
        found.summary,
        found,
        rows=None if found.is_reused else found.rows,
        peak_memory_bytes=own_peak(),
        statements=statements.number,
        database_seconds=round(statements.seconds, 3),
        slowest=tuple((round(seconds, 3), text) for seconds, text in statements.slowest),
    )
    run.save(result)
    return result


def run_in_notebook(name: str, run: Run, parameters: Mapping[str, str | bool]) -> None:
    """Run a step in its notebook, in a process of its own, which calls `run_step`. Raises what failed of the notebook.

    The step's result is what it left in the run's folder.
    """
    notebooks.execute(
        run.settings.notebooks_dir / f"{name}.ipynb",
        run.path("notebooks", f"{name}.ipynb"),
        parameters={"run_id": run.id, "project": str(run.settings.project), **parameters},
        environment=run.settings.environment(),
    )


def run_recorded(step: Step[Any], run: Run, *, warn: verdict.Warn, **parameters: str | bool) -> StepResult:
    """Run a step of a command where it runs, and return what it left. Raises the step's Mock2pgError.

    warn  is given what failed when the step had passed, and why
    """
    run.forget(step.name)  # a result of an earlier attempt must not decide
    failure: BaseException | None = None
    try:
        with signals.interruptible():
            (run_in_notebook if step.notebook else run_in_process)(step.name, run, parameters)
    except BaseException as error:
        failure = error
    if result := verdict.passed(step.name, run, failure, warn):
        return result
    failed = verdict.written(step.name, run)
    if step.notebook and failed and failed.error:
        known = from_dict(failed.error)
        # The interrupt names the signal; the step may have made another error of it, as Python does in a class's body
        if not (isinstance(known, Interrupted | InternalError) and isinstance(failure, KeyboardInterrupt)):
            raise known from failure
    raise failure or InternalError(f"the {step.name} notebook left no result")


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)
