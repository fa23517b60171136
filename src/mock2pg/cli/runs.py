"""The commands that list and prune the folders of runs."""

from __future__ import annotations

from typing import Any

import click

from mock2pg.cli import options
from mock2pg.cli.root import command
from mock2pg.cli.verb import service, verb
from mock2pg.errors import AlreadyRunning
from mock2pg.report.output import say, say_json, width

_NO_RUN = "There is no run yet."


@command.group(section="Look", invoke_without_command=True)
@click.pass_context
@verb
def runs(context: click.Context, as_json: bool) -> None:
    """List the runs in runs/, newest first.

    What each did, how it ended, how long it took, and the size of its folder. Contacts no database: `mock2pg history`
    lists the runs of everybody who uses the database.

    Examples:
        mock2pg runs
    """
    from mock2pg.report.history_lists import run_lines

    if context.invoked_subcommand is None:
        found = service().runs()
        if as_json:
            say_json(found)
        else:
            for line in run_lines(found, width()) or [_NO_RUN]:
                say(line)


@runs.command("prune", fails=(AlreadyRunning,))
@options.retention("runs", "MIGRATION_RUNS_KEEP")
@verb
def prune(as_json: bool, **given: Any) -> None:
    """Report which runs to remove, and remove them with --yes.

    Reports for each run why to remove or keep its folder. The database records each removal, so that `mock2pg
    verify-evidence` reports it as that. Backups are kept. docs/evidence.md has the policy.

    Examples:
        mock2pg runs prune --keep-last 50 --keep-days 90
        mock2pg runs prune --keep-last 50 --keep-days 90 --yes
    """
    from mock2pg.report.history_lists import decision

    found = service().prune_runs(**given)
    if as_json:
        say_json(found)
        return
    for entry in found:
        say(f"{entry['id']}  {entry['bytes']:>12,} bytes  {decision(entry, removed=given['yes'])}")
    if not found:
        say(_NO_RUN)
    elif not given["yes"] and any(entry["remove"] for entry in found):
        say("Nothing was removed: add --yes to remove them.")
