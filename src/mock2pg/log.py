"""One log for the console and for logs/migration.log. No value of the data at any level."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime

from mock2pg.settings import Settings

log = logging.getLogger("mock2pg")


class _Formatter(logging.Formatter):
    """`[2026-11-22T10:30:00.000Z] text`"""

    def format(self, record: logging.LogRecord) -> str:
        return f"[{timestamp(datetime.fromtimestamp(record.created, UTC))}] {record.getMessage()}"


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-11-22T10:30:00.000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def start(settings: Settings, *, console: bool = True) -> None:
    """Send the log to logs/migration.log (0600) and, unless told not to, to standard error."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    settings.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(settings.log_file, os.O_CREAT | os.O_WRONLY, 0o600))
    handlers: list[logging.Handler] = [logging.FileHandler(settings.log_file, encoding="utf-8")]
    if console:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(_Formatter())
        log.addHandler(handler)
    log.setLevel(logging.DEBUG if settings.verbose else settings.log_level.upper())
    log.propagate = False
