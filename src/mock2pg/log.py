"""One log for the console and for logs/migration.log. No row values at any level."""

from __future__ import annotations

import logging
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from mock2pg import environment, streams
from mock2pg.settings import Settings
from mock2pg.text import lines

log = logging.getLogger("mock2pg")
FILED: Mapping[str, bool] = MappingProxyType({"filed": True})  # `extra` of what a live terminal shows in its own way

_MARKS = ((logging.ERROR, "✘"), (logging.WARNING, "⚠"))


class _Formatter(logging.Formatter):
    """`[2026-11-22T10:30:00.000Z] ⚠ text`; no line of the text can be taken for one of the log."""

    def format(self, record: logging.LogRecord) -> str:
        return f"[{timestamp(datetime.fromtimestamp(record.created, UTC))}] {_marked(record)}"


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
            log.warning("%s cannot be written: %s", self.called, failure.strerror)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Print nothing: what cannot be logged stops nothing."""


class Terminal(_Handler):
    """Write to a person's terminal: no timestamps, and nothing that is for the files alone.

    show  takes a text and its mark in the place of the stream, while there is something else on the terminal
    """

    show: Callable[[str, str], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "filed", False):
            return
        if self.show is None:
            super().emit(record)
            return
        self.show(_text(record), _mark(record))

    def format(self, record: logging.LogRecord) -> str:
        text = _marked(record)
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(self.stream.fileno()).columns
            folded = partial(textwrap.wrap, width=columns or 80, subsequent_indent="  ", break_on_hyphens=False)
            return "\n".join(line for each in text.split("\n") for line in folded(each, break_long_words=False))
        return text


def _mark(record: logging.LogRecord) -> str:
    return next((mark for level, mark in _MARKS if record.levelno >= level), "")


def _marked(record: logging.LogRecord) -> str:
    return f"{_mark(record)} {_text(record)}".removeprefix(" ")


def _text(record: logging.LogRecord) -> str:
    return lines(record.getMessage()).replace("\n", "\n  ")


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
        log.warning("%s cannot be written: %s", name, error.strerror)
        return None
    handler.owned = True
    return handler


def _add(stream: TextIO, name: str, *, live: bool = False) -> _Handler:
    handler = Terminal(stream) if live else _Handler(stream)
    handler.called = name
    handler.setFormatter(_Formatter())
    log.addHandler(handler)
    return handler


def terminal() -> Terminal | None:
    """Return the handler of a live terminal, when the log goes to one."""
    return next((handler for handler in log.handlers if isinstance(handler, Terminal)), None)


def start(settings: Settings, *, console: bool = True, live: bool = False) -> None:
    """Send the log to logs/migration.log (0600) and, unless disabled, to standard error.

    live  a terminal shows what runs, and not each line of the log
    """
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    log.setLevel(logging.DEBUG if settings.verbose else settings.log_level.upper())
    log.propagate = False
    if console and sys.stderr is not None:
        can_move = sys.stderr.isatty() and not environment.is_dumb_terminal() and log.level > logging.DEBUG
        _add(sys.stderr, "standard error", live=live and can_move)
    with suppress(OSError):  # then it cannot be opened either
        settings.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _to_file(settings.log_file)
