"""One log for the console and for logs/migration.log. No value of the data at any level."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mock2pg.settings import Settings

log = logging.getLogger("mock2pg")


class _Formatter(logging.Formatter):
    """`[2026-11-22T10:30:00.000Z] text`"""

    def format(self, record: logging.LogRecord) -> str:
        return f"[{timestamp(datetime.fromtimestamp(record.created, UTC))}] {record.getMessage()}"


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-11-22T10:30:00.000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@contextmanager
def also_to(file: Path) -> Iterator[None]:
    """Send the log to a file of its own as well (0600): the run's."""
    handler = _to_file(file)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _to_file(file: Path) -> logging.Handler:
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(_Formatter())
    return handler


def start(settings: Settings, *, console: bool = True) -> None:
    """Send the log to logs/migration.log (0600) and, unless told not to, to standard error."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    settings.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.addHandler(_to_file(settings.log_file))
    if console:
        screen = logging.StreamHandler(sys.stderr)
        screen.setFormatter(_Formatter())
        log.addHandler(screen)
    log.setLevel(logging.DEBUG if settings.verbose else settings.log_level.upper())
    log.propagate = False
