"""Output on the terminal at the end of a run: what changed, the verdict, and what to type next."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from mock2pg.foreign_errors import traced
from mock2pg.report import failure
from mock2pg.report.log_messages import changes, of_added, title
from mock2pg.report.output import asked, quiet, say, say_fact, say_json, say_lines, verbose, width
from mock2pg.report.table import table, wrapped
from mock2pg.report.typed import command, needed, path
from mock2pg.results import MigrationResult
from mock2pg.signals import ignored
from mock2pg.step_results import (
    Checked,
    Loaded,
    Planned,
    Published,
    RollbackPreview,
    RolledBack,
    RowChanges,
    Staged,
    find,
)
from mock2pg.text import counted, printable

_DONE = ("inserted", "updated", "deleted")
_IMPERATIVE = {"inserted": "insert", "updated": "update", "deleted": "delete"}
_KEYS = 5  # of the rows that a plan would change in one way, in each table; with --verbose all that it has
_FAILED = {
    "rolled_back": "failed and was rolled back",
    "rollback_failed": "failed, and so did its rollback",
    "not_applied": "is committed, and not applied on every node yet",
    "unknown": "failed, and its outcome is unknown",
}
# what a rollback does to a row is the reverse of what was done to it
_WORDS = {
    Published: ("inserted", "updated", "deleted"),
    Planned: ("to insert", "to update", "to delete"),
    RolledBack: ("restored", "changed back", "removed"),
}


@ignored()  # the result of the run is decided, and so is the exit code
def show(result: MigrationResult, as_json: bool) -> None:
    """Print the result of a run, and where the report is. Exits with the error's code."""
    if as_json:
        say_json(result.as_dict())
    elif result.error:
        _failed(result)
    elif quiet():
        _verdict(result)
    else:
        _succeeded(result)
    if result.error:
        if asked("debug"):
            say_lines(traced(result.error), err=True)
        sys.exit(result.error.code)


def _succeeded(result: MigrationResult) -> None:
    lines = [*_tables(result), *_accounts(result), *_preview(result)]
    if lines:
        say_lines("\n".join([*lines, ""]))
    _warnings(result)
    _verdict(result)
    if result.report.exists():
        say_fact("Report", _report(result))
    changed = find(result.results, Published) or find(result.results, RolledBack)
    planned, previewed = find(result.results, Planned), find(result.results, RollbackPreview)
    next_lines = {}
    if changed and changes(changed):
        next_lines["Undo"] = command("rollback", "latest")
    elif isinstance(changed, RolledBack):
        next_lines["Next"] = f"`{command('history')}` lists what each run changed, and the backup that undoes it"
    if previewed and previewed.differs:
        next_lines["Next"] = command(*previewed.arguments)
    if planned and changes(planned):
        next_lines["Next"] = command(
            *(path(Path(word)) if word.startswith("/") else word for word in planned.arguments)
        )
    if next_lines and (needs := needed()):
        next_lines[""] = needs
    for label, line in next_lines.items():
        say_fact(label, line)


def _failed(result: MigrationResult) -> None:
    """Print the errors, one line about warnings, and last the block that a person needs."""
    assert result.error is not None  # noqa: S101
    hushed = quiet()
    if not hushed:
        checked = find(result.results, Checked)
        listed = [error for error in result.errors if error.severity == "critical"] or result.error.errors
        failure.listed(listed, checked.errors if checked else 0, where=path(result.report.parent / "errors.json"))
        lines = [*_left(result)]
        if lines:
            say_lines("\n".join(lines))
        _warnings(result)
        if listed or lines:
            say("")
    report = _report(result) if result.report.exists() else ""
    failure.show(
        result.error,
        title(result.command),
        _FAILED.get(result.status, "failed"),
        causes=_causes(result),
        report=report,
        err=hushed,
    )


def _causes(result: MigrationResult) -> list[str]:
    """Return what failed and where, step by step; of an invalid input the first error."""
    assert result.error is not None  # noqa: S101
    first = next((str(error) for error in result.error.errors if error.severity == "critical"), result.error.message)
    found, told = [], False
    for each in result.results:
        if each.error:
            same = result.error.message.startswith(each.error["message"])  # a notebook is not told which signal came
            cause = first if same else each.error["message"]
            named = cause.startswith((f"{each.step}: ", f"{each.step} "))  # as in: check was interrupted
            found.append(cause if named else f"{each.step}: {cause}")
            told = told or same
    return found if told else [first, *found]


def _verdict(result: MigrationResult) -> None:
    mark, colour = ("⚠", "yellow") if result.warned else ("✔", "green")
    say_lines(f"{mark} {wrapped(printable(result.message), width(), '  ')}", fg=colour)


def _report(result: MigrationResult) -> str:
    """Return the path, with the command that opens it where the line has room."""
    file = path(result.report)
    opens = f"{file}   ({command('open')})"
    return opens if len(opens) + 14 <= width() else file


