"""Settings as a person reads them: meaning, default, and what is secret."""

from __future__ import annotations

from typing import Literal, get_args, get_origin

from pydantic import SecretStr

from mock2pg.settings.record import Settings


def secret(field: str) -> bool:
    """Return True for a setting that is never shown, and never in a file that others read."""
    return SecretStr in (annotation := Settings.model_fields[field].annotation, *get_args(annotation))


def default(field: str) -> str | int | None:
    """Return the default of a field as a person reads it: None where it is unset, words where it is found."""
    declared = Settings.model_fields[field]
    if isinstance(extra := declared.json_schema_extra, dict):
        return str(extra["default"])
    return plain(declared.default)


def meaning(field: str) -> str:
    """Return the description of a field, with the words that it takes."""
    declared = Settings.model_fields[field]
    words = get_args(declared.annotation) if get_origin(declared.annotation) is Literal else ()
    if not words or all(f"`{word}`" in str(declared.description) for word in words):
        return str(declared.description)
    return f"{declared.description} Takes {', '.join(words[:-1])} or {words[-1]}."


def plain(value: object) -> str | int | None:
    """Return a value as JSON has it; None for one that is empty."""
    return value if isinstance(value, int) else str(value) if value else None
