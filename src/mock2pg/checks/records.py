"""Results of a validation as plain records, so that the callers know nothing of Great Expectations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from mock2pg.step_results import RuleOutcome


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
    outcomes  every rule, in the order of tables and suites
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
