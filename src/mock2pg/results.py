"""Answers of the service: records that a program reads and `--json` prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mock2pg.errors import Mock2pgError, ValidationError
from mock2pg.step_results import StepResult, is_warned


@dataclass(frozen=True)
class MigrationResult:
    """The result of a check, plan, migration, verification, backup or rollback.

    success  whether it did what it was asked to
    message  the verdict in one line
    results  what each step left, in the order in which they ran: counts, names and keys, no row values
    errors   the rows that break a rule, warnings among them, up to the cap per rule
    run_id   the run's folder in runs/
    report   the page that shows all of it
    error    the named error when it failed
    warnings what failed beside the verdict, which it does not change: the report, the manifest ...
    target_state  the state that the run left the target tables in, in one sentence
    command  the command that was run
    status   what became of it: succeeded, failed, rolled_back, rollback_failed, not_applied, or unknown
    """

    success: bool
    message: str
    results: tuple[StepResult, ...]
    errors: tuple[ValidationError, ...]
    run_id: str
    report: Path
    error: Mock2pgError | None = None
    warnings: tuple[str, ...] = ()
    target_state: str = ""
    command: str = ""
    status: str = ""

    @property
    def warned(self) -> bool:
        """True if it succeeded and has something to report: refused rows, broken rules or warnings."""
        return self.success and is_warned(self.results, self.warnings)

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Step -> what it found, as JSON."""
        return {result.step: result.data for result in self.results}

    def as_dict(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": self.success,
            "status": self.status,
            "warned": self.warned,
            "message": self.message,
            "run_id": self.run_id,
            "report": str(self.report),
            "error": self.error.as_dict() if self.error else None,
            "errors": [asdict(error) for error in self.errors],
            "warnings": list(self.warnings),
            "target_state": self.target_state,
            "summary": self.summary,
        }


@dataclass(frozen=True)
class Status:
    """The published run of a database, and its activity.

    published_run  the run whose rows are in the target tables; None before any migration and after a rollback to that
    published_at   when the newest row of the history was written, by which command and by whom; None without one
    lock_holder    who holds the advisory lock, in words; None when nobody does
    protected      whether the database only takes what was migrated elsewhere before
    leftovers      the leftovers of interrupted runs; the next run that takes the lock removes them
    refused        the schema of another role that the next run is refused for, and what to do; None without one
    unapplied      the nodes of a cluster that have not applied yet what the newest run committed, in words
    unverified     why the rows of the published run are not verified, and what to do; None when they are
    """

    database: str
    schema: str
    published_run: str | None
    published_at: str | None
    command: str | None
    operator: str | None
    lock_holder: str | None
    protected: bool
    leftovers: tuple[str, ...]
    refused: str | None = None
    unapplied: tuple[str, ...] = ()
    unverified: str | None = None


@dataclass(frozen=True)
class PastRun:
    """A run that reached the database, or an attempt that was refused without one.

    at            when it published; else when it ended
    what          its command; prune for a removal
    outcome       as in its record; `published` when no event says how it ended
    error         the name of the error
    rows_changed  None when it published nothing; 0 of a run that undid itself
    backup_id     the backup that it took: to go back to the state before it
    removed       of a pruning: how many backups, or runs
    """

    at: datetime
    run_id: str | None
    what: str
    operator: str
    outcome: str
    error: str | None
    rows_changed: int | None
    backup_id: str | None
    host: str | None
    database_user: str | None
    client_address: str | None
    removed: str | None = None


@dataclass(frozen=True)
class Fault:
    """One thing in which the evidence of a run is not what the run left; `file` is empty when it is about all of it."""

    run_id: str
    file: str
    what: str

    def __str__(self) -> str:
        return " ".join(filter(None, [self.run_id, self.file, self.what]))


@dataclass(frozen=True)
class Evidence:
    """The result of verifying the folders of runs.

    success  whether everything that could be judged is as the runs left it
    runs     those that were looked at
    faults   what is not
    notes    what could not be judged, and why, in words
    error    EvidenceBroken when there are faults
    """

    success: bool
    runs: tuple[str, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    error: Mock2pgError | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {**asdict(replace(self, error=None)), "error": self.error.as_dict() if self.error else None}


@dataclass(frozen=True)
class Scenario:
    """One migration that was run; `expected` and `happened` are outcomes in words."""

    name: str
    passed: bool
    expected: str
    happened: str
    seconds: float


@dataclass(frozen=True)
class TestReport:
    """The result of `test_migration`; success when every scenario passed."""

    __test__ = False  # not a test, whatever its name makes pytest think

    success: bool
    results: tuple[Scenario, ...]
