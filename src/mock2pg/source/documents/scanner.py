"""Places in JSON text. Slow and exact; used only when there is something to report."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mock2pg.staged_tables import NESTING_LIMIT

Text = bytes | memoryview | mmap.mmap

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")  # any other key might be data, somebody's name, and is not shown

_BLOCK = 1 << 20
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+|"', re.DOTALL)
_NO_CHARACTER = re.compile(rb"\\(?:u0000|.)", re.DOTALL)  # every escape in turn: a backslash may be escaped itself
_PARTS = re.compile(rb"[.e]")
_CONTINUATION = bytes(range(0x80, 0xC0))  # UTF-8's bytes that begin no character
_OPEN, _CLOSE, _COMMA, _COLON, _QUOTE = b"[{", b"]}", ord(","), ord(":"), ord('"')
_AROUND = 4  # document, array, row and nested array around a value


@dataclass(frozen=True)
class Child:
    """One member of an object or element of an array; offsets in bytes.

    key     the member's key, or the element's index
    key_at  the offset of the key; in an array that of the value
    """

    key: str | int
    key_at: int
    at: int
    end: int


@dataclass(frozen=True)
class Trouble:
    """One reason why a value cannot be kept, though it is JSON: the offset, the keys above it, and words."""

    at: int
    steps: tuple[str | int, ...]
    reason: str


def children(text: Text, at: int) -> Iterator[Child]:
    """Yield what the object or array holds whose bracket is at `at`; nothing when none is there."""
    if text[at] not in _OPEN:
        return
    keyed = text[at] == ord("{")
    depth, index, began = 0, 0, at
    key: str | None = None
    key_at = at
    for token in _TOKEN.finditer(text, at):
        start, byte = token.start(), text[token.start()]
        if byte in _OPEN:
            depth += 1
            began = start if depth == 2 else began
        elif byte in _CLOSE:
            depth -= 1
            if depth == 0:
                return
            if depth == 1:
                yield Child(key if key is not None else index, key_at if keyed else began, began, token.end())
        elif depth > 1 or byte == _COLON:
            continue
        elif byte == _COMMA:
            index, key = index + 1, None
        elif keyed and key is None:
            key, key_at = _key(token[0]), start
        else:
            yield Child(key if key is not None else index, key_at if keyed else start, start, token.end())


class Lines:
    """Line and column of bytes; asked for in growing order, the text is read once."""

    def __init__(self, text: Text) -> None:
        self._text, self._at = memoryview(text), 0
        self._line = self._column = 1

    def place(self, offset: int) -> tuple[int, int]:
        """Both from 1; lines end with a line feed, columns are characters."""
        if offset < self._at:
            self._at, self._line, self._column = 0, 1, 1
        while self._at < offset:
            block = bytes(self._text[self._at : min(self._at + _BLOCK, offset)])
            if breaks := block.count(b"\n"):
                self._line, self._column = self._line + breaks, 1
            self._column += len(block[block.rfind(b"\n") + 1 :].translate(None, _CONTINUATION))
            self._at += len(block)
        return self._line, self._column


def steps_to(text: Text, offset: int) -> list[str | int]:
    """Return the keys and indexes that lead to a byte, also where the text is not JSON from there on."""
    path: list[str | int | None] = []
    keyed: list[bool] = []
    for token in _TOKEN.finditer(text):
        start, byte = token.start(), text[token.start()]
        if token.end() > offset:
            break
        if byte in _OPEN:
            keyed.append(byte == ord("{"))
            path.append(None if keyed[-1] else 0)
        elif byte in _CLOSE and path:
            path.pop()
            keyed.pop()
        elif byte == _COMMA and path:
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else None
        elif byte == _QUOTE and path and keyed[-1] and path[-1] is None:
            path[-1] = _key(text[start : token.end()])
    return [step for step in path if step is not None]


def key_before(text: mmap.mmap, at: int) -> int:
    """Return the offset of the key whose value begins at `at`."""
    quote = text.rfind(b'"', 0, at)
    while quote > 0:
        quote = text.rfind(b'"', 0, quote)
        before = bytes(text[max(0, quote - 64) : quote])
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return quote
    return at


def too_deep(text: Text) -> int:
    """Return the offset where the nesting first exceeds the limit, from the array of an entity on."""
    depth, limit = 0, NESTING_LIMIT + _AROUND
    for token in _TOKEN.finditer(text):
        byte = text[token.start()]
        depth += (byte in _OPEN) - (byte in _CLOSE)
        if depth > limit:
            return token.start()
    return 0


def kind(text: bytes) -> str:
    """Return the kind of a JSON value, in words that hold nothing of it."""
    if text[:1] == b'"':
        return "a string that holds \\u0000 or a lone surrogate" if _holds_no_character(text) else "a string"
    if text[:1] in (b"-", *(b"%d" % digit for digit in range(10))):
        lower = text.lower()
        return (
            f"a number with {'an exponent' if b'e' in lower else 'a fraction'}"
            if _PARTS.search(lower)
            else "a whole number"
        )
    return {b"{": "an object", b"[": "an array", b"n": "null"}.get(text[:1], "a boolean")


def trouble(text: bytes, at: int = 0, steps: tuple[str | int, ...] = ()) -> Trouble | None:
    """The first thing in a value that cannot be kept, wherever it is nested; None when there is none to see."""
    if len(steps) >= NESTING_LIMIT and text[at] in _OPEN:
        return Trouble(at, steps, f"is nested deeper than {NESTING_LIMIT} levels")
    if text[at] == _QUOTE:
        ends = _TOKEN.match(text, at)
        holds = ends is not None and _holds_no_character(ends[0])
        return Trouble(at, steps, "holds \\u0000 or a lone surrogate") if holds else None
    seen = set()
    for child in children(text, at):
        if isinstance(child.key, str):
            if child.key in seen:
                return Trouble(child.key_at, (*steps, child.key), "appears twice in one object")
            seen.add(child.key)
            if "\0" in child.key:
                return Trouble(child.key_at, steps, "has a key that holds \\u0000 or a lone surrogate")
        if found := trouble(text, child.at, (*steps, child.key)):
            return found
    return None


def _holds_no_character(string: bytes) -> bool:
    return b"\\u0000" in _NO_CHARACTER.findall(string)


def _key(token: bytes | memoryview) -> str:
    try:
        return str(json.loads(bytes(token), strict=False))
    except ValueError:
        return "?"


def pointer(steps: Sequence[str | int]) -> str:
    """RFC 6901; it ends before a key that may not be shown."""
    shown = ""
    for step in steps:
        if isinstance(step, str) and not PLAIN.fullmatch(step):
            break
        shown += f"/{step}"
    return shown
