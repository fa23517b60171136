"""MigrationService: every verb of the command line as a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mock2pg import backups, evidence, history, log, pages
from mock2pg import settings as settings_module
from mock2pg import watch as watch_module
from mock2pg.errors import AlreadyRunning, BackupRefused, UsageError
from mock2pg.history import events, roles
from mock2pg.history.past_runs import summarised
from mock2pg.log import timestamp
from mock2pg.pipeline import (
    commands,
    destination,
    lifecycle,
    named_source,
    notices,
    prune_backups,
    prune_runs,
    refusals,
    reviewed_plan,
    rollback,
    scenarios,
    status,
    target,
)
from mock2pg.pipeline.migrate import migrate
from mock2pg.pipeline.step import run_in_process
from mock2pg.pipeline.steps import connect
from mock2pg.pipeline.work import Work
from mock2pg.report import prometheus
from mock2pg.results import Evidence, MigrationResult, PastRun, Status, TestReport
from mock2pg.runs import newest_ended, open_run
from mock2pg.settings import Setting, Settings


class MigrationService:
    """One target, one project. `overrides` are settings by field name: `MigrationService(database_url=...)`.

    console  the log goes to standard error, too
    live     on a terminal, lines of the running steps take its place
    ask  is given a question when a database on another machine is to be changed, and answers with its name
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        console: bool = False,
        live: bool = False,
        ask: Callable[[str], str] | None = None,
        **overrides: object,
    ) -> None:
        self._settings, self._console = settings or settings_module.load(**overrides), console
        self._given = overrides if settings is None else dict(settings)  # in Python: what a flag is to the command
        self._ask, self._live = ask, live
        log.start(self._settings, console=console, live=live)

    def migrate_all_data(
        self, mock_data: Mapping[str, Any] | Path | str | None = None, *, reviewed: Path | None = None
    ) -> MigrationResult:
        """The whole job: stage, check, load, preflight, backup, publish, verify, report.

        mock_data  a dict of arrays, a folder of <entity>.json or .ndjson, one JSON document, or "-" for standard input;
                   the setting `source` if None, which must be given when `database_url` is
        reviewed   the plan.json that somebody agreed to: what would be published must still be just that
        """
        if reviewed is not None:
            reviewed_plan.read(reviewed)  # refused before a run begins
        return self._run("migrate", partial(migrate, reviewed=reviewed), named_source.named(self._settings, mock_data))

    def plan(self, mock_data: Mapping[str, Any] | Path | str | None = None) -> MigrationResult:
        """Plan a migration: its changes, table by table, in `summary["plan"]`; the target is only read.

        mock_data  as for `migrate_all_data`
        """
        return self._run("plan", commands.plan, named_source.named(self._settings, mock_data, "plan"))

    def load(self, mock_data: Mapping[str, Any] | Path | str | None = None, *, keep: bool = False) -> MigrationResult:
        """Stage, check and build the tables beside the target tables, and publish nothing.

        mock_data  as for `migrate_all_data`
        keep       leave the scratch schemas, to look at or for dbt; the next run empties them
        """
        source = named_source.named(self._settings, mock_data, "load")
        return self._run("load", partial(commands.load, keep=keep), source)

    def check(self, mock_data: Mapping[str, Any] | Path | str | None = None) -> MigrationResult:
        """Stage and check alone: whether the input could be migrated. No database is contacted.

        mock_data  as for `migrate_all_data`
        """
        return self._run("check", commands.check, named_source.named(self._settings, mock_data, "check"))

    def validate_migration(self) -> bool:
        """Return whether the target tables are as the run that published them says. Reads only."""
        return self.verify().success

    def verify(self) -> MigrationResult:
        """Verify the target tables as `validate_migration` does; return the whole result."""
        return self._run("verify", commands.verify)

    def backup(self) -> str:
        """Take a backup now; returns its id. Raises the named error."""
        result = self.take_backup()
        if result.error:
            raise result.error
        return str(result.summary["backup"]["backup_id"])

    def take_backup(self) -> MigrationResult:
        """Take a backup as `backup` does; return the whole result."""
        return self._run("backup", commands.backup)

    def backups(self) -> list[dict[str, Any]]:
        """Return every backup, newest first: id, timestamp, database, schema, bytes, encrypted, tables, rows, run_id,
        command, latest.

        Reads the history for `latest`, which is None when that cannot be done; starts no server.
        """
        latest = destination.known_latest(self._settings)
        return [
            {**entry.as_dict(), "latest": None if latest is None else entry.listed.id == latest}
            for entry in backups.described(self._settings)
        ]

    def verify_backups(self, backup_id: str | None = None) -> list[dict[str, Any]]:
        """Read each backup through, or the one of that id: as `backups`, with valid, reason, tables and rows."""
        return [
            entry.as_dict() for entry in backups.verify(self._settings.backups_dir, self._settings.identity, backup_id)
        ]

    def status(self) -> Status:
        """Return the published run, the lock holder, and the leftovers of interrupted runs. Reads only."""
        return status.read(self._settings, self.url())

    def doctor(self, *, notify: bool = False) -> list[dict[str, str]]:
        """Everything that a migration needs of the target: name, verdict (passed, warning, failed), found, remedy.

        Reads only, but for a transaction that is rolled back where event triggers are enabled.

        notify  send a test notification, too
        """
        checks = connect.examine(self._settings, self.url)
        return [asdict(check) for check in [*checks, *notices.examine(self._settings, send=notify)]]

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Return what was published and tried in the database, newest first; the `limit` newest. Reads only."""
        with history.reading(self._settings, self.url(), "history") as connection:
            return [{**entry, "at": timestamp(entry["at"])} for entry in events.listed(connection, limit)]

    def past_runs(self, limit: int | None = None) -> list[PastRun]:
        """Return the same as `history`, as one entry per run: the `limit` newest. Reads only."""
        with history.reading(self._settings, self.url(), "history") as connection:
            return summarised(events.listed(connection, limit, by_run=True))

    def verify_evidence(self, run_id: str | None = None, *, every: bool = False) -> Evidence:
        """Verify that the folder of a run, the newest if none is named, is what the run left. Reads only.

        every  look at all of them, and for runs whose folder is gone
        """
        return evidence.verify(self._settings, run_id, every=every, known=target.known_manifests(self._settings))

    def watch(self, run_id: str | None = None, *, port: int = 0, tell: Callable[[watch_module.Address], None]) -> None:
        """Serve a page that shows a run while it works, the newest one if none is named, until Ctrl-C.

        port  on loopback; 0 takes a free one
        tell  is given the address of the page
        """
        watch_module.watch(self._settings, run_id, port, tell)

    def watched(self, *, port: int = 0) -> AbstractContextManager[watch_module.Address]:
        """Serve that page, in a process of its own, for the run that is begun in the block; gives its address."""
        return watch_module.watched(self._settings, port)

    def init_roles(self, migrator: str = "mock2pg_migrator", auditor: str = "mock2pg_auditor") -> str:
        """SQL for psql that makes a role which may migrate and one which may only read. No database is contacted."""
        database = target.database(self._settings)
        return roles.statements(database, self._settings.target_schema, migrator, auditor)

    def prune_backups(
        self, keep_last: int | None = None, keep_days: float | None = None, yes: bool = False, *, damaged: bool = False
    ) -> list[dict[str, Any]]:
        """Decide which backups to remove: id, timestamp, bytes, remove, reason. With `yes` they are removed.

        keep_last  keep the N newest; the setting `backup_keep` when neither this nor `keep_days` is given
        keep_days  keep those of the last D days
        damaged    remove those that are not valid
        """
        last = self._settings.backup_keep if keep_last is keep_days is None else keep_last
        with refusals.recorded(self._settings, "prune", AlreadyRunning):
            policy = backups.RetentionPolicy.of(last, keep_days, damaged=damaged)
            return prune_backups.prune(self._settings, self.url(), policy, remove=yes)

    def runs(self) -> list[dict[str, Any]]:
        """Return every run that has a folder in runs/, newest first. Contacts no database."""
        return prune_runs.listed(self._settings)

    def prune_runs(
        self, keep_last: int | None = None, keep_days: float | None = None, yes: bool = False
    ) -> list[dict[str, Any]]:
        """Decide which runs to remove from runs/: id, timestamp, bytes, remove, reason. With `yes` they are removed.

        keep_last  keep the N newest; the setting `runs_keep` when neither this nor `keep_days` is given
        keep_days  keep those of the last D days
        """
        last = self._settings.runs_keep if keep_last is keep_days is None else keep_last
        url = self.url() if target.has_database(self._settings) else None
        with refusals.recorded(self._settings, "prune", AlreadyRunning):
            return prune_runs.prune(self._settings, url, backups.RetentionPolicy.of(last, keep_days), remove=yes)

    def rollback(
        self,
        backup_id: str | None = None,
        *,
        before: str | None = None,
        discard_changes: bool = False,
        show: bool = False,
    ) -> MigrationResult:
        """Restore definitions, rows and sequences from a backup.

        backup_id        an id, or `latest`: the state before the newest change that was published
        before           a run instead: the backup that it took
        discard_changes  also undo what others wrote since; else there is a TargetChanged
        show             only report what it would change
        """
        if (backup_id is None) == (before is None):
            raise UsageError(
                "a rollback needs one backup" if before is None else "a backup and a run are both given",
                hint="Name a backup, `latest`, or a run with --before.",
            )
        asks = before is not None or backup_id == destination.LATEST
        url = self.url() if asks and target.has_database(self._settings) else ""
        with refusals.recorded(self._settings, "rollback", BackupRefused, backup_id):  # before a run begins
            to = destination.find(self._settings, url, backup_id, before)
            if to.words:
                log.log.info("Going back: %s", to.words)
            backups.open_backup(self._settings.backups_dir, to.backup_id, self._settings.identity)
        name, command = ("rollback --show", rollback.show) if show else ("rollback", rollback.roll_back)
        latest = backup_id == destination.LATEST
        chosen = partial(command, backup_id=to.backup_id, discard_changes=discard_changes, latest=latest)
        return self._run(name, chosen)

    def test_migration(
        self, tell: Callable[[str], None] = lambda _: None, begin: Callable[[str], None] = lambda _: None
    ) -> TestReport:
        """Run good and bad migrations in a scratch database that is made and dropped; the target is never touched.

        tell   is given one line per scenario when it has been run
        begin  is given the name of each scenario when it begins
        """
        try:
            return scenarios.run(self._settings, self.url(), MigrationService, tell, begin)
        finally:
            log.start(
                self._settings, console=self._console, live=self._live
            )  # the scratch project had the log meanwhile

    def report(self, run_id: str | None = None) -> Path:
        """Return the page of a run. It is built unless it is in the folder's manifest: then it is kept as it is."""
        run = open_run(self._settings, run_id)
        page = run.folder / "index.html"
        if not (evidence.has_manifest(run) and page.exists()):
            run_in_process("report", run)
            pages.write_run_list(self._settings)
        return page

    def metrics(self, run_id: str | None = None, *, out: Path | None = None) -> str:
        """Return the metrics of a run, the newest that has ended if none is named, in the text format of Prometheus.

        out  a file for the textfile collector of node_exporter, which gets them in one step
        """
        run = open_run(self._settings, run_id) if run_id is not None else newest_ended(self._settings)
        try:
            found = prometheus.text(run.record(), run.results())
            if out is not None:
                prometheus.write(out, found)
        except LookupError:
            raise UsageError(
                f"the record of run {run.id} has no metrics", hint="Run `mock2pg migrate`, then this command again."
            ) from None
        return found

    def run_list(self) -> Path:
        """Return the page that lists all runs, written anew: a run that was killed or removed since is known then."""
        return pages.write_run_list(self._settings, anew=True)

    @property
    def settings(self) -> Settings:
        return self._settings

    def explain_settings(self) -> list[Setting]:
        """Return every setting with its value, default, origin and description; passwords and keys are left out."""
        return settings_module.explain(**self._given)

    def url(self) -> str:
        """The target's connection string; the embedded server is started when DATABASE_URL is unset."""
        return target.url(self._settings)

    def _run(
        self, name: str, command: Callable[[Work], None], source: Mapping[str, Any] | Path | None = None
    ) -> MigrationResult:
        return lifecycle.run(self._settings, name, command, source, self._ask)
