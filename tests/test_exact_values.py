"""Every JSON value arrives exactly or is refused: random documents, staged and migrated, against an oracle."""

from __future__ import annotations

import datetime
import json
import re
import struct
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import ValidationError
from mock2pg.postgres.server import Server
from mock2pg.source import documents, staging
from mock2pg.staged_tables import SourceColumn, SourceTable
from tests.fix_postgres import new_database
from tests.fix_small import DBT_PROJECT
from tests.fix_staging import of_arrays

TYPES = {
    "words": "text", "whole": "integer", "number": "double precision", "flag": "boolean", "day": "date",
    "moment": "time", "list": "text[]", "tree": "jsonb", "long": "bigint", "exact": "numeric", "price": "numeric(10,2)",
    "seen": "timestamptz", "planned": "timestamp", "token": "uuid", "counts": "integer[]", "amounts": "numeric[]",
    "shares": "double precision[]", "stays": "timestamptz[]", "quoted": "bigint", "fee": "numeric(10,2)",
}  # fmt: skip
FORMS = {"quoted": "text", "fee": "text", "stays": "YYYY-MM-DDTHH:MM:SSZ"}

# A made-up entity: things, and in each thing its parts; both have a column of every type.
OWN = tuple(SourceColumn(name, kind, name, format=FORMS.get(name, "")) for name, kind in TYPES.items())
THINGS = SourceTable("things", "things", (SourceColumn("id", "text", "id"), *OWN))
PARTS = SourceTable(
    "parts",
    "things[].parts[]",
    (
        SourceColumn("id", "text", "id", uuid5=("thing_id", "code")),
        SourceColumn("thing_id", "text", "things[].id"),
        SourceColumn("thing_number", "double precision", "things[].number"),
        SourceColumn("thing_tree", "jsonb", "things[].tree"),
        SourceColumn("code", "text", "code"),
        *OWN,
    ),
)
TABLES = (THINGS, PARTS)

Json = Any  # null, booleans and strings as Python has them; Number, Members and lists for the rest


# The oracle: what JSON says, and what each type can hold of it.


class Number(NamedTuple):
    """A JSON number as it is spelled."""

    text: str


class Members(NamedTuple):
    """A JSON object with all its members, also those that stand twice."""

    pairs: tuple[tuple[str, Json], ...]


class Refused(NamedTuple):
    """A value that a column cannot hold."""


REFUSED = Refused()


def parsed(text: str) -> Json:
    return json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=lambda pairs: Members(tuple(pairs)))


def is_unicode(value: Json) -> bool:
    """Return True for a string of characters other than U+0000; half of a surrogate pair is none."""
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)


def integer(value: Json, bits: int = 32) -> int | Refused:
    if isinstance(value, Number) and re.fullmatch("-?[0-9]{1,19}", value.text):
        found = int(value.text)
        return found if -(2 ** (bits - 1)) <= found < 2 ** (bits - 1) else REFUSED
    return REFUSED


def numeric(value: Json) -> Decimal | Refused:
    return Decimal(value.text) if isinstance(value, Number) and not beyond_numeric(value.text) else REFUSED


def cents(value: Json) -> Decimal | Refused:
    """A numeric(10,2)."""
    found = numeric(value)
    hundredths = Fraction(0) if isinstance(found, Refused) else Fraction(found) * 100
    return found if hundredths.denominator == 1 and abs(hundredths) < 10**10 else REFUSED


def quoted(value: Json, pattern: str, read: Callable[[Json], Any]) -> Any:
    """A number in a JSON string, with one spelling for each."""
    return read(Number(value)) if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) else REFUSED


def moment(value: Json, pattern: str) -> datetime.datetime | Refused:
    """A date and a time of day, as UTC."""
    found = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
    if found is None or date(found[1]) is REFUSED:
        return REFUSED
    hour, minute, second = (int(part) for part in found[2].split(":"))
    if hour > 23 or minute > 59 or second > 59:
        return REFUSED
    fraction = int(found[3] or 0) * 1000 if found.re.groups > 2 else 0
    day = datetime.date.fromisoformat(found[1])
    return datetime.datetime.combine(day, datetime.time(hour, minute, second, fraction), datetime.UTC)


def elements(value: Json, read: Callable[[Json], Any]) -> Any:
    found = [read(item) for item in value] if isinstance(value, list) else [REFUSED]
    return REFUSED if any(item is REFUSED for item in found) else found


def double(value: Json) -> bytes | Refused:
    """The bits of the double that is the number itself, or whose shortest name the number is."""
    if not isinstance(value, Number):
        return REFUSED
    found = float(value.text)
    mantissa = re.split("[eE]", value.text)[0]
    if found == 0:
        exact = not re.search("[1-9]", mantissa)
    else:
        exact = abs(found) < float("inf") and Fraction(Decimal(value.text)) in (Fraction(found), shortest(found))
    return struct.pack(">d", found) if exact else REFUSED


def shortest(number: float) -> Fraction:
    """The decimal of the fewest digits that reads as this double; of several, the nearest."""
    own = Fraction(number)
    for digits in range(17):
        rounded, exponent = f"{number:.{digits}e}".split("e")
        last = Fraction(10) ** (int(exponent) - digits)
        nearest = Fraction(rounded) * Fraction(10) ** int(exponent)
        fit = [decimal for step in (-1, 0, 1) if reads_as(decimal := nearest + step * last, number)]
        if fit:
            return min(fit, key=lambda decimal: abs(decimal - own))
    raise AssertionError("17 digits name every double")


def reads_as(decimal: Fraction, number: float) -> bool:
    try:
        return decimal.numerator / decimal.denominator == number  # rounded once, as a literal is
    except OverflowError:
        return False


