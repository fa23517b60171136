"""A run on a terminal: one line for each step that runs, written anew in its place, and one that stays when it ends.

A thread of its own is the only writer: it takes the texts that are to stay, and writes them above the lines of the
running steps. No step waits for the terminal, and no failure here changes a verdict. The cursor is never hidden, so
that no end of the process leaves it so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TextIO

from mock2pg import log, progress
from mock2pg.progress import StepProgress
from mock2pg.report import step_lines
from mock2pg.report.last_lines import Kept, LastLines, Line
from mock2pg.report.output import say
from mock2pg.step_results import Found, RollbackPreview
from mock2pg.text import first_line, lines, printable

_EVERY = 0.1  # seconds between two frames
_PATIENCE = 3.0  # seconds for the last frame, and for making room for a question
_UNSHOWN = ("report",)  # its end is that of the run


class Display:
    """The lines of what runs, on a terminal.

    steps   the steps that began, as `progress.read` returns those of a run
    stream  the terminal; None: nothing is shown
    """

    def __init__(self, steps: Callable[[], Sequence[StepProgress]], stream: TextIO | None) -> None:
        self._steps, self._stream = steps, stream
        self._said: deque[Kept] = deque()
        self._told: set[str] = set()
        self._wake, self._ended = threading.Event(), False
        self._asking, self._cleared = False, threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str, mark: str = "", indent: int = 0) -> None:
        """Keep a text on the terminal.

        mark    its sign: ✔, ✘ or ⚠
        indent  of its lines but the first, behind the mark
        """
        if self._stream is not None:
            self._said.append((mark, lines(text), indent))
            self._wake.set()

    def passed(self, found: Found) -> None:
        """Replace the line of a step by what it found."""
        name = "preview" if isinstance(found, RollbackPreview) else found.step
        self._keep(found.step, "✔", step_lines.of(found), name)
        for note in found.notes:
            self.say(" " * step_lines.INDENT + note, " ", step_lines.INDENT)

    def failed(self, step: str, message: str) -> None:
        """Replace the line of a step by why it failed."""
        self._keep(step, "✘", first_line(message))

    def _keep(self, step: str, mark: str, text: str, name: str = "") -> None:
        if self._stream is None:
            return
        with suppress(Exception):
            seconds = next((each.elapsed for each in self._steps() if each.step == step), None)
            if seconds is not None:
                self._told.add(step)
                self.say(step_lines.ended(name or step, seconds, printable(text)), mark, step_lines.INDENT)

    @property
    def is_live(self) -> bool:
        return self._stream is not None

    def asking(self, ask: Callable[[str], str]) -> Callable[[str], str]:
        """Return the function that asks, for which the lines make room until it is answered."""

        def asked(question: str) -> str:
            self._cleared.clear()
            self._asking = True
            self._wake.set()
            try:
                if self._thread and self._thread.is_alive():
                    self._cleared.wait(_PATIENCE)
                return ask(question)
            finally:
                self._asking = False

        return asked

    def begin(self) -> None:
        if self._stream is not None:
            self._thread = threading.Thread(target=self._show, args=(self._stream,), daemon=True)
            with suppress(RuntimeError):
                self._thread.start()

    def end(self) -> None:
        """Write what is left, and remove the lines of the running steps."""
        self._ended = True
        self._wake.set()
        if self._thread and self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _show(self, stream: TextIO) -> None:
        with suppress(Exception):
            lines = LastLines(stream)
            while True:
                self._wake.wait(_EVERY)
                self._wake.clear()
                ends, asking = self._ended, self._asking  # read once: what is written and what is promised agree
                said = [self._said.popleft() for _ in range(len(self._said))] if not asking or ends else []
                lines.write(said, [] if ends or asking else self._running(lines))
                if asking:
                    self._cleared.set()
                if ends:
                    return

    def _running(self, lines: LastLines) -> Sequence[Line]:
        """Return the lines of the steps that began, and of which none is kept yet."""
        found = list[Line]()
        for step in self._steps():
            if step.status == "running":
                self._told.discard(step.step)  # a second time
                found.append((lines.spinner, printable(step_lines.running(step, lines.width))))
            elif step.step not in self._told and step.step not in _UNSHOWN:
                mark = "✔" if step.status == "passed" else "✘"
                found.append((mark, printable(step_lines.ended(step.step, step.elapsed, step.summary))))
        return found or lines.waiting()


@contextmanager
def display(folder: Path) -> Iterator[Display]:
    """Show the steps of the run in that folder while the block runs, where the log goes to a live terminal."""
    terminal = log.terminal()
    shown = Display(partial(progress.read, folder), terminal.stream if terminal else None)
    shown.begin()
    if terminal:
        terminal.show = shown.say
    try:
        yield shown
    finally:
        if terminal:
            terminal.show = None
        shown.say("")  # the result is apart from the steps
        shown.end()


@contextmanager
def activities() -> Iterator[tuple[Display, Callable[[str], None]]]:
    """Show one line, of what the second function names, where the log goes to a live terminal; else print the name."""
    running: list[StepProgress] = []
    terminal = log.terminal()

    def steps() -> Sequence[StepProgress]:
        return [replace(step, elapsed=time.time() - float(step.started_at)) for step in running]

    def begin(name: str) -> None:
        running[:] = [StepProgress(name, "running", str(time.time()))]
        if terminal is None:
            say(f"… {name}", err=True)

    shown = Display(steps, terminal.stream if terminal else None)
    shown.begin()
    try:
        yield shown, begin
    finally:
        shown.end()


SILENT = Display(tuple, None)
