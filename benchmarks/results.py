"""The measurements: kept as JSON after each measurement, and asked for by subject, case and size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figure

OURS, PREVIOUS = "mock2pg", "mock2pg, previous release"
PSQL, DLT, DLT_PARQUET, SLING, SEED = "psql \\copy", "dlt", "dlt, parquet", "sling", "seed script"
PG_DUMP, PG_DUMP_FAST, PG_RESTORE = "pg_dump -Fc", "pg_dump -Fc -Z1", "pg_restore"
PEERS = {"psql": PSQL, "dlt": DLT, "dlt-parquet": DLT_PARQUET, "sling": SLING, "seed": SEED}

NOTHING, UNCHANGED, AGAIN, CHANGED = "into nothing", "unchanged", "unchanged again", "1% changed"
CASES = {"into-nothing": NOTHING, "unchanged": UNCHANGED, "unchanged-again": AGAIN, "changed": CHANGED}
BACKUP, TESTED = "backup without its restore test", "backup"
ROLLBACK, ROLLBACK_CHANGED = "rollback of everything", "rollback of 1%"
LINES, RESTORED, REFILLED = "rows as JSON", "JSON into tables without keys", "CSV into emptied tables with their keys"
HELP, SECOND, FIRST = "mock2pg --help", "second call in one process", "first make migrate"


@dataclass(frozen=True)
class Measurement:
    """One command that was measured: who did what to how many rows, its cost, and seconds by step where it has steps.

    cost    the fields of `meter.Cost`
    failed  why there is no cost
    """

    subject: str
    case: str
    rows: int
    cost: Mapping[str, float | None] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Waits:
    """The longest waits of sessions for one answer during an operation, in seconds."""

    during: str
    rows: int
    reader: float
    writer: float
    answers: int


@dataclass
class Results:
    """All of one run of the benchmark.

    about     heading to text: date, machine, versions
    left_out  what was not measured, and why
    """

    about: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Results:
        found: dict[str, Any] = json.loads(file.read_bytes())
        measured = [Measurement(**each) for each in found.pop("measurements")]
        return cls(**found | {"measurements": measured, "waits": [Waits(**each) for each in found["waits"]]})

    def of(self, subject: str, case: str, rows: int | None = None) -> list[Measurement]:
        """The measurements that did not fail."""
        return [
            each
            for each in self.measurements
            if (each.subject, each.case) == (subject, case) and rows in (None, each.rows) and not each.failed
        ]

    def figure(self, subject: str, case: str, rows: int | None = None, of: str = "wall") -> Figure | None:
        return figure([each.cost.get(of) for each in self.of(subject, case, rows)])

    def median(self, subject: str, case: str, rows: int | None = None, of: str = "wall") -> float | None:
        found = self.figure(subject, case, rows, of)
        return found.median if found else None

    def step(self, subject: str, case: str, rows: int, step: str) -> Figure | None:
        return figure([each.steps.get(step) for each in self.of(subject, case, rows)])

    def sizes(self, subjects: Iterable[str] = (OURS,), cases: Iterable[str] = CASES.values()) -> list[int]:
        """The sizes for which there is a measurement of these."""
        wanted = (set(subjects), set(cases))
        return sorted({m.rows for m in self.measurements if m.subject in wanted[0] and m.case in wanted[1]})

    def wait(self, during: str) -> Waits | None:
        return next((each for each in self.waits if each.during == during), None)
