"""Paths into the JSON source, as declarations write them.

A path is keys joined by dots, `a.b`; `[]` after a key is each element of an array, `{}` each member of an object that
is used as a map. A key that holds a dot, a bracket, a brace, a quote or white space, is empty, or is `$` alone, is
written as a JSON string: `a."b.c"[]`. `$` at the beginning is the source itself, and `.` alone is where one is already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import Enum


class Mark(Enum):
    """A step of a path that is not a key: the source itself, each element of an array, each member of an object."""

    SOURCE = "$"
    ELEMENT = "[]"
    MEMBER = "{}"


Step = str | Mark

_PLAIN = re.compile(r'[^\s.\[\]{}"]+')
_TOKEN = re.compile(rf'(?P<each>\[\]|{{}})|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<plain>{_PLAIN.pattern})|(?P<dot>\.)', re.S)


def parsed(path: str) -> tuple[Step, ...]:
    """Return the steps of a path. Raises ValueError that says where it is not one."""
    if path == ".":
        return ()
    steps: list[Step] = []
    at, wants_key = 0, True
    while at < len(path):
        place = f"character {at + 1} of the path {path}"
        token = _TOKEN.match(path, at)
        if token is None:
            raise ValueError(f"{place} begins no key: write the key as a JSON string")
        kind, text = token.lastgroup, token[0]
        if (kind == "dot" and wants_key) or (kind == "each" and wants_key and steps):
            raise ValueError(f"{place}: a key is missing before {text}")
        if kind in ("plain", "quoted") and not wants_key:
            raise ValueError(f"{place}: a dot is missing before the key")
        if kind == "each" or (text == Mark.SOURCE.value and not steps):
            steps.append(Mark(text))
        elif kind == "quoted":
            try:
                steps.append(str(json.loads(text)))
            except ValueError:
                raise ValueError(f"{place} begins no JSON string") from None
        elif kind == "plain":
            steps.append(text)
        wants_key = kind == "dot"
        at = token.end()
    if wants_key:
        raise ValueError(f"the path {path} ends before a key" if path else "a path is empty")
    return tuple(steps)


def written(steps: Sequence[Step]) -> str:
    """Return the path of these steps; `parsed` returns them again."""
    path = ""
    for step in steps:
        if isinstance(step, Mark):
            path += step.value
        else:
            plain = _PLAIN.fullmatch(step) and step != Mark.SOURCE.value
            path += ("." if path else "") + (step if plain else _quoted(step))
    return path or "."


def _quoted(key: str) -> str:
    """The key as a JSON string in which nothing begins Jinja: dbt renders the declarations."""
    return re.sub(r"\{(?=[{%#])", r"\\u007b", json.dumps(key, ensure_ascii=False))


def keys_of(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the steps, all of which are keys."""
    return tuple(step for step in steps if not isinstance(step, Mark))
