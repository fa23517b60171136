"""The type of a column, from all of its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mock2pg.init import spelled
from mock2pg.init.profile import Values
from mock2pg.init.reading import Number
from mock2pg.init.spelled import Spelling
from mock2pg.text import counted

Place = Callable[[int], str]

_KINDS = {
    str: "texts", int: "whole numbers", bool: "booleans", Number: "decimal numbers", dict: "objects", list: "arrays",
}  # fmt: skip
_WRAPPERS = {
    "$numberInt": "integer", "$numberLong": "bigint", "$numberDecimal": "numeric", "$numberDouble": "double precision",
}  # fmt: skip
_INTEGER, _BIGINT = 1 << 31, 1 << 63
_NEARLY = 0.5  # of the texts are of one spelling: the others are exceptions


@dataclass(frozen=True)
class Typed:
    """A type with its evidence, and what a person should know about it."""

    data_type: str
    evidence: str
    format: str = ""
    doubts: tuple[str, ...] = ()


def concluded(values: Values, place: Place, wrapper: str = "") -> Typed:
    """Return the type of a column's values; `wrapper` is the last key of its path, such as `$numberLong`."""
    total = values.values
    kinds = set(values.kinds)
    if not total:
        return Typed("text", "no value", doubts=("holds no value: taken for text",))
    if kinds == {bool}:
        return Typed("boolean", _all(total, "booleans"))
    if kinds <= {int, Number}:
        return _number(values, place)
    if kinds == {str}:
        return _text(values, place, wrapper)
    rare = min(kinds, key=lambda kind: (values.kinds[kind], _KINDS[kind]))
    mixed = ", ".join(f"{values.kinds[kind]:,} {_KINDS[kind]}" for kind in sorted(kinds, key=lambda kind: _KINDS[kind]))
    doubt = f"values of several kinds: {mixed}: kept as jsonb ({_KINDS[rare]}: {_positions(values, rare, place)})"
    return Typed("jsonb", f"values of several kinds: {mixed}", doubts=(doubt,))


def _number(values: Values, place: Place) -> Typed:
    total = values.values
    if not values.kinds[Number]:
        size = max(values.high + 1, -values.low)
        if size <= _INTEGER:
            return Typed("integer", _all(total, "whole numbers"))
        if size <= _BIGINT:
            return Typed("bigint", _all(total, "whole numbers, some beyond 32 bits"))
        return Typed("numeric", _all(total, "whole numbers, some beyond 64 bits"))
    decimals = f"{counted(values.kinds[Number], 'decimal number')} of {total:,}"
    whole = max(abs(values.low), abs(values.high)) < 1 << 53
    if values.exponents and values.exact and whole:
        return Typed("double precision", f"{decimals}, some with an exponent, and each is exactly a double")
    return Typed("numeric", decimals)


def _text(values: Values, place: Place, wrapper: str) -> Typed:
    total = values.values
    most, number = max(values.spellings.items(), key=lambda item: (item[1], item[0].words))
    if number == total:
        if most.data_type:
            return Typed(most.data_type, _all(total, most.words), most.format)
        return _plain(values, most, wrapper)
    doubts = []
    if nul := values.spellings[spelled.NUL]:
        doubts.append(_refused(values, nul, place))
    if most.data_type and number >= _NEARLY * total:
        others = sorted(
            (found for found in values.spellings if found is not most),
            key=lambda found: (-values.spellings[found], found.words),
        )
        listed = "; ".join(
            f"{values.spellings[found]:,} {found.words}: {_positions(values, found, place)}" for found in others
        )
        doubts.append(f"{number:,} of {total:,} are {most.words}, but not all: kept as text ({listed})")
    elif not doubts and set(values.spellings) <= _NUMERIC:
        doubts.append(f"all {counted(total, 'value')} look like numbers: kept as text")
    return Typed("text", _all(total, "texts"), doubts=tuple(doubts))


_NUMERIC = {spelled.INTEGER, spelled.DECIMAL, spelled.ZEROS}


def _plain(values: Values, most: Spelling, wrapper: str) -> Typed:
    total = values.values
    if wrapper in _WRAPPERS and most in (spelled.INTEGER, spelled.DECIMAL):
        return Typed(_WRAPPERS[wrapper], f"{total:,} of {total:,} are in {wrapper}", "text")
    if most is spelled.NUL:
        return Typed("text", _all(total, "texts"), doubts=(_refused(values, total, lambda row: ""),))
    if most in _NUMERIC or most is spelled.WORD:
        what = "booleans" if most is spelled.WORD else "numbers"
        doubt = f"all {counted(total, 'value')} look like {what}: kept as text"
        return Typed("text", _all(total, most.words), doubts=(doubt,))
    if most in (spelled.IMPOSSIBLE, spelled.LOOSE):
        doubt = f"all {counted(total, 'value')} are {most.words}: kept as text"
        return Typed("text", _all(total, most.words), doubts=(doubt,))
    return Typed("text", _all(total, "texts"))


def _refused(values: Values, number: int, place: Place) -> str:
    return (
        f"{counted(number, 'text')} with U+0000 or a lone surrogate, which PostgreSQL cannot hold: the migration"
        f" refuses the row ({_positions(values, spelled.NUL, place)})"
    )


def _positions(values: Values, what: object, place: Place) -> str:
    rows = values.where.get(what, [])
    number = values.spellings[what] if isinstance(what, Spelling) else values.kinds[what]  # type: ignore[index]
    return ", ".join(map(place, rows)) + (", ..." if number > len(rows) else "")


def _all(total: int, words: str) -> str:
    return f"{total:,} of {total:,} are {words}"


def quoted(values: Values) -> str:
    """Return the type of which each value is the canonical text, though the source has it in quotes; or nothing."""
    if set(values.kinds) != {str}:
        return ""
    spellings = set(values.spellings)
    for data_type, these in (
        ("integer", {spelled.INTEGER}),
        ("numeric", {spelled.INTEGER, spelled.DECIMAL}),
        ("boolean", {spelled.WORD}),
    ):
        if spellings <= these:
            return data_type
    return ""
