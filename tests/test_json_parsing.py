"""A public corpus of JSON texts: what must be read is read, and what must be refused is refused at its place."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import Mock2pgError, SourceError, ValidationError
from mock2pg.json_paths import written
from mock2pg.source import documents, staging
from mock2pg.staged_tables import NESTING_LIMIT, SourceColumn, SourceTable
from tests.fix_staging import of_arrays

CORPUS = Path(__file__).parent / "data" / "json_parsing"
TEXTS = {file.stem: file.read_bytes() for file in sorted(CORPUS.glob("*.json"))}
MUST_ACCEPT, MUST_REFUSE, MAY_DO_EITHER = (
    [name for name in TEXTS if name.startswith(kind)] for kind in ("y_", "n_", "i_")
)
SHA256 = "6aa000efbc5433f7360502a8ba8de40c80847af3c0adc82d655b1d410052f76b"

FORMS = ("folder", "document", "member")
every_form = pytest.mark.parametrize("form", FORMS)


def content(name: str, form: str) -> bytes:
    """The bytes of `a.json`, which is a file in a folder or one document: a text, or as `member` one around it."""
    return b'{\n"a": ' + TEXTS[name] + b"}" if form == "member" else TEXTS[name]


@dataclass(frozen=True)
class Reading:
    """The result of reading a text.

    array   the file of the array `a`; None when it could not be read
    faults  what was said of it
    words   everything that was said, in one text
    """

    array: Path | None
    faults: tuple[ValidationError, ...]
    words: str

    @property
    def rules(self) -> set[str]:
        return {fault.rule for fault in self.faults if fault.severity == "critical"}


def read(name: str, form: str, place: Path) -> Reading:
    """Read a text of the corpus, in one of the forms, from a source in `place` that is to hold the array `a`."""
    file = place / "source" / "a.json"
    file.parent.mkdir()
    file.write_bytes(content(name, form))
    try:
        document = documents.read(file.parent if form == "folder" else file, of_arrays(["a"]), place / "arrays")
    except SourceError as refused:
        return Reading(None, refused.errors, "\n".join([refused.message, refused.hint, *map(str, refused.errors)]))
    words = "\n".join(map(str, document.faults))
    assert set(document.arrays) == {"a"}
    if not document.unread:
        return Reading(document.arrays["a"], document.faults, words)
    assert document.unread == ("a",)
    assert json.loads(document.arrays["a"].read_bytes()) == []
    return Reading(None, document.faults, words)


@dataclass(frozen=True)
class Number:
    """A number of a JSON text, digit for digit; None when even Python's decimals cannot hold it."""

    value: Decimal | None


def number(text: str) -> Number:
    try:
        return Number(Decimal(text))
    except InvalidOperation:
        return Number(None)


class Members(list[tuple[str, Any]]):
    """An object of a JSON text with all its members, those that stand twice too."""


def no_value(name: str) -> None:
    """NaN and Infinity, which Python reads though JSON has no such values."""
    raise ValueError(name)


def parsed(text: bytes | str) -> Any:
    """The text as Python's own reader understands it. Raises ValueError when it is no JSON or not UTF-8."""
    whole = text if isinstance(text, str) else text.decode("utf-8-sig")
    return json.loads(whole, parse_float=number, parse_int=number, parse_constant=no_value, object_pairs_hook=Members)


def is_array(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value, Members)


def is_json_array(name: str) -> bool:
    """Return True when a text of the corpus is one; what is no JSON is none."""
    try:
        return is_array(parsed(TEXTS[name]))
    except ValueError:
        return False


def inner(value: Any) -> Iterator[Any]:
    """The values, and the keys, right inside a value."""
    if isinstance(value, Members):
        yield from (part for member in value for part in member)
    elif isinstance(value, list):
        yield from value


def depth(value: Any) -> int:
    """Count the brackets of a value that are open at once; without recursion, which has a limit too."""
    deepest, level = 0, [value]
    while level := [each for each in level if isinstance(each, list)]:
        deepest, level = deepest + 1, [part for each in level for part in inner(each)]
    return deepest


def can_be_kept(value: Any) -> bool:
    """Return True when PostgreSQL's jsonb holds the value: no U+0000, half a character or too long a number."""
    if isinstance(value, str):
        return "\0" not in value and re.search("[\ud800-\udfff]", value) is None
    if isinstance(value, Number):
        digits = value.value
        return digits is not None and digits.adjusted() < 131072 and int(digits.as_tuple().exponent) >= -16383
    if isinstance(value, Members) and len(dict(value)) != len(value):
        return False
    return all(map(can_be_kept, inner(value)))


def comparable(value: Any) -> Any:
    """The value without the order of its keys, in which jsonb takes liberties."""
    if isinstance(value, Members):
        return {key: comparable(member) for key, member in value}
    return [comparable(element) for element in value] if isinstance(value, list) else value


def has_the_shape(value: Any, form: str) -> bool:
    """Return True when a file has its form: an array, or a document that holds the array `a` and nothing else."""
    if form == "folder" or is_array(value):  # the value of the key that the file is named after
        return is_array(value)
    return isinstance(value, Members) and len(value) == 1 and value[0][0] == "a" and is_array(value[0][1])


def misplaced(faults: Sequence[ValidationError], name: str, form: str) -> list[str]:
    """The faults that do not name the file, and a line and a column that it has; the column may be its very end."""
    lines = content(name, form).decode(errors="replace").split("\n")
    places = {(number, column) for number, line in enumerate(lines, start=1) for column in range(1, len(line) + 2)}
    return [
        str(fault)
        for fault in faults
        if Path(fault.file or "").name != "a.json" or (fault.line, fault.column) not in places
    ]


