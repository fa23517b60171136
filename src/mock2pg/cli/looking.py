"""The commands that look at the target, at its history and at a run."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from mock2pg import settings
from mock2pg.cli import options
from mock2pg.cli.address import show_address
from mock2pg.cli.completing import run_ids
from mock2pg.cli.root import command
from mock2pg.cli.verb import project, service, verb
from mock2pg.errors import NotReady, UsageError
from mock2pg.report.output import quiet, say, say_json, say_lines, width


@command.command(section="Look")
@verb
def status(as_json: bool) -> None:
    """Show the published run, the lock holder and leftovers.

    Reports which run the target tables hold, since when and by whom, and why it is not verified if it is not, who holds
    the lock of the database now, whether the database is protected, the leftovers of interrupted runs, and the nodes of
    a Citus cluster that have not applied what is committed. Reads only. The next migrate, plan, backup or rollback
    removes the leftovers; check and verify remove private files, too.

    Examples:
        mock2pg status
    """
    from mock2pg.report.terminal import status_lines

    found = service().status()
    if as_json:
        say_json(asdict(found))
    else:
        say_lines(status_lines(found))


@command.command(section="Look")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    metavar="N",
    help="The maximum number of runs, or of entries with --json.",
)
@verb
def history(limit: int, as_json: bool) -> None:
    """List published and attempted runs, newest first.

    One line each: when, what, by whom, rows changed, verdict, and the backup of the state before it or the error. A
    wide terminal, a pipe and a file have the run, host, database user and client address, too. --json lists every entry
    of the database. Reads only. docs/evidence.md says what leaves an entry.

    Examples:
        mock2pg history
        mock2pg history --limit 5 --json
    """
    from mock2pg.report.history_lists import history_lines

    if as_json:
        say_json(service().history(limit))
    else:
        say_lines(history_lines(service().past_runs(limit), width()))


@command.command(section="Look")
@click.argument("run_id", required=False, shell_complete=run_ids)
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="The file to write, in one step."
)
@verb
def metrics(run_id: str | None, out: Path | None, as_json: bool) -> None:
    """Print the metrics of a run for Prometheus.

    Prints durations, rows per second, memory, time in the database and WAL of RUN_ID, or of the newest run that has
    ended, with the labels command and verdict. --out writes them into a file for the textfile collector of
    node_exporter, whose name must end in .prom.

    Examples:
        mock2pg metrics
        mock2pg metrics --out /var/lib/node_exporter/mock2pg.prom
    """
    text = service().metrics(run_id, out=out)
    if as_json:
        say_json({"metrics": text})
    elif out is None:
        say_lines(text.rstrip("\n"))
    elif not quiet():
        say(f"Metrics  {out}")


@command.command(section="Look")
@click.argument("run_id", required=False, shell_complete=run_ids)
@click.option("--all", "every", is_flag=True, help="The page that lists all runs; it is written again.")
@verb
def report(run_id: str | None, every: bool, as_json: bool) -> None:
    """Print the path of a run's report.

    The report of RUN_ID, or of the newest run. It is built when it is not there; one that is there was sealed with the
    run and stays as it is. --all is the page that lists every run; each run writes it when it ends.

    Examples:
        mock2pg report
        mock2pg report 2026-11-22T10-30-00-000Z
        mock2pg report --all
    """
    page = _page(run_id, every)
    if as_json:
        say_json({"success": True, "report": str(page)})
    else:
        say(str(page))


@command.command("open", section="Look")
@click.argument("run_id", required=False, shell_complete=run_ids)
@click.option("--all", "every", is_flag=True, help="Open the page that lists all runs.")
@verb
def open_report(run_id: str | None, every: bool, as_json: bool) -> None:
    """Open a run's report in the browser.

    The report of RUN_ID, or of the newest run. Where there is no display, only prints its path.

    Examples:
        mock2pg open
        mock2pg open 2026-11-22T10-30-00-000Z
        mock2pg open --all
    """
    from mock2pg import browser

    page = _page(run_id, every)
    opened = browser.opened(page)
    if as_json:
        say_json({"success": True, "report": str(page), "opened": opened})
    else:
        say(str(page))


@command.command(section="Look")
@click.argument("run_id", required=False, shell_complete=run_ids)
@options.PORT
@options.NO_BROWSER
@verb
def watch(run_id: str | None, port: int, no_browser: bool, as_json: bool) -> None:
    """Show runs on a page while they work.

    Serves a page on this machine that follows RUN_ID, or else the newest run and each one that begins later: its steps
    with rows, rates and the time left, the memory of its processes, the rules that rows break, and then its verdict and
    report. It works for a run of any other process, from its folder. The address has a token, which nobody else knows;
    the page shows no row values. Ctrl-C ends the page, and never the run. docs/watch.md has more.

    Examples:
        mock2pg watch
        mock2pg watch 2026-11-22T10-30-00-000Z --port 8088 --no-browser
    """
    watching = service()
    show = partial(show_address, cache=watching.settings.cache_dir, as_json=as_json, no_browser=no_browser)
    watching.watch(run_id, port=port, tell=show)


@command.command(section="Look", fails=(NotReady,))
@click.option("--notify", is_flag=True, help="Send a test message to the services of MIGRATION_NOTIFY_URLS, too.")
@verb
def doctor(notify: bool, as_json: bool) -> None:
    """Check that the target is ready for a migration.

    Looks at the target as the first step of a migration does, and prints every check with its verdict: passed, worth
    knowing, or a migration would be refused. Below each that did not pass is what to do. docs/connecting.md lists the
    checks. Nothing is changed; where event triggers are enabled, a table is created and dropped in a transaction that
    is rolled back.

    Examples:
        mock2pg doctor
        mock2pg doctor --notify
        mock2pg doctor --json
    """
    from mock2pg.report.terminal import doctor_lines

    checks = service().doctor(notify=notify)
    failed = [check["name"] for check in checks if check["verdict"] == "failed"]
    if as_json:
        say_json({"success": not failed, "checks": checks})
    else:
        say_lines(doctor_lines(checks))
    if failed:
        sys.exit(NotReady.code)


@command.command("settings", section="Look")
@verb
def list_settings(as_json: bool) -> None:
    """List the settings with value, origin and meaning.

    A setting comes from a flag of a command, the environment, .env with the line, [tool.mock2pg] of pyproject.toml, or
    its default, in this order. DATABASE_URL is shown without its password, and other secrets only as set. With
    --quiet, the meanings are left out.

    Examples:
        mock2pg settings
        mock2pg settings --json
    """
    from mock2pg.report.settings_table import settings_table

    found = settings.explain(**project())
    if as_json:
        say_json([asdict(setting) for setting in found])
    else:
        say_lines(settings_table(found, width(), meanings=not quiet()))


def _page(run_id: str | None, every: bool) -> Path:
    """Return the report of a run, of the newest if none is named, or the page that lists all."""
    if every and run_id is not None:
        raise UsageError("--all is the list of all runs, which has no run id", hint="Give one of the two.")
    return service().run_list() if every else service().report(run_id)
