"""The settings as a table that fits a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from mock2pg.settings import Setting

_GAP = 2
_LEAST = 20  # characters of a value on a line, however narrow the terminal


def settings_table(settings: Sequence[Setting], width: int, *, meanings: bool = True) -> str:
    """Return a line for each setting with its variable, value and origin; long values are folded.

    meanings  put the description below it, and the default where the value is another
    """
    rows = [("Setting", "Value", "From"), *((one.variable, _text(one.value), one.origin) for one in settings)]
    names, origins = (max(len(row[column]) for row in rows) for column in (0, 2))
    values = max(_LEAST, min(max(len(row[1]) for row in rows), width - names - origins - 2 * _GAP))
    lines = []
    for number, (name, value, origin) in enumerate(rows):
        first, *rest = textwrap.wrap(value, values) or [""]
        lines.append(f"{name:<{names}}{'':{_GAP}}{first:<{values}}{'':{_GAP}}{origin}".rstrip())
        lines += [f"{'':{names + _GAP}}{line}" for line in rest]
        if meanings and number:
            setting = settings[number - 1]
            other = "" if setting.origin == "default" else f" [default: {_text(setting.default)}]"
            indent = " " * _GAP
            lines += textwrap.wrap(
                f"{setting.description}{other}", width, initial_indent=indent, subsequent_indent=indent
            )
    return "\n".join(lines)


def _text(value: str | int | None) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)
