"""Results of `stage` and `check`: facts about the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mock2pg.errors import ValidationError
from mock2pg.step_results.record import Counts, Found


@dataclass(frozen=True)
class StagedTable:
    """rows    how many were read
    path    where they are in the source: `orders[].items[]`
    entity  the array of the source
    """

    rows: int
    path: str
    entity: str


@dataclass(frozen=True)
class SourceFile:
    """A file as it was read."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class FaultTotal:
    """The number of faults of the source itself that break a rule, however many are listed."""

    rule: str
    severity: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Staged(Found):
    """The source is in staged tables.

    sha256  over all arrays
    bytes   the size of all arrays
    unread  the entities that could not be read
    absent  the entities that may be, and are, not there
    rest_sha256     over what the source has beside its arrays: single values that columns take, and keys of maps
    project_sha256  of everything beside the source that decides what is built; None when it is unknown
    """

    step = "stage"
    source: str | None
    sha256: str
    files: Mapping[str, SourceFile] = field(default_factory=dict)
    bytes: int
    unread: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    faults: tuple[ValidationError, ...] = ()
    fault_totals: tuple[FaultTotal, ...] = ()
    tables: Mapping[str, StagedTable]
    rest_sha256: str = ""
    project_sha256: str | None = None

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True)
class RuleOutcome:
    """One rule and what came of it.

    sentence  the rule in words
    status    "passed", "failed" (critical), "warned", "broken" (it could not run), "skipped" (it was not judged)
    rows      the exact number of invalid rows
    reason    why it is broken or skipped, without a value
    declared  it follows from `_sources.yml`
    """

    table: str
    rule: str
    sentence: str
    severity: str
    status: str
    rows: int = 0
    reason: str = ""
    declared: bool = False
    entity: str = ""
    path: str = ""


@dataclass(frozen=True)
class Account:
    """Rows of one array."""

    read: int
    refused: int


@dataclass(frozen=True, kw_only=True)
class Checked(Found):
    """The rules were run on the staged tables.

    failed, warned, skipped  rules by outcome
    errors, warnings         rows, however many are listed
    capped                   rule -> rows, where more are invalid than are listed
    entities                 path -> rows read and refused
    """

    step = "check"
    rules: int
    failed: int
    warned: int
    skipped: int
    errors: int
    warnings: int
    capped: Counts = field(default_factory=dict)
    suites: tuple[RuleOutcome, ...] = ()
    entities: Mapping[str, Account]

    @property
    def refused(self) -> int:
        return sum(account.refused for account in self.entities.values())
