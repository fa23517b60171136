"""The variables of an `.env` file, strictly: a line that would be ignored is an error."""

from __future__ import annotations

from pathlib import Path

from dotenv.parser import Original, parse_stream

from mock2pg.errors import UsageError


def read(file: Path) -> dict[str, tuple[str, int]]:
    """Return the value and the line of each variable, none where there is no file.

    Raises UsageError for a line that is no variable.
    """
    if not file.is_file():
        return {}
    try:
        with file.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8", hint="Save it as UTF-8.") from None
    for binding in bindings:
        if binding.error:
            raise UsageError(
                f"{file}, line {_line(binding.original)}, is not a variable", hint="Write NAME=value, one a line."
            )
    return {binding.key: (binding.value or "", _line(binding.original)) for binding in bindings if binding.key}


def _line(original: Original) -> int:
    """Return the line of a binding; its text begins with the blank lines before it."""
    text = original.string
    return original.line + text[: len(text) - len(text.lstrip())].count("\n")
