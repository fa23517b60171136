"""The line that a terminal keeps of a step, and the one that it shows while the step runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mock2pg.progress import StepProgress
from mock2pg.runs import Run
from mock2pg.step_results import (
    BackedUp,
    Connected,
    Difference,
    Found,
    Loaded,
    Planned,
    Published,
    RollbackPreview,
    RolledBack,
    Staged,
    Verified,
)
from mock2pg.text import counted, duration, printable

INDENT = 20  # of the text, behind the mark, the name and the duration
_CHANGES = ("inserted", "updated", "deleted")


def begun(command: str, target: str | None, run: Run) -> str:
    """`migrate mock_data into mock2pg.public (run 2026-11-30T01-40-37-508Z)`."""
    parts = [command, run.source_label, f"into {target}" if run.source_label and target else target, f"(run {run.id})"]
    return printable(" ".join(filter(None, parts)))


def of(found: Found) -> str:
    """Return what a step found in as few words as fit beside its name."""
    match found:
        case Connected():
            database = found.database
            return f"{database.name} on {database.host or 'this machine'}, {database.server}"
        case Staged():
            unread = f", {len(found.unread)} could not be read" if found.unread else ""
            return found.summary.partition(" from ")[0] + unread
        case Loaded():
            again = ", not built again" if found.is_reused else ""
            return f"{counted(found.rows, 'row')} in {counted(len(found.built), 'table')}{again}"
        case BackedUp():
            tested = "restore test passed" if found.restore_tested else "no restore test"
            tested = "as in an earlier backup" if found.is_reused else tested
            return f"{counted(found.rows, 'row')} of {counted(len(found.tables), 'table')}, {tested}"
        case Planned():
            return _rows(found.tables, ("to insert", "to update", "to delete")) or "nothing to change"
        case Published():
            return f"{_rows(found.tables, _CHANGES) or 'no rows changed'}; not verified yet"
        case Verified():
            keys = counted(len(found.foreign_keys), "foreign key")
            return f"{counted(found.rows_compared, 'row')} and {keys} as published"
        case RolledBack():
            dropped = f", {counted(len(found.dropped), 'table')} dropped" if found.dropped else ""
            return f"{counted(len(found.tables.keys() - {*found.dropped}), 'table')} as in {found.backup_id}{dropped}"
        case RollbackPreview():
            return f"would {found.acts}"
    return found.summary.split("\n", 1)[0]


def _rows(tables: Mapping[str, Difference], words: Sequence[str]) -> str:
    """Return the rows inserted, updated and deleted, in these words; empty where there are none."""
    sums = [sum(getattr(table, key) for table in tables.values()) for key in _CHANGES]
    return ", ".join(f"{number:,} {word}" for number, word in zip(sums, words, strict=True) if number)


def ended(name: str, seconds: float, text: str) -> str:
    """`stage     0.54 s  592 rows of 11 arrays`."""
    return f"{name:<9} {duration(seconds):>8}  {text}".rstrip()


def running(step: StepProgress, width: int) -> str:
    """`backup     1.2 s  12,345 of 100,000 rows · 40,120 rows/s · 2.2 s left · pets`, as far as it fits."""
    parts = []
    if step.rows:
        total = f" of {step.total_rows:,}" if step.total_rows else ""
        parts.append(f"{step.rows:,}{total} rows" if total or step.rows > 1 else "1 row")
        if step.rate:
            parts.append(f"{step.rate:,.0f} rows/s")
        if step.remaining:
            parts.append(f"{duration(step.remaining)} left")
    if step.detail:
        parts.append(step.detail)
    while len(parts) > 1 and len(ended(step.step, step.elapsed, " · ".join(parts))) > width:
        parts.pop()
    return ended(step.step, step.elapsed, " · ".join(parts))
