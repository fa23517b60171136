"""The last lines of a terminal, which are written anew in their place, and the lines that stay above them."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from mock2pg import streams

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_QUIET = 0.3  # seconds without a step after which a line says that the run goes on
_SPINNER, _PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_PLAIN = str.maketrans(streams.PLAIN)
_STYLES = {"✔": "green", "✘": "bold red", "⚠": "yellow"}

Line = tuple[str, str]  # mark and text
Kept = tuple[str, str, int]  # mark, text and indent


class LastLines:
    """The last lines of one terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._stream, self._cells, self._frames, self._busy = stream, list[int](), 0, time.monotonic()
        self._plain = not _takes(stream, _SPINNER + "✔✘⚠…·")
        self._console: Console = Console(
            file=stream, force_terminal=True, legacy_windows=False, highlight=False, markup=False, emoji=False
        )

    @property
    def width(self) -> int:
        """The columns for a text behind its mark; the last column stays free, so that no terminal begins a line."""
        return max(20, self._columns() - 3)

    @property
    def spinner(self) -> str:
        spinner = _PLAIN_SPINNER if self._plain else _SPINNER
        return spinner[self._frames % len(spinner)]

    def waiting(self) -> Sequence[Line]:
        """Return the line that says that the run goes on between two steps."""
        return [(self.spinner, "…")] if time.monotonic() - self._busy > _QUIET else []

    def write(self, above: Sequence[Kept], last: Sequence[Line]) -> None:
        """Write lines that stay, and below them those that are written anew; in one piece, so that none is half."""
        from rich.cells import cell_len

        self._frames += 1
        if last and not last[-1][1].startswith("…"):
            self._busy = time.monotonic()
        if not (above or last or self._cells):
            return
        columns = self._columns()
        drawn = [self._text(*line) for line in last]
        for text in drawn:
            text.truncate(columns - 1)
        kept = [self._text(*line) for each in above for line in self._wrapped(*each)]
        out = self._to_first(columns) + "".join(f"{self._ansi(text)}\x1b[K\n" for text in kept)
        out += "\n".join(f"{self._ansi(text)}\x1b[K" for text in drawn) + "\x1b[J"
        self._cells = [cell_len(text.plain) for text in drawn]
        self._stream.write(out)
        self._stream.flush()

    def _to_first(self, columns: int) -> str:
        """Move to the first of the lines that are to be written anew; narrower now, each may have become several."""
        rows = sum(max(1, -(-cells // columns)) for cells in self._cells)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")

    def _wrapped(self, mark: str, text: str, indent: int) -> list[Line]:
        """Return a text as lines that fit; a word that does not is left whole, to be copied."""
        hanging = " " * indent
        lines = [
            line
            for each in text.split("\n")
            for line in textwrap.wrap(
                each, self.width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
            )
            or [""]
        ]
        return [(mark if number == 0 or not mark else " ", line) for number, line in enumerate(lines)]

    def _text(self, mark: str, text: str) -> Text:
        from rich.text import Text

        made = Text(no_wrap=True, end="")
        if mark:
            made.append(f"{mark.translate(_PLAIN) if self._plain else mark} ", style=_STYLES.get(mark, "cyan"))
        return made.append(text.translate(_PLAIN) if self._plain else text)

    def _ansi(self, text: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(text, end="", soft_wrap=True)
        return captured.get()

    def _columns(self) -> int:
        with suppress(OSError, ValueError):
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        return 80


def _takes(stream: TextIO, text: str) -> bool:
    with suppress(LookupError, UnicodeError):
        text.encode(stream.encoding or "ascii")
        return True
    return False
