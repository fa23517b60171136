"""A table of text that fits the width of the terminal: names on the left, numbers on the right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from mock2pg.text import printable

_GAP = "   "
_LEAST = 12  # of a column of names
_COMMAND, _KEPT = re.compile(r"`[^`\n]*`"), "\ue000"


def table(names: Mapping[str, Sequence[int]], headings: Sequence[str], width: int) -> Iterator[str]:
    """Yield the lines: a heading, and a row per name. A column of zeros alone is left out; a name that is too long goes
    on in the next line.
    """
    kept = [i for i in range(len(headings) - 1) if any(numbers[i] for numbers in names.values())]
    heads = [headings[i + 1] for i in kept]
    rows = {printable(name): [f"{numbers[i]:,}" for i in kept] for name, numbers in names.items()}
    wide = [max(len(head), *(len(row[i]) for row in rows.values())) for i, head in enumerate(heads)]
    room = max(_LEAST, width - sum(wide) - len(_GAP) * len(wide))
    first = min(room, max(map(cells, [headings[0], *rows])))
    for name, row in {headings[0]: heads, **rows}.items():
        start, *others = folded(name, first)
        padding = " " * (first - cells(start))
        numbers = (f"{_GAP}{number:>{size}}" for number, size in zip(row, wide, strict=True))
        yield f"{start}{padding}{''.join(numbers)}".rstrip()
        yield from others


def folded(text: str, width: int) -> list[str]:
    """Cut a text into lines of at most so many cells; nothing of it is lost."""
    lines, taken = [""], 0
    for character in text:
        size = cells(character)
        if taken + size > width and lines[-1]:
            lines.append("")
            taken = 0
        lines[-1] += character
        taken += size
    return lines


def wrapped(text: str, width: int, indent: str) -> str:
    """Return a text of several lines, those after the first indented, and none wider than `width` cells. Lines
    break at spaces, but not inside `a command`; a word that is longer than a line goes on in the next.
    """
    found: list[str] = []
    for line in _COMMAND.sub(lambda found: found[0].replace(" ", _KEPT), text).split("\n"):
        found += _words(line, max(_LEAST, width - len(indent)))
    return f"\n{indent}".join(found).replace(_KEPT, " ")


def _words(line: str, width: int) -> list[str]:
    """Break a line at spaces; those in front of it stay, and begin the others, too."""
    if cells(line) <= width:
        return [line]
    margin = line[: len(line) - len(line.lstrip(" "))]
    lines, current = list[str](), margin
    for word in line.split():
        longer = f"{current} {word}" if current.strip() else f"{current}{word}"
        if cells(longer) > width and current.strip():
            lines.append(current)
            longer = f"{margin}{word}"
        *full, current = folded(longer, width)
        lines += full
    return [*lines, current]


def cells(text: str) -> int:
    """The columns that a text takes on a terminal: two for the wide letters of East Asia, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
