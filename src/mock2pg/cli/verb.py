"""The parts of every command: a service, --json, --debug, and an end with a name and a code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mock2pg import settings, signals, streams
from mock2pg.cli import options
from mock2pg.errors import NEVER_A_MIX, InternalError, Interrupted, Mock2pgError, UsageError
from mock2pg.foreign_errors import limited, traced, unusable
from mock2pg.report.output import say, say_json, say_lines, width
from mock2pg.text import printable

if TYPE_CHECKING:
    from mock2pg.service import MigrationService
    from mock2pg.settings import Settings


# The work of these is done and recorded, whoever reads of it.
_ACT = ("migrate", "load", "plan", "check", "verify", "backup", "rollback", "prune", "test_migration", "start", "stop")
_CHANGE = ("migrate", "rollback")  # the target tables
_MAKES_ONE = ("init",)  # the project is what comes of it


def current() -> Settings:
    """Return the settings of the command."""
    return settings.load(**project())


def service(**overrides: Any) -> MigrationService:
    from mock2pg.service import MigrationService

    lists = {name: ",".join(value) or None for name, value in overrides.items() if isinstance(value, tuple)}
    given = {name: value for name, value in {**project(), **overrides, **lists}.items() if value is not None}
    ask = asked if sys.stdin and sys.stdin.isatty() else None
    meta = click.get_current_context().meta
    return MigrationService(console="quiet" not in meta, live="json" not in meta, ask=ask, **given)


def asked(question: str) -> str:
    """Return what a person answers. Ctrl-C and the end of the input interrupt the command, as elsewhere."""
    from mock2pg.report.table import wrapped

    told, _, asking = question.rpartition(". ")
    if told:
        say_lines(wrapped(printable(f"{told}."), width(err=True), ""), err=True)
    try:
        return str(click.prompt(asking, err=True))
    except click.Abort:
        say("", err=True)  # what follows begins a line
        raise KeyboardInterrupt from None


def project() -> dict[str, Any]:
    """Return the project that --project names, as a setting."""
    return {name: folder for name, folder in click.get_current_context().meta.items() if name == "project"}


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """Add the parts of every command: --project, --quiet, --verbose, --json, --debug, and an end with a name and a
    code, no traceback."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON; the log stays on standard error.")
    @click.option("-q", "--quiet", is_flag=True, help="Print the verdict alone.")
    @click.option(
        "-v", "--verbose", is_flag=True, help="Also print what is left out by default, such as unchanged tables."
    )
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, quiet: bool, verbose: bool, debug: bool, **options: Any) -> None:
        context = click.get_current_context()
        # those of `mock2pg backups -q verify`, too
        flags = {"quiet": quiet, "verbose": verbose, "json": as_json, "debug": debug}
        context.meta.update({name: True for name, given in flags.items() if given})
        try:
            with signals.interrupting():
                function(*args, as_json=as_json, **options)
            _refuse_lost(function.__name__)
        except (Mock2pgError, KeyboardInterrupt, OSError) as error:
            end(error, as_json=as_json, debug=debug)
        except click.ClickException:
            raise
        except Exception as error:
            # an unforeseen error's own text may hold a value of the data, so only its kind is shown
            known = limited(error, function.__name__) or InternalError(f"unexpected: {type(error).__name__}")
            end(known, as_json=as_json, debug=debug, cause=error)

    return wrapped if function.__name__ in _MAKES_ONE else options.PROJECT(wrapped)


def _refuse_lost(command: str) -> None:
    """Standard output that was not written: all that some commands are for, and a warning after the others."""
    if not (lost := streams.lost()):
        return
    told = f"standard output cannot be written: {lost.strerror}"
    if command not in _ACT:
        raise UsageError(told, hint="Check the free disk space where the output is redirected to.")
    say(told, err=True, fg="yellow")


def end(
    error: BaseException, *, as_json: bool, debug: bool, cause: BaseException | None = None, command: str = ""
) -> NoReturn:
    """Print an error and exit with its code. `command`: what failed, where click has no context any more."""
    if isinstance(error, KeyboardInterrupt):
        by = f" by {error}" if isinstance(error, signals.Signalled) else ""
        error = Interrupted(f"interrupted{by}")
    if isinstance(error, OSError):
        error = unusable(error, "cannot use a file")
    assert isinstance(error, Mock2pgError)  # noqa: S101
    context = click.get_current_context(silent=True)
    command = command or (context.command_path if context else "mock2pg")
    if error.state == NEVER_A_MIX and command.partition(" ")[2] not in _CHANGE:
        error.state = Mock2pgError.state
    if debug:
        say_lines(traced(cause or error), err=True)
    if as_json:
        say_json({"success": False, "error": error.as_dict()})
    else:
        from mock2pg.report import failure

        failure.listed(error.errors, err=True)
        failure.show(error, command, err=True)
    sys.exit(error.code)
