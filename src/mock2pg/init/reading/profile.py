"""Every value of a column, reduced to what its type, key and references follow from. The second of two readings."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from mock2pg.init.reading.roots import LargeObject, Number
from mock2pg.init.reading.spelled import BLANK, EMPTY, Spelling, spelling
from mock2pg.spellings import DOUBLE_DIGITS

NONE = -(1 << 63)  # the mark of no value among the hashes
MOST_ALLOWED = 12  # values of a closed set
SHOWN = 3
_LONG = 200  # characters; a longer text is no key and no member of a closed set

_BOOL, _INT, _TEXT = bool, int, str


class Values:
    """The scalars of one column, in the order of the table's rows.

    hashes     of each row's value; NONE where there is none. An integer is its own
    kinds      values of each kind: str, int, bool, Number, list, dict
    spellings  texts of each spelling
    where      the first rows of each kind and spelling
    counts     how often each text appears, while there are few; None when there are more
    exact      every number is the shortest decimal of a double
    """

    __slots__ = (
        "counts", "exact", "exponents", "hashes", "high", "kinds", "longest", "low", "spellings", "where",
    )  # fmt: skip

    def __init__(self) -> None:
        self.hashes = array("q")
        self.kinds: Counter[type] = Counter()
        self.spellings: Counter[Spelling] = Counter()
        self.where: dict[object, list[int]] = {}
        self.counts: Counter[str] | None = Counter()
        self.low, self.high, self.longest, self.exponents, self.exact = 0, 0, 0, 0, True

    @property
    def rows(self) -> int:
        return len(self.hashes)

    @property
    def values(self) -> int:
        return self.kinds.total()

    @property
    def blank(self) -> int:
        """Texts that are empty or white space."""
        return self.spellings[EMPTY] + self.spellings[BLANK]

    def add(self, value: Any) -> None:
        """Take the value of the next row."""
        if value is None:
            self.hashes.append(NONE)
            return
        kind = type(value)
        if kind is _TEXT:
            self._text(value)
        elif kind is _INT:
            self.low = min(value, self.low) if self.kinds[_INT] else value
            self.high = max(value, self.high) if self.kinds[_INT] else value
            self._seen(_INT)
            self.hashes.append(value if NONE < value < -NONE else hash(str(value)))
        elif kind is _BOOL:
            self._seen(_BOOL)
            self.hashes.append(value)
        elif kind is Number:
            self._number(value)
        else:
            self._seen(dict if isinstance(value, dict) else list)
            self.hashes.append(0)

    def _seen(self, kind: type) -> None:
        number = self.kinds[kind]
        if number < SHOWN:
            self.where.setdefault(kind, []).append(len(self.hashes))
        self.kinds[kind] = number + 1

    def _text(self, value: str) -> None:
        found = spelling(value)
        number = self.spellings[found]
        if number < SHOWN:
            self.where.setdefault(found, []).append(len(self.hashes))
        self.spellings[found] = number + 1
        self.kinds[_TEXT] += 1
        length = len(value)
        if length > self.longest:
            self.longest = length
        counts = self.counts
        if counts is not None:
            counts[value] += 1
            if len(counts) > MOST_ALLOWED or length > _LONG:
                self.counts = None
        self.hashes.append(hash(value))

    def _number(self, value: Number) -> None:
        self._seen(Number)
        text = str(value)
        self.hashes.append(hash(text))
        if "e" in text or "E" in text:
            self.exponents += 1
            self.exact = self.exact and shortest(text)
        elif len(text) > DOUBLE_DIGITS and self.exact:
            self.exact = shortest(text)


def shortest(text: str) -> bool:
    """Return whether a double keeps the number: it is the shortest decimal that names one."""
    try:
        return Decimal(repr(float(text))) == Decimal(text)
    except (InvalidOperation, OverflowError, ValueError):
        return False


class Json:
    """The values of a column that is kept as jsonb, or as an array."""

    __slots__ = ("rows", "values")

    def __init__(self) -> None:
        self.rows = self.values = 0

    def add(self, value: Any) -> None:
        self.rows += 1
        self.values += value is not None


Get = Callable[[Any], Any]


def getter(steps: Sequence[str]) -> Get:
    """Return a function that finds the value under keys in a row; None where there is none."""
    if len(steps) == 1:
        key = steps[0]
        return lambda row: row.get(key)

    def get(row: Any) -> Any:
        for step in steps:
            if not isinstance(row, dict | LargeObject):
                return None
            row = row.get(step)
        return row

    return get
