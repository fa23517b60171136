"""The history in schema mock2pg, versioned in SQL: runs, events and roles."""

from mock2pg.history.runs import (
    HistoryRow,
    after,
    backups_needed,
    is_protected,
    newest,
    of,
    owned,
    owned_by,
    record,
)

__all__ = ["HistoryRow", "after", "backups_needed", "is_protected", "newest", "of", "owned", "owned_by", "record"]