def date(value: Json) -> datetime.date | Refused:
    if isinstance(value, str) and (found := re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})", value)):
        try:
            return datetime.date(*map(int, found.groups()))
        except ValueError:
            pass
    return REFUSED


def time(value: Json) -> datetime.time | Refused:
    if isinstance(value, str) and (found := re.fullmatch("([0-9]{2}):([0-9]{2})", value)):
        hour, minute = map(int, found.groups())
        return datetime.time(hour, minute) if hour < 24 and minute < 60 else REFUSED
    return REFUSED


def jsonb(value: Json, levels: int = 100, any_number: bool = False) -> Json:
    """The value with its numbers as decimals, each with its scale, and its objects as dicts."""
    if isinstance(value, Number):
        return REFUSED if beyond_numeric(value.text) and not any_number else (Decimal(value.text), scale(value.text))
    if isinstance(value, str):
        return value if is_unicode(value) else REFUSED
    if not isinstance(value, Members | list):
        return value
    found = [item for _, item in value.pairs] if isinstance(value, Members) else value
    items = [jsonb(item, levels - 1, any_number) for item in found]
    if levels == 0 or any(item is REFUSED for item in items):
        return REFUSED
    if isinstance(value, list):
        return items
    keys = [key for key, _ in value.pairs]
    sound = len(set(keys)) == len(keys) and all(map(is_unicode, keys))
    return dict(zip(keys, items, strict=True)) if sound else REFUSED


def beyond_numeric(number: str) -> bool:
    """PostgreSQL's numeric has 131072 digits before the point and 16383 after it."""
    whole, _, rest = re.sub("[eE].*", "", number.lstrip("-")).partition(".")
    significant = (whole + rest).lstrip("0")
    return scale(number) > 16383 or (significant != "" and len(significant) - len(rest) + exponent(number) > 131072)


def scale(number: str) -> int:
    """Return the number of digits that numeric keeps after the point."""
    return max(0, len(re.sub("[eE].*", "", number).partition(".")[2]) - exponent(number))


def exponent(number: str) -> int:
    return int([*re.split("[eE]", number), "0"][1])


DAY_AND_TIME = r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)"
ORACLE: dict[str, Callable[[Json], Any]] = {
    "words": lambda value: value if is_unicode(value) else REFUSED,
    "whole": integer,
    "number": double,
    "flag": lambda value: value if isinstance(value, bool) else REFUSED,
    "day": date,
    "moment": time,
    "list": lambda value: value if isinstance(value, list) and all(map(is_unicode, value)) else REFUSED,
    "tree": jsonb,
    "long": lambda value: integer(value, 64),
    "exact": numeric,
    "price": cents,
    "seen": lambda value: moment(value, DAY_AND_TIME + r"\.(\d{3})Z"),
    "planned": lambda value: moment(value, DAY_AND_TIME),
    "token": lambda value: (
        value
        if isinstance(value, str) and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value)
        else REFUSED
    ),
    "counts": lambda value: elements(value, integer),
    "amounts": lambda value: elements(value, numeric),
    "shares": lambda value: elements(value, double),
    "stays": lambda value: elements(value, lambda item: moment(item, DAY_AND_TIME + "Z")),
    "quoted": lambda value: quoted(value, "0|-?[1-9][0-9]{0,18}", lambda number: integer(number, 64)),
    "fee": lambda value: quoted(value, r"(?!-0\.00)-?(0|[1-9][0-9]*)\.[0-9]{2}", cents),
}  # fmt: skip


def held(name: str, value: Json) -> Any:
    """Return what a column holds of a value; None for null, REFUSED when it can hold none of it."""
    return None if value is None else ORACLE[name](value)


def read_back(name: str, cell: Any) -> Any:
    """A cell of DuckDB's or PostgreSQL's in the oracle's terms."""
    if isinstance(cell, list):
        return [read_back(name, item) for item in cell]
    if isinstance(cell, float):
        return struct.pack(">d", cell)
    if isinstance(cell, datetime.datetime):
        return cell.replace(tzinfo=datetime.UTC) if cell.tzinfo is None else cell.astimezone(datetime.UTC)
    if isinstance(cell, str) and "numeric" in TYPES[name]:
        return Decimal(cell)  # staged as text
    if isinstance(cell, uuid.UUID):
        return str(cell)
    return jsonb(parsed(cell), 10**6) if cell is not None and TYPES[name] == "jsonb" else cell


# The strategies: JSON as text, in every spelling.

SPACE = st.sampled_from(["", " ", "\n", "\t", "\r\n", "  \n "])
SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
ODD = "אبד\u202e\u200f\u0301e\u0308é\u2028\ufeff\ufffe\uffff\ufdd0\x7f\x01\x1f\U00010000👨\u200d\U0010ffff'\"\\/,{}$"
NO_TEXT = ['"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"a\\uDFFFb"', '"\\udc00\\ud800"', '"\\ud83d\\u0041"']


def spelled(text: str, forms: int = 0) -> str:
    """A JSON string; two bits of `forms` say for each character in turn how it is written."""
    if not forms:  # a million characters, of which few are written in another way
        return '"' + re.sub('["\\\\\x00-\x1f]', lambda found: character_as(0, found[0]), text) + '"'
    return '"' + "".join(character_as(forms >> 2 * (at % 8) & 3, each) for at, each in enumerate(text)) + '"'


