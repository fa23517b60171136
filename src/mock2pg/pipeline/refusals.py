"""Attempts that were refused before a run began, for the history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mock2pg import backups, evidence
from mock2pg.errors import Mock2pgError
from mock2pg.history import events
from mock2pg.pipeline import target
from mock2pg.settings import Settings


@contextmanager
def recorded(settings: Settings, kind: str, error: type[Mock2pgError], backup_id: str | None = None) -> Iterator[None]:
    """Have the database remember an attempt that was refused without a run; no embedded server is made for it."""
    try:
        yield
    except error as refused:
        if target.has_database(settings):
            known = {"operator": settings.operator, "schema": settings.target_schema}
            name = type(refused).__name__
            event = events.Event(kind, "failed", **known, error=name, backup_id=backups.valid_id(backup_id))
            with suppress(Mock2pgError):  # of the server: it is the refusal that is reported
                evidence.tell(target.url(settings), kind, [event])
        raise
