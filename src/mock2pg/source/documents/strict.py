"""JSON as RFC 8259 has it: one pass over the bytes, which says where and why when they are not."""

from __future__ import annotations

import codecs
import mmap
import re
from typing import Any

import msgspec

from mock2pg.source.documents.scanner import Text, too_deep
from mock2pg.staged_tables import NESTING_LIMIT

_BLOCK = 1 << 20
_DECODED = 1 << 16  # bytes at a time: the system gives memory for larger texts anew each time, which takes longest
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_WORD = re.compile(rb"[A-Za-z]+")
_NO_VALUES = ("NaN", "nan", "Infinity", "inf", "undefined", "None", "True", "False")


class NotJson(Exception):
    """The bytes are not JSON: `offset` says from which byte on, `reason` why, without quoting them."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset, self.reason = offset, reason


def decode(content: Text, kind: Any) -> Any:
    """The bytes as msgspec's type `kind`. Raises NotJson, or msgspec.ValidationError when they are JSON of another."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        found = re.search(r"^(?:JSON is malformed: )?(.*?) \(byte (\d+)\)", str(error))
        raise (_explained(content, found[1], int(found[2])) if found else _unfinished(content)) from None
    except RecursionError:
        raise NotJson(too_deep(content), f"is nested deeper than {NESTING_LIMIT} levels") from None


def check_utf8(content: Text) -> None:
    """Raises NotJson where the bytes are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(content), _DECODED):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(content[at : at + _DECODED], final=at + _DECODED >= len(content))
        except UnicodeDecodeError as error:
            wide = bytes(content[:2]) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            guess = ", but begins as UTF-16 does" if wide else ""
            raise NotJson(at - pending + error.start, f"is not UTF-8{guess}; save it as UTF-8") from None


def without_lone_surrogates(content: mmap.mmap) -> bool:
    r"""Put `\u0000` in the place of every `\ud800` that has no other half; whether there was one.

    Neither is a character that PostgreSQL's text holds, so the row is refused all the same, by name and place; but
    the rest of the document can be read.
    """
    lone: list[int] = []
    high = -1  # the offset of the last high surrogate, while it waits for its other half
    for escape in _ESCAPE.finditer(content):
        code = int(escape[1], 16) if escape[1] else 0
        paired = high >= 0 and escape.start() == high + 6 and 0xDC00 <= code <= 0xDFFF
        if high >= 0 and not paired:
            lone.append(high)
        high = escape.start() if 0xD800 <= code <= 0xDBFF else -1
        if 0xDC00 <= code <= 0xDFFF and not paired:
            lone.append(escape.start())
    if high >= 0:
        lone.append(high)
    for at in lone:
        content[at : at + 6] = rb"\u0000"
    return bool(lone)


def _unfinished(content: Text) -> NotJson:
    if not bytes(content[:_BLOCK]).strip():
        return NotJson(0, "is empty; it must hold JSON")
    return NotJson(len(content), "is not JSON: it ends too early: a bracket or a quote is not closed")


def _explained(content: Text, reason: str, offset: int) -> NotJson:
    """Return msgspec's reason in the words of somebody who edits JSON by hand."""
    near = bytes(content[offset : offset + 1])
    before = bytes(content[max(0, offset - 12) : offset])
    word = _WORD.match(before[len(before.rstrip(b"aInfityN")) :] + bytes(content[offset : offset + 12]))
    if near in (b"/", b"#"):
        reason = "JSON has no comments"
    elif near == b"'":
        reason = "strings and keys take double quotes"
    elif word and word[0].decode() in _NO_VALUES:
        reason = f"{word[0].decode()} is not a JSON value"
    elif reason == "trailing characters":
        reason, offset = "there is more after the end of the document", offset - 1  # msgspec has read it by then
    elif reason in ("object keys must be strings", "expected '\"'"):
        reason = "a key must be a string in double quotes"
    elif reason == "invalid character" and near < b" " and near:
        reason = "a line break, tab or control character must be written as an escape (\\n)"
    return NotJson(offset, f"is not JSON: {reason}")
