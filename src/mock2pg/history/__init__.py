"""The history in schema mock2pg, versioned in SQL: runs, events and roles."""

from mock2pg.history.row import Findings, HistoryRow
from mock2pg.history.runs import (
    after,
    backup_before,
    backups_before,
    backups_named,
    backups_needed,
    is_protected,
    newest,
    of,
    owned,
    owned_by,
    reading,
    record,
)

__all__ = [
    "Findings",
    "HistoryRow",
    "after",
    "backup_before",
    "backups_before",
    "backups_named",
    "backups_needed",
    "is_protected",
    "newest",
    "of",
    "owned",
    "owned_by",
    "reading",
    "record",
]
