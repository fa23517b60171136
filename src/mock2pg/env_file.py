"""The variables of an `.env` file, strictly: a line that would be ignored is an error."""

from __future__ import annotations

from pathlib import Path

from dotenv.parser import parse_stream

from mock2pg.errors import UsageError


def read(file: Path) -> dict[str, str]:
    """Return the variables, none where there is no file. Raises UsageError for a line that is no variable."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8") as stream:
        bindings = list(parse_stream(stream))
    for binding in bindings:
        if binding.error:
            raise UsageError(
                f"{file}, line {binding.original.line}, is not a variable", hint="Write NAME=value, one a line."
            )
    return {binding.key: binding.value or "" for binding in bindings if binding.key}
