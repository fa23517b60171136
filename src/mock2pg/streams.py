"""Standard streams and log files that cannot fail: what nobody can read decides nothing."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
import unicodedata
from errno import EPIPE
from pathlib import Path
from typing import TextIO

# what the marks are where an encoding lacks them
PLAIN = {"✔": "ok", "✘": "FAILED", "⚠": "warning", "…": "...", "·": "-", "\ufe0f": ""}
_STREAMS: dict[str, _Forgiving] = {}


class _Forgiving(io.FileIO):
    """A file that takes everything. From the first write that fails on, nothing is written any more."""

    failure: OSError | None = None

    def write(self, data: object, /) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        while self.failure is None:
            try:
                written = super().write(data)  # type: ignore[arg-type]
                if written is not None:
                    return written
                select.select([], [self], [])  # somebody made it non-blocking, and it is full
            except OSError as error:
                self.failure = error
        return size


def open_log(file: Path) -> TextIO:
    """A file of the owner's (0600), to append to. Raises OSError when it cannot be opened, and never later."""
    return _text(_Forgiving(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "a"), "utf-8")


def failure(stream: TextIO) -> OSError | None:
    """Return why a stream of this module takes nothing any more; None while it does."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, _Forgiving) else None


def guard() -> None:
    """Make standard output and standard error never fail, also when the interpreter flushes them at its end.

    A stream that is closed becomes the null device, so that no file that is opened later takes its number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
    for name, number in (("stdout", 1), ("stderr", 2)):
        before: TextIO | None = getattr(sys, name)
        if before is not None:
            before.flush()
        raw = _STREAMS[name] = _Forgiving(number, "w", closefd=False)
        setattr(sys, name, _text(raw, before.encoding if before is not None else "utf-8"))


def lost() -> OSError | None:
    """Return why standard output was not written; None when it was, and when its reader had enough of it."""
    if "stdout" not in _STREAMS:
        return None
    sys.stdout.flush()
    found = _STREAMS["stdout"].failure
    return None if found is None or found.errno == EPIPE else found


def _text(raw: _Forgiving, encoding: str) -> TextIO:
    codecs.register_error("mock2pg", _plain)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "mock2pg", line_buffering=True)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what an encoding does not have: marks as words, pictures as `*`, letters escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(
        PLAIN[c] if c in PLAIN else "*" if unicodedata.category(c) == "So" else ascii(c)[1:-1]
        for c in error.object[error.start : error.end]
    )
    return text, error.end
