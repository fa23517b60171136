"""The result of each step of a run, handed from step to step, and written to runs/<run_id>/steps/<step>.json.

Counts, names and keys; no row values. A field that is added to a class later needs a default, which is what
a result of an earlier version is read with; one that has none, and is missing, is a UsageError that names it.
"""

from mock2pg.step_results.change import (
    Compared,
    Difference,
    ForeignKeyCheck,
    Planned,
    PlannedDifference,
    Published,
    Reported,
    RollbackComparison,
    RollbackPreview,
    RolledBack,
    RowChanges,
    Verified,
)
from mock2pg.step_results.record import F, Found, StepResult, decode, encode, find
from mock2pg.step_results.source import Account, Checked, FaultTotal, RuleOutcome, SourceFile, Staged, StagedTable
from mock2pg.step_results.target import (
    BackedUp,
    BuildRecord,
    Check,
    Conflicts,
    Connected,
    Database,
    DerivedColumn,
    DistributedTable,
    Finding,
    Horizon,
    Loaded,
    NotConnected,
    Preflighted,
)
from mock2pg.step_results.together import cautions_of, changes_of, is_redefined, is_warned, warnings_of

__all__ = [
    "Account",
    "BackedUp",
    "BuildRecord",
    "Check",
    "Checked",
    "Compared",
    "Conflicts",
    "Connected",
    "Database",
    "DerivedColumn",
    "Difference",
    "DistributedTable",
    "F",
    "FaultTotal",
    "Finding",
    "ForeignKeyCheck",
    "Found",
    "Horizon",
    "Loaded",
    "NotConnected",
    "Planned",
    "PlannedDifference",
    "Preflighted",
    "Published",
    "Reported",
    "RollbackComparison",
    "RollbackPreview",
    "RolledBack",
    "RowChanges",
    "RuleOutcome",
    "SourceFile",
    "Staged",
    "StagedTable",
    "StepResult",
    "Verified",
    "cautions_of",
    "changes_of",
    "decode",
    "encode",
    "find",
    "is_redefined",
    "is_warned",
    "warnings_of",
]  # fmt: skip
