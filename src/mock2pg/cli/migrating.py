"""The commands from mock JSON to verified tables, in the order of use."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from mock2pg.cli import options
from mock2pg.cli.address import show_address
from mock2pg.cli.root import command
from mock2pg.cli.verb import service, verb
from mock2pg.errors import (
    AlreadyRunning,
    BackupFailed,
    BuiltRowsLost,
    CheckFailed,
    LoadFailed,
    NotAppliedYet,
    NothingPublished,
    PreflightFailed,
    PublishFailed,
    SourceError,
    StagingFailed,
    VerifyFailed,
)

_BUILDS = (
    SourceError,
    CheckFailed,
    AlreadyRunning,
    LoadFailed,
    PreflightFailed,
    BuiltRowsLost,
    NotAppliedYet,
    StagingFailed,
)


@command.command(section="Migrate", fails=(SourceError, CheckFailed, StagingFailed))
@options.source
@options.form("text", "json", "junit", "github")
@verb
def check(source: Path | None, form: str, as_json: bool, **given: Any) -> None:
    """Check the source as migrate does, without a database.

    Stages and checks SOURCE, and stops there. The Make target is check-data.

    Examples:
        mock2pg check ../frontend/src/mocks
        mock2pg check mock.json.gz --format github
        cat mock.json | mock2pg check -
    """
    from mock2pg.report.terminal import show_check

    checking = service(**given)
    show_check(checking.check(source), "json" if as_json else form, checking.settings.github_workspace)


@command.command(section="Migrate", fails=_BUILDS)
@options.source
@options.limits
@verb
def plan(source: Path | None, as_json: bool, **given: Any) -> None:
    """Show what a migration would change, and change nothing.

    Stages, checks and builds SOURCE as migrate does, and compares the built tables with the target tables, which are
    only read. The report lists up to 20 keys of the rows to insert, update and delete in each table, the lock that
    publishing takes, and the ALTER statements that a changed contract needs. Limits and conflicts are judged as migrate
    would judge them with the same options. `plan.json` in the run's folder is the file for `migrate --plan`; it holds
    keys, counts and hashes, and no row values. The role needs no right to write to the target tables.

    Examples:
        mock2pg plan ../frontend/src/mocks
        mock2pg migrate ../frontend/src/mocks --plan runs/2026-11-22T10-30-00-000Z/plan.json
    """
    from mock2pg.report.result import show

    show(service(**given).plan(source), as_json)


@command.command(section="Migrate", fails=(*_BUILDS, BackupFailed, PublishFailed, VerifyFailed))
@options.source
@options.limits
@options.changes
@click.option("--watch", is_flag=True, help="Show the run on a page while it works, as `mock2pg watch` does.")
@options.NO_BROWSER
@verb
def migrate(
    source: Path | None, reviewed: Path | None, watch: bool, no_browser: bool, as_json: bool, **given: Any
) -> None:
    """Migrate the source into PostgreSQL, and verify the result.

    SOURCE is a folder of <entity>.json, .ndjson or .jsonl files, one JSON document, a module that exports plain data
    (with node), or - for standard input. Each file may be packed (.gz, .zst). Without SOURCE, it is MIGRATION_SOURCE,
    or mock_data/ when DATABASE_URL is unset.

    Examples:
        mock2pg migrate
        mock2pg migrate ../frontend/src/mocks
        mock2pg migrate mock.json --watch
        mock2pg migrate mock.json --json
    """
    from mock2pg.report.result import show

    migrating = service(**given)
    with migrating.watched() if watch else nullcontext() as address:
        if address:
            show_address(address, migrating.settings.cache_dir, no_browser=no_browser)
        result = migrating.migrate_all_data(source, reviewed=reviewed)
    show(result, as_json)


@command.command(section="Migrate", fails=(VerifyFailed, NothingPublished, NotAppliedYet, StagingFailed))
@options.form("text", "json", "junit")
@verb
def verify(form: str, as_json: bool) -> None:
    """Verify the target tables against the published run.

    Lists the keys of rows that are missing, extra or different. Reads only, except for the event that it leaves in
    `mock2pg.events` where its role may write there.

    Examples:
        mock2pg verify
        mock2pg verify --format junit
    """
    from mock2pg.report.terminal import show_verification

    show_verification(service().verify(), "json" if as_json else form)
