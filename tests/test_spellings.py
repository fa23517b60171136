"""The types and formats: which strings and numbers fit them, by the functions that staging and `init` share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mock2pg.init.reading import spelled
from mock2pg.source import staging
from mock2pg.spellings import FORMATS, data_type, fits, number_fits
from mock2pg.staged_tables import SourceColumn, SourceTable

KEPT = [
    ("text", "", "anything\n"), ("date", "", "0001-01-01"), ("date", "YYYY-MM-DD", "2024-02-29"), ("time", "", "00:00"),
    ("time", "HH:MM:SS", "23:59:59"), ("time", "HH:MM:SS.sss", "23:59:59.999"),
    ("timestamptz", "", "2024-02-29T23:59:59.000Z"), ("timestamptz", "YYYY-MM-DDTHH:MM:SSZ", "9999-12-31T00:00:00Z"),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SS.ssssss+00:00", "0001-01-01T00:00:00.000001+00:00"),
    ("timestamp", "", "2024-01-01T00:00:00"), ("timestamp", "YYYY-MM-DD HH:MM:SS.sss", "2024-01-01 00:00:00.120"),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SS.ssssssZ", "2024-01-01T00:00:00.000000Z"),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SS.sss+00:00", "2024-01-01T12:34:56.789+00:00"),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SS+00:00", "2024-01-01T12:34:56+00:00"),
    ("timestamp", "YYYY-MM-DDTHH:MM:SS.sss", "2024-01-01T12:34:56.789"),
    ("timestamp", "YYYY-MM-DDTHH:MM:SS.ssssss", "2024-01-01T12:34:56.789012"),
    ("timestamp", "YYYY-MM-DD HH:MM:SS", "2024-01-01 12:34:56"),
    ("timestamp", "YYYY-MM-DD HH:MM:SS.ssssss", "2024-01-01 12:34:56.789012"),
    ("uuid", "", "123e4567-e89b-12d3-a456-426614174000"), ("boolean", "text", "true"),
    ("integer", "text", "-2147483648"),
    ("bigint", "text", "9223372036854775807"), ("numeric", "text", "-0.10"), ("numeric(10,4)", "text", "18.0000"),
    ("numeric(3)", "text", "-999"), ("double precision", "text", "0.1"), ("double precision", "text", "-123456.5"),
    ("double precision", "text", "0.0001"), ("timestamptz[]", "", "2024-01-01T00:00:00.000Z"), ("jsonb", "", "a"),
]  # fmt: skip
REFUSED = [
    ("text", "", "a\0"), ("text", "", "\ud800"), ("date", "", "2023-02-29"), ("date", "", "0000-01-01"),
    ("date", "", "2024-1-1"), ("date", "", "infinity"), ("date", "", "٢٠٢٤-٠١-٠١"), ("date", "", "2024-01-01\n"),
    ("time", "", "24:00"), ("time", "", "14:00:00"), ("time", "HH:MM:SS", "14:00:60"), ("time", "HH:MM:SS", "14:00"),
    ("timestamptz", "", "2024-02-30T00:00:00.000Z"), ("timestamptz", "", "2024-02-28T00:00:00Z"),
    ("timestamptz", "", "2024-02-28T00:00:00.000+00:00"), ("timestamptz", "", "0000-01-01T00:00:00.000Z"),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SSZ", "2016-12-31T23:59:60Z"), ("timestamp", "", "2024-01-01 00:00:00"),
    ("timestamp", "", "2024-01-01T24:00:00"), ("timestamp", "", "infinity"), ("timestamp", "", "2024-01-01T00:00:00Z"),
    ("uuid", "", "123E4567-e89b-12d3-a456-426614174000"), ("uuid", "", "123e4567e89b12d3a456426614174000"),
    ("boolean", "text", "t"), ("boolean", "", "true"), ("integer", "text", "007"), ("integer", "text", "-0"),
    ("integer", "text", "2147483648"), ("integer", "", "1"), ("bigint", "text", "9223372036854775808"),
    ("bigint", "text", "1" * 5000), ("numeric", "text", "-0.0"), ("numeric", "text", "1e2"), ("numeric", "text", "1."),
    ("numeric(10,4)", "text", "18.0"), ("numeric(10,4)", "text", "1000000.0000"), ("numeric", "text", "NaN"),
    ("double precision", "text", "1.0"), ("double precision", "text", "-0"), ("double precision", "text", "0.00001"),
    ("double precision", "text", "0.1000000000000001"), ("double precision", "text", "Infinity"),
]  # fmt: skip
NUMBERS = [
    ("integer", "2147483647", True), ("integer", "2147483648", False), ("integer", "1.0", False),
    ("integer", "-0", True), ("bigint", "-9223372036854775808", True), ("bigint", "9223372036854775808", False),
    ("bigint", "1e2", False), ("numeric", "1e400", True), ("numeric", "1e131072", False),
    ("numeric", "1e-16384", False), ("numeric", "1e99999999999999999999", False), ("numeric(10,2)", "1.005", False),
    ("numeric(10,2)", "1.500", True), ("numeric(10,2)", "12345678.99", True), ("numeric(10,2)", "123456789", False),
    ("numeric(3,0)", "1e2", True), ("numeric(2,2)", "0.5", True), ("numeric(2,2)", "1", False),
    ("double precision", "0.1", True), ("double precision", "9007199254740993", False),
    ("double precision", "1e400", False), ("jsonb", "1e400", True), ("text", "1", False), ("numeric[]", "1", True),
]  # fmt: skip


def test_a_string_fits_a_format_when_it_is_written_again_as_it_was() -> None:
    """Calendar dates, times of a day and canonical numbers are kept; anything else is no value of the type."""
    assert [case for case in KEPT if not fits(case[2], case[0], case[1])] == []
    assert [case for case in REFUSED if fits(case[2], case[0], case[1])] == []


def test_a_number_fits_a_type_that_keeps_all_of_it() -> None:
    """A number that would be rounded, or is too large, fits no type that does that to it."""
    assert [case for case in NUMBERS if number_fits(case[1], case[0]) != case[2]] == []


def test_every_format_is_tried() -> None:
    """A format that is added is also tested; the first of a type is the default."""
    tried = {(data_type(kind).scalar, data_type(kind).spelling(form)) for kind, form, _ in KEPT}
    assert {kind for kind, _ in tried} == set(FORMATS)
    assert {(kind, form) for kind, forms in FORMATS.items() for form in forms} <= tried


@pytest.mark.parametrize(
    "name", ["varchar", "numeric(0)", "numeric(1001)", "numeric(2,3)", "numeric(2, 1)", "jsonb[]", "text[][]", "[]", ""]
)
def test_another_type_is_refused_with_those_there_are(name: str) -> None:
    """A type is named exactly as the page about entities lists it."""
    with pytest.raises(ValueError, match=r"is not one of text, boolean, integer, bigint, numeric, numeric\(p,s\)"):
        data_type(name)


def test_what_init_concludes_from_a_text_fits() -> None:
    """init has reading rules of its own, for speed; each type and format that it concludes takes the text."""
    texts = {text for *_, text in (*KEPT, *REFUSED)}
    concluded = {text: spelled.spelling(text) for text in texts}
    wrong = [
        text for text, found in concluded.items() if found.data_type and not fits(text, found.data_type, found.format)
    ]
    assert wrong == []
    named = {(found.data_type, found.format) for found in concluded.values() if found.data_type}
    assert {kind for kind, _ in named} == {"date", "time", "timestamp", "timestamptz", "uuid"}


def test_staging_takes_what_fits_and_nothing_else(tmp_path: Path) -> None:
    """The staging database and these functions agree about every text and number, for every type and format."""
    owns = dict.fromkeys([*((kind, form) for kind, form, _ in KEPT), *((kind, "") for kind, *_ in NUMBERS)])
    columns = {f"c{number}": own for number, own in enumerate(owns)}
    texts = sorted({text for *_, text in (*KEPT, *REFUSED)} - {"\ud800"})
    numbers = sorted({text for _, text, _ in NUMBERS})
    spelled_so = [*map(json.dumps, texts), *numbers]
    rows = [json.dumps(dict.fromkeys(columns, "?")).replace('"?"', text) for text in spelled_so]
    (array := tmp_path / "a.json").write_text(f"[{', '.join(rows)}]", encoding="utf-8")
    declared = tuple(SourceColumn(name, kind, name, format=form) for name, (kind, form) in columns.items())
    staging.stage(tmp_path / "staging.duckdb", {"a": array}, [SourceTable("t", "a", declared)])
    with staging.opened(tmp_path / "staging.duckdb", read_only=True) as staged:
        taken = staged.execute(f"SELECT {', '.join(f'{name} IS NOT NULL' for name in columns)} FROM t ORDER BY _row")
        found = dict(zip(spelled_so, taken.fetchall(), strict=True))
    for text in texts:
        wanted = [fits(text, *own) and not own[0].endswith("[]") for own in columns.values()]
        assert found[json.dumps(text)] == tuple(wanted), text
    for number in numbers:
        wanted = [number_fits(number, kind) and not form and not kind.endswith("[]") for kind, form in columns.values()]
        assert found[number] == tuple(wanted), number
