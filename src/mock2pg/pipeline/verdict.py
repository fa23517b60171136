"""The rule of every verdict: the result that a step wrote decides, and nothing that comes after it.

A step decides by runs/<run_id>/steps/<step>.json. What `publish` and `rollback` committed is in the history, which is
written in the same transaction: where their result is missing, or says that they failed, the history decides.

All else is paperwork: log lines, the end of a notebook's process, the executed notebook, the scratch schemas,
retention, the lock, the record, the report, the manifest, the events. What fails there is a warning; verdict, exit code
and database stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mock2pg import history, postgres
from mock2pg.errors import DatabaseError, InternalError, Interrupted, Mock2pgError, RollbackFailed, UsageError
from mock2pg.foreign_errors import limited, unusable
from mock2pg.pipeline.sessions import session
from mock2pg.postgres.abandoned_sessions import end_sessions
from mock2pg.runs import Run
from mock2pg.signals import Signalled, interruptible
from mock2pg.step_results import Difference, Found, Published, RolledBack, StepResult, decode
from mock2pg.text import first_line

Warn = Callable[[str, BaseException], None]

_COMMITTED_AS = {"publish": "migrate", "rollback": "rollback"}  # step -> the command of its row in the history


@contextmanager
def paperwork(what: str, warn: Warn) -> Iterator[None]:
    """Turn whatever the block raises into a warning: `what` failed, and why."""
    try:
        with interruptible(at_once=False):  # the block has to begin
            yield
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        warn(what, error)


def passed(step: str, run: Run, failure: BaseException | None, warn: Warn) -> StepResult | None:
    """The result of a step that passed, whatever was raised afterwards; None of one that failed.

    failure  what running the step, or its notebook, raised
    """
    result = written(step, run)
    if step in _COMMITTED_AS and (result is None or result.error):
        result = _committed(step, run) or result
    if result is None or result.error:
        return None
    if failure is not None:
        warn(f"{step} passed, but its records are incomplete", failure)
    return result


def written(step: str, run: Run) -> StepResult | None:
    """Read the result that the step wrote; None when it wrote none that can be read."""
    with suppress(OSError, ValueError, UsageError):
        return run.result(step)
    return None


def readable(run: Run) -> tuple[StepResult, ...]:
    """Return the results that the steps wrote, without those that cannot be read."""
    steps = sorted(file.stem for file in (run.folder / "steps").glob("*.json"))
    return tuple(result for step in steps if (result := written(step, run)))


def committed(step: str, run: Run, connection: postgres.Connection) -> StepResult | None:
    """The result of a step whose transaction was committed, as the history has it; None when it was not.

    A session of the step whose process is gone is ended first, unless it has committed: the server may still be running
    its last statement.
    """
    with postgres.named(DatabaseError, "cannot read the history"):
        row = history.of(connection, run.id, _COMMITTED_AS[step])
        if row is None:
            end_sessions(connection, f"{step} {run.id}")
            row = history.of(connection, run.id, _COMMITTED_AS[step])
    if row is None:
        return None
    at, tables = row.published_at.isoformat(), decode(dict[str, Difference], row.tables)
    summary = f"committed, as the history says; {step} left no result of its own"
    found: Found = (
        Published(
            summary=summary,
            tables=tables,
            published_at=at,
            redefined=row.findings is None or row.findings.redefined,
        )
        if step == "publish"
        else RolledBack(summary=summary, backup_id=str(row.backup_id), tables=tables, published_run=row.published_run)
    )
    return StepResult(step, started_at=at, summary=summary, found=found)


def asking(run: Run) -> postgres.Connection:
    """A session to ask the history what became of the run; a server that is starting again is waited for."""
    attempts = run.settings.publish_attempts
    return postgres.retried(lambda: session(run, "history"), attempts=attempts, tell=lambda *_: None)


def _committed(step: str, run: Run) -> StepResult | None:
    """Call `committed` on a new connection. Raises RollbackFailed when the server cannot be asked about a rollback."""
    try:
        with asking(run) as connection:
            result = committed(step, run, connection)
    except DatabaseError as error:
        if step == "publish" or written(step, run) is not None:
            return None  # of a migration it is asked again; a rollback that says how it failed is believed
        raise RollbackFailed(
            f"the rollback ended without a result, and the server cannot be asked what became of it: {error.message}",
            state="The target tables are as they were before, or as in the backup: never a mix.",
            hint="Run `mock2pg status` when the server is back: it reports which.",
        ) from error
    if result is not None:
        with suppress(OSError):
            run.save(result)
    return result


def classified(error: BaseException, doing: str) -> Mock2pgError:
    """Turn any other exception into one of our errors by its class alone: its text may hold a value."""
    if isinstance(error, Mock2pgError):
        return error
    if _is_interrupt(error):
        by = f" by {error}" if isinstance(error, Signalled) else ""
        return Interrupted(f"{doing} was interrupted{by}")
    if isinstance(error, OSError) and error.strerror:
        return unusable(error, doing)
    if limit := limited(error, doing):
        return limit
    return InternalError(f"{doing} failed: {type(error).__name__}")


def _is_interrupt(error: BaseException) -> bool:
    """Return True for a signal that ends the run, also where DuckDB has put an error of its own in its place."""
    return isinstance(error, KeyboardInterrupt | SystemExit) or (
        isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    )


def reason(error: BaseException) -> str:
    """Return why something failed, in a few words and without a value."""
    if isinstance(error, Mock2pgError):
        return first_line(error.message)
    if _is_interrupt(error):
        return f"interrupted by {error}" if isinstance(error, Signalled) else "interrupted"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return type(error).__name__
