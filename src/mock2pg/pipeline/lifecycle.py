"""The life of a run: it is given a folder, does its work, is judged, written down, reported and sealed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from mock2pg import environment, evidence, log, pages, signals, workers
from mock2pg.errors import DatabaseError, Mock2pgError, ValidationError
from mock2pg.pipeline import leftovers, prune_runs, target
from mock2pg.pipeline import step as step_module
from mock2pg.pipeline.notices import Notices
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.target import Ask
from mock2pg.pipeline.verdict import paperwork
from mock2pg.pipeline.work import Work
from mock2pg.private import locked
from mock2pg.report import live, log_messages, step_lines
from mock2pg.results import MigrationResult
from mock2pg.runs import Run, new_run, point_latest
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult, decode


def run(
    settings: Settings,
    name: str,
    command: Callable[[Work], None],
    source: Mapping[str, Any] | Path | None = None,
    ask: Ask | None = None,
) -> MigrationResult:
    """Give a command a run. Its result is the verdict; `pipeline.verdict` says what may follow that."""
    with environment.ours():
        workers.prepare_first(name)
        return _run(settings, name, command, source, ask)


def _run(
    settings: Settings,
    name: str,
    command: Callable[[Work], None],
    source: Mapping[str, Any] | Path | None,
    ask: Ask | None,
) -> MigrationResult:
    leftovers.remove(settings)
    run = new_run(settings, source)
    record = Record(name, run.source_label)
    with (
        locked(run.folder),
        live.display(run.folder) as display,
        signals.taken(partial(_tell_stopping, record)),
        ExitStack() as end,
    ):
        record.memory = end.enter_context(workers.watched())
        record.write(run)
        evidence.begin(run)
        notices = Notices(run, record)
        with log.also_to(run.path("migration.log")):
            log.log.info(log_messages.of_start(name, run.id), extra=log.FILED)
            display.say(step_lines.begun(name, _named(settings, name), run))
            try:
                with signals.interruptible():
                    command(Work(run, record, ask and display.asking(ask), notices, display))
            except (Exception, KeyboardInterrupt) as error:
                record.fail(error, name)
            end.enter_context(signals.stage(partial(_tell_late, record), patience=1))
            _write_down(run, record, notices)
            level = logging.ERROR if record.error else logging.INFO
            ended = log_messages.of_end(name, record.message, record.milliseconds / 1000, record.error)
            log.log.log(level, ended, extra=log.FILED)
        _write_manifest(run, record)
        with paperwork("Old runs could not be removed", record.warn):
            prune_runs.after_end(run, record.url)
        with paperwork("The list of runs could not be written", record.warn):
            pages.write_run_list(settings)
        notices.finish()
        return _result(run, record)


def _write_down(run: Run, record: Record, notices: Notices) -> None:
    """Everything that is kept of the run but the manifest, which is over all the rest."""
    with paperwork("What was staged could not be removed", record.warn):
        leftovers.clear(run)
    record.end(run)
    notices.tell_end()
    with paperwork("The record could not be written", record.warn):
        record.write(run)
    with paperwork("The link to the newest run could not be made", record.warn):
        point_latest(run)
    with paperwork("The report could not be written", record.warn):
        step_module.run_in_process("report", run)


def _write_manifest(run: Run, record: Record) -> None:
    """Write the manifest over a record that has the warnings of all the rest, and tell the database."""
    sealed = None
    with paperwork("The manifest could not be written", record.warn):
        leftovers.clear(run)  # a report that was cut short may have left a part
        record.write(run)
        sealed = evidence.write_manifest(run)
    if sealed is None:
        with paperwork("The record could not be written", record.warn):
            record.write(run)
    if record.url and (record.database or getattr(record.error, "reached", True)):
        with paperwork("The database has no event of the run", record.warn):
            try:
                evidence.tell_of(run, record.url, record.outcome(), sealed)
            except DatabaseError as fault:
                if record.error is None or fault.message != record.error.message:  # else it is what ended the run
                    raise


def _result(run: Run, record: Record) -> MigrationResult:
    """Return the command's answer, without the results that cannot be read back."""
    results: list[StepResult] = []
    with paperwork("The results of the steps could not be read", record.warn):
        results += run.results()
    errors: tuple[ValidationError, ...] = ()
    with paperwork("The errors of the input could not be read", record.warn):
        errors = _errors(run)
    return MigrationResult(
        success=record.error is None,
        message=record.message,
        results=tuple(results),
        errors=errors,
        run_id=run.id,
        report=run.folder / "index.html",
        error=record.error,
        warnings=tuple(record.warnings),
        target_state=record.target_state,
        command=record.command,
        status=record.status,
    )


def _named(settings: Settings, command: str) -> str | None:
    """Return the target by its name, as far as the settings say it; None for a command that has none."""
    if command == "check":
        return None
    with suppress(Mock2pgError):
        return f"{target.database(settings)}.{settings.target_schema}"
    return None


def _tell_stopping(record: Record, signal: str) -> None:
    log.log.warning("%s: %s is being stopped; wait for that", signal, record.command)


def _tell_late(record: Record, signal: str) -> None:
    log.log.warning("%s: %s has ended already; its report is finished first", signal, record.command)


def _errors(run: Run) -> tuple[ValidationError, ...]:
    try:
        return decode(tuple[ValidationError, ...], run.read("errors.json")["errors"])
    except FileNotFoundError:
        return ()
