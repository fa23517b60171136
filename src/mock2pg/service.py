"""MigrationService: every verb of the command line as a method."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mock2pg import log, narration, plan, scenarios
from mock2pg import settings as settings_module
from mock2pg.errors import InternalError, Mock2pgError, ValidationError, traced
from mock2pg.results import MigrationResult, TestReport
from mock2pg.runs import VERSION, Run, StepResult, all_runs, new_run, now, open_run, point_latest
from mock2pg.settings import Settings
from mock2pg.tools import backups, notebooks, postgres
from mock2pg.tools.server import Server

EMBEDDED_DATABASE = "mock2pg"


@dataclass
class _Record:
    """record.json while it is being written."""

    command: str
    source: str | None
    started_at: str
    status: str = "running"
    message: str = ""
    database: dict[str, str] | None = None
    backup_id: str | None = None
    error: Mock2pgError | None = None
    undo_error: Mock2pgError | None = None
    began: float = field(default_factory=time.perf_counter)


class MigrationService:
    """One target, one project. `overrides` are settings by field name: `MigrationService(database_url=...)`."""

    def __init__(self, settings: Settings | None = None, *, console: bool = False, **overrides: object) -> None:
        self._settings, self._console = settings or settings_module.load(**overrides), console
        log.start(self._settings, console=console)

    def migrate_all_data(self, mock_data: Mapping[str, Any] | Path | str | None = None) -> MigrationResult:
        """The whole job: stage, check, backup, load, publish, verify, report.

        mock_data  a dict of arrays, a folder of <entity>.json or one JSON document; the setting `source` if None
        """
        source = mock_data if isinstance(mock_data, Mapping) else Path(mock_data or self._settings.source_path)
        return self._run("migrate", self._migrate, source)

    def validate_migration(self) -> bool:
        """Whether live is what the run that published it says. Reads only."""
        return self.verify().success

    def verify(self) -> MigrationResult:
        """The same with everything that was found out."""
        return self._run("verify", lambda run, record: self._reach(run, record, plan.VERIFY))

    def backup(self) -> str:
        """Take a backup now; returns its id. Raises the named error."""
        result = self.take_backup()
        if result.error:
            raise result.error
        return str(result.summary["backup"]["backup_id"])

    def take_backup(self) -> MigrationResult:
        """The same with everything that was found out."""
        return self._run("backup", lambda run, record: self._reach(run, record, plan.BACKUP, alone=True))

    def backups(self) -> list[dict[str, Any]]:
        """Every backup, newest first: id, timestamp, database, schema, bytes."""
        return [
            {"id": name, **{key: header.get(key) for key in ("timestamp", "database", "schema")}, "bytes": size}
            for name, header, size in backups.listed(self._settings.backups_dir)
        ]

    def rollback(self, backup_id: str) -> MigrationResult:
        """Bring definitions, rows and sequences back to what the backup says."""
        backups.opened(self._settings.backups_dir, backup_id)  # refused before a run begins or a server starts
        return self._run(
            "rollback",
            lambda run, record: self._reach(run, record, plan.ROLLBACK, alone=True, backup_id=backup_id),
        )

    def test_migration(self, tell: Callable[[str], None] = lambda _: None) -> TestReport:
        """Play good and bad migrations in a scratch database that is made and dropped; live is never touched.

        tell  is given one line per scenario when it has been played
        """

        def migrate(settings: Settings, source: Mapping[str, Any] | Path) -> MigrationResult:
            return MigrationService(settings).migrate_all_data(source)

        try:
            return scenarios.play(self._settings, self.url(), migrate, tell)
        finally:
            log.start(self._settings, console=self._console)  # the scratch project had the log meanwhile

    def report(self, run_id: str | None = None) -> Path:
        """Build a run's report again; returns the page."""
        run = open_run(self._settings, run_id)
        plan.perform("report", run)
        return run.folder / "index.html"

    @property
    def settings(self) -> Settings:
        return self._settings

    def url(self) -> str:
        """The target's connection string; the embedded server is started when DATABASE_URL is unset."""
        if self._settings.database_url is None:
            started = Server(self._settings.postgres_dir).start()
            postgres.ensure_database(started, EMBEDDED_DATABASE)
            return Server(self._settings.postgres_dir).url(EMBEDDED_DATABASE)
        return self._settings.url

    def _run(
        self, command: str, body: Callable[[Run, _Record], None], source: Mapping[str, Any] | Path | None = None
    ) -> MigrationResult:
        """Give the command a run with a folder, record what comes of it, and make its report."""
        run = new_run(self._settings, source)
        label = None if source is None else "a Python dict" if isinstance(source, Mapping) else str(source)
        record = _Record(command, label, now())
        self._write(run, record)
        log.log.info(narration.of_start(command, run.id))
        try:
            body(run, record)
            record.status = "succeeded"
        except (Exception, KeyboardInterrupt) as error:
            record.error = plan.named(error, command)
            log.log.debug(traced(error))
            if record.status == "running":
                record.status = "failed"
        finally:
            for left in ("staging.duckdb", "staging.duckdb.wal", "arrays", "live"):
                _remove(run.folder / left)
        undone = record.backup_id if record.status == "rolled_back" else None
        record.message = narration.verdict(command, record.error, undone, record.undo_error)
        self._write(run, record)
        self._report(run, record)
        milliseconds = round((time.perf_counter() - record.began) * 1000)
        log.log.log(
            logging.ERROR if record.error else logging.INFO, narration.of_end(command, milliseconds, record.error)
        )
        return MigrationResult(
            success=record.error is None,
            message=record.message,
            summary={result.step: result.data for result in run.results()},
            errors=_errors(run),
            run_id=run.id,
            report=run.folder / "index.html",
            error=record.error,
        )

    def _migrate(self, run: Run, record: _Record) -> None:
        stage, check, backup, load, publish, verify = plan.MIGRATE
        self._step(stage, run)
        self._step(check, run)
        with self._target(run, record) as aimed:
            with _importing("dbt.cli.main"):  # two seconds, while the notebook's process is at work
                record.backup_id = self._step(backup, aimed).data["backup_id"]
            try:
                for step in (load, publish, verify):
                    self._step(step, aimed)
            except BaseException:
                self._undo_if_live(aimed, record)
                raise
            finally:
                with suppress(Mock2pgError), postgres.connect(aimed.settings.url, name=f"tidy {run.id}") as connection:
                    postgres.scratch.drop(connection)

    def _undo_if_live(self, run: Run, record: _Record) -> None:
        """Undo the run if its transaction was committed: the history row was written in it, so it knows."""
        try:
            with postgres.connect(run.settings.url, name=f"history {run.id}", read_only=True) as connection:
                newest = postgres.history.newest(connection, run.settings.target_schema)
        except Mock2pgError as error:
            record.undo_error = error
            log.log.error("❌ Whether the run was published cannot be told now (%s): run verify later", error.message)
            return
        if newest is not None and newest.published_run == run.id:
            self._undo(run, record)

    def _undo(self, run: Run, record: _Record) -> None:
        """What was published does not hold: go back to the backup, and keep both errors if that fails too."""
        log.log.error("🔙 A step after publishing failed; rolling back to %s", record.backup_id)
        try:
            self._step(plan.ROLLBACK, run, backup_id=str(record.backup_id))
            record.status = "rolled_back"
        except Mock2pgError as undo:
            record.status, record.undo_error = "rollback_failed", undo
            log.log.error("❌ The rollback failed too: %s. Live holds what run %s published.", undo.message, run.id)

    def _reach(self, run: Run, record: _Record, step: plan.Step, *, alone: bool = False, **parameters: str) -> None:
        """One step against the target. `alone`: no other run may be at work meanwhile."""
        with self._target(run, record, alone=alone) as aimed:
            record.backup_id = self._step(step, aimed, **parameters).data.get("backup_id")

    def _step(self, step: plan.Step, run: Run, **parameters: str) -> StepResult:
        log.log.debug("… %s", step.name)
        result = plan.execute(step, run, **parameters)
        for line in narration.of_step(result):
            log.log.info(line)
        return result

    @contextmanager
    def _target(self, run: Run, record: _Record, *, alone: bool = True) -> Iterator[Run]:
        """The run with the target's connection string in its settings, while no other run works on that database."""
        url = self.url()
        settings = self._settings.model_copy(update={"database_url": SecretStr(url)})
        with postgres.connect(url, name=f"run {run.id}") as connection:
            record.database = {**postgres.describe_database(connection), "schema": settings.target_schema}
        self._write(run, record)
        if not alone:
            yield Run(run.id, settings, run.source)
            return
        with postgres.one_at_a_time(url, f"run {run.id}"):
            self._tidy(run)
            yield Run(run.id, settings, run.source)

    def _tidy(self, run: Run) -> None:
        """Under the lock no other run can be alive: what one that was killed left behind goes."""
        backups.tidy(self._settings.backups_dir)
        for other in all_runs(self._settings):
            left = other.read("record.json")
            if other.id != run.id and left.get("status") == "running" and not _alive(left.get("pid")):
                for name in ("staging.duckdb", "staging.duckdb.wal", "arrays", "live"):
                    _remove(other.folder / name)
                other.write("record.json", {**left, "status": "failed", "message": "The process was killed."})
                log.log.info("🧹 Tidied up after run %s, which was killed", other.id)

    def _report(self, run: Run, record: _Record) -> None:
        try:
            point_latest(run)
            plan.perform("report", run)
        except (Mock2pgError, OSError) as error:
            problem = error if isinstance(error, Mock2pgError) else InternalError(f"no report: {error.strerror}")
            log.log.error("❌ The report could not be written: %s", problem.message)
            if record.error is None:
                record.error, record.message = problem, f"{record.message} But the report could not be written."
                with suppress(OSError):
                    self._write(run, record)

    def _write(self, run: Run, record: _Record) -> None:
        staged = run.result("stage")
        ended = record.status != "running"
        memory = [result.data.get("peak_memory_bytes", 0) for result in run.results()]
        run.write(
            "record.json",
            {
                "run_id": run.id,
                "command": record.command,
                "status": record.status,
                "message": record.message,
                "started_at": record.started_at,
                "finished_at": now() if ended else None,
                "seconds": round(time.perf_counter() - record.began, 3),
                "operator": self._settings.operator,
                "pid": os.getpid(),
                "version": VERSION,
                "source": record.source,
                "input_sha256": staged.data.get("sha256") if staged else None,
                "database": record.database,
                "backup_id": record.backup_id,
                "peak_memory_bytes": max([plan.peak_memory(), *memory]),
                "error": record.error.as_dict() if record.error else None,
                "undo_error": record.undo_error.as_dict() if record.undo_error else None,
            },
        )


def _errors(run: Run) -> tuple[ValidationError, ...]:
    try:
        return tuple(ValidationError(**error) for error in run.read("errors.json")["errors"])
    except FileNotFoundError:
        return ()


@contextmanager
def _importing(module: str) -> Iterator[None]:
    """Import something slow in the background; it is there when the block ends.

    What the block itself imports is imported first: two threads in the middle of one package trip each other up.
    """
    notebooks.warm()

    def work() -> None:
        with suppress(Exception):  # the one who needs it gets the same error, and names it
            import_module(module)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _alive(pid: int | None) -> bool:
    try:
        os.kill(int(pid or 0), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return bool(pid)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
