"""Output on the terminal of the commands that look, and of a result in another format."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from mock2pg.report import failure
from mock2pg.report.output import quiet, say, say_json, say_lines, width
from mock2pg.report.result import show
from mock2pg.report.table import wrapped
from mock2pg.report.typed import typed
from mock2pg.results import Evidence, MigrationResult, Status
from mock2pg.signals import ignored
from mock2pg.text import counted, printable


def status_lines(status: Status) -> str:
    """Return the output of `mock2pg status`."""
    published = "nothing yet"
    if status.command:
        published = f"run {status.published_run}" if status.published_run else "as before any migration"
        published += f" (by {status.command} of {status.operator}, {status.published_at})"
    facts = {
        "database": f"{status.database}, schema {status.schema}" + (", protected" if status.protected else ""),
        "published": published,
        "lock holder": status.lock_holder or "none",
        "leftovers": "; ".join(status.leftovers) or "none",
    }
    if status.unverified:
        facts["not verified"] = typed(status.unverified)
    if status.unapplied:
        facts["committed"] = f"{'; '.join(status.unapplied)}: Citus applies it when the node answers"
    if status.refused:
        facts["next run"] = f"refused: {status.refused}"
    elif status.leftovers:
        facts["next run"] = "the next migrate, plan, backup or rollback removes the leftovers"
    return "\n".join(f"{name:<13}{wrapped(printable(fact), width(), ' ' * 13)}" for name, fact in facts.items())


_MARKS = {"passed": "✔", "warning": "⚠", "failed": "✘"}


def doctor_lines(checks: list[dict[str, str]]) -> str:
    """Return the output of `mock2pg doctor`: one line per check, with the fix below."""
    lines = []
    for each in checks:
        lines.append(wrapped(f"{_MARKS[each['verdict']]} {each['name']}: {printable(each['found'])}", width(), "  "))
        if each["remedy"]:
            lines.append(f"    {wrapped(typed(printable(each['remedy'])), width(), '    ')}")
    return "\n".join(lines)


def show_evidence(evidence: Evidence, as_json: bool) -> None:
    """Print the result of `mock2pg verify-evidence`. Exits with the error's code."""
    if as_json:
        say_json(evidence.as_dict())
    else:
        for note in () if quiet() else evidence.notes:
            say_lines(wrapped(printable(f"not checked: {note}"), width(), "  "), fg="yellow")
        if evidence.error:
            failure.show(evidence.error, "Verification of the evidence", err=quiet())
        else:
            say(f"✔ The evidence of {counted(len(evidence.runs), 'run')} is unchanged.", fg="green")
    if evidence.error:
        sys.exit(evidence.error.code)


def show_check(result: MigrationResult, form: str, workspace: Path | None) -> None:
    """Print the result of a check in one of the formats; `workspace` is where GitHub names files from."""
    from mock2pg.report.reporters import check  # brings the modules for XML, which few commands need

    _show_as(form, result, {"junit": check.junit, "github": partial(check.github, workspace=workspace)})


def show_verification(result: MigrationResult, form: str) -> None:
    """Print the result of a verification in one of the formats."""
    from mock2pg.report.reporters import verification

    _show_as(form, result, {"junit": verification.junit})


@ignored()
def _show_as(form: str, result: MigrationResult, written: Mapping[str, Callable[[MigrationResult], str]]) -> None:
    if form not in written:
        show(result, form == "json")
        return
    say_lines(written[form](result))
    if result.error:
        sys.exit(result.error.code)
