"""Output on the terminal at the end of a run."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from mock2pg.errors import ValidationError
from mock2pg.foreign_errors import traced
from mock2pg.report.log_messages import changes, of_added
from mock2pg.report.output import say, say_error, say_json, say_lines
from mock2pg.results import Evidence, MigrationResult, Status
from mock2pg.signals import ignored
from mock2pg.step_results import Checked, Loaded, Planned, Published, RolledBack, Staged, find
from mock2pg.text import counted, indented, printable

_SHOWN = 50  # rows that break a rule; errors.json has as many as MIGRATION_MAX_ERRORS_PER_RULE allows


@ignored()  # the result of the run is decided, and so is the exit code
def show(result: MigrationResult, as_json: bool) -> None:
    """Print the result of a run, and where the report is. Exits with the error's code."""
    if as_json:
        say_json(result.as_dict())
    else:
        _errors(result)
        _accounts(result)
        _tables(result)
        mark, colour = ("✘", "red") if not result.success else ("⚠", "yellow") if _warned(result) else ("✔", "green")
        say(f"{mark} {result.message}", fg=colour)
        if result.error and "\n" in result.error.message:
            say_lines(indented(result.error.message).split("\n", 1)[1])
        if result.error and result.error.hint:
            say_error(result.error.hint)
        if result.report.exists():
            say(f"Report: {result.report}")
        planned = find(result.results, Planned)
        if result.success and planned and changes(planned):
            say(f"To publish just this: {_command(planned.arguments)}")
    if result.error:
        if click.get_current_context().obj:
            say_lines(traced(result.error), err=True)
        sys.exit(result.error.code)


def _command(arguments: Sequence[str]) -> str:
    """A line to paste: the program by its name, or by its path where the shell would not find it, as after make."""
    ours = Path(sys.executable).with_name("mock2pg")
    program = "mock2pg" if shutil.which("mock2pg") or not ours.exists() else str(ours)
    return shlex.join([program, *arguments])


def status_lines(status: Status) -> str:
    """Return the output of `mock2pg status`."""
    published = "nothing yet"
    if status.command:
        published = f"run {status.published_run}" if status.published_run else "as before any migration"
        published += f" (by {status.command} of {status.operator}, {status.published_at})"
    lines = [
        f"database     {status.database}, schema {status.schema}" + (", protected" if status.protected else ""),
        f"published    {published}",
        f"lock holder  {status.lock_holder or 'none'}",
        f"leftovers    {'; '.join(status.leftovers) or 'none'}",
    ]
    if status.refused:
        lines.append(f"next run     refused: {status.refused}")
    elif status.leftovers:
        lines.append("The next migrate, plan, backup or rollback removes the leftovers.")
    return "\n".join(map(printable, lines))


_MARKS = {"passed": "✔", "warning": "⚠", "failed": "✘"}


def doctor_lines(checks: list[dict[str, str]]) -> str:
    """Return the output of `mock2pg doctor`: one line per check, with the fix below."""
    lines = []
    for each in checks:
        lines.append(f"{_MARKS[each['verdict']]} {each['name']}: {printable(each['found'])}")
        if each["remedy"]:
            lines.append(f"    {printable(each['remedy'])}")
    return "\n".join(lines)


def show_evidence(evidence: Evidence, as_json: bool) -> None:
    """Print the result of `mock2pg verify-evidence`. Exits with the error's code."""
    if as_json:
        say_json(evidence.as_dict())
    else:
        for note in evidence.notes:
            say(f"not judged: {note}", fg="yellow")
        if evidence.error:
            say_error(f"✘ {evidence.error.message}", fg="red")
            say_error(evidence.error.hint)
        else:
            say(f"✔ The evidence of {counted(len(evidence.runs), 'run')} holds.", fg="green")
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


def _warned(result: MigrationResult) -> bool:
    """Return whether a run that succeeded has something to report: refused rows, errors or warnings."""
    checked = find(result.results, Checked)
    cautions = any(each.found.cautions for each in result.results if each.found)
    return bool((checked and checked.refused) or result.errors or cautions or result.warnings)


def _errors(result: MigrationResult) -> None:
    critical = [error for error in result.errors if error.severity == "critical"]
    warnings = [error for error in result.errors if error.severity != "critical"]
    for colour, found in (("red", critical), ("yellow", warnings)):
        for error in found[:_SHOWN]:
            say(_line(error), fg=colour)
        if len(found) > _SHOWN:
            say(f"... and {len(found) - _SHOWN} more in {result.report.parent / 'errors.json'}")


def _line(error: ValidationError) -> str:
    return str(error) if error.severity == "critical" else f"warning: {error}"


def _accounts(result: MigrationResult) -> None:
    """Print the account of every row that was read; array by array when some were refused."""
    staged, checked = find(result.results, Staged), find(result.results, Checked)
    if result.error or staged is None or checked is None:
        return
    loaded = find(result.results, Loaded)
    landed = loaded.landed if loaded and find(result.results, Published) else None
    kept = "sound" if landed is None else "loaded"
    rows = {}
    for name, table in staged.tables.items():
        refused = checked.entities[table.path].refused
        stays = table.rows - refused if landed is None else landed[name]
        rows[table.path] = {"read": table.rows, kept: stays, "refused": refused}
    sums = {key: sum(row[key] for row in rows.values()) for key in ("read", kept, "refused")}
    if sums["refused"]:
        width = max(len(path) for path in rows)
        say("".join([f"{'array':<{width}}", *(f"{key:>11}" for key in sums)]))
        for path, row in rows.items():
            say("".join([f"{path:<{width}}", *(f"{number:>11,}" for number in row.values())]))
    also = f"; {of_added(loaded.added)}" if loaded and loaded.added else ""
    say(f"{counted(sums['read'], 'row')} read = {sums[kept]:,} {kept} + {sums['refused']:,} refused{also}")


def _tables(result: MigrationResult) -> None:
    """Table by table, what was changed and stayed, or would be."""
    published, back = find(result.results, Published), find(result.results, RolledBack)
    planned = find(result.results, Planned)
    found = published or back or planned
    if found is None:
        return
    if result.error and published:
        if back:
            say("0 rows changed: what this run published was undone, and the target tables are as they were before")
            return
        say("This run published, and may not have been undone:")
    columns = ("before", "after", "inserted", "updated", "deleted", "unchanged")
    width = max(map(len, [*found.tables, "table"]))
    say("".join([f"{'table':<{width}}", *(f"{name:>11}" for name in columns)]))
    for name, table in found.tables.items():
        say("".join([f"{name:<{width}}", *(f"{getattr(table, column):>11,}" for column in columns)]))
    sums = {column: sum(getattr(table, column) for table in found.tables.values()) for column in columns}
    say("".join([f"{'all':<{width}}", *(f"{sums[column]:>11,}" for column in columns)]))
    would = "to be " if found is planned else ""
    say(", ".join(f"{sums[column]:,} {would}{column}" for column in ("inserted", "updated", "deleted")))
