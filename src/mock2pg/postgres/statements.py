"""The texts of statements as a record may have them: without a literal, which could be a value."""

from __future__ import annotations

import re

from psycopg import sql

_LONGEST = 160  # characters
_LITERAL = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))|(?P<name>"(?:[^"]|"")*")"""
    r"""|[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z)"""
    r"""|(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|\Z)|(?<![\w$.])\d[\d_.]*(?:[eE][-+]?\d+)?""",
    re.DOTALL,
)


def without_literals(query: str | bytes | sql.Composable) -> str:
    """Return the statement in one line, cut, with `?` for each of its literals."""
    text = query.as_string() if isinstance(query, sql.Composable) else query
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    text = " ".join(_LITERAL.sub(lambda found: " " if found["comment"] else found["name"] or "?", text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
