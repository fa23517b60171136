"""A terminal of a test's own: a pseudo-terminal, and the screen that a person would see on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[(?P<number>[0-9;?]*)(?P<letter>[A-Za-z])|(?P<text>[^\x1b\r\n]+)|(?P<move>[\r\n])")


class Screen:
    """The lines of a terminal, which breaks them at its last column, and anew when it is resized."""

    def __init__(self, columns: int = 80) -> None:
        self.columns, self.lines, self.row, self.column = columns, [""], 0, 0
        self.hidden = False  # the cursor

    def feed(self, text: str) -> None:
        for found in _CONTROL.finditer(text):
            if found["text"]:
                for letter in found["text"]:
                    self._put(letter)
            elif found["move"] == "\r":
                self.column = 0
            elif found["move"] == "\n":
                self._down()
            else:
                self._control(found["letter"], found["number"])

    def resize(self, columns: int) -> None:
        lines, row = list[str](), 0
        for number, line in enumerate(self.lines):
            parts = [line[at : at + columns] for at in range(0, len(line), columns)] or [""]
            if number == self.row:
                row, self.column = len(lines) + min(self.column // columns, len(parts) - 1), self.column % columns
            lines += parts
        self.columns, self.lines, self.row = columns, lines, row

    def _put(self, letter: str) -> None:
        if self.column == self.columns:
            self._down()
            self.column = 0
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def _control(self, letter: str, number: str) -> None:
        if letter == "A":
            self.row = max(0, self.row - int(number or 1))
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif letter == "J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1 :]
        elif number == "?25":
            self.hidden = letter == "l"

    @property
    def shown(self) -> list[str]:
        """The lines down to the last that is not empty."""
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


class Terminal:
    """A pseudo-terminal; a program on it is started with `run`."""

    def __init__(self, columns: int = 80) -> None:
        self.screen, self.raw = Screen(columns), ""
        self.ours, self.theirs = pty.openpty()
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.screen.resize(columns)

    def run(self, command: Sequence[str | Path], **more: str) -> subprocess.Popen[bytes]:
        environment = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "TERM": "xterm-256color", **more}
        process = subprocess.Popen(
            command, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, env=environment,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(self.theirs)
        return process

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def read(self, until: Callable[[Screen], bool] = lambda _: False) -> list[str]:
        """Read until the screen is so, or nobody is left who writes; return the lines that are shown."""
        deadline, pending = time.monotonic() + 120, b""
        while not until(self.screen):
            assert time.monotonic() < deadline, self.screen.shown
            if not select.select([self.ours], [], [], 0.2)[0]:
                continue
            try:
                pending += os.read(self.ours, 65536)
            except OSError:  # the last of them has closed it
                break
            if not pending:
                break
            text = pending.decode(errors="ignore")
            pending = b"" if text.encode() == pending else pending[len(text.encode()) :]
            self.raw += text
            self.screen.feed(text)
        return self.screen.shown


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, with the coding of a person's terminal."""
    return {"LANG": "C.UTF-8", **settings}
