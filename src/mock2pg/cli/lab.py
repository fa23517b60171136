"""The command that opens notebooks for a person."""

from __future__ import annotations

import subprocess
import sys

import click

from mock2pg import environment
from mock2pg.cli.commands import command
from mock2pg.cli.verb import current, verb
from mock2pg.report.output import say, say_json


@command.command()
@click.argument("run_id", required=False)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@verb
def lab(run_id: str | None, no_browser: bool, as_json: bool) -> None:
    """Open the executed notebooks of RUN_ID (of the newest run that has some) in JupyterLab, as copies.

    Example: mock2pg lab 2026-11-22T10-30-00-000Z
    """
    from mock2pg.report import lab

    settings = current()
    folder = lab.prepared(settings, run_id)
    program, places = lab.command(folder, browser=not no_browser)
    if as_json:
        say_json({"success": True, "folder": str(folder)})
        return
    say(f"Copies of the run's notebooks: {folder}", err=True)
    sys.exit(subprocess.call(program, env=environment.inherited("jupyterlab") | places, cwd=folder))  # noqa: S603
