"""SIGTERM and SIGHUP interrupt a command as Ctrl-C does, except where it must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]

_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


class Signalled(KeyboardInterrupt):
    """A signal that interrupts like Ctrl-C; its text is the name of the signal."""


@contextmanager
def interrupting() -> Iterator[None]:
    """Raise Signalled on SIGTERM and SIGHUP while the block runs. One that is ignored, by nohup say, stays ignored."""
    numbers = [number for number in _LIKE_CTRL_C if signal.getsignal(number) != signal.SIG_IGN]
    with _handled(dict.fromkeys(numbers, _interrupt)):
        yield


@contextmanager
def held(tell: Callable[[str], None], *, patience: int | None = None) -> Iterator[None]:
    """Let no signal interrupt the block.

    tell      is given the name of each signal that arrives
    patience  so many are only told; the next one interrupts after all. None: none does
    """
    arrived: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if patience is not None and len(arrived) > patience:
            _interrupt(number, frame)
        tell(name(number))

    numbers = [
        number
        for number in (signal.SIGINT, *_LIKE_CTRL_C)
        if callable(signal.getsignal(number))  # or it ends the process, or is ignored: not ours to change
    ]
    with _handled(dict.fromkeys(numbers, hold)):
        yield


def name(number: int) -> str:
    """The name of a signal as a person knows it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Signalled(name(number))


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
