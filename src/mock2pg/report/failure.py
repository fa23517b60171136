"""A failure on the terminal: what failed and where, what the target tables hold, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.errors import Mock2pgError, ValidationError
from mock2pg.report.log_messages import named
from mock2pg.report.output import say, say_lines, width
from mock2pg.report.table import wrapped
from mock2pg.report.typed import needed, typed
from mock2pg.text import lines, printable

LISTED = 20  # errors of the input; errors.json has as many as MIGRATION_MAX_ERRORS_PER_RULE allows
_LABEL = 14
_INDENT = " " * _LABEL


def listed(errors: Sequence[ValidationError], total: int = 0, *, err: bool = False, where: str = "") -> None:
    """Print errors of the input, at most `LISTED` of them.

    total  how many there are, where not all of them are given
    where  the file that lists more
    """
    for each in errors[:LISTED]:
        say_lines(wrapped(printable(str(each)), width(err=err), "  "), fg="red", err=err)
    more = max(total, len(errors)) - LISTED
    if more > 0:
        say(f"and {more:,} more{f' in {where}' if where else ''}", err=err)


def show(
    error: Mock2pgError,
    what: str,
    ended: str = "failed",
    *,
    causes: Sequence[str] = (),
    report: str = "",
    err: bool = False,
) -> None:
    """Print the block that ends a command that failed.

    what    did not succeed: `Migration`, `mock2pg status`
    ended   how it ended
    causes  what failed and where; the error's message unless there are others
    """
    summary = f": {error.message}" if error.errors and "\n" not in error.message else ""
    headline = printable(f"{what} {ended}{summary} ({named(error)})")
    say_lines(f"✘ {wrapped(headline, width(err=err), '  ')}", fg="red", err=err)
    cause = "\n".join(causes or [error.message])
    hint = typed(error.hint)
    if "mock2pg" in hint or "`make " in hint:
        hint = " ".join(filter(None, [hint, needed()]))
    for label, text in (("Data", error.state), ("Cause", cause), ("Next", hint), ("Report", report)):
        if text:
            said = wrapped(lines(text), width(err=err), _INDENT)
            say_lines(f"  {label:<{_LABEL - 2}}{said}", err=err)
