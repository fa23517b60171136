"""Counting: by the thread that runs a step, and by those and the processes that it starts."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mock2pg.progress.statements import Statements

FOLDER = "progress"
_EVERY = 0.2  # seconds between two writes


@dataclass(frozen=True)
class Channel:
    """The file that a step reports to, and what it has reported.

    started_at     when the step began
    total_rows     None when it is unknown
    detail         what it works on: a table or a file
    counted_after  the seconds from the step's begin to where `rows` began at 0
    """

    file: str
    step: str
    started_at: str
    rows: int = 0
    total_rows: int | None = None
    detail: str = ""
    counted_after: float = 0.0


class Reporter:
    """One step's counter, used by the thread that runs the step and by those it starts."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._lock = channel, threading.Lock()
        self._news, self._ended = threading.Event(), threading.Event()
        self._rows, self._total, self._detail = channel.rows, channel.total_rows, channel.detail
        self._after, self.statements = channel.counted_after, Statements()
        self._news.set()
        with suppress(RuntimeError):  # no thread can be started
            threading.Thread(target=self._report, name=f"progress of {channel.step}", daemon=True).start()

    def rows(self, number: int) -> None:
        self._rows += number
        self._news.set()

    def expect(self, total: int | None, detail: str = "") -> None:
        self._rows, self._total, self._detail = 0, total, detail
        self._after = max(0.0, time.time() - seconds_of(self._channel.started_at))
        self._news.set()

    def more(self, number: int, detail: str = "") -> None:
        self._total, self._detail = (self._total or 0) + number, detail or self._detail
        self._news.set()

    def detail(self, text: str) -> None:
        self._detail = text
        self._news.set()

    def channel(self) -> Channel:
        """Return the channel for another process to go on with: this one has written its last until more is told."""
        with self._lock:
            self._news.clear()
            return self._now()

    def end(self) -> None:
        """Write nothing from now on."""
        with self._lock:
            self._ended.set()
        self._news.set()

    def _now(self) -> Channel:
        return replace(
            self._channel, rows=self._rows, total_rows=self._total, detail=self._detail, counted_after=self._after
        )

    def _report(self) -> None:
        while self._news.wait():
            with self._lock:
                if self._ended.is_set():
                    return
                if self._news.is_set():
                    self._news.clear()
                    _write(self._now())
            self._ended.wait(_EVERY)


class _Mine(threading.local):
    """The reporter of the step that this thread runs."""

    reporter: Reporter | None = None


_mine = _Mine()


def rows(number: int) -> None:
    """Add to the rows that the step has done."""
    if _mine.reporter:
        _mine.reporter.rows(number)


def expect(total: int | None, detail: str = "") -> None:
    """Count rows anew, from 0 to `total`: the next part of the step begins."""
    if _mine.reporter:
        _mine.reporter.expect(total, detail)


def more(number: int, detail: str = "") -> None:
    """Add rows to the total: that many more are to be done in this part of the step."""
    if _mine.reporter:
        _mine.reporter.more(number, detail)


def detail(text: str) -> None:
    """Name what the step works on: a table, a file, a model. Never a value."""
    if _mine.reporter:
        _mine.reporter.detail(text)


def executed(seconds: float, text: Callable[[], str]) -> None:
    """Note that a statement was executed; `text` gives it without values."""
    if _mine.reporter:
        _mine.reporter.statements.add(seconds, text)


def merge(statements: Statements | None) -> None:
    """Note the statements of another process that did something for this step."""
    if _mine.reporter and statements:
        _mine.reporter.statements.merge(statements)


def reporter() -> Reporter | None:
    """Return this thread's reporter, for a thread that it starts."""
    return _mine.reporter


def join(reporter: Reporter | None) -> None:
    """Let this thread count for the step that another one runs."""
    _mine.reporter = reporter


def handed() -> Channel | None:
    """Return the channel of this thread's step, for another process that goes on with the step."""
    return _mine.reporter.channel() if _mine.reporter else None


@contextmanager
def of_step(folder: Path, step: str, started_at: str) -> Iterator[Statements]:
    """Report what the block counts as the progress of a step of the run in that folder; it is given its statements."""
    with continued(Channel(str(folder / FOLDER / f"{step}.json"), step, started_at)) as statements:
        yield statements


@contextmanager
def continued(channel: Channel | None) -> Iterator[Statements]:
    """Go on with a step that another process began; without a channel nothing is reported.

    The block is given the statements that it executes.
    """
    before = _mine.reporter
    _mine.reporter = current = Reporter(channel) if channel else None
    try:
        yield current.statements if current else Statements()
    finally:
        _mine.reporter = before
        if current:
            current.end()


def _write(channel: Channel) -> None:
    """Give the file its content in one step; nothing waits for the disk."""
    record = asdict(channel)
    aside = f"{record.pop('file')}.{os.getpid()}"
    with suppress(OSError):
        Path(aside).parent.mkdir(mode=0o700, exist_ok=True)
        Path(aside).write_text(json.dumps(record), encoding="utf-8")
        Path(aside).replace(channel.file)


def seconds_of(moment: str) -> float:
    return datetime.fromisoformat(moment).astimezone(UTC).timestamp()
