"""The commands for the backups that there are."""

from __future__ import annotations

import sys
from typing import Any

import click

from mock2pg.cli.commands import command
from mock2pg.cli.verb import service, verb
from mock2pg.errors import BackupRefused
from mock2pg.report.output import say, say_json
from mock2pg.text import counted


@command.group(invoke_without_command=True)
@click.pass_context
@verb
def backups(context: click.Context, as_json: bool) -> None:
    """List the backups, newest first.

    Example: mock2pg backups
    """
    if context.invoked_subcommand is None:
        found = service().backups()
        _show(found, "There is no backup yet.", _where, as_json)


@backups.command("verify")
@click.argument("backup_id", required=False)
@verb
def verify_backups(backup_id: str | None, as_json: bool) -> None:
    """Read BACKUP_ID through, or every backup, and report whether it is valid. Contacts no database.

    Example: mock2pg backups verify
    """
    found = service().verify_backups(backup_id)
    _show(found, "There is no backup yet.", _validity, as_json)
    if not all(entry["valid"] for entry in found):
        sys.exit(BackupRefused.code)


@backups.command()
@click.option("--keep-last", type=click.IntRange(1), metavar="N", help="Keep the N newest.")
@click.option("--keep-days", type=click.FloatRange(0), metavar="D", help="Keep those of the last D days, too.")
@click.option("--damaged", is_flag=True, help="Remove those that are not valid.")
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@verb
def prune(as_json: bool, **options: Any) -> None:
    """Report which backups to remove and which to keep, and why. With --yes, remove them.

    Example: mock2pg backups prune --keep-last 10 --keep-days 30
    """
    found = service().prune_backups(**options)
    _show(found, "There is no backup yet.", lambda entry: _decision(entry, options["yes"]), as_json)


def _show(found: list[dict[str, Any]], none: str, line: Any, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    for entry in found:
        say(f"{entry['id']}  {entry['bytes']:>12,} bytes  {line(entry)}")
    if not found:
        say(none)


def _where(entry: dict[str, Any]) -> str:
    if entry.get("kind"):
        return f"not a backup: it is {entry['kind']}"
    if entry["timestamp"]:
        return f"{entry['database']}.{entry['schema']}{', encrypted' if entry['encrypted'] else ''}"
    return "encrypted, and its key is not available" if entry["encrypted"] else "damaged: its header is unreadable"


def _validity(entry: dict[str, Any]) -> str:
    if entry["valid"]:
        return f"valid: {counted(entry['rows'], 'row')} of {counted(entry['tables'], 'table')}"
    return f"refused: {entry['reason']}"


def _decision(entry: dict[str, Any], removed: bool) -> str:
    word = ("removed" if removed else "would be removed") if entry["remove"] else "kept"
    return f"{word}: {entry['reason']}"
