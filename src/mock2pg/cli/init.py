"""The command that makes a project from a document."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mock2pg import settings
from mock2pg.cli.options import Option
from mock2pg.cli.root import command
from mock2pg.cli.verb import verb
from mock2pg.errors import SourceError
from mock2pg.report.output import quiet, say, say_fact, say_json, say_lines, width
from mock2pg.report.table import wrapped
from mock2pg.text import printable

if TYPE_CHECKING:
    from mock2pg.init import Initialised
    from mock2pg.init.conclusions import Conclusions

_TELL = {
    "new": "new",
    "written": "rewritten: you had not edited it",
    "removed": "removed: the source no longer has its rows",
    "edited": "left as it is: you edited it",
    "deleted": "not written: you deleted it",
}


@command.command(section="Migrate", fails=(SourceError,))
@click.argument("source", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--into",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The project's folder, which is empty or does not exist.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Update a project that init made: print a diff, and write the files that you did not edit or delete.",
)
@click.option("--from-target", is_flag=True, help="Take names, types and keys from the tables of DATABASE_URL.")
@click.option(
    "--name", cls=Option, default="", metavar="NAME", show_default="the name of the folder", help="The project's name."
)
@verb
def init(source: Path, into: Path, update: bool, from_target: bool, name: str, as_json: bool) -> None:
    """Make a project that migrates your own mock JSON.

    Reads every value of SOURCE, and writes declarations, models, rules and a review, INIT.md. SOURCE is a folder of
    JSON or NDJSON files, one document, a .ts, .js or .mjs module that exports plain data (with node), or - for
    standard input. With --from-target the database is only read.

    Examples:
        mock2pg init db.json --into shop
        mock2pg init ../frontend/src/mocks --into shop
        mock2pg init db.json --into shop --update
        DATABASE_URL=postgresql://app@localhost/app mock2pg init db.json --into shop --from-target
    """
    from mock2pg import init as room
    from mock2pg.init.writing import update as updates

    from_target = from_target or (update and updates.read(into.resolve()).from_target)
    target = settings.load(project=into.resolve()) if from_target else None
    with _completing(target) as completed:
        done = room.init(source, into, name=name, updating=update, completed=completed)
    if as_json:
        say_json(done.as_dict())
    elif update:
        _show_update(done, into)
    else:
        _show(done, into, target)


@contextmanager
def _completing(target: settings.Settings | None) -> Iterator[Callable[[Conclusions], Conclusions] | None]:
    if target is None:
        yield None
        return
    from mock2pg.init.target import from_target as room

    with room.reading(target) as completed:
        yield completed


def _show(done: Initialised, into: Path, target: settings.Settings | None) -> None:
    from mock2pg.init.writing import review

    for note in () if quiet() else done.notes:
        say_lines(wrapped(printable(note), width(), "  "), fg="yellow")
    for line in () if quiet() else [*review.summary(done.conclusions, width()), ""]:
        say(line)
    say(f"✔ Wrote {into}. INIT.md there says what was concluded, and why.", fg="green")
    if target:
        schema = f" and MIGRATION_SCHEMA={target.target_schema}" if target.target_schema != "public" else ""
        say(f"Set DATABASE_URL{schema} there, too: in .env, as .env.example shows.")
    say_fact("Next", f"cd {shlex.quote(str(into))} && make {'plan' if target else 'migrate'}")


def _show_update(done: Initialised, into: Path) -> None:
    for change in done.changes:
        if change.diff:
            say_lines(change.diff)
    for change in done.changes:
        say(f"{change.file}: {_TELL[change.act]}", fg="yellow" if change.act in ("edited", "deleted") else None)
    if not done.changes:
        say("Nothing to update: init would write the same files.")
        return
    if any(change.act == "edited" and change.diff for change in done.changes):
        say("Copy what you want to keep of the diffs above into the files that you edited.")
    there = "" if into.resolve() == Path.cwd() else f"cd {shlex.quote(str(into))} && "
    say_fact("Next", f"{there}make check-data && make plan")
