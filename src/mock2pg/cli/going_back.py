"""The commands that take backups and go back to one."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from mock2pg.cli import options
from mock2pg.cli.completing import backup_ids, backup_ids_or_latest, run_ids
from mock2pg.cli.root import command
from mock2pg.cli.verb import service, verb
from mock2pg.errors import (
    AlreadyRunning,
    BackupFailed,
    BackupRefused,
    NotAppliedYet,
    NothingPublished,
    RollbackFailed,
    TargetChanged,
    UsageError,
)
from mock2pg.report.output import say, say_json, width
from mock2pg.text import counted


@command.command(section="Go back", fails=(AlreadyRunning, BackupFailed, NotAppliedYet))
@verb
def backup(as_json: bool) -> None:
    """Take a backup of the target schema.

    Its id is in the log and, with --json, in `summary.backup.backup_id`.

    Examples:
        mock2pg backup
    """
    from mock2pg.report.result import show

    show(service().take_backup(), as_json)


@command.group(section="Go back", invoke_without_command=True)
@click.pass_context
@verb
def backups(context: click.Context, as_json: bool) -> None:
    """List the backups, newest first.

    Shows the rows, tables and size of each, the run that took it and why, and which one `rollback latest` restores. A
    dash is what the file does not say without being read through, as an encrypted or an older one. The files are not
    verified; `backups verify` and a rollback do that.

    Examples:
        mock2pg backups
    """
    if context.invoked_subcommand is None:
        found = service().backups()
        if as_json:
            say_json(found)
        else:
            from mock2pg.report.history_lists import backup_lines

            for line in backup_lines(found, width()).splitlines():
                say(line)


@backups.command("verify", fails=(BackupRefused,))
@click.argument("backup_id", required=False, shell_complete=backup_ids)
@verb
def verify_backups(backup_id: str | None, as_json: bool) -> None:
    """Read backups through, and report which are valid.

    Reads BACKUP_ID, or every backup, and prints one line for each: `valid`, or the reason why a rollback would refuse
    it. Contacts no database.

    Examples:
        mock2pg backups verify
        mock2pg backups verify backup-2026-11-22T10-30-00-000Z
        make backups ARGS="verify --json"
    """
    found = service().verify_backups(backup_id)
    _show(found, "There is no backup yet.", _validity, as_json)
    if not all(entry["valid"] for entry in found):
        sys.exit(BackupRefused.code)


@backups.command(fails=(AlreadyRunning,))
@options.retention("backups", "MIGRATION_BACKUP_KEEP")
@click.option("--damaged", is_flag=True, help="Remove backups that are not valid; otherwise they are kept.")
@verb
def prune(as_json: bool, **options: Any) -> None:
    """Report which backups to remove, and remove them with --yes.

    Reports for each backup why to remove or keep it. docs/rollback.md has the policy.

    Examples:
        mock2pg backups prune --keep-last 10 --keep-days 30
        mock2pg backups prune --keep-last 10 --keep-days 30 --yes
    """
    from mock2pg.report.history_lists import decision

    found = service().prune_backups(**options)
    _show(found, "There is no backup yet.", partial(decision, removed=options["yes"]), as_json)
    if not as_json and not options["yes"] and any(entry["remove"] for entry in found):
        say("Nothing was removed: add --yes to remove them.")


@command.command(
    section="Go back",
    fails=(AlreadyRunning, RollbackFailed, BackupRefused, NothingPublished, TargetChanged, NotAppliedYet),
)
@click.argument("backup_id", required=False, shell_complete=backup_ids_or_latest)
@click.option(
    "--before",
    metavar="RUN",
    shell_complete=run_ids,
    help="Restore the state that RUN found, from the backup of it.",
)
@click.option("--show", "only_show", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--discard-changes",
    is_flag=True,
    help="Also undo what others wrote since. The present state is backed up first in any case.",
)
@options.CONFIRM
@verb
def rollback(backup_id: str | None, only_show: bool, confirm: str | None, as_json: bool, **given: Any) -> None:
    """Restore the target schema from a backup.

    Reports what would change, and restores what BACKUP_ID holds, in one transaction. `latest` is the state before the
    newest migration or rollback of the schema, whether that changed anything or not; which backup that is, and which
    run it undoes, is reported first. docs/rollback.md says how, and what is refused.

    Examples:
        mock2pg rollback latest
        mock2pg rollback --before 2026-11-22T10-30-00-000Z --show
        mock2pg rollback backup-2026-11-22T10-30-00-000Z
        mock2pg rollback backup-2026-11-22T10-30-00-000Z --show
        make rollback ID=backup-2026-11-22T10-30-00-000Z
    """
    from mock2pg.report.result import show

    if not (backup_id or given["before"]):
        raise UsageError(
            "no backup is named", hint="Name one: `mock2pg rollback latest`, or an id that `mock2pg backups` lists."
        )
    result = service(confirm=confirm).rollback(backup_id or None, show=only_show, **given)
    show(result, as_json)


def _show(found: list[dict[str, Any]], none: str, line: Any, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    for entry in found:
        say(f"{entry['id']}  {entry['bytes']:>12,} bytes  {line(entry)}")
    if not found:
        say(none)


def _validity(entry: dict[str, Any]) -> str:
    if entry["valid"]:
        return f"valid: {counted(entry['rows'], 'row')} of {counted(entry['tables'], 'table')}"
    return f"refused: {entry['reason']}"
