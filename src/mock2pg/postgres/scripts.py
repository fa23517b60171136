"""The statements of a script, one by one: Citus sends some of them to its workers as text, which may hold no second."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)"""
    r"""|(?P<word>[^\W\d][\w$]*)|(?P<mark>[();])""",
    re.DOTALL,
)
_ROUTINE = re.compile(r"\bCREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b")


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script that pg_dump wrote, each with the comments before it."""
    start, parentheses, blocks = 0, 0, 0
    for token in _TOKEN.finditer(script):
        word, mark = (token["word"] or "").upper(), token["mark"]
        if word == "BEGIN" or (word == "CASE" and blocks):  # the body of a routine, as SQL
            blocks += bool(blocks or _ROUTINE.search(script, start, token.start()))
        elif word == "END" and blocks:
            blocks -= 1
        elif mark == ";" and not parentheses and not blocks:
            yield script[start : token.end()]
            start = token.end()
        elif mark:
            parentheses += {"(": 1, ")": -1, ";": 0}[mark]
