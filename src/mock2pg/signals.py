"""Ctrl-C, SIGTERM and SIGHUP interrupt a command alike, once, and only where that is handled.

A run takes all signals itself (`taken`). One that arrives in a block that must not be interrupted (`closed`) waits for
the next one that may be (`interruptible`); those that come after it are only reported, so that nothing keeps a run from
undoing and recording what it did.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]
Tell = Callable[[str], None]

_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


class Signalled(KeyboardInterrupt):
    """A signal that interrupts like Ctrl-C; its text is the name of the signal."""


@dataclass
class _Stage:
    """The handling of signals in one stage of a run.

    tell      is given the name of each kind of signal that does not interrupt, once
    patience  the signals that are only reported before one interrupts; None: none does
    before    the handlers that were there, which are called to interrupt
    """

    tell: Tell
    patience: int | None
    before: Mapping[signal.Signals, Handler]
    open: bool = False
    arrived: int = 0
    interrupted: bool = False
    waiting: tuple[int, FrameType | None] | None = None
    told: set[int] = field(default_factory=set)

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.arrived += 1
        if self.patience is None or self.interrupted or self.arrived <= self.patience:
            if number not in self.told:
                self.told.add(number)
                self.tell(name(number))
        elif self.open:
            self.interrupt(number, frame)
        else:
            self.waiting = (number, frame)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal did before; when that raises, no later one does."""
        self.waiting, self.interrupted = None, True
        self.before[signal.Signals(number)](number, frame)
        self.interrupted = False

    def deliver(self) -> None:
        """Interrupt with the signal that has waited, if one has."""
        if self.waiting:
            self.interrupt(*self.waiting)


class _Mine(threading.local):
    """The stage of the run of this thread."""

    stage: _Stage | None = None


_mine = _Mine()


@contextmanager
def interrupting() -> Iterator[None]:
    """Raise Signalled on SIGTERM and SIGHUP while the block runs. One that nohup, say, ignores remains ignored."""
    numbers = [number for number in _LIKE_CTRL_C if signal.getsignal(number) != signal.SIG_IGN]
    with _handled(dict.fromkeys(numbers, _interrupt)):
        yield


@contextmanager
def taken(tell: Tell) -> Iterator[None]:
    """Take all signals while the block runs: one interrupts, where it is `interruptible`, and `tell` names the rest."""
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, *_LIKE_CTRL_C)}
    # one without a handler ends the process, or is ignored: not ours to change
    before = {number: handler for number, handler in found.items() if callable(handler)}

    def take(number: int, frame: FrameType | None) -> None:
        if _mine.stage:
            _mine.stage.take(number, frame)

    outer, _mine.stage = _mine.stage, _Stage(tell, 0, before)
    try:
        with _handled(dict.fromkeys(before, take)):
            yield
    finally:
        _mine.stage = outer


@contextmanager
def stage(tell: Tell, *, patience: int | None = None) -> Iterator[None]:
    """Begin a stage of the run: `patience` signals are only reported, then one interrupts. None: none does."""
    if (before := _mine.stage) is None:
        yield
        return
    _mine.stage = _Stage(tell, patience, before.before)
    try:
        yield
    finally:
        _mine.stage = before


@contextmanager
def interruptible(*, at_once: bool = True) -> Iterator[None]:
    """Let a signal interrupt the block, which is inside what handles that.

    at_once  one that has waited interrupts before the block; False: it goes on waiting
    """
    with _opened(True):
        if at_once and _mine.stage:
            _mine.stage.deliver()
        yield


@contextmanager
def closed() -> Iterator[None]:
    """Let no signal interrupt the block, but in blocks inside that are `interruptible`; one that waits comes after."""
    with _opened(False):
        yield
    if (now := _mine.stage) and now.open:
        now.deliver()


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore all signals while the block runs: what it is about is over."""
    with _handled(dict.fromkeys((signal.SIGINT, *_LIKE_CTRL_C), signal.SIG_IGN)):
        yield


def ignore() -> None:
    """Ignore all signals from now on: the process ends."""
    for number in (signal.SIGINT, *_LIKE_CTRL_C):
        signal.signal(number, signal.SIG_IGN)


def name(number: int) -> str:
    """The name of a signal as a person knows it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


@contextmanager
def _opened(whether: bool) -> Iterator[None]:
    if (now := _mine.stage) is None:
        yield
        return
    before = now.open
    try:
        now.open = whether
        yield
    finally:
        now.open = before


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Signalled(name(number))


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Handler | signal.Handlers]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