def character_as(form: int, character: str) -> str:
    """As it is or with a short escape (0, 3), as `\\u` with lower or upper digits (1, 2)."""
    if form in (0, 3) and (character in SHORT and (form == 3 or character in '"\\')):
        return SHORT[character]
    if form in (0, 3) and character >= " ":
        return character
    encoded = character.encode("utf-16-be")
    units = struct.unpack(f">{len(encoded) // 2}H", encoded)
    return "".join(f"\\u{unit:04X}" if form == 2 else f"\\u{unit:04x}" for unit in units)


def respelled(number: Decimal, how: int) -> str:
    """Write a number in another notation."""
    sign, digits, power = number.as_tuple()
    whole, minus = "".join(map(str, digits)), "-" * sign
    plain = format(number, "f")
    return (
        plain,
        f"{plain}{'' if '.' in plain else '.'}0000000000000000000000",
        f"{number:E}",
        f"{minus}{whole.lstrip('0') or '0'}e{power}",
        f"{minus}0.{whole}E{int(power) + len(digits):+}",
    )[how]


def misspelled(number: float, digit: int) -> Decimal:
    """The double's name with one digit more."""
    sign, digits, power = Decimal(repr(number)).as_tuple()
    return Decimal((sign, (*digits, digit), int(power) - 1))


def array(items: Sequence[str], space: str = "") -> str:
    return f"[{space}{f'{space},{space}'.join(items)}{space}]"


def members(pairs: Sequence[tuple[str, str]], space: str = "") -> str:
    return f"{{{space}{f',{space}'.join(f'{key}{space}:{space}{text}' for key, text in pairs)}{space}}}"


def plain(pairs: Sequence[tuple[str, str]]) -> str:
    """An object whose keys are not spelled yet."""
    return members([(spelled(name), text) for name, text in pairs], " ")


Texts = st.SearchStrategy[str]


def strings(text: Texts) -> Texts:
    return st.builds(spelled, text, st.integers(0, 2**16 - 1))


def arrays(items: Texts) -> Texts:
    return st.builds(array, st.lists(items, max_size=4), SPACE)


def below(levels: int) -> list[str]:
    """Values that are nested as deep as that."""
    return ["[" * levels + "]" * levels, '{"a":' * levels + "0" + "}" * levels]


