"""The commands of the embedded server."""

from __future__ import annotations

from dataclasses import asdict, replace

from mock2pg.cli.root import command
from mock2pg.cli.verb import current, verb
from mock2pg.report.output import say, say_fact, say_json


@command.group(section="Develop")
def server() -> None:
    """Start and stop the embedded PostgreSQL server.

    It is used when DATABASE_URL is unset, and keeps its data in .postgres/. It runs until it is stopped.

    Examples:
        mock2pg server status
    """


@server.command()
@verb
def start(as_json: bool) -> None:
    """Start the server, unless it runs, and print its URL.

    Examples:
        mock2pg server start
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
    """Stop the server, and keep its data.

    It is not an error if the server was not running.

    Examples:
        mock2pg server stop
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
    """Show whether the server runs, and where.

    Exits with 0 in both cases.

    Examples:
        mock2pg server status
    """
    from mock2pg.pipeline.target import EMBEDDED_DATABASE
    from mock2pg.postgres.server import Server

    embedded = Server(current().postgres_dir)
    found = embedded.status()
    found = replace(found, url=found.url and embedded.url(EMBEDDED_DATABASE))
    if as_json:
        say_json(asdict(found))
    elif found.running:
        say(f"✔ PostgreSQL {found.version} is running (process {found.pid}).", fg="green")
        say_fact("Folder", str(found.home))
        say_fact("URL", str(found.url))
    else:
        say("The server is not running; its data are kept.")
        say_fact("Folder", str(found.home))
