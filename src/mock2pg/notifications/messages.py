"""The texts of notifications: names, counts, durations and verdicts; no row values, no credentials, no reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mock2pg.errors import Mock2pgError
from mock2pg.pages.outcome import Outcome
from mock2pg.step_results import Difference, Found, Published, RolledBack
from mock2pg.text import duration, printable

_KINDS = {"good": "success", "care": "warning", "bad": "failure"}


@dataclass(frozen=True)
class Message:
    """A notification. `kind`: info, success, warning or failure, which services show as a colour."""

    title: str
    body: str
    kind: str


@dataclass(frozen=True)
class Subject:
    """The run that messages are about."""

    command: str
    run_id: str
    database: str
    schema: str

    def message(self, title: str, kind: str, *lines: tuple[str, str]) -> Message:
        about = ("Run", self.run_id), ("Database", self.database), ("Schema", self.schema)
        text = "\n".join(f"{name}: {printable(value)}" for name, value in (*about, *lines))
        return Message(f"mock2pg {self.command}: {title}", text, kind)


def of_start(subject: Subject) -> Message:
    return subject.message("started", "info")


def of_end(
    subject: Subject,
    outcome: Outcome,
    state: str,
    error: Mock2pgError | None,
    seconds: float,
    found: Sequence[Found | None],
) -> Message:
    """Report the verdict of a run.

    state  the state that the run left the target tables in
    found  the findings of its steps
    """
    lines = [("Verdict", outcome.word), ("Data", state)]
    if error is None:
        lines += [("Rows", rows) for rows in _rows(found)]
    else:
        lines.append(("Error", f"{type(error).__name__}, exit code {error.code}"))
    lines += [("Duration", duration(seconds)), ("Report", f"mock2pg open {subject.run_id}")]
    return subject.message(outcome.word[:1].lower() + outcome.word[1:], _KINDS[outcome.mood], *lines)


def of_loss(subject: Subject) -> Message:
    """Report a run whose process is gone without a verdict."""
    lines = ("Verdict", "None: the process was killed."), ("Next", "mock2pg status")
    return subject.message("killed", "failure", *lines)


def of_test(database: str, schema: str) -> Message:
    text = f"Database: {printable(database)}\nSchema: {printable(schema)}\nThis is a test. Nothing was migrated."
    return Message("mock2pg: test", text, "info")


def _rows(found: Sequence[Found | None]) -> Iterator[str]:
    """Yield how many rows were changed, where that is known."""
    for each in found:
        if isinstance(each, Published):
            yield _counted(each.tables.values(), inserted="inserted", updated="updated", deleted="deleted")
        elif isinstance(each, RolledBack):
            yield _counted(each.tables.values(), inserted="restored", updated="changed back", deleted="removed")


def _counted(tables: Collection[Difference], **words: str) -> str:
    return ", ".join(f"{sum(getattr(table, kind) for table in tables):,} {word}" for kind, word in words.items())
