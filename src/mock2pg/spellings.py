"""The types of columns, and how JSON spells their values: declared once, for staging, for the row hash and for `init`.

A value fits a type when what the type keeps of it leads back to it: nothing is rounded, and nothing guessed. A string
that is to be a date, a time or a number has one of the formats below, whole, so that it can be written again as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MINUTES = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = f"{_MINUTES}:[0-5][0-9]"
_TIMES = {
    "HH:MM:SS.sss": rf"{_SECONDS}[.][0-9]{{3}}",
    "HH:MM:SS": _SECONDS,
    "HH:MM:SS.ssssss": rf"{_SECONDS}[.][0-9]{{6}}",
}
_LOCAL = {
    f"YYYY-MM-DD{between}{name}": f"{_DATE}{between}{_TIMES[name]}"
    for between in "T "
    for name in ("HH:MM:SS", "HH:MM:SS.sss", "HH:MM:SS.ssssss")
}
_IN_UTC = {
    f"YYYY-MM-DDT{name}{zone}": f"{_DATE}T{pattern}{pattern_of_zone}"
    for zone, pattern_of_zone in (("Z", "Z"), ("+00:00", "[+]00:00"))
    for name, pattern in _TIMES.items()
}

TEXT = "text"  # the format of a number or a boolean that is in a JSON string

# Each type's formats, and the regular expression of a string that has it (whole; for Python and for DuckDB's RE2). The
# first is the default. A number and a boolean have none by default: they are JSON's own.
FORMATS: dict[str, dict[str, str]] = {
    "text": {},
    "boolean": {TEXT: "true|false"},
    "integer": {TEXT: "0|-?[1-9][0-9]*"},
    "bigint": {TEXT: "0|-?[1-9][0-9]*"},
    "numeric": {TEXT: "-?(0|[1-9][0-9]*)([.][0-9]+)?"},  # and no -0
    # the decimals that PostgreSQL prints of a double in the same way: up to 15 digits, and no exponent
    "double precision": {TEXT: "0|-?([1-9][0-9]{0,14}|[1-9][0-9]*[.][0-9]*[1-9]|0[.]0{0,3}[1-9]([0-9]*[1-9])?)"},
    "date": {"YYYY-MM-DD": _DATE},
    "time": {"HH:MM": _MINUTES, "HH:MM:SS": _SECONDS, "HH:MM:SS.sss": _TIMES["HH:MM:SS.sss"]},
    "timestamp": _LOCAL,
    "timestamptz": _IN_UTC,
    "uuid": {"": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"},
    "jsonb": {},
}
DOUBLE_DIGITS = 15  # of a decimal that is a double's own, whatever they are
WHOLE, FRACTION = 131072, 16383  # the digits that PostgreSQL's numeric holds before and after the point
PRECISION = 1000  # and the most that may be declared
BOUNDS = {"integer": 2**31, "bigint": 2**63}

_ALIASES = {
    "int": "integer", "int4": "integer", "int8": "bigint", "decimal": "numeric", "float8": "double precision",
    "bool": "boolean", "character varying": "text", "varchar": "text", "time without time zone": "time",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
}  # fmt: skip
_IN_CATALOGUE = {
    "time": "time without time zone", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}  # fmt: skip
_NUMERIC = re.compile(r"numeric\(([1-9][0-9]{0,3})(?:,(0|[1-9][0-9]{0,3}))?\)")
_NAMES = ("text", "boolean", "integer", "bigint", "numeric", "numeric(p,s)", "double precision", "date", "time",
          "timestamp", "timestamptz", "uuid", "jsonb")  # fmt: skip
NAMES = f"{', '.join(_NAMES)}, or an array of one of these but jsonb: text[]"


@dataclass(frozen=True)
class DataType:
    """A type's parts.

    scalar     one of FORMATS: of an array its elements' type
    array      it is an array of them
    precision  of numeric(p,s) the digits that it keeps, and those after the point
    """

    scalar: str
    array: bool = False
    precision: tuple[int, int] | None = None

    @property
    def element(self) -> str:
        """The name of the scalar type."""
        return f"{self.scalar}({self.precision[0]},{self.precision[1]})" if self.precision else self.scalar

    @property
    def in_catalogue(self) -> str:
        """Its name as PostgreSQL's format_type gives it."""
        return _IN_CATALOGUE.get(self.scalar, self.element) + ("[]" if self.array else "")

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that may be declared."""
        return tuple(name for name in FORMATS[self.scalar] if name)

    def pattern(self, form: str) -> str | None:
        """The regular expression of a string of that format; of "", of the default. None for JSON's own values."""
        found = FORMATS[self.scalar]
        if form:
            return found[form]
        return None if TEXT in found else next(iter(found.values()), None)

    def spelling(self, form: str) -> str:
        """The format by its name, the default's where none is declared."""
        return form or ("" if TEXT in FORMATS[self.scalar] else next(iter(FORMATS[self.scalar]), ""))