def strings(text: bytes) -> list[str]:
    """The strings of a text that hold a word of four letters or more; no keys, which may be names of arrays."""
    found = re.findall(rb'"([^"\\]*)"(?!\s*:)', text)
    return [string.decode() for string in found if re.search(rb"[A-Za-z]{4}", string)]


def test_the_corpus_is_whole() -> None:
    """All 318 texts of the corpus are tried, byte for byte."""
    assert [len(MUST_ACCEPT), len(MUST_REFUSE), len(MAY_DO_EITHER), len(TEXTS)] == [95, 188, 35, 318]
    sums = [f"{hashlib.sha256(text).hexdigest()}  {name}.json\n" for name, text in TEXTS.items()]
    assert hashlib.sha256("".join(sorted(sums)).encode()).hexdigest() == SHA256


@every_form
@pytest.mark.parametrize("name", MUST_ACCEPT)
def test_what_every_reader_must_accept_is_read_or_has_another_shape(name: str, form: str, tmp_path: Path) -> None:
    """A text that is JSON is never called anything else: it is read, or refused because it is not the arrays."""
    found = read(name, form, tmp_path)
    if has_the_shape(parsed(content(name, form)), form):
        assert found.faults == ()
        assert found.array is not None
    else:
        assert found.rules == {"declared_arrays"}
        assert {Path(fault.file or "").name for fault in found.faults} == {"a.json"}
        assert found.array is None


@every_form
@pytest.mark.parametrize("name", MUST_REFUSE)
def test_what_every_reader_must_refuse_is_refused_at_its_place(name: str, form: str, tmp_path: Path) -> None:
    """A text that is no JSON is refused as that, with the file, a line and a column."""
    found = read(name, form, tmp_path)
    assert found.rules == {"strict_json"}
    assert found.array is None
    assert misplaced(found.faults, name, form) == []


@every_form
@pytest.mark.parametrize("name", MAY_DO_EITHER)
def test_what_readers_may_decide_is_decided_by_utf8_and_depth(name: str, form: str, tmp_path: Path) -> None:
    """A text that is not UTF-8 is refused at its place; numbers, halves of characters and a mark are no such fault."""
    found = read(name, form, tmp_path)
    try:
        value = parsed(content(name, form))
    except ValueError:
        assert found.rules == {"strict_json"}
        assert misplaced(found.faults, name, form) == []
    else:
        shape = set() if has_the_shape(value, form) else {"declared_arrays"}
        assert found.rules in ([shape, {"strict_json"}] if depth(value) > NESTING_LIMIT else [shape])


ARRAYS = [name for name in [*MUST_ACCEPT, *MAY_DO_EITHER] if is_json_array(name)]
Rows = list[tuple[str | None, list[str]]]


def stage(arrays: Mapping[str, Path], database: Path) -> dict[str, Rows]:
    """The elements of each array as jsonb, and what is marked in their rows."""
    columns = (SourceColumn("v", "jsonb", "."),)
    tables = [SourceTable(key, written((key,)), columns) for key in arrays]
    staging.stage(database, {table.entity: arrays[table.name] for table in tables}, tables)
    with staging.opened(database, read_only=True) as connection:
        query = "SELECT v, _unfit FROM {} ORDER BY _row"
        return {key: connection.execute(query.format(staging.quoted(key))).fetchall() for key in arrays}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Rows | None]:
    """Gives the staged rows of a text; None when it was not read. All are staged at once, which is quicker."""
    place, arrays = tmp_path_factory.mktemp("staged"), dict[str, Path]()
    for name, form in product(ARRAYS, ("folder", "member")):
        (place / f"{name} {form}").mkdir()
        if array := read(name, form, place / f"{name} {form}").array:
            arrays[f"{name} {form}"] = array
    found = dict[str, Rows]()
    with suppress(Mock2pgError):  # then one by one, so that the test of the text at fault fails and no other
        found = stage(arrays, place / "all.duckdb")

    def rows(name: str, form: str) -> Rows | None:
        key = f"{name} {form}"
        if key in arrays and key not in found:
            found.update(stage({key: arrays[key]}, place / f"{key}.duckdb"))
        return found.get(key)

    return rows


@pytest.mark.parametrize("form", ["folder", "member"])
@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_read_arrives_exactly_or_is_marked_in_its_row(
    name: str, form: str, staged: Callable[[str, str], Rows | None]
) -> None:
    """Every element of an array that is read is staged as it is, or marked where PostgreSQL cannot hold it."""
    rows, expected = staged(name, form), parsed(TEXTS[name])
    if rows is None:
        assert depth(expected) > NESTING_LIMIT
        return
    assert len(rows) == len(expected)
    for (value, unfit), element in zip(rows, expected, strict=True):
        if element is None:
            assert (value, unfit) == (None, [])
        elif depth(element) <= NESTING_LIMIT and can_be_kept(element):
            assert unfit == []
            assert comparable(parsed(str(value))) == comparable(element)
        else:
            assert (value, unfit) == (None, ["v"])


REFUSED = [(name, form) for name, form in product(TEXTS, FORMS) if name in MUST_REFUSE or form == "document"]


@pytest.mark.parametrize(("name", "form"), [(name, form) for name, form in REFUSED if strings(TEXTS[name])])
def test_no_string_of_a_refused_text_is_quoted(name: str, form: str, tmp_path: Path) -> None:
    """An error about a text holds none of its strings."""
    found = read(name, form, tmp_path)
    assert found.words
    assert [string for string in strings(TEXTS[name]) if string in found.words] == []
