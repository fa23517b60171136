"""The source of a run: the one that is named, or the setting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mock2pg.errors import UsageError
from mock2pg.settings import Settings
from mock2pg.source import presence


def named(
    settings: Settings, mock_data: Mapping[str, Any] | Path | str | None, command: str = "migrate"
) -> Mapping[str, Any] | Path:
    """Return the source. Raises UsageError when there is none, and where the sample would go into a real target.

    command  that the source is for; only `check` needs no target database
    """
    name_it = f"Name it: `mock2pg {command} PATH`, or set MIGRATION_SOURCE."
    if mock_data == "":
        raise UsageError("the source is an empty text", hint=name_it)
    if isinstance(mock_data, Mapping):
        return mock_data
    if mock_data is None:
        if command != "check" and must_be_named(settings):
            raise UsageError(
                "DATABASE_URL is set and no source is named: what is in mock_data/ would replace what is there",
                hint=name_it,
            )
        mock_data = settings.source_path
    if not isinstance(mock_data, Path | str):
        raise UsageError(f"the source is of type {type(mock_data).__name__}", hint="Give a dict of arrays, or a path.")
    presence.require(Path(mock_data))
    return Path(mock_data)


def must_be_named(settings: Settings) -> bool:
    """Return True where no source is set, and the sample would replace what is in a real target."""
    return settings.database_url is not None and "source" not in settings.model_fields_set
