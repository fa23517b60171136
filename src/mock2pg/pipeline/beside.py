"""A step that runs in its notebook beside others, in a thread that waits for it."""

from __future__ import annotations

import threading
from typing import Generic

from mock2pg import signals, workers
from mock2pg.pipeline import step as step_module
from mock2pg.pipeline.step import Step
from mock2pg.pipeline.verdict import Warn
from mock2pg.runs import Run
from mock2pg.step_results import F, StepResult

_GRACE = 10.0  # seconds for a step that is interrupted to undo what it is doing


class Beside(Generic[F]):
    """A step beside others. It begins when contracts.json is there: nothing is known then that forbids the run."""

    def __init__(self, step: Step[F], run: Run, warn: Warn) -> None:
        self._step, self._run, self._warn = step, run, warn
        self._result: StepResult | None = None
        self._error: BaseException | None = None
        self._begun, self._given_up = threading.Event(), False
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._when_contracts_are_known, daemon=True)
        self._thread.start()

    def result(self) -> StepResult:
        """Wait for the result, and return it or raise what was raised."""
        if self._thread is None:
            self._work()
        else:
            self._begun.set()  # whatever the others have left out
            with signals.interruptible():
                self._thread.join()
        if self._error:
            raise self._error
        assert self._result  # noqa: S101
        return self._result

    @property
    def has_failed(self) -> bool:
        """Return whether the step itself failed, while its result was wanted."""
        return self._error is not None

    def give_up(self) -> None:
        """End the step, whose result is not wanted any more."""
        self._given_up = True
        self._begun.set()
        if self._thread is None:
            return
        for end in (workers.interrupt, workers.stop):
            end(workers.CELLS, self._thread)
            self._thread.join(_GRACE)
            if not self._thread.is_alive():
                return

    def _when_contracts_are_known(self) -> None:
        contracts = self._run.folder / "contracts.json"
        while not contracts.exists() and not self._begun.wait(0.01):
            pass
        if not self._given_up:
            self._work()

    def _work(self) -> None:
        try:
            self._result = step_module.run_recorded(self._step, self._run, warn=self._warn)
        except BaseException as error:
            self._error = error
