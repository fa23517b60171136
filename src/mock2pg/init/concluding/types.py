"""The type of a column, from all of its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mock2pg.init.reading import spelled
from mock2pg.init.reading.profile import SHOWN, Values
from mock2pg.init.reading.roots import Number
from mock2pg.init.reading.spelled import Spelling
from mock2pg.text import counted

Place = Callable[[int], str]

_KINDS = {
    str: "string", int: "whole number", bool: "boolean", Number: "decimal number", dict: "object", list: "array",
}  # fmt: skip
_WRAPPERS = {"$numberInt": "integer", "$numberLong": "bigint", "$numberDecimal": "numeric", "$numberDouble": "numeric"}
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
        return Typed("text", "no value", doubts=("holds no value: declared as text",))
    if kinds == {bool}:
        return Typed("boolean", _all(total, "boolean"))
    if kinds <= {int, Number}:
        return _number(values, place)
    if kinds == {str}:
        return _text(values, place, wrapper)
    return several(values.kinds, f" ({_exceptions(values, place)})")


def several(kinds: Counter[type], where: str = "") -> Typed:
    """The type of a column with values of several kinds."""
    listed = ", ".join(sorted(counted(number, _KINDS[kind]) for kind, number in kinds.items() if kind in _KINDS))
    return Typed("jsonb", listed, doubts=(f"holds values of several kinds: {listed}: kept as jsonb{where}",))


def _exceptions(values: Values, place: Place) -> str:
    """Return the positions of the values of the rarest kind."""
    rare = min(values.kinds, key=lambda kind: (values.kinds[kind], _KINDS[kind]))
    number = values.kinds[rare]
    of_kind: list[object] = [rare] if rare is not str else list(values.spellings)
    rows = sorted(row for what in of_kind for row in values.where.get(what, ()))[:SHOWN]
    return f"{counted(number, _KINDS[rare])}: {_listed(rows, number, place)}"


def _number(values: Values, place: Place) -> Typed:
    total = values.values
    if not values.kinds[Number]:
        size = max(values.high + 1, -values.low)
        if size <= _INTEGER:
            return Typed("integer", _all(total, "whole number"))
        if size <= _BIGINT:
            return Typed("bigint", _all(total, "whole number beyond 32 bits", "whole numbers, some beyond 32 bits"))
        return Typed("numeric", _all(total, "whole number beyond 64 bits", "whole numbers, some beyond 64 bits"))
    decimals = f"{values.kinds[Number]:,} of {total:,} {'has' if values.kinds[Number] == 1 else 'have'} decimals"
    whole = max(abs(values.low), abs(values.high)) < 1 << 53
    if values.exponents and values.exact and whole:
        return Typed("double precision", f"{decimals}, some with an exponent; a double holds each exactly")
    return Typed("numeric", decimals)


def _text(values: Values, place: Place, wrapper: str) -> Typed:
    total, found = values.values, values.spellings
    if wrapper in _WRAPPERS and set(found) <= {spelled.INTEGER, spelled.DECIMAL, spelled.LONG}:
        whole = set(found) == {spelled.INTEGER}
        return Typed(_WRAPPERS[wrapper] if whole else "numeric", f"{total:,} of {total:,} are in {wrapper}", "text")
    most = max(found, key=lambda spelling: (found[spelling], spelling.words))
    if found[most] == total and most.data_type:
        return Typed(most.data_type, _all(total, most.word, most.words), most.format)
    same = found[most] == total and most is not spelled.TEXT
    words = (most.word, most.words) if same else ("string", "strings")
    return Typed("text", _all(total, *words), doubts=_why_text(values, place))


def _why_text(values: Values, place: Place) -> tuple[str, ...]:
    """Say why values are kept as text where a person might expect another type."""
    total, found = values.values, values.spellings
    all_of_them = "the only value looks" if total == 1 else f"all {total:,} values look"
    if set(found) <= {spelled.INTEGER, spelled.DECIMAL, spelled.ZEROS, spelled.LONG}:
        zeros = f", {found[spelled.ZEROS]:,} with leading zeros" if found[spelled.ZEROS] else ""
        return (f"{all_of_them} like {'a number' if total == 1 else 'numbers'}{zeros}: kept as text",)
    if set(found) == {spelled.WORD}:
        return (f"{all_of_them} like {'a boolean' if total == 1 else 'booleans'}: kept as text",)
    most = max(found, key=lambda spelling: (bool(spelling.data_type), found[spelling], spelling.words))
    if not most.data_type or found[most] < _NEARLY * total:
        most = max(found, key=lambda spelling: (found[spelling], spelling.words))
    if most in _STAYS and found[most] >= _NEARLY * total:
        return (f"{_are(found[most], total, most.word, most.words)}: kept as text ({_positions(values, most, place)})",)
    if not most.data_type or found[most] < _NEARLY * total:
        return ()
    others = sorted((one for one in found if one is not most), key=lambda one: (-found[one], one.words))
    listed = "; ".join(f"{counted_as(found[one], one)}: {_positions(values, one, place)}" for one in others)
    return (f"only {_are(found[most], total, most.word, most.words)}: kept as text ({listed})",)


_STAYS = (spelled.IMPOSSIBLE, spelled.LOOSE, spelled.UUID_UPPER)


def counted_as(number: int, spelling: Spelling) -> str:
    return f"{number:,} {spelling.word if number == 1 else spelling.words}"


def _positions(values: Values, spelling: Spelling, place: Place) -> str:
    return _listed(values.where.get(spelling, ()), values.spellings[spelling], place)


def _listed(rows: Sequence[int], number: int, place: Place) -> str:
    return ", ".join(map(place, rows)) + (", ..." if number > len(rows) else "")


def _all(total: int, word: str, words: str = "") -> str:
    return _are(total, total, word, words or f"{word}s")


def _are(number: int, total: int, word: str, words: str) -> str:
    article = "an" if word[0] in "aeio" else "a"
    return f"{number:,} of {total:,} {f'is {article} {word}' if number == 1 else f'are {words}'}"


def quoted(values: Values) -> str:
    """Return the type of which each text is the canonical one, but for empty ones; or nothing."""
    spellings = set(values.spellings) - {spelled.EMPTY}
    if set(values.kinds) != {str} or not spellings:
        return ""
    for data_type, these in (
        ("integer", {spelled.INTEGER}),
        ("numeric", {spelled.INTEGER, spelled.DECIMAL}),
        ("boolean", {spelled.WORD}),
    ):
        if spellings <= these:
            return data_type
    return spellings.pop().data_type if len(spellings) == 1 else ""