CHARACTERS = st.characters(min_codepoint=1, exclude_categories=["Cs"]) | st.sampled_from(ODD)
MARKED = ["e\u0301 é", "A\u030a Å", "\u1100\u1161 가", "\u202eשלום \u200f!", "\\u0000", "NULL", "\\N", "-0", '{"a":1}']
SOUND_STRINGS = strings(st.text(CHARACTERS, max_size=8) | st.sampled_from(MARKED))
STRINGS = SOUND_STRINGS | SOUND_STRINGS | st.sampled_from(NO_TEXT)
POWERS = [2**31, 2**53, 2**60, 2**63, 2**64, 2**70, 10**15, 10**16, 10**17, 10**22, 10**23]
EDGES = [sign * (power + step) for power in POWERS for step in (-1, 0, 1) for sign in (1, -1)]
HUGE = [
    "1e400", "-1e400", "1e-400", "0e400", "-0", "-0.0", "-0e1", "5e-324", "3e-324", "1.7976931348623159e308",
    "1e131071", "1e131072", "-0.01e131074", "1e-16383", "10e-16384", "0e131072", "0.00e200000", "0e-16384",
    "1e999999999", "-1e-999999999", "1" * 400, "1152921504606847000", "5.684341886080802e-14",
]  # fmt: skip
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = FLOATS.map(lambda number: Decimal(repr(number)))
NOTATIONS = st.integers(0, 4)
NUMBERS = st.one_of(
    st.integers(-(2**33), 2**33).map(str),
    st.builds(respelled, st.sampled_from(EDGES).map(Decimal), NOTATIONS),
    st.builds(respelled, NAMES | FLOATS.map(Decimal), NOTATIONS),
    st.builds(respelled, st.builds(misspelled, FLOATS, st.integers(0, 9)), NOTATIONS),
    st.from_regex("-?(0|[1-9][0-9]{0,30})([.][0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(HUGE),
)
KEYS = st.sampled_from(['"a"', '"\\u0061"', '"aa"', '"B"', '"é"', '"e\\u0301"', '""']) | STRINGS
ANYTHING = st.recursive(
    st.sampled_from(["null", "true", "false"]) | NUMBERS | STRINGS,
    lambda inner: arrays(inner) | st.builds(members, st.lists(st.tuples(KEYS, inner), max_size=4), SPACE),
    max_leaves=6,
)
DATES, TIMES = st.dates().map(str), st.times().map(lambda moment: f"{moment:%H:%M}")
NO_DATES = [
    "0000-01-01",
    "10000-01-01",
    "2024-1-1",
    "2024-01-01T00:00",
    "٢٠٢٤-٠١-٠١",
    "today",
    "infinity",
    "2023-02-29",
]
NO_TIMES = ["24:00", "9:05", "09:05:00", "09:05 AM", "٠٩:٠٥", "now", "", "-1:00", "12:60"]
MOMENTS = st.datetimes() | st.sampled_from([datetime.datetime.min, datetime.datetime.max])  # noqa: DTZ901
LOCAL = MOMENTS.map(lambda moment: moment.isoformat(timespec="seconds"))
MILLISECONDS = MOMENTS.map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
NO_MOMENTS = [
    "2024-02-29T24:00:00.000Z", "2023-02-29T00:00:00.000Z", "2016-12-31T23:59:60.000Z", "0000-01-01T00:00:00.000Z",
    "2024-01-01", "infinity", "2024-01-01T00:00:00.000+01:00", "2024-01-01t00:00:00.000z", "2024-01-01 00:00:00",
    "10000-01-01T00:00:00", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.0000Z", "٢٠٢٤-٠١-٠١T00:00:00",
]  # fmt: skip
CENTS = st.integers(-(10**10) - 9, 10**10 + 9).map(lambda number: Decimal(number).scaleb(-2))
UUIDS = st.uuids().map(str)
NO_NUMBERS = ["007", "-0", "+1", "1e2", "1.0", "", "NaN", "0x1", "1_000", "9223372036854775808", "-0.00", "1.5", "٧.٠٠"]
NUMBERS_IN_TEXT = st.sampled_from(NO_NUMBERS)
OF_KIND = {
    "words": STRINGS,
    "whole": NUMBERS,
    "number": NUMBERS,
    "flag": st.sampled_from(["true", "false"]),
    "day": strings(DATES | st.sampled_from(NO_DATES)),
    "moment": strings(TIMES | st.sampled_from(NO_TIMES)),
    "list": arrays(STRINGS),
    "tree": st.one_of(ANYTHING, ANYTHING, ANYTHING, st.sampled_from([*below(99), *below(100), *below(101)])),
    "long": NUMBERS,
    "exact": NUMBERS,
    "price": st.builds(respelled, CENTS | st.integers(-999, 999).map(lambda n: Decimal(n).scaleb(-3)), NOTATIONS),
    "seen": strings(MILLISECONDS | st.sampled_from(NO_MOMENTS)),
    "planned": strings(LOCAL | st.sampled_from(NO_MOMENTS)),
    "token": strings(UUIDS | UUIDS.map(str.upper) | st.uuids().map(lambda found: found.hex)),
    "counts": arrays(st.integers(-(2**31), 2**31 - 1).map(str)) | arrays(NUMBERS),
    "amounts": arrays(NUMBERS),
    "shares": arrays(st.builds(respelled, NAMES, NOTATIONS)) | arrays(NUMBERS),
    "stays": arrays(strings(LOCAL.map("{}Z".format))) | arrays(strings(st.sampled_from(NO_MOMENTS)) | st.just("null")),
    "quoted": strings(st.integers(-(2**63), 2**63 - 1).map(str) | NUMBERS_IN_TEXT),
    "fee": strings(CENTS.map("{:.2f}".format) | NUMBERS_IN_TEXT),
}
STRAYS = ["1", "1e999999", "{}", '"\\ud800"', '[{"\\u0000":1}]', '{"a":1,"\\u0061":2}', *below(100), *below(101)]


@st.composite
def objects(draw: st.DrawFn, more: Sequence[tuple[str, str]] = ()) -> str:
    """An object with most of the columns, in any order; now and then a key is unknown or a duplicate."""
    names = draw(st.permutations(list(TYPES)))[: draw(st.integers(4, len(TYPES)))]
    names += draw(st.sampled_from([[]] * 6 + [["stray"], names[:1], ["stray", "stray"], ["\ufffe"], ["\0"]]))
    pairs = [(draw(keys(name)), draw(values(name))) for name in names]
    return members([*pairs, *more], draw(SPACE))


def keys(name: str) -> Texts:
    return st.sampled_from([spelled(name), spelled(name), spelled(name, 1), spelled(name, 2 << 4)])


def values(name: str) -> Texts:
    """The values that may be under a key, right or wrong."""
    if name not in TYPES:
        return st.sampled_from(STRAYS)
    return st.one_of(OF_KIND[name], OF_KIND[name], OF_KIND[name], ANYTHING)


@st.composite
def rows(draw: st.DrawFn) -> str:
    """A thing, with its parts."""
    parts = array(draw(st.lists(objects(), max_size=2)), draw(SPACE))
    return draw(objects([('"parts"', parts)]))


# A failing document is printed as it was found: to make it smaller takes minutes, and the message names the cell.
PROPERTY = settings(
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
printed_whole = pytest.mark.filterwarnings("ignore:Generating overly large repr")


# Read and stage: every cell of random documents, right and wrong.


def staged(text: str, form: str) -> dict[str, list[dict[str, Any]]]:
    """Read and stage things, as a file of a folder or in one document; the rows of each table."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / ("things.json" if form == "folder" else "document.json")
        file.write_text(text if form == "folder" else f'{{"things":{text}}}', encoding="utf-8", newline="")
        document = documents.read(folder if form == "folder" else file, of_arrays(["things"]), folder / "arrays")
        assert document.faults == ()
        staging.stage(folder / "staging.duckdb", document.arrays, TABLES)
        with staging.opened(folder / "staging.duckdb", read_only=True) as connection:
            found = {}
            for table in TABLES:
                cells = connection.execute(f'SELECT * FROM "{table.name}" ORDER BY _row')
                names = [column for column, *_ in cells.description]
                found[table.name] = [dict(zip(names, row, strict=True)) for row in cells.fetchall()]
            return found


@dataclass(frozen=True)
class Fate:
    """The cells and the errors that an object must give."""

    cells: Mapping[str, Any]
    unfit: frozenset[str]
    unknown: frozenset[str]


def fate(found: Members, declared: Sequence[str]) -> Fate:
    names = [key for key, _ in found.pairs]
    twice = {name for name in names if names.count(name) > 1}
    cells = dict.fromkeys(set(TYPES) - twice) | {
        key: held(key, value) for key, value in found.pairs if key in TYPES and key not in twice
    }
    strays = [(key, value) for key, value in found.pairs if key not in declared]
    unsound = [key for key, value in strays if not is_unicode(key) or jsonb(value, any_number=True) is REFUSED]
    unfit = {name for name, cell in cells.items() if cell is REFUSED} | (twice & set(declared))
    if unsound or twice - set(declared):
        unfit.add("*")
    return Fate(cells, frozenset(unfit), frozenset(key for key, _ in strays))


def compare(row: Mapping[str, Any], found: Members, declared: Sequence[str]) -> None:
    expected = fate(found, declared)
    assert (frozenset(row["_unfit"]), frozenset(row["_unknown"])) == (expected.unfit, expected.unknown), found
    for name, cell in expected.cells.items():
        assert same(name, row[name], cell), (name, found)


def same(name: str, cell: Any, expected: Any) -> bool:
    """Return True when a cell of a database is what the oracle says, and of its type."""
    wanted = None if expected is REFUSED else expected
    found = read_back(name, cell)
    return type(found) is type(wanted) and found == wanted


@printed_whole
@settings(PROPERTY, max_examples=3)
@given(things=st.lists(rows(), min_size=8, max_size=16), form=st.sampled_from(["folder", "document"]))
def test_what_is_exact_is_kept_and_nothing_else(things: list[str], form: str) -> None:
    """Of any JSON value a column keeps exactly what its type can hold; otherwise it is empty and marked."""
    found = staged(array(things, "\n"), form)
    wanted = [parsed(thing) for thing in things]
    for row, thing in zip(found["things"], wanted, strict=True):
        compare(row, thing, [*TYPES, "parts"])
    parts = [(thing, part) for thing in wanted for part in dict(thing.pairs)["parts"]]
    for row, (thing, part) in zip(found["parts"], parts, strict=True):
        compare(row, part, [*TYPES, "code"])
        cells = fate(thing, [*TYPES, "parts"]).cells
        for name in {"number", "tree"} & set(cells):
            assert same(name, row[f"thing_{name}"], cells[name]), (f"thing_{name}", thing)


# The named cases.

EVERY_CHARACTER = "".join(map(chr, (*range(1, 0xD800), *range(0xE000, sys.maxunicode + 1))))
LONG = "a long text, " * 80_000
EXACT_TENTH = format(Decimal.from_float(0.1), "f")


class Case(NamedTuple):
    """A value of one column; `said` is what the check says of it, empty when it is kept."""

    named: str
    column: str
    text: str
    said: str = ""


SAID = {
    "words": "text: a JSON string", "whole": "a whole JSON number (32 bits)", "number": "a JSON number",
    "flag": "true or false", "day": "a date: a JSON string YYYY-MM-DD", "moment": "a time of day: a JSON string HH:MM",
    "list": "a list of texts: a JSON array of strings", "tree": "a JSON value", "long": "a whole JSON number (64 bits)",
    "exact": "a JSON number", "price": "a JSON number of up to 8 digits before the point and 2 after it",
    "seen": "a timestamp: a JSON string YYYY-MM-DDTHH:MM:SS.sssZ",
    "planned": "a timestamp: a JSON string YYYY-MM-DDTHH:MM:SS",
    "token": "a UUID: a JSON string in lower case with hyphens",
    "counts": "a JSON array in which each element is a whole JSON number (32 bits)",
    "amounts": "a JSON array in which each element is a JSON number",
    "stays": "a JSON array in which each element is a timestamp: a JSON string YYYY-MM-DDTHH:MM:SSZ",
    "quoted": "a whole number (64 bits) in a JSON string",
    "fee": "a number of up to 8 digits before the point and exactly 2 after it in a JSON string",
}  # fmt: skip
BEYOND_32, FRACTION, EXPONENT = (
    f"must be {SAID['whole']}; found a {kind}"
    for kind in ("number beyond 32 bits", "number with a fraction", "number with an exponent")
)
QUOTED = f"must be {SAID['whole']}; found a string: write it without quotes"
LIST = f"must be {SAID['list']}"
NO_DOUBLE = f"must be {SAID['number']}; found a number that double precision cannot keep exactly"
NO_JSONB = f"must be {SAID['tree']}; found a value that jsonb cannot keep exactly"
NO_CHARACTER = "holds \\u0000 or a lone surrogate, so it cannot be kept"
TOO_DEEP = "is nested deeper than 100 levels, so it cannot be kept"
TWICE = "appears twice in one object, so it cannot be kept"

CASES = [
    Case("the greatest integer", "whole", "2147483647"),
    Case("the least integer", "whole", "-2147483648"),
    Case("an integer of -0", "whole", "-0"),
    Case("one more than the greatest", "whole", "2147483648", BEYOND_32),
    Case("2^53+1 as an integer", "whole", "9007199254740993", BEYOND_32),
    Case("an integer of 64 bits", "whole", "9223372036854775807", BEYOND_32),
    Case("an integer beyond 64 bits", "whole", "18446744073709551616", BEYOND_32),
    Case("an integer of 400 digits", "whole", "1" * 400, BEYOND_32),
    Case("1.0 as an integer", "whole", "1.0", FRACTION),
    Case("-0.0 as an integer", "whole", "-0.0", FRACTION),
    Case("1e2 as an integer", "whole", "1e2", EXPONENT),
    Case("1e400 as an integer", "whole", "1e400", EXPONENT),
    Case("a string as an integer", "whole", '"25"', QUOTED),
    Case("-0.0", "number", "-0.0"),
    Case("-0", "number", "-0"),
    Case("2^53", "number", "9007199254740992"),
    Case("2^53+1", "number", "9007199254740993", NO_DOUBLE),
    Case("2^53+2", "number", "9007199254740994"),
    Case("2^60 as JavaScript prints it", "number", "1152921504606847000"),
    Case("2^64", "number", "18446744073709551616"),
    Case("2^64+1", "number", "18446744073709551617", NO_DOUBLE),
    Case("1e400", "number", "1e400", NO_DOUBLE),
    Case("-1e400", "number", "-1e400", NO_DOUBLE),
    Case("1e-400", "number", "1e-400", NO_DOUBLE),
    Case("the least double", "number", "5e-324"),
    Case("the greatest double", "number", "1.7976931348623157E+308"),
    Case("0.1", "number", "0.1"),
    Case("0.1 with many zeros", "number", "0.1" + "0" * 20_000),
    Case("the double that 0.1 names", "number", EXACT_TENTH),
    Case("the double that 0.1 names, cut short", "number", EXACT_TENTH[:36], NO_DOUBLE),
    Case("0.1 and a little", "number", "0.10000000000000001", NO_DOUBLE),
    Case("a decimal of many digits", "number", "3.14159265358979323846264338327950288", NO_DOUBLE),
    Case("1e400 in jsonb", "tree", "1e400"),
    Case("2^53+1 in jsonb", "tree", '{"id": 9007199254740993}'),
    Case("a decimal of many digits in jsonb", "tree", "[3.14159265358979323846264338327950288, 1.50]"),
    Case("an integer of 5000 digits in jsonb", "tree", "9" * 5000),
    Case("the greatest power of ten in jsonb", "tree", "1e131071"),
    Case("the next power of ten in jsonb", "tree", "[1e131072]", NO_JSONB),
    Case("the least power of ten in jsonb", "tree", "1e-16383"),
    Case("the power of ten below it in jsonb", "tree", "[1e-16384]", NO_JSONB),
    Case("zero with a great exponent in jsonb", "tree", "0e131072"),
    Case("100 levels of arrays", "tree", below(100)[0]),
    Case("101 levels of arrays", "tree", below(101)[0], TOO_DEEP),
    Case("101 levels of objects", "tree", below(101)[1], TOO_DEEP),
    Case("a key that stands twice in jsonb", "tree", '[{"a": 1, "\\u0061": 1}]', TWICE),
    Case("U+0000 in jsonb", "tree", '["\\u0000"]', NO_CHARACTER),
    Case("characters of every plane in jsonb", "tree", spelled(EVERY_CHARACTER[::7])),
    Case("a long string in jsonb", "tree", spelled(LONG)),
    Case("an empty string", "words", '""'),
    Case("a long string", "words", spelled(LONG)),
    Case("every character", "words", spelled(EVERY_CHARACTER)),
    Case("every character of the first plane, escaped", "words", spelled(EVERY_CHARACTER[:63487], 0x5555)),
    Case("right to left", "words", spelled("\u202eשלום \u200fمرحبا\u202c")),
    Case("combining marks", "words", spelled("e\u0301 é A\u030a Å \u1100\u1161 가 ﬁ")),
    Case("control characters", "words", spelled("".join(map(chr, range(1, 32))) + "\x7f\x85\u2028")),
    Case("an end of COPY", "words", spelled("a\n\\.\n\\N")),
    Case("U+0000", "words", '"a\\u0000"', NO_CHARACTER),
    Case("a lone surrogate", "words", '"\\ud83d"', NO_CHARACTER),
    Case("a number as a string", "words", "7", f"must be {SAID['words']}; found a whole number"),
    Case("a list of odd strings", "list", '["", "\\"", "\\\\", "{}", ",", "NULL", " ", "\\n"]'),
    Case("characters of every plane in a list", "list", f"[{spelled(EVERY_CHARACTER[::7])}]"),
    Case("an empty list", "list", "[]"),
    Case("a list with null", "list", '["a", null]', f"{LIST}; found an array that holds something else"),
    Case("a list with U+0000", "list", '["a", "\\u0000"]', NO_CHARACTER),
    Case("the first date", "day", '"0001-01-01"'),
    Case("the last date", "day", '"9999-12-31"'),
    Case("no date", "day", '"2023-02-29"', f"must be {SAID['day']}; found a string of another form"),
    Case("midnight", "moment", '"00:00"'),
    Case("the hour after midnight", "moment", '"24:00"', f"must be {SAID['moment']}; found a string of another form"),
]  # fmt: skip
CASES += [
    Case(f"{name}: {text[:40]}", name, text, f"must be {SAID[name]}; found {found}" if found else "")
    for name, found, texts in [
        ("long", "", ["9223372036854775807", "-9223372036854775808", "-0"]),
        ("long", "a number beyond 64 bits", ["9223372036854775808", "-9223372036854775809", "1" * 400]),
        ("long", "a number with a fraction", ["1.0"]),
        ("long", "a number with an exponent", ["1e2"]),
        ("long", "a string: write it without quotes", ['"1"']),
        ("exact", "", ["-0", "-0.0", "1e400", "1e-16383", "1e131071", "9007199254740993", "0.1000000000000000000001"]),
        ("exact", "a number that numeric cannot keep exactly", ["1e131072", "1e-16384", "1e999999999999999999"]),
        ("price", "", ["0.01", "-12345678.90", "99999999.99", "1e2", "1.500", "-0.00", "1.5e-1"]),
        ("price", "a number that numeric(10,2) cannot keep exactly", ["1.005", "100000000", "0.001", "1e8", "1e-3"]),
        ("seen", "", ['"0001-01-01T00:00:00.000Z"', '"9999-12-31T23:59:59.999Z"', '"2024-02-29T00:00:00.120Z"']),
        ("seen", "a string of another form", [spelled(text) for text in NO_MOMENTS]),
        ("seen", "a whole number", ["1700000000000"]),
        ("planned", "", ['"0001-01-01T00:00:00"', '"9999-12-31T23:59:59"']),
        (
            "planned",
            "a string of another form",
            ['"2024-01-01 00:00:00"', '"2023-02-29T00:00:00"', '"-infinity"', '""'],
        ),
        ("token", "", ['"123e4567-e89b-12d3-a456-426614174000"']),
        ("token", "a string of another form", ['"123E4567-e89b-12d3-a456-426614174000"', '"{}"']),
        ("counts", "", ["[]", "[-2147483648, 2147483647, -0]"]),
        ("counts", "an array that holds something else", ["[1, null]", "[2147483648]", "[[1]]", '["1"]', "[1.0]"]),
        ("counts", "a whole number", ["1"]),
        ("amounts", "", ["[0.1, 1e400, -0.0, 9007199254740993]"]),
        ("amounts", "an array that holds something else", ["[1e131072]", '["1"]', "[0.5, null]", "[true]"]),
        ("stays", "", ['["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]', "[]"]),
        ("shares", "", ["[0.1, -0.0, 5e-324, 1.7976931348623157e308]"]),
        ("flag", "", ["true", "false"]),
        ("stays", "an array that holds something else", ['["2024-01-01T00:00:00.000Z"]', "[null]"]),
        ("quoted", "", ['"9223372036854775807"', '"0"', '"-1"']),
        ("quoted", "a string of another form", [spelled(text) for text in NO_NUMBERS]),
        ("quoted", "a whole number", ["1"]),
        ("fee", "", ['"0.00"', '"-99999999.99"']),
        (
            "fee",
            "a string of another form",
            ['"1"', '"1.5"', '"1.005"', '"-0.00"', '"100000000.00"', '"1e2"', '"007.00"'],
        ),
        ("fee", "a number with a fraction", ["1.50"]),
    ]
    for text in texts
]
KEPT = [case for case in CASES if not case.said]


@pytest.fixture(scope="module")
def said(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, list[ValidationError]]:
    """The errors of the check about a source with every case as a row, by row."""
    source = tmp_path_factory.mktemp("source")
    text = array([plain([(case.column, case.text), ("parts", "[]")]) for case in CASES], "\n")
    (source / "things.json").write_text(text, encoding="utf-8")
    found: dict[int | None, list[ValidationError]] = {}
    for error in MigrationService(settings_module.load(project=made_up)).check(source).errors:
        found.setdefault(error.row, []).append(error)
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.named for case in CASES])
def test_a_named_case_is_kept_or_refused_by_name(
    case: Case, said: Mapping[int | None, Sequence[ValidationError]]
) -> None:
    """A value that a column cannot keep exactly is one error at its row and field, with the reason."""
    errors = said.get(CASES.index(case) + 1, [])
    assert [(error.field, error.message, error.severity) for error in errors] == (
        [(case.column, case.said, "critical")] if case.said else []
    )
    held_cell = held(case.column, parsed(case.text))
    assert (held_cell is REFUSED) == bool(case.said)


# The whole way: random sound documents, migrated, and read back out of PostgreSQL.


def fits(name: str) -> Callable[[str], bool]:
    return lambda text: held(name, parsed(text)) not in (None, REFUSED)


SOUND = {
    "words": SOUND_STRINGS,
    "whole": st.integers(-(2**31), 2**31 - 1).map(str),
    "number": st.builds(respelled, NAMES | FLOATS.map(Decimal), NOTATIONS).filter(fits("number")),
    "flag": OF_KIND["flag"],
    "day": strings(DATES),
    "moment": strings(TIMES),
    "list": arrays(SOUND_STRINGS),
    "tree": OF_KIND["tree"].filter(fits("tree")),
    "long": st.integers(-(2**63), 2**63 - 1).map(str),
    "exact": NUMBERS.filter(fits("exact")),
    "price": OF_KIND["price"].filter(fits("price")),
    "seen": strings(MILLISECONDS),
    "planned": strings(LOCAL),
    "token": strings(UUIDS),
    "counts": arrays(st.integers(-(2**31), 2**31 - 1).map(str)),
    "amounts": arrays(NUMBERS.filter(fits("exact"))),
    "shares": arrays(st.builds(respelled, NAMES, NOTATIONS).filter(fits("number"))),
    "stays": arrays(strings(LOCAL.map("{}Z".format))),
    "quoted": strings(st.integers(-(2**63), 2**63 - 1).map(str)),
    "fee": OF_KIND["fee"].filter(fits("fee")),
}
POOLS = st.fixed_dictionaries({name: st.lists(texts, min_size=14, max_size=20) for name, texts in SOUND.items()})
ROWS = 80


def columns(pools: Mapping[str, Sequence[str]], number: int) -> list[tuple[str, str]]:
    """Columns out of the pools, in ever other company; one in ten is null, one absent."""
    pairs = []
    for place, (name, pool) in enumerate(pools.items(), start=1):
        if (number + place) % 10:
            text = pool[(number * place + number // 7) % len(pool)]
            pairs.append((name, "null" if (number + place) % 10 == 1 else text))
    return pairs


def migrated(pools: Mapping[str, Sequence[str]]) -> str:
    """Things and their parts, with a thing for each case that is kept; ids and codes hold odd characters and stay."""
    found = []
    for number in range(ROWS):
        odd = f"{ODD[number % len(ODD)]}{number}"
        parts = [
            plain([("code", spelled(f"{odd}.{part}")), *columns(pools, number + part)]) for part in range(number % 3)
        ]
        found.append(plain([("id", spelled(odd)), *columns(pools, number), ("parts", array(parts))]))
    found += [plain([("id", spelled(case.named)), (case.column, case.text), ("parts", "[]")]) for case in KEPT]
    return array(found, "\n")


def arrived(connection: postgres.Connection, table: SourceTable) -> list[dict[str, Any]]:
    """The rows of a target table, in terms that lose nothing."""
    terms = {"double precision": sql.SQL("float8send({})"), "jsonb": sql.SQL("{}::text")}
    names = [column.name for column in table.columns]
    wanted = [
        terms.get(column.data_type, sql.SQL("{}")).format(sql.Identifier(column.name)) for column in table.columns
    ]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(wanted), sql.Identifier("public", table.name))
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query).fetchall()]


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[str]:
    """One database for all documents, so that each one but the first is merged into another's rows."""
    with new_database(server, "exact_values") as url:
        yield url


@printed_whole
@settings(PROPERTY, max_examples=1)
@given(pools=POOLS.filter(lambda pools: len(set(pools["words"])) > 5))  # the simplest document shows little
def test_every_value_in_postgresql_is_the_jsons(
    made_up: Path, target: str, tmp_path_factory: pytest.TempPathFactory, pools: dict[str, list[str]]
) -> None:
    """After a migration each cell is the JSON's value: texts by code points, doubles by bits, jsonb by every digit."""
    source = tmp_path_factory.mktemp("source")
    text = migrated(pools)
    (source / "things.json").write_text(text, encoding="utf-8", newline="")
    result = MigrationService(settings_module.load(project=made_up, database_url=target)).migrate_all_data(source)
    assert result.success, [result.message, *map(str, result.errors)]
    with postgres.connect(target, name="test") as connection:
        things = {row["id"]: row for row in arrived(connection, THINGS)}
        parts = {(row["thing_id"], row["code"]): row for row in arrived(connection, PARTS)}
    space = uuid.uuid5(uuid.NAMESPACE_URL, "mock2pg:parts")
    wanted = [dict(row.pairs) for row in parsed(text)]
    assert len(things) == len(wanted)
    assert len(parts) == sum(len(row["parts"]) for row in wanted)
    for row in wanted:
        cells = things[row["id"]]
        for name in TYPES:
            assert same(name, cells[name], held(name, row.get(name))), (row["id"], name)
        for part in map(dict, (found.pairs for found in row["parts"])):
            cells = parts[row["id"], part["code"]]
            natural = json.dumps([row["id"], part["code"]], separators=(",", ":"), ensure_ascii=False)
            if "\\u" not in natural:  # JSON has two spellings of a control character
                assert cells["id"] == str(uuid.uuid5(space, natural))
            for name in TYPES:
                assert same(name, cells[name], held(name, part.get(name))), (row["id"], "parts", name)
            for name in ("number", "tree"):
                assert same(name, cells[f"thing_{name}"], held(name, row.get(name))), (row["id"], f"thing_{name}")


def test_a_rollback_brings_back_values_of_every_type(
    made_up: Path, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Values at the limits of their types survive a backup, a change and a rollback; a second run changes nothing."""
    source = tmp_path_factory.mktemp("source")
    kept = [plain([("id", spelled(case.named)), (case.column, case.text), ("parts", "[]")]) for case in KEPT]
    none = [plain([("id", spelled(case.named)), ("parts", "[]")]) for case in KEPT]
    with new_database(server, "every_type") as url:
        service = MigrationService(settings_module.load(project=made_up, database_url=url))

        def migrate(rows: list[str]) -> Mapping[str, Any]:
            (source / "things.json").write_text(array(rows, "\n"), encoding="utf-8")
            result = service.migrate_all_data(source)
            assert result.success, [result.message, *map(str, result.errors)]
            return result.summary

        def cells() -> dict[str, dict[str, Any]]:
            with postgres.connect(url, name="test") as connection:
                return {row["id"]: row for row in arrived(connection, THINGS)}

        assert {case.column for case in KEPT} == TYPES.keys()
        migrate(kept)
        before = cells()
        assert migrate(kept)["publish"]["tables"]["things"]["unchanged"] == len(KEPT)
        changed = migrate(none)
        assert changed["publish"]["tables"]["things"]["updated"] == len(KEPT)
        assert service.rollback(changed["backup"]["backup_id"]).success
        assert cells() == before
    for case in KEPT:
        assert same(case.column, before[case.named][case.column], held(case.column, parsed(case.text))), case.named


# The made-up project.


def declared(table: SourceTable) -> dict[str, Any]:
    """The table as `_sources.yml` has it."""
    columns = [
        {
            "name": column.name,
            "data_type": column.data_type,
            "config": {
                "meta": {
                    "path": column.path,
                    "required": column.required,
                    "uuid5": list(column.uuid5),
                    "format": column.format,
                }
            },
        }
        for column in table.columns
    ]
    return {"name": table.name, "config": {"meta": {"path": table.path}}, "columns": columns}


def model(table: SourceTable) -> dict[str, Any]:
    """The target table's contract."""
    columns = [{"name": column.name, "data_type": column.data_type} for column in table.columns]
    return {
        "name": table.name,
        "description": f"One row per {table.name}.",
        "constraints": [{"type": "primary_key", "columns": ["id"]}],
        "columns": columns,
    }


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of these two tables alone."""
    folder = tmp_path_factory.mktemp("project")
    dbt = folder / "dbt_project"
    core = dbt / "models" / "core"
    core.mkdir(parents=True)
    (dbt / "dbt_project.yml").write_text(DBT_PROJECT)
    source = {"name": "landing", "schema": "mock2pg_landing", "tables": [declared(table) for table in TABLES]}
    (dbt / "models" / "_sources.yml").write_text(yaml.safe_dump({"sources": [source]}))
    (core / "models.yml").write_text(yaml.safe_dump({"models": [model(table) for table in TABLES]}))
    for table in TABLES:
        (core / f"{table.name}.sql").write_text(f"select * from {{{{ source('landing', '{table.name}') }}}}")
    return folder