@lru_cache(maxsize=256)
def data_type(name: str) -> DataType:
    """Return the parts of a type. Raises ValueError for a type that is none of NAMES."""
    element = name.removesuffix("[]")
    array = element != name
    if found := _NUMERIC.fullmatch(element):
        digits, scale = int(found[1]), int(found[2] or 0)
        if digits <= PRECISION and scale <= digits:
            return DataType("numeric", array, (digits, scale))
    elif element in FORMATS and not (array and element == "jsonb"):
        return DataType(element, array)
    raise ValueError(f"{name} is not one of {NAMES}")


def contract_type(name: str) -> str:
    """Return a type by the name that it has here, of one that PostgreSQL knows it by. Raises ValueError for another."""
    element = name.lower().removesuffix("[]")
    word, bracket, rest = element.partition("(")
    known = _ALIASES.get(word.strip(), word.strip()) + bracket + rest.replace(" ", "")
    known += "[]" if name.endswith("[]") else ""
    data_type(known)
    return known


def is_alike(name: str, in_catalogue: str) -> bool:
    """Return True when a column of the catalogue's type shows its values as the type does, whatever digits it keeps."""
    own = data_type(name)
    if own.scalar != "numeric":
        return in_catalogue == own.in_catalogue
    return re.fullmatch(r"numeric([(].*[)])?" + (r"\[\]" if own.array else ""), in_catalogue) is not None


def fits(text: str, type_name: str, form: str = "") -> bool:
    """Return True when a column of the type and format keeps a JSON string; of an array: as an element."""
    if re.search("[\0\ud800-\udfff]", text):
        return False  # which PostgreSQL's text cannot hold
    kind = data_type(type_name)
    if kind.scalar in ("text", "jsonb"):
        return True
    pattern = kind.pattern(form)
    if pattern is None or not re.fullmatch(pattern, text):
        return False
    if kind.scalar in ("date", "timestamp", "timestamptz"):
        return _is_date(text[:10])
    return kind.scalar in ("boolean", "time", "uuid") or _is_canonical(text, kind)


def number_fits(text: str, type_name: str) -> bool:
    """Return True when a column of the type keeps a JSON number, as it is spelled; of an array: as an element."""
    kind = data_type(type_name)
    if kind.scalar in BOUNDS:
        bound = BOUNDS[kind.scalar]
        return re.fullmatch("-?[0-9]{1,19}", text) is not None and -bound <= int(text) < bound
    if kind.scalar == "numeric":
        return plain(decimal(text), kind.precision) is not None
    if kind.scalar == "double precision":
        return exact_double(decimal(text)) is not None
    return kind.scalar == "jsonb" and plain(decimal(text)) is not None


def decimal(text: str) -> Decimal:
    """A number as JSON spells it; NaN for an exponent beyond all measure."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def plain(number: Decimal, precision: tuple[int, int] | None = None) -> str | None:
    """The digits of a number without an exponent, as PostgreSQL's numeric prints it; None when it cannot keep them."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -FRACTION or (number and number.adjusted() >= WHOLE):
        return None
    text = format(number or abs(number), "f")
    if precision:
        digits, scale = precision
        whole, _, fraction = text.lstrip("-").partition(".")
        if len(whole.lstrip("0")) > digits - scale or len(fraction.rstrip("0")) > scale:
            return None
    return text


def exact_double(number: Decimal) -> float | None:
    """The double that keeps the number, which is it or the shortest decimal that names it; else None."""
    if number.is_nan():
        return None
    double = float(number)
    return double if isfinite(double) and number in (Decimal(repr(double)), Decimal(double)) else None


def _is_canonical(text: str, kind: DataType) -> bool:
    """Return True when the number that a string holds is printed as that string."""
    if kind.scalar in BOUNDS:
        return number_fits(text, kind.scalar)
    if kind.scalar == "double precision":
        return len(text.replace("-", "").replace(".", "")) <= DOUBLE_DIGITS
    if kind.precision and len(text.partition(".")[2]) != kind.precision[1]:
        return False
    return plain(decimal(text), kind.precision) == text  # -0 is printed as 0


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).year > 0
    except ValueError:
        return False
