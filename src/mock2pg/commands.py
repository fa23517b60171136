"""What each command does with its run: the order of its steps, and what happens when one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock2pg import environment, evidence, log, narration, plan, target, tidy
from mock2pg.errors import DatabaseError, InternalError, Mock2pgError, ValidationError, traced
from mock2pg.plan import Step
from mock2pg.record import Record
from mock2pg.results import MigrationResult
from mock2pg.runs import Run, StepResult, new_run, point_latest
from mock2pg.settings import Settings
from mock2pg.steps.publish import refuse_other_input
from mock2pg.tools import postgres

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
            return self._run(command, body, source)

    def _run(
        self, command: str, body: Callable[[Run, Record], None], source: Mapping[str, Any] | Path | None
    ) -> MigrationResult:
        if command in _WITH_NOTEBOOKS:
            plan.prepare_notebooks(self.settings)
        run = new_run(self.settings, source)
        record = Record(command, run.source_label)
        record.write(run)
        with log.also_to(run.path("migration.log")):
            log.log.info(narration.of_start(command, run.id))
            try:
                body(run, record)
            except (Exception, KeyboardInterrupt) as error:
                record.error = plan.named(error, command)
                log.log.debug(traced(error))
            finally:
                tidy.clear(run)
            record.end(run)
            record.write(run)
            self._report(run, record)
            level = logging.ERROR if record.error else logging.INFO
            log.log.log(level, narration.of_end(command, record.milliseconds, record.error))
        unsealed = evidence.close(run, record.url)
        record.error = record.error or unsealed
        return MigrationResult(
            success=record.error is None,
            message=record.message,
            summary={result.step: result.data for result in run.results()},
            errors=_errors(run),
            run_id=run.id,
            report=run.folder / "index.html",
            error=record.error,
        )

    def check(self, run: Run, record: Record) -> None:
        """Stage and check, without a database."""
        tidy.after_killed_checks(run)
        self._check(run)

    def plan(self, run: Run, record: Record) -> None:
        _, _, load, preflight, *_ = plan.MIGRATE
        with self._aim(run, record) as aimed:
            self._check(aimed)
            with target.scratch(aimed):
                self._step(load, aimed)
                self._step(preflight, aimed, purpose="plan")
                self._step(plan.PLAN, aimed)

    def migrate(self, run: Run, record: Record, reviewed: Path | None = None) -> None:
        _, _, load, preflight, backup, publish, verify = plan.MIGRATE
        with self._aim(run, record) as aimed:
            self._check(aimed)
            if reviewed:
                refuse_other_input(reviewed, aimed)
            target.require_migrated_elsewhere(aimed, record)
            with target.scratch(aimed):
                self._step(load, aimed)
                self._step(preflight, aimed)
                record.backup_id = self._step(backup, aimed).data["backup_id"]
                try:
                    self._step(publish, aimed, **({"plan": str(reviewed.resolve())} if reviewed else {}))
                    self._step(verify, aimed)
                except BaseException:
                    self._undo_if_live(aimed, record)
                    raise

    def _undo_if_live(self, run: Run, record: Record) -> None:
        """Undo the run if its transaction was committed: the history row was written in it, so it knows."""
        try:
            with (
                postgres.connect(
                    run.settings.url,
                    name=f"history {run.id}",
                    read_only=True,
                    lock_timeout=run.settings.lock_timeout,
                ) as connection,
                postgres.named(DatabaseError, "cannot read the history"),
            ):
                newest = postgres.history.newest(connection, run.settings.target_schema)
        except Mock2pgError as error:
            record.status, record.undo_error = "unknown", error
            log.log.error("❌ Whether the run was published cannot be told now (%s): run verify later", error.message)
            return
        if newest is not None and newest.published_run == run.id:
            self._undo(run, record)

    def _undo(self, run: Run, record: Record) -> None:
        """What was published does not hold: go back to the backup, and keep both errors if that fails too."""
        log.log.error("🔙 A step after publishing failed; rolling back to %s", record.backup_id)
        try:
            self._step(plan.ROLLBACK, run, backup_id=str(record.backup_id), undo=True)
            record.status = "rolled_back"
        except Mock2pgError as undo:
            record.status, record.undo_error = "rollback_failed", undo
            log.log.error("❌ The rollback failed too: %s. Live holds what run %s published.", undo.message, run.id)

    def roll_back(self, run: Run, record: Record, *, backup_id: str, discard_changes: bool, show: bool) -> None:
        """What would change first, and then the change."""
        record.backup_id = backup_id
        with self._aim(run, record) as aimed:
            self._step(plan.SHOW, aimed, backup_id=backup_id, discard_changes=discard_changes, show=True)
            if not show:
                self._step(plan.ROLLBACK, aimed, backup_id=backup_id, discard_changes=discard_changes)

    def reach(self, run: Run, record: Record, step: Step, *, alone: bool = False, **parameters: str | bool) -> None:
        """One step against the target. `alone`: no other run may be at work meanwhile."""
        with self._aim(run, record, alone=alone) as aimed:
            record.backup_id = self._step(step, aimed, **parameters).data.get("backup_id")

    def _step(self, step: Step, run: Run, **parameters: str | bool) -> StepResult:
        log.log.debug("… %s", step.name)
        result = plan.execute(step, run, **parameters)
        for line in narration.of_step(result, run.result("publish")):
            log.log.info(line)
        for caution in result.data.get("cautions", ()):
            log.log.warning("⚠️ %s", caution)
        return result

    def _check(self, run: Run) -> None:
        for step in plan.CHECK:
            self._step(step, run)

    @contextmanager
    def _aim(self, run: Run, record: Record, *, alone: bool = True) -> Iterator[Run]:
        """The run with its target, which was looked at first: what would fail later is refused now."""
        aimed = target.reached(run, record)
        found = self._step(plan.CONNECT, aimed, command=record.command).data["database"]
        record.database = found
        record.write(run)
        if record.command in ("migrate", "rollback"):
            target.confirm(aimed.settings, found["name"], found["host"], self.ask)
        if alone:
            with target.exclusive(aimed, record):
                yield aimed
        else:
            yield aimed

    def _report(self, run: Run, record: Record) -> None:
        try:
            point_latest(run)
            plan.perform("report", run)
        except (Mock2pgError, OSError) as error:
            problem = error if isinstance(error, Mock2pgError) else InternalError(f"no report: {error.strerror}")
            log.log.error("❌ The report could not be written: %s", problem.message)
            if record.error is None:
                record.error, record.message = problem, f"{record.message} But the report could not be written."
                with suppress(OSError):
                    record.write(run)


def _errors(run: Run) -> tuple[ValidationError, ...]:
    try:
        return tuple(ValidationError(**error) for error in run.read("errors.json")["errors"])
    except FileNotFoundError:
        return ()
