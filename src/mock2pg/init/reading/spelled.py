"""Recognise the spelling of a text: as a date, a time, a number, or as nothing but text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from mock2pg.checks.sql import BLANK as _BLANKS


@dataclass(frozen=True, eq=False)  # compared and hashed as what it is: millions of times
class Spelling:
    """A way to spell values of a type. `data_type` is empty where the values stay text.

    word  of one value, and `words` of several: "date", "dates"
    """

    word: str
    words: str
    data_type: str = ""
    format: str = ""


TEXT = Spelling("other string", "other strings")
EMPTY = Spelling("empty string", "empty strings")
BLANK = Spelling("blank string", "blank strings")
NUL = Spelling("string with U+0000 or a lone surrogate", "strings with U+0000 or a lone surrogate")
DATE = Spelling("date", "dates", "date")
IMPOSSIBLE = Spelling("impossible date", "impossible dates")
LOOSE = Spelling("date or time in an unsupported format", "dates or times in an unsupported format")
UUID = Spelling("UUID", "UUIDs", "uuid")
UUID_UPPER = Spelling("UUID in capitals", "UUIDs in capitals")
INTEGER = Spelling("whole number in quotes", "whole numbers in quotes")
LONG = Spelling("whole number of more than 18 digits in quotes", "whole numbers in quotes, some of more than 18 digits")
ZEROS = Spelling("number with leading zeros", "numbers with leading zeros")
DECIMAL = Spelling("decimal number in quotes", "decimal numbers in quotes")
WORD = Spelling("boolean in quotes", "booleans in quotes")

_TIMES = {
    re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII): Spelling("time", "times", "time", ""),
    re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", re.ASCII): Spelling(
        "time with seconds", "times with seconds", "time", "HH:MM:SS"
    ),
    re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}", re.ASCII): Spelling(
        "time with milliseconds", "times with milliseconds", "time", "HH:MM:SS.sss"
    ),
}
_CLOCK = re.compile(r"([T ])([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{3}|\.\d{6})?(Z|\+00:00)?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_ZEROS = re.compile(r"0\d+", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LOOSE = re.compile(
    r"(\d{1,4}[-/]\d{1,2}[-/]\d{1,4}|\d{1,2}\.\d{1,2}\.\d{4}|\d{4}\.\d{1,2}\.\d{1,2})([T ].*)?"
    r"|\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp][Mm])?|\d{4}-\d\d-\d\d[T ].*",
    re.ASCII,
)
_FIRST = frozenset("0123456789-abcdefABCDEFt")
_LONE = re.compile("[\ud800-\udfff]")


def _moments() -> dict[tuple[str, str, str], Spelling]:
    found = {}
    for fraction, digits in (("", ""), (".sss", "3"), (".ssssss", "6")):
        for zone in ("Z", "+00:00"):
            written = f"YYYY-MM-DDTHH:MM:SS{fraction}{zone}"
            shown = "" if written == "YYYY-MM-DDTHH:MM:SS.sssZ" else written
            found["T", digits, zone] = _moment(written, "timestamptz", shown)
        for between in "T ":
            written = f"YYYY-MM-DD{between}HH:MM:SS{fraction}"
            shown = "" if written == "YYYY-MM-DDTHH:MM:SS" else written
            found[between, digits, ""] = _moment(written, "timestamp", shown)
    return found


def _moment(written: str, data_type: str, form: str) -> Spelling:
    return Spelling(f"timestamp ({written})", f"timestamps ({written})", data_type, form)


_MOMENTS = _moments()


def spelling(text: str) -> Spelling:
    """Return how a text is spelled."""
    if not text:
        return EMPTY
    if text[0] not in _FIRST:
        if text[0] in _BLANKS and not text.strip(_BLANKS):
            return BLANK
        return NUL if _holds_no_character(text) else TEXT
    length = len(text)
    if length > 40:
        return NUL if _holds_no_character(text) else TEXT
    if length >= 10 and text[4] == "-" and _DAY.match(text):
        return _dated(text)
    if length == 36 and text[8] == "-":
        return UUID if _UUID.fullmatch(text) else UUID_UPPER if _UUID.fullmatch(text.lower()) else TEXT
    if text[0].isdigit() or text[0] == "-":
        return _numeric(text)
    if text in ("true", "false"):
        return WORD
    return NUL if _holds_no_character(text) else TEXT


def _dated(text: str) -> Spelling:
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return IMPOSSIBLE if len(text) == 10 or text[10] in "T " else TEXT
    if len(text) == 10:
        return DATE
    clock = _CLOCK.fullmatch(text, 10)
    if clock:
        fraction = str(len(clock[3]) - 1) if clock[3] else ""
        found = _MOMENTS.get((clock[1], fraction, clock[4] or ""))
        if found:
            return found
    return LOOSE if text[10] in "T " else NUL if _holds_no_character(text) else TEXT


def _numeric(text: str) -> Spelling:
    number = _NUMBER.fullmatch(text)
    if number:
        if text in ("-0",) or (text[0] == "-" and not text.strip("-0.")):
            return TEXT
        return DECIMAL if number[2] else INTEGER if len(number[1]) <= 18 else LONG
    if _ZEROS.fullmatch(text):
        return ZEROS
    for pattern, found in _TIMES.items():
        if pattern.fullmatch(text):
            return found
    if _LOOSE.fullmatch(text):
        return LOOSE
    return NUL if _holds_no_character(text) else TEXT


def _holds_no_character(text: str) -> bool:
    return "\0" in text or (not text.isascii() and bool(_LONE.search(text)))
