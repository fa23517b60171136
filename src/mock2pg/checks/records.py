"""Results of a validation as plain records, so that the callers know nothing of Great Expectations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from mock2pg.step_results import RuleOutcome

PASSED, FAILED, WARNED, BROKEN, SKIPPED = "passed", "failed", "warned", "broken", "skipped"


@dataclass(frozen=True)
class Failure:
    """One row, or one whole table, that breaks one rule. Holds no row values beside the keys.

    rule      the suite entry's `meta.rule`, or else its type
    field     the invalid column; "*" for a rule about the whole table
    severity  "critical" or "warning"
    keys      the row's index columns; empty for a rule about the whole table
    """

    table: str
    rule: str
    field: str
    message: str
    severity: str
    keys: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class RuleResult:
    """The outcome of a rule, and the rows that break it.

    parameters  name -> value, both in words
    totals      invalid rows, by field
    failures    as many of them as the limit allows
    """

    outcome: RuleOutcome
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    totals: dict[str, int] = dataclasses.field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class InvalidRow:
    """A row that breaks a rule, as Data Docs list it.

    location  in the source, for an editor: `orders.json:41:17`; empty where there is none
    subject   `orders[6].amount (id 7)`
    """

    location: str
    subject: str
    message: str


@dataclass(frozen=True)
class DocumentedRule:
    """A rule as Data Docs show it: `rows` are those that are listed, of the `totals` by field."""

    outcome: RuleOutcome
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    totals: dict[str, int] = dataclasses.field(default_factory=dict)
    rows: tuple[InvalidRow, ...] = ()

    @property
    def unlisted(self) -> int:
        """The number of invalid rows beyond those that are listed."""
        return sum(self.totals.values()) - len(self.rows) if self.rows else 0


@dataclass(frozen=True)
class RuleException:
    """A rule that could not run: our fault, never the data's. The reason holds no value."""

    table: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Validation:
    """The outcome of all suites.

    success   no critical rule failed and none is broken
    failures  up to the limit of rows for each rule and field
    rules     how many rules there are; `failed` critical ones and `warned` warnings found a fault, `skipped` were
              not judged
    totals    "table.rule.field" to the exact number of invalid rows, however many are listed
    outcomes  every rule, in the order of tables and suites; `results` with the rows of each
    """

    success: bool
    failures: tuple[Failure, ...]
    broken: tuple[RuleException, ...]
    rules: int
    failed: int
    warned: int
    skipped: int
    totals: dict[str, int]
    outcomes: tuple[RuleOutcome, ...]
    results: tuple[RuleResult, ...] = ()
