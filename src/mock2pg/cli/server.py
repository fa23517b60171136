"""The commands for the embedded server, and psql and dbt on the target."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from mock2pg import environment
from mock2pg.cli import options
from mock2pg.cli.commands import command
from mock2pg.cli.verb import current, end, service, verb
from mock2pg.errors import Mock2pgError
from mock2pg.report.output import say, say_json, say_lines


@command.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@options.PROJECT
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    r"""Open the bundled psql on the target database; ARGUMENTS are psql's own.

    Example: mock2pg psql -c '\dt'
    """
    from mock2pg import postgres
    from mock2pg.postgres.server import binary

    try:
        session = postgres.environment(service().url())
    except Mock2pgError as error:
        end(error, as_json=False, debug=False)
    sys.exit(subprocess.call([str(binary("psql")), *arguments], env=environment.inherited("psql") | session))  # noqa: S603


@command.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@options.PROJECT
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dbt(arguments: tuple[str, ...]) -> None:
    """Run dbt in dbt_project/ on the target database; ARGUMENTS are dbt's own.

    Example: mock2pg dbt docs generate --target published
    """
    from mock2pg import build, postgres

    try:
        target = service()
        session = postgres.environment(target.url(), settings=True)
    except Mock2pgError as error:
        end(error, as_json=False, debug=False)
    folder = target.settings.dbt_dir
    variables = build.profile(session, target.settings.target_schema)
    variables["DBT_PROFILES_DIR"] = str(build.profiles_dir(folder))
    program = [str(Path(sys.executable).with_name("dbt")), *arguments]
    sys.exit(subprocess.call(program, cwd=folder, env=environment.inherited("dbt") | variables))  # noqa: S603


@command.group()
def server() -> None:
    """The embedded PostgreSQL in .postgres/.

    Example: mock2pg server status
    """


@server.command()
@verb
def start(as_json: bool) -> None:
    """Start it, unless it runs, and print its URL.

    Example: mock2pg server start
    """
    from mock2pg.pipeline.target import start_embedded

    url = start_embedded(current())
    if as_json:
        say_json({"success": True, "url": url})
    else:
        say(url)


@server.command()
@verb
def stop(as_json: bool) -> None:
    """Stop it; its data is kept.

    Example: mock2pg server stop
    """
    from mock2pg.postgres.server import Server

    stopped = Server(current().postgres_dir).stop()
    text = "stopped" if stopped else "was not running"
    if as_json:
        say_json({"success": True, "stopped": stopped})
    else:
        say(text)


@server.command()
@verb
def status(as_json: bool) -> None:
    """Say whether it runs, and where.

    Example: mock2pg server status
    """
    from mock2pg.pipeline.target import EMBEDDED_DATABASE
    from mock2pg.postgres.server import Server

    embedded = Server(current().postgres_dir)
    found = embedded.status()
    found = replace(found, url=found.url and embedded.url(EMBEDDED_DATABASE))
    if as_json:
        say_json(asdict(found))
    elif found.running:
        say_lines(f"PostgreSQL {found.version} is running (pid {found.pid}) in {found.home}\n{found.url}")
    else:
        say(f"not running; its data is kept in {found.home}")
