"""The presence of a source, which is known before anything of it is read."""

from __future__ import annotations

from pathlib import Path

from mock2pg.errors import UsageError

STANDARD_INPUT = Path("-")


def is_stream(source: Path) -> bool:
    """Return whether it can be read once only: `-` or a named pipe."""
    return source == STANDARD_INPUT or source.is_fifo()


def require(source: Path) -> None:
    """Raise UsageError when there is no such source."""
    if not (is_stream(source) or source.exists()):
        raise UsageError(
            f"there is no source at {source}",
            hint="Name a folder with one <entity>.json per entity, one JSON document, or - for standard input.",
        )
