"""MigrationService: every verb of the command line as a method."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from mock2pg import evidence, log, narration, plan, retention, scenarios, target, tidy
from mock2pg import settings as settings_module
from mock2pg.errors import DatabaseError, InternalError, Mock2pgError, ValidationError, traced
from mock2pg.log import timestamp
from mock2pg.plan import Step
from mock2pg.record import Record
from mock2pg.results import Evidence, MigrationResult, Status, TestReport
from mock2pg.runs import Run, StepResult, new_run, open_run, point_latest
from mock2pg.settings import Settings
from mock2pg.steps.publish import refuse_other_input, reviewed_plan
from mock2pg.tools import backups, postgres


class MigrationService:
    """One target, one project. `overrides` are settings by field name: `MigrationService(database_url=...)`.

    ask  is given a question when a database on another machine is to be changed, and answers with its name
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        console: bool = False,
        ask: Callable[[str], str] | None = None,
        **overrides: object,
    ) -> None:
        self._settings, self._console = settings or settings_module.load(**overrides), console
        self._ask = ask
        log.start(self._settings, console=console)

    def migrate_all_data(
        self, mock_data: Mapping[str, Any] | Path | str | None = None, *, reviewed: Path | None = None
    ) -> MigrationResult:
        """The whole job: stage, check, load, preflight, backup, publish, verify, report.

        mock_data  a dict of arrays, a folder of <entity>.json or .ndjson, one JSON document, or "-" for standard input;
                   the setting `source` if None
        reviewed   the plan.json that somebody agreed to: what would be published must still be just that
        """
        if reviewed is not None:
            reviewed_plan(reviewed)  # refused before a run begins
        return self._run("migrate", partial(self._migrate, reviewed=reviewed), self._source(mock_data))

    def plan(self, mock_data: Mapping[str, Any] | Path | str | None = None) -> MigrationResult:
        """What a migration would change, table by table, in `summary["plan"]`; live is only read.

        mock_data  as for `migrate_all_data`
        """
        return self._run("plan", self._plan, self._source(mock_data))

    def check(self, mock_data: Mapping[str, Any] | Path | str | None = None) -> MigrationResult:
        """Stage and check alone: whether the input could be migrated. No database is contacted.

        mock_data  as for `migrate_all_data`
        """
        return self._run("check", self._check, self._source(mock_data))

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
        """Every backup, newest first: id, timestamp, database, schema, bytes, encrypted."""
        return [entry.as_dict() for entry in backups.listed(self._settings.backups_dir, self._settings.identity)]

    def verify_backups(self, backup_id: str | None = None) -> list[dict[str, Any]]:
        """Read each backup through, or the one of that id: as `backups`, with whole, reason, tables and rows."""
        return [
            verdict.as_dict()
            for verdict in backups.judged(self._settings.backups_dir, self._settings.identity, backup_id)
        ]

    def status(self) -> Status:
        """Which run is live, who is at work, and what killed runs left. Reads only."""
        url, schema = self.url(), self._settings.target_schema
        with (
            postgres.connect(url, name="status", read_only=True) as connection,
            postgres.named(DatabaseError, "cannot ask the database"),
        ):
            newest = postgres.history.newest(connection, schema)
            at_work = postgres.at_work(connection)
            return Status(
                database=postgres.describe_database(connection)["name"],
                schema=schema,
                published_run=newest.published_run if newest else None,
                published_at=timestamp(newest.published_at) if newest else None,
                command=newest.command if newest else None,
                operator=newest.operator if newest else None,
                at_work=at_work,
                protected=postgres.history.is_protected(connection),
                left=() if at_work else tuple(tidy.left(self._settings, connection)),
            )

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """What was published and what was tried in the database, newest first; the `limit` newest. Reads only."""
        with (
            postgres.connect(self.url(), name="history", read_only=True) as connection,
            postgres.named(DatabaseError, "cannot read the history"),
        ):
            return [{**entry, "at": timestamp(entry["at"])} for entry in postgres.events.listed(connection, limit)]

    def verify_evidence(self, run_id: str | None = None, *, every: bool = False) -> Evidence:
        """Whether the folder of a run, the newest if none is named, is what the run left. Reads only.

        every  look at all of them, and for runs whose folder is gone
        """
        return evidence.judge(self._settings, run_id, every=every, known=target.known_manifests(self._settings))

    def init_roles(self, migrator: str = "mock2pg_migrator", auditor: str = "mock2pg_auditor") -> str:
        """SQL for psql that makes a role which may migrate and one which may only read. No database is contacted."""
        database = target.database(self._settings)
        return postgres.roles.statements(database, self._settings.target_schema, migrator, auditor)

    def prune_backups(
        self, keep_last: int | None = None, keep_days: float | None = None, yes: bool = False, *, damaged: bool = False
    ) -> list[dict[str, Any]]:
        """Say of each backup whether it goes, and why: id, timestamp, bytes, goes, reason. With `yes` it is removed.

        keep_last  so many of the newest stay; the setting `backup_keep` when neither this nor `keep_days` is given
        keep_days  those of so many days stay
        damaged    those that are not whole go
        """
        last = self._settings.backup_keep if keep_last is keep_days is None else keep_last
        return retention.prune(self._settings, self.url(), retention.Keep(last, keep_days, damaged), remove=yes)

    def rollback(self, backup_id: str, *, discard_changes: bool = False, show: bool = False) -> MigrationResult:
        """Bring definitions, rows and sequences back to what the backup says.

        discard_changes  also give up what others wrote since; else there is a LiveChanged
        show             only say what it would change
        """
        # refused before a run begins or a server starts
        backups.opened(self._settings.backups_dir, backup_id, self._settings.identity)
        return self._run(
            "rollback --show" if show else "rollback",
            partial(
                self._roll_back,
                show=show,
                backup_id=backup_id,
                discard_changes="yes" if discard_changes else "",
            ),
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
        """The page of a run. It is built unless it was sealed with the rest of the folder: that stays as it is."""
        run = open_run(self._settings, run_id)
        page = run.folder / "index.html"
        if not (evidence.is_sealed(run) and page.exists()):
            plan.perform("report", run)
        return page

    @property
    def settings(self) -> Settings:
        return self._settings

    def url(self) -> str:
        """The target's connection string; the embedded server is started when DATABASE_URL is unset."""
        return target.url(self._settings)

    def _run(
        self, command: str, body: Callable[[Run, Record], None], source: Mapping[str, Any] | Path | None = None
    ) -> MigrationResult:
        """Give the command a run with a folder, record what comes of it, and make its report."""
        run = new_run(self._settings, source)
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

    def _source(self, mock_data: Mapping[str, Any] | Path | str | None) -> Mapping[str, Any] | Path:
        return mock_data if isinstance(mock_data, Mapping) else Path(mock_data or self._settings.source_path)

    def _check(self, run: Run, record: Record) -> None:
        if record.command == "check":
            tidy.after_killed_checks(run)
        for step in plan.CHECK:
            self._step(step, run)

    def _plan(self, run: Run, record: Record) -> None:
        _, _, load, preflight, *_ = plan.MIGRATE
        self._check(run, record)
        with self._aim(run, record) as aimed, target.scratch(aimed):
            self._step(load, aimed)
            self._step(preflight, aimed, purpose="plan")
            self._step(plan.PLAN, aimed)

    def _migrate(self, run: Run, record: Record, reviewed: Path | None = None) -> None:
        _, _, load, preflight, backup, publish, verify = plan.MIGRATE
        self._check(run, record)
        if reviewed:
            refuse_other_input(reviewed, run)
        with self._aim(run, record) as aimed, target.scratch(aimed):
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
            with postgres.connect(run.settings.url, name=f"history {run.id}", read_only=True) as connection:
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
            self._step(plan.ROLLBACK, run, backup_id=str(record.backup_id), undo="yes")
            record.status = "rolled_back"
        except Mock2pgError as undo:
            record.status, record.undo_error = "rollback_failed", undo
            log.log.error("❌ The rollback failed too: %s. Live holds what run %s published.", undo.message, run.id)

    def _roll_back(self, run: Run, record: Record, *, show: bool, **parameters: str) -> None:
        """What would change first, and then the change."""
        record.backup_id = parameters["backup_id"]
        with self._aim(run, record) as aimed:
            self._step(plan.SHOW, aimed, show="yes", **parameters)
            if not show:
                self._step(plan.ROLLBACK, aimed, **parameters)

    def _reach(self, run: Run, record: Record, step: Step, *, alone: bool = False, **parameters: str) -> None:
        """One step against the target. `alone`: no other run may be at work meanwhile."""
        with self._aim(run, record, alone=alone) as aimed:
            record.backup_id = self._step(step, aimed, **parameters).data.get("backup_id")

    def _step(self, step: Step, run: Run, **parameters: str) -> StepResult:
        log.log.debug("… %s", step.name)
        result = plan.execute(step, run, **parameters)
        for line in narration.of_step(result):
            log.log.info(line)
        for caution in result.data.get("cautions", ()):
            log.log.warning("⚠️ %s", caution)
        return result

    def _aim(self, run: Run, record: Record, *, alone: bool = True) -> AbstractContextManager[Run]:
        return target.aim(run, record, alone=alone, ask=self._ask)

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
