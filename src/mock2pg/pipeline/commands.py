"""What each command does with its run: the order of its steps, and what happens when one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mock2pg import environment, log, signals
from mock2pg.errors import Mock2pgError
from mock2pg.pipeline import lifecycle, plan, recovery, target, verdict
from mock2pg.pipeline.plan import Step
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.steps.publish import refuse_other_input
from mock2pg.pipeline.verdict import paperwork
from mock2pg.report import log_messages
from mock2pg.results import MigrationResult
from mock2pg.runs import Run, StepResult
from mock2pg.settings import Settings

_WITH_NOTEBOOKS = ("migrate", "backup", "verify", "rollback")


@dataclass(frozen=True)
class Commands:
    """`run` gives a command its run; each other method is what one of them does in it.

    ask  is given a question when a database on another machine is to be changed, and answers with its name
    """

    settings: Settings
    ask: target.Ask | None = None

    def run(
        self, command: str, body: Callable[[Run, Record], None], source: Mapping[str, Any] | Path | None = None
    ) -> MigrationResult:
        """Give the command a run with a folder, record what comes of it, and make its report."""
        with environment.ours():
            if command in _WITH_NOTEBOOKS:
                plan.prepare_notebooks(self.settings)
            return lifecycle.run(self.settings, command, body, source)

    def check(self, run: Run, record: Record) -> None:
        """Stage and check, without a database."""
        recovery.after_killed_checks(run)
        self._check(run, record, last=True)

    def plan(self, run: Run, record: Record) -> None:
        _, _, load, preflight, *_ = plan.MIGRATE
        with self._aim(run, record) as aimed:
            self._check(aimed, record)
            with target.scratch(aimed):
                self._step(load, aimed, record)
                self._step(preflight, aimed, record, purpose="plan")
                self._step(plan.PLAN, aimed, record, last=True)

    def migrate(self, run: Run, record: Record, reviewed: Path | None = None) -> None:
        _, _, load, preflight, backup, publish, verify = plan.MIGRATE
        with self._aim(run, record) as aimed:
            self._check(aimed, record)
            if reviewed:
                refuse_other_input(reviewed, aimed)
            target.require_migrated_elsewhere(aimed, record)
            with target.scratch(aimed):
                self._step(load, aimed, record)
                self._step(preflight, aimed, record)
                record.backup_id = self._step(backup, aimed, record).data["backup_id"]
                agreed: dict[str, Any] = {"plan": str(reviewed.resolve())} if reviewed else {}
                with signals.closed():  # nothing comes between what fails and that it is undone
                    try:
                        self._step(publish, aimed, record, **agreed)
                        self._step(verify, aimed, record, last=True)
                    except BaseException as error:
                        if not record.decided:
                            record.fail(error, record.command)
                            self._undo_if_committed(aimed, record)
                        raise

    def _undo_if_committed(self, run: Run, record: Record) -> None:
        """Undo the run if its transaction was committed: the history row was written in it, so it knows."""
        with signals.stage(partial(_tell_undoing, record)):
            published = self._published(run)
            if published is None:
                record.status = "unknown"
            elif published:
                self._undo(run, record)

    def _undo(self, run: Run, record: Record) -> None:
        """Go back to the backup; a failure of that is kept beside the error that led to it."""
        log.log.error("🔙 A step after publishing failed; rolling back to %s", record.backup_id)
        record.interrupted = None  # it is what led here, or comes to the same
        try:
            self._step(plan.ROLLBACK, run, record, backup_id=str(record.backup_id), undo=True)
            record.status = "rolled_back"
        except BaseException as error:
            record.undo_error = verdict.classified(error, "rollback")
            published = self._published(run)
            record.status = {True: "rollback_failed", False: "rolled_back", None: "unknown"}[published]
            holds = f"The target holds what run {run.id} published." if published else ""
            log.log.error("❌ The rollback failed too: %s. %s", record.undo_error.message, holds)

    def _published(self, run: Run) -> bool | None:
        """Return whether the target holds what the run published, by the history; None when it cannot be asked."""
        try:
            with verdict.asking(run) as connection:
                if verdict.committed("publish", run, connection) is None:
                    return False
                return verdict.committed("rollback", run, connection) is None
        except Mock2pgError as error:
            log.log.error("❌ Whether the run was published cannot be told now (%s): run verify later", error.message)
            return None

    def roll_back(self, run: Run, record: Record, *, backup_id: str, discard_changes: bool, show: bool) -> None:
        """What would change first, and then the change."""
        record.backup_id = backup_id
        with self._aim(run, record) as aimed:
            given: dict[str, Any] = {"backup_id": backup_id, "discard_changes": discard_changes}
            self._step(plan.SHOW, aimed, record, last=show, show=True, refuse=not show, **given)
            if not show:
                self._step(plan.ROLLBACK, aimed, record, last=True, **given)

    def reach(self, run: Run, record: Record, step: Step, *, alone: bool = False, **parameters: str | bool) -> None:
        """One step against the target. `alone`: no other run may be at work meanwhile."""
        with self._aim(run, record, alone=alone) as aimed:
            record.backup_id = self._step(step, aimed, record, last=True, **parameters).data.get("backup_id")

    def _step(
        self, step: Step, run: Run, record: Record, *, last: bool = False, **parameters: str | bool
    ) -> StepResult:
        """Run a step and log what came of it. `last`: when it passes, the run has succeeded, whatever follows."""
        if record.interrupted:
            raise record.interrupted
        log.log.debug("… %s", step.name)
        with signals.closed():  # between a result and its verdict, too
            try:
                result = plan.execute(step, run, warn=record.warn, **parameters)
            except BaseException as error:
                record.fail(error, step.name)
                raise
            record.decided = last
        if record.decided and record.interrupted:
            record.warn(f"{step.name} had passed", record.interrupted)
        with paperwork(f"{step.name} passed, but the log does not say so", record.warn):
            for line in log_messages.of_step(result, verdict.written("publish", run)):
                log.log.info(line)
            for caution in result.data.get("cautions", ()):
                log.log.warning("⚠️ %s", caution)
        return result

    def _check(self, run: Run, record: Record, *, last: bool = False) -> None:
        for step in plan.CHECK:
            self._step(step, run, record, last=last and step is plan.CHECK[-1])

    @contextmanager
    def _aim(self, run: Run, record: Record, *, alone: bool = True) -> Iterator[Run]:
        """The run with its target, which was looked at first: what would fail later is refused now."""
        aimed = target.reached(run, record)
        found = self._step(plan.CONNECT, aimed, record, command=record.command).data["database"]
        record.database = found
        record.write(run)
        if record.command in ("migrate", "rollback"):
            target.confirm(aimed.settings, found["name"], found["host"], self.ask)
        if alone:
            with target.exclusive(aimed, record):
                yield aimed
        else:
            yield aimed


def _tell_undoing(record: Record, signal: str) -> None:
    log.log.warning("⚠️ %s: the run is being rolled back to %s; wait for that", signal, record.backup_id)
