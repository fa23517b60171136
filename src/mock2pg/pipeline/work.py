"""A command in progress: its run, its record, and what the commands have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from mock2pg import log, signals
from mock2pg.pipeline import nodes, target, verdict
from mock2pg.pipeline import step as step_module
from mock2pg.pipeline.beside import Beside
from mock2pg.pipeline.notices import Notices
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.step import CONNECT, Step
from mock2pg.pipeline.verdict import paperwork
from mock2pg.report import log_messages
from mock2pg.report.live import SILENT, Display
from mock2pg.runs import Run
from mock2pg.step_results import F, Published, RolledBack, StepResult


@dataclass(frozen=True)
class Work:
    """The arguments of a command.

    ask  is given a question when a database on another machine is to be changed, and answers with its name
    """

    run: Run
    record: Record
    ask: target.Ask | None = None
    notices: Notices | None = None
    display: Display = SILENT

    def step(self, step: Step[F], *, last: bool = False, **parameters: str | bool) -> F:
        """Run a step, log its result, and return what it found.

        last  when it passes, the run has succeeded, whatever follows
        """
        run, record = self.run, self.record
        self._begin(step)
        return self._ended(step, lambda: step_module.run_recorded(step, run, warn=record.warn, **parameters), last=last)

    @contextmanager
    def beside(self, step: Step[F], discard: Callable[[Run], None]) -> Iterator[list[F]]:
        """Run a step in its notebook while the block runs, from when contracts.json is there.

        What it found is in the list when the block has ended. When the block fails, the step is ended and discarded.
        """
        self._begin(step)
        beside, found = Beside(step, self.run, self.record.warn), list[F]()
        beside.begin()
        try:
            yield found
            found.append(self._ended(step, beside.result))
        except BaseException:
            if not beside.has_failed:
                with signals.closed(), paperwork(f"{step.name} could not be discarded", self.record.warn):
                    beside.give_up()
                    discard(self.run)
            raise

    def _begin(self, step: Step[F]) -> None:
        if self.record.interrupted:
            raise self.record.interrupted
        log.log.debug("… %s", step.name)

    def _ended(self, step: Step[F], result: Callable[[], StepResult], *, last: bool = False) -> F:
        """Take a step's result, or its error, as the run's, and log it."""
        run, record = self.run, self.record
        with signals.closed():  # between a result and its verdict, too
            try:
                found = result().of(step.kind)
                if isinstance(found, Published | RolledBack):
                    nodes.require_applied(run)
            except BaseException as error:
                record.fail(error, step.name)
                self.display.failed(step.name, verdict.classified(error, step.name).message)
                raise
            record.decided = last
        if record.decided and record.interrupted:
            record.warn(f"{step.name} had passed", record.interrupted)
        with paperwork(f"{step.name} passed, but the log does not say so", record.warn):
            self.display.passed(found)
            for line in log_messages.of_step(found, run.find(Published)):
                log.log.info(line, extra=log.FILED)
            for caution in found.cautions:
                log.log.warning("%s", caution)
        return found

    @contextmanager
    def connected(self, *, exclusive: bool = True) -> Iterator[Work]:
        """Connect to the target, which refuses now what would fail later; the block works on it.

        exclusive  no other run may work on the database meanwhile
        """
        record = self.record
        work = replace(self, run=target.with_url(self.run, record))
        database = work.step(CONNECT, command=record.command).database
        record.database = database
        record.write(work.run)
        if record.command in ("migrate", "rollback"):
            target.confirm(work.run.settings, database.name, database.host, self.ask)
        if exclusive:
            with target.exclusive(work.run, record):
                yield work
        else:
            yield work

    def refuse_invalid_notifications(self) -> None:
        """Raise UsageError, before anything is written, when MIGRATION_NOTIFY_URLS holds what is not valid."""
        if self.notices:
            self.notices.refuse_invalid()

    def scratch(self) -> AbstractContextManager[None]:
        """Drop the scratch schemas when the block ends, however it ends."""
        return target.scratch(self.run, self.record)
