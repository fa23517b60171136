"""One log for the console and for logs/migration.log. No row values at any level."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from mock2pg import streams
from mock2pg.settings import Settings
from mock2pg.text import lines

log = logging.getLogger("mock2pg")


class _Formatter(logging.Formatter):
    """`[2026-11-22T10:30:00.000Z] text`; no line of the text can be taken for one of the log."""

    def format(self, record: logging.LogRecord) -> str:
        text = lines(record.getMessage()).replace("\n", "\n  ")
        return f"[{timestamp(datetime.fromtimestamp(record.created, UTC))}] {text}"


class _Handler(logging.StreamHandler[TextIO]):
    """Write to a stream, or, when that fails, report it once where that is still possible, and go on."""

    called = ""
    told = False
    owned = False  # whether the stream ends with the handler

    def close(self) -> None:
        super().close()
        if self.owned:
            self.stream.close()

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if not self.told and (failure := streams.failure(self.stream)):
            self.told = True
            log.warning("⚠️ %s cannot be written: %s", self.called, failure.strerror)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Print nothing: what cannot be logged stops nothing."""


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-11-22T10:30:00.000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@contextmanager
def also_to(file: Path) -> Iterator[None]:
    """Send the log to a file of its own as well (0600): the run's."""
    handler = _to_file(file)
    try:
        yield
    finally:
        if handler is not None:
            log.removeHandler(handler)
            with suppress(OSError):  # a full disk: what the run came to does not depend on its log
                handler.close()


def _to_file(file: Path) -> logging.Handler | None:
    """Log to a file as well; only warn when it cannot be opened."""
    name = f"{file.parent.name}/{file.name}"
    try:
        handler = _add(streams.open_log(file), name)
    except OSError as error:
        log.warning("⚠️ %s cannot be written: %s", name, error.strerror)
        return None
    handler.owned = True
    return handler


def _add(stream: TextIO, name: str) -> _Handler:
    handler = _Handler(stream)
    handler.called = name
    handler.setFormatter(_Formatter())
    log.addHandler(handler)
    return handler


def start(settings: Settings, *, console: bool = True) -> None:
    """Send the log to logs/migration.log (0600) and, unless disabled, to standard error."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    log.setLevel(logging.DEBUG if settings.verbose else settings.log_level.upper())
    log.propagate = False
    if console and sys.stderr is not None:
        _add(sys.stderr, "standard error")
    with suppress(OSError):  # then it cannot be opened either
        settings.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _to_file(settings.log_file)
