"""Words and numbers as a person reads them: the only place that escapes, cuts, counts and times them."""

from __future__ import annotations

import json
from typing import Any

LIMIT = 200  # characters of an id in any output


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`0.02 s`, `4.2 s`, `1 min 12 s`, `2 h 5 min`."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def size(count: float) -> str:
    """Bytes for a person: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def printable(text: str, *, keep: str = "") -> str:
    """Escape what would move the cursor, end the line or turn the direction of writing, but for the characters of
    `keep`."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def lines(text: str) -> str:
    """Escape the same, line by line: the line breaks stay."""
    return printable(text, keep="\n")


def first_line(message: str) -> str:
    """Return what a message says before it lists anything."""
    return message.split("\n", 1)[0].removesuffix(":")


def identity(text: str) -> str:
    """An id for any output: escaped, and cut at `LIMIT` characters."""
    shown = printable(text[: LIMIT + 1])
    return shown if len(shown) <= LIMIT else f"{shown[: LIMIT - 1]}…"


def as_json(value: Any, *, ascii_only: bool = False) -> str:
    """Return the value as JSON that a terminal can show: what `printable` escapes is written as `\\uXXXX`."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2, default=str)
    if text.isascii():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
