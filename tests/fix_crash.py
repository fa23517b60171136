"""A process of our own that is killed, or whose server is, at a moment that the test chooses."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mock2pg import MigrationService
from mock2pg.errors import Mock2pgError
from mock2pg.pipeline import step as steps
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, open_run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_notebooks import replace_workers

# The forkserver imports these once; each process that it forks begins with them.
_HEAVY = ["tests.fix_crash", "tests.fix_crash_preload", "mock2pg.service", "dbt.cli.main"]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_HEAVY)


def kill_process(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop_server(home: Path) -> None:
    """Stop it as `pg_ctl stop -m immediate` does; it is down when this returns."""
    server = Server(home, keep=False)
    pid = server.status().pid
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)
    while server.status().running:
        time.sleep(0.01)


Strike = Callable[[Path], None]
STRIKES: dict[str, Strike] = {"the process": kill_process, "the server": stop_server}


def migrate(settings: Settings, document: Any, boundary: str, strike: str, home: Path) -> None:
    """A whole migration, struck when the step `boundary` has ended and its result is written."""
    replace_workers()
    execute = steps.run_recorded

    def struck(step: steps.Step, run: Run, **parameters: str) -> StepResult:
        result = execute(step, run, **parameters)
        if step.name == boundary:
            STRIKES[strike](home)
        return result

    steps.run_recorded = struck
    MigrationService(settings).migrate_all_data(document)


def perform(settings: Settings, run_id: str, step: str, parameters: dict[str, str], strike: str, delay: float,
            home: Path) -> None:  # fmt: skip
    """One step of a run, struck after `delay` seconds; negative: not at all."""
    if delay >= 0:
        timer = threading.Timer(delay, STRIKES[strike], [home])
        timer.daemon = True
        timer.start()
    try:
        steps.run_in_process(step, open_run(settings, run_id), parameters)
    except Mock2pgError:
        if strike != "the server":
            raise
    if delay >= 0:
        timer.join()  # a strike that comes late is one after the end


def in_child(work: Callable[..., None], *arguments: Any) -> float:
    """Do the work in a process of its own, whatever becomes of it; returns the seconds that it took."""
    child = _context.Process(target=work, args=arguments)
    began = time.perf_counter()
    child.start()
    child.join(120)
    assert child.exitcode is not None, "the process does not end"
    return time.perf_counter() - began