def _warnings(result: MigrationResult) -> None:
    """Print one line about all warnings; with --verbose each of them."""
    of_rules = [str(error) for error in result.errors if error.severity != "critical"]
    cautions = [caution for each in result.results if each.found for caution in each.found.cautions]
    found = [*of_rules, *cautions, *result.warnings]
    checked = find(result.results, Checked)
    number = len(found) - len(of_rules) + max(len(of_rules), checked.warnings if checked else 0)
    if not found:
        return
    if verbose():
        for each in found:
            say_lines(wrapped(printable(f"warning: {each}"), width(), "  "), fg="yellow")
    said = f"⚠ {counted(number, 'warning')}: {found[0].partition(chr(10))[0]}"
    more = f" (and {number - 1:,} more in the report or the log)" if number > 1 and not verbose() else ""
    say_lines(wrapped(printable(said + more), width(), "  "), fg="yellow")


def _accounts(result: MigrationResult) -> Iterable[str]:
    """Yield the account of every row that was read; array by array when some were refused."""
    staged, checked = find(result.results, Staged), find(result.results, Checked)
    if staged is None or checked is None:
        return
    loaded = find(result.results, Loaded)
    landed = loaded.landed if loaded and find(result.results, Published) else None
    kept = "valid" if landed is None else "loaded"
    rows = {}
    for name, each in staged.tables.items():
        refused = checked.entities[each.path].refused
        stays = each.rows - refused if landed is None else landed[name]
        rows[each.path] = (each.rows, stays, refused)
    read, stayed, refused = (sum(numbers) for numbers in zip(*rows.values(), strict=True)) if rows else (0, 0, 0)
    if refused:
        shown = {name: numbers for name, numbers in rows.items() if numbers[2] or verbose()}
        yield from table(shown, ("Array", "Read", kept.capitalize(), "Refused"), width())
        yield ""
    also = f"; {of_added(loaded.added)}" if loaded and loaded.added else ""
    yield f"{counted(read, 'row')} read = {stayed:,} {kept} + {refused:,} refused{also}"


def _tables(result: MigrationResult) -> Iterable[str]:
    """Yield what was changed in each table, or would be; with --verbose also the tables that were not changed."""
    found = find(result.results, Published) or find(result.results, RolledBack) or find(result.results, Planned)
    if found is None:
        return
    words = _WORDS[type(found)]
    changed = {name: each for name, each in found.tables.items() if each.changed or each.created}
    shown = found.tables if verbose() else changed
    if shown:
        heads = ("Table", "Before", *(word.capitalize() for word in words), *(["Unchanged"] * verbose()), "After")
        keys = ("before", *_DONE, *(["unchanged"] * verbose()), "after")
        rows = {name: [getattr(each, key) for key in keys] for name, each in shown.items()}
        yield from table(rows, heads, width())
        yield ""
    if changed:
        sums = [sum(getattr(each, key) for each in changed.values()) for key in _DONE]
        each = ", ".join(f"{number:,} {word}" for number, word in zip(sums, words, strict=True))
        yield f"{counted(sum(sums), 'row')} in {counted(len(changed), 'table')}: {each}"
        if isinstance(found, Planned):
            yield ""
            yield from _keys(found)


def _keys(found: Planned) -> Iterable[str]:
    """Yield the keys that a migration would insert, update and delete, and the columns that it would change."""
    for name, each in found.tables.items():
        told = []
        for kind in _DONE:
            keys, rows = each.keys.get(kind, ())[: None if verbose() else _KEYS], getattr(each, kind)
            if keys:
                told.append(f"{_IMPERATIVE[kind]} {', '.join(keys)}{', ...' if rows > len(keys) else ''}")
            if kind == "updated" and each.columns:
                told[-1] += " in " + ", ".join(f"{column} ({number:,})" for column, number in each.columns.items())
        if told:
            yield wrapped(printable(f"{name}: {'; '.join(told)}"), width(), "  ")


def _preview(result: MigrationResult) -> Iterable[str]:
    """Yield what a rollback would change."""
    found = find(result.results, RollbackPreview)
    if found is None:
        return
    rows = {
        name: (each.restored, each.changed, each.removed)
        for name, each in found.changes.items()
        if each != RowChanges() or verbose()
    }
    if rows:
        yield from table(rows, ("Table", "To restore", "To change back", "To remove"), width())
        yield ""
    yield wrapped(found.summary, width(), "  ")


def _left(result: MigrationResult) -> Iterable[str]:
    """Yield what a run published that failed afterwards and was not undone."""
    published = find(result.results, Published)
    if published and changes(published) and result.status != "rolled_back":
        yield "This run published these changes, and did not undo them:"
        yield from _tables(result)
        yield ""
