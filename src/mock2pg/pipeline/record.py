"""record.json: what a run is and what became of it, written when it begins and when it ends."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from mock2pg.errors import Mock2pgError, NotAppliedYet, NothingPublished
from mock2pg.foreign_errors import traced
from mock2pg.log import log
from mock2pg.pipeline import metrics, named_source, verdict
from mock2pg.report import log_messages, target_state
from mock2pg.runs import VERSION, Run, began, now
from mock2pg.step_results import (
    Checked,
    Database,
    Planned,
    Published,
    RolledBack,
    Staged,
    StepResult,
    encode,
    find,
    is_warned,
)
from mock2pg.workers.memory import Together


@dataclass
class Record:
    """One run in progress.

    status      running, succeeded, failed, rolled_back, rollback_failed, not_applied: committed, but a node of the
                cluster has not applied it yet, or unknown: the server was gone when it would have reported whether the
                run was published
    database    what the connect step found out about the target: name, schema, server_version ...
    target_state  the state that the run left the target tables in, in words
    undo_error  why the run could not undo itself
    warnings    what failed after the verdict, or beside it
    decided     the last step has passed: whatever fails now is a warning
    interrupted what interrupted the run when a step had passed; the next step must not begin
    wal_bytes   what the server wrote meanwhile; None when it cannot be asked, or the run failed
    memory      what the processes of the run hold together
    url         where the database was reached; it may hold a password, and is written nowhere
    """

    command: str
    source: str | None
    started_at: str = field(default_factory=now)
    status: str = "running"
    message: str = ""
    database: Database | None = None
    backup_id: str | None = None
    error: Mock2pgError | None = None
    undo_error: Mock2pgError | None = None
    target_state: str = ""
    warnings: list[str] = field(default_factory=list)
    decided: bool = False
    interrupted: KeyboardInterrupt | None = None
    url: str | None = field(default=None, repr=False)
    wal_bytes: int | None = None
    memory: Together | None = field(default=None, repr=False)
    _results: tuple[StepResult, ...] = field(default=(), repr=False)
    _began: float = field(default_factory=time.perf_counter)
    _ended: float | None = None

    @property
    def milliseconds(self) -> int:
        """Return how long the run has worked; once it has a message, as long as that says."""
        return round(((self._ended or time.perf_counter()) - self._began) * 1000)

    @property
    def warned(self) -> bool:
        """Return whether the run succeeded and has warnings, of its steps or of what followed them."""
        return self.status == "succeeded" and is_warned(self._results, self.warnings)

    def fail(self, error: BaseException, doing: str) -> None:
        """Take the error as the run's. The first one is kept, and none counts when the run has succeeded."""
        if self.decided:
            self.warn(f"{self.command} succeeded, but its records are incomplete", error)
        elif self.error is None:
            self.error = verdict.classified(error, doing)
        log.debug(traced(error))

    def warn(self, what: str, error: BaseException) -> None:
        """Note a failure that does not change the verdict; an interrupt keeps the next step from beginning."""
        if isinstance(error, KeyboardInterrupt) and not self.decided:
            self.interrupted = error
            return
        text = f"{what}: {verdict.reason(error)}"
        self.warnings.append(text)
        log.warning("%s", text)
        log.debug(traced(error))

    def end(self, run: Run) -> None:
        """Settle the status, the message and the duration."""
        self._ended = time.perf_counter()
        self._results = results = verdict.readable(run)
        checked, published, planned = find(results, Checked), find(results, Published), find(results, Planned)
        changing = published or planned or find(results, RolledBack)
        if self.status == "running":
            self.status = "failed" if self.error else "succeeded"
        if self.status == "failed" and isinstance(self.error, NotAppliedYet) and changing:
            self.status = "not_applied"
        self.message = log_messages.verdict(
            self.command,
            self.status,
            self.error,
            self.backup_id,
            self.undo_error,
            checked.refused if checked else 0,
            unchanged=changing is not None and not log_messages.changes(changing),
            seconds=self.milliseconds / 1000,
        )

        facts = {**self.outcome(), "mode": run.settings.mode}
        self.target_state = target_state.of_run(facts, self._results)
        if self.error:
            self.error.state = self.target_state
            self.error.hint = target_state.next_step(facts) or self.error.hint
            if self.error.hint == NothingPublished.hint and named_source.must_be_named(run.settings):
                self.error.hint = "Run `mock2pg migrate PATH` first."

    def outcome(self) -> dict[str, Any]:
        """Return the outcome of the run, as record.json has it."""
        error = self.error.as_dict() if self.error else None
        return {"command": self.command, "status": self.status, "backup_id": self.backup_id, "error": error}

    def write(self, run: Run) -> None:
        results = run.results()
        staged = find(results, Staged)
        run.write(
            "record.json",
            {
                "run_id": run.id,
                **self.outcome(),
                "warned": self.warned,
                "message": self.message,
                "started_at": self.started_at,
                "finished_at": None if self.status == "running" else now(),
                "seconds": self.milliseconds / 1000,
                "operator": run.settings.operator,
                "pid": os.getpid(),
                "pid_began": began(os.getpid()),
                "version": VERSION,
                "source": self.source,
                "mode": run.settings.mode,
                "input_sha256": staged.sha256 if staged else None,
                "database": encode(self.database),
                "metrics": metrics.of(results, self.memory.peak if self.memory else None, self.wal_bytes),
                "warnings": self.warnings,
                "undo_error": self.undo_error.as_dict() if self.undo_error else None,
            },
        )
