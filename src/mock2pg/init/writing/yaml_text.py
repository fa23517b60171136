"""YAML as this project writes it: one line where it fits, names quoted where YAML would read something else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_WIDTH = 120
_PLAIN = re.compile(r"[\w(]([\w ./()<>=+;'-]*[\w./()<>=+'-])?", re.ASCII)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def flow(value: Any) -> str:
    """Return a value on one line, as it is written inside braces."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(of)}" for key, of in value.items()) + "}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Iterable):
        return "[" + ", ".join(map(flow, value)) + "]"
    return json.dumps(value)


def item(value: Mapping[str, Any], indent: int) -> str:
    """Return an item of a list: on one line where that is not too long, else a line for each key."""
    line = f"{' ' * indent}- {flow(value)}\n"
    if len(line) <= _WIDTH + 1:
        return line
    lines = [f"{flow(key)}: {flow(of)}\n" for key, of in value.items()]
    return " " * indent + "- " + (" " * (indent + 2)).join(lines)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and yaml.load(text, _LOADER) == text:  # noqa: S506  both are safe; `no` is not a text
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    """A character of a double-quoted text, in which YAML knows the escapes of JSON, and longer ones."""
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
