"""A notebook's tables of a step's result: names, keys and counts, never a row value."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from mock2pg.errors import Mock2pgError
from mock2pg.pages import Shown, shown
from mock2pg.runs import Run
from mock2pg.step_results import BackedUp, RollbackPreview, RolledBack, StepResult, Verified
from mock2pg.text import counted, duration, size

_LINES = 15
_NAMES = 12  # objects of one kind that are named; their number is exact
_FEW = 3  # of them that are not folded

# The headline of a step's notebook when it passed, and when it failed.
_WORDS = {
    "backup": ("Backed up", "No backup was taken"),
    "verify": ("Verified", "Verification failed"),
    "rollback": ("Rolled back", "Not rolled back"),
}
# What a rollback calls the differences of a table.
ROLLED_BACK = {"inserted": "restored", "deleted": "removed", "updated": "changed back"}

Rows = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step.

    run      None when there is no run to show
    failure  what the step failed with, for the last cell to raise
    """

    result: StepResult
    run: Run | None = None
    failure: Mock2pgError | None = None

    def found(self, what: str) -> Any:
        """A part of the result; None when the step did not get so far."""
        return self.result.data.get(what)


def about(outcome: Outcome) -> Shown:
    """Show the run and the database that the notebook belongs to, for the person who signs it."""
    record = outcome.run.read("record.json") if outcome.run else {}
    names = {
        "run_id": "Run",
        "command": "Command",
        "started_at": "Started",
        "operator": "Operator",
        "name": "Database",
        "schema": "Schema",
        "server_version": "Server",
        "cluster": "Cluster",
        "source": "Source",
        "input_sha256": "SHA-256 of the source",
        "version": "mock2pg",
    }
    return _facts("This run", record | (record.get("database") or {}), names)


def verdict(outcome: Outcome) -> Shown:
    """A coloured box: the outcome in words, the state of the target tables, what to do next, and three numbers."""
    result = outcome.result
    mood = result.status if outcome.run else "nothing"
    cautions = outcome.found("cautions") if mood == "passed" else None
    if cautions:
        mood = "warned"
    passed, failed = _WORDS[result.step]
    words = {"warned": f"{passed}, with warnings", "passed": passed, "failed": failed, "nothing": "Nothing to show yet"}
    said = [*filter(None, [result.summary]), *(cautions or ())]
    if result.error:
        first, more = told(result.error["message"])
        said = [f"{first.removesuffix(':')} ({result.error['name']})" if outcome.run else first, *more]
        said += filter(None, [outcome.run and result.error.get("state")])
        said += [f"Next: {result.error['hint']}"] if result.error.get("hint") else []
    return shown("verdict.html", mood=mood, word=words[mood], said=said, figures=figures(result))


def told(message: str) -> tuple[str, list[str]]:
    """The first line of an error's message, and of the others as many as a page has room for."""
    first, _, rest = message.partition("\n")
    more = dedent(rest).splitlines()
    return first, more[:_LINES] + ([f"… and {len(more) - _LINES} lines more"] if len(more) > _LINES else [])


def figures(result: StepResult) -> dict[str, str]:
    """The three numbers that matter, by label; none when the step did not get far enough to count."""
    match found := result.found:
        case BackedUp():
            restored = "never" if found.restore_seconds is None else duration(found.restore_seconds)
            numbers = {
                "rows saved": sum(found.tables.values()),
                "on disk": size(found.bytes),
                "restored in": restored,
            }
        case Verified():
            numbers = {
                "rows compared": found.rows_compared,
                "rows that differ": sum(table.differing for table in found.tables.values()),
                "orphans": sum(key.orphans for key in found.foreign_keys),
            }
        case RolledBack():
            numbers = {
                f"rows {word}": sum(getattr(table, key) for table in found.tables.values())
                for key, word in ROLLED_BACK.items()
            }
        case RollbackPreview():
            numbers = {
                f"rows to {word}": sum(getattr(change, key) for change in found.changes.values())
                for key, word in (("restored", "restore"), ("removed", "remove"), ("changed", "change back"))
            }
        case _:
            return {}
    return {label: number if isinstance(number, str) else f"{number:,}" for label, number in numbers.items()}


def total(rows: Sequence[Mapping[str, Any]], *columns: str) -> int:
    """The sum of these columns over all rows."""
    return sum(row.get(column, 0) for row in rows for column in columns)


def table(caption: str, rows: Rows | None, columns: Mapping[str, str], *, alarms: Sequence[str] = ()) -> Shown:
    """Show a table with these columns, by key: headings; in a column of `alarms` a number other than 0 is highlighted.

    rows  rows, or rows by name, for the first column; a bare value is a row of one value. None: not known
    """
    return _table(caption, rows, columns, alarms)


def rows_rolled_back(outcome: Outcome) -> Shown:
    """Show the tables whose rows a rollback changed, or would have; of the others, how many there are."""
    caption, done = "Rows restored, removed and changed back", outcome.found("tables")
    rows = done or outcome.found("changes")
    columns = {"table": "table", "before": "before", **ROLLED_BACK, "after": "after"}
    if not done:
        caption = "Rows to restore, to remove and to change back"
        columns = {"table": "table", "restored": "to restore", "removed": "to remove", "changed": "to change back"}
    counts = ROLLED_BACK if done else ("restored", "removed", "changed")
    changed = rows and {name: row for name, row in rows.items() if any(row[key] for key in counts)}
    if rows and len(rows) > len(changed):
        caption += f" ({counted(len(rows) - len(changed), 'table')} as in the backup)"
    return table(caption, changed, columns)


def by_kind(definitions: Mapping[str, str] | None) -> list[dict[str, Any]] | None:
    """Group changed definitions (`TABLE a` -> `added`) by kind and change: number, and the first of the names."""
    if definitions is None:
        return None
    groups: dict[tuple[str, str], list[str]] = {}
    for thing, what in definitions.items():
        kind = " ".join(itertools.takewhile(str.isupper, thing.split(" "))) or thing.split(" ")[0]
        groups.setdefault((kind, what), []).append(thing.removeprefix(kind).strip())
    return [
        {"kind": kind, "what": f"{len(names):,} {what}", "names": _some(names), "many": len(names) > _FEW}
        for (kind, what), names in groups.items()
    ]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def facts(caption: str, outcome: Outcome, names: Mapping[str, str]) -> Shown:
    """A table of two columns without a head: what `names` calls it, and what the step found, where it found it."""
    return _facts(caption, outcome.result.data, names)


def _facts(caption: str, data: Mapping[str, Any], names: Mapping[str, str]) -> Shown:
    rows = [{"fact": name, "is": data[key]} for key, name in names.items() if data.get(key) not in (None, [], "")]
    return _table(caption, rows or None, dict.fromkeys(("fact", "is"), ""), headings=False)


def _table(
    caption: str, rows: Rows | None, columns: Mapping[str, str], alarms: Sequence[str] = (), *, headings: bool = True
) -> Shown:
    *_, last = first, *_ = columns
    if isinstance(rows, Mapping):
        rows = [{first: name, **(row if isinstance(row, Mapping) else {last: row})} for name, row in rows.items()]
    cells = [{key: row.get(key) for key in columns} for row in rows or ()]
    numbers = {key for key in columns if all(type(row[key]) is int for row in cells)}
    heads = [(key, heading, key in numbers, key in alarms) for key, heading in columns.items()]
    given = None if rows is None else cells
    return shown("table.html", caption=caption, rows=given, columns=heads, headings=headings)
