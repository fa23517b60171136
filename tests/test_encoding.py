"""The row hash: equal in both engines for equal rows, and different for rows that differ in any way."""

from __future__ import annotations

import csv
import hashlib
import json
import struct
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mock2pg import postgres
from mock2pg.contracts import Column, Table
from mock2pg.conversions import converted, json_text
from mock2pg.encoding import TABLE_HASH_POSTGRES
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.source import staging
from mock2pg.spellings import FORMATS, TEXT, data_type
from mock2pg.staged_tables import SourceColumn, SourceTable
from mock2pg.step_results import Compared, Difference
from tests.fix_staging import csv_blocks, write_hashes

Row = dict[str, str]  # column -> its value as JSON text

PLAIN = [*FORMATS, "numeric(10,2)", "numeric(60,20)", *(f"{scalar}[]" for scalar in FORMATS if scalar != "jsonb")]
SPELLED = [  # with every format, and some in arrays
    *((scalar, form) for scalar, formats in FORMATS.items() for form in [*formats][not formats.keys() & {TEXT} :]),
    ("numeric(10,4)", TEXT), ("numeric(40,2)", TEXT), ("numeric(10,4)[]", TEXT), ("boolean[]", TEXT),
    ("timestamp[]", "YYYY-MM-DD HH:MM:SS.ssssss"), ("time[]", "HH:MM:SS.sss"),
]  # fmt: skip
COLUMNS: dict[str, tuple[str, str]] = {
    "id": ("text", ""),
    **{f"a {kind}": (kind, "") for kind in PLAIN},
    **{f"a {kind} {form}": (kind, form) for kind, form in SPELLED},
    "other": ("text", ""),
}


def staged_column(name: str, key: str, kind: str, form: str = "") -> SourceColumn:
    return SourceColumn(name, kind, json.dumps(key), format=form)


SOURCE = SourceTable("t", "a", tuple(staged_column(n, n, *of) for n, of in COLUMNS.items()))


def contract(source: SourceTable = SOURCE, *keys: str, derived: str | None = None) -> Table:
    """Every column as it is staged; or, but for the key, derived."""
    keys = keys or ("id",)
    columns = (
        Column(own.name, own.data_type, False, own.name, None if own.name in keys else derived, "", own.format)
        for own in source.columns
    )
    return Table("t", tuple(columns), keys, source="t")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Both:
    """Stages rows in DuckDB and lands them in PostgreSQL."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.staged, self.parquet = folder / "staging.duckdb", folder / "hashes.parquet"

    def take(self, rows: list[Row], source: SourceTable = SOURCE) -> None:
        array = self.folder / "a.json"
        lines = ["{" + ", ".join(f"{json.dumps(key)}: {text}" for key, text in row.items()) + "}" for row in rows]
        array.write_text(f"[{', '.join(lines)}]", encoding="utf-8")
        self.staged.unlink(missing_ok=True)
        staging.stage(self.staged, {"a": array}, [source])
        with staging.opened(self.staged, read_only=True) as checked:
            assert checked.execute("SELECT _unfit FROM t WHERE _unfit <> [] OR _unknown <> []").fetchall() == []
        with postgres.connect(self.url, name="test") as connection:
            postgres.scratch.recreate(connection)
            postgres.scratch.land(connection, source, csv_blocks(self.staged, source), len(rows))

    def prove(self, table: Table) -> Compared:
        """Write the hashes on both sides and compare them."""
        built, target, schema = self.folder / "built.csv", self.folder / "target.csv", postgres.scratch.LANDING
        with postgres.connect(self.url, name="test") as connection:
            postgres.row_hashes.write(connection, schema, table, built, built_only=True)
            postgres.row_hashes.write(connection, schema, table, target)
            write_hashes(self.staged, table, built, self.parquet)
            assert postgres.row_hashes.table_hash(
                connection, sql.Identifier(schema, table.name), table
            ) == staging.table_hash(self.parquet)
        return staging.compare(self.parquet, target, publish="merge")

    def hashes(self) -> dict[str, str]:
        """key -> hash, as DuckDB wrote them."""
        with duckdb.connect() as connection:
            return dict(connection.execute("SELECT key, hash FROM read_parquet(?)", [str(self.parquet)]).fetchall())

    def without_key(self) -> dict[str, str]:
        """key -> hash of all other columns, as PostgreSQL writes them."""
        file = self.folder / "built.csv"
        with postgres.connect(self.url, name="test") as connection:
            table = contract(derived="everything")
            postgres.row_hashes.write(connection, postgres.scratch.LANDING, table, file, built_only=True)
        with file.open(newline="") as lines:
            return dict(csv.reader(lines))  # type: ignore[arg-type]  two columns


@pytest.fixture
def both(database: str, tmp_path: Path) -> Both:
    return Both(database, tmp_path)


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(characters, max_size=8) | st.sampled_from(["N", "T1:a", "1:", "\\", '"', "{}", "NULL", "\\.", "\r\n"])
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
json_texts = st.recursive(
    st.sampled_from(["true", "false", "{}", "[]"]) | numbers | texts.map(json.dumps),
    lambda inner: (
        st.lists(inner | st.just("null"), max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(texts, inner | st.just("null"), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{json.dumps(key)} :{text}" for key, text in pairs.items()) + "}"
        )
    ),
    max_leaves=6,
)
digits = st.from_regex(r"-?(0|[1-9][0-9]{0,7})(\.[0-9]{1,2})?", fullmatch=True)
MOMENTS = [
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 120_000, tzinfo=UTC),
]  # fmt: skip
moments = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(MOMENTS)


def spelled(moment: datetime, form: str) -> str:
    """A moment in one of the formats, by Python's means."""
    clock = {".sss": "milliseconds", ".ssssss": "microseconds", ":SS": "seconds", "MM": "minutes"}
    of_day = form[form.index("HH") :].removesuffix("Z").removesuffix("+00:00")
    text = moment.time().isoformat(next(timespec for end, timespec in clock.items() if of_day.endswith(end)))
    return (f"{moment.date()}{form[10]}" if form[0] == "Y" else "") + text + form.partition(of_day)[2]


def strings(kind: str, form: str) -> st.SearchStrategy[str]:
    """The strings of a format."""
    own = data_type(kind)
    if own.scalar in ("timestamp", "timestamptz", "time"):
        return moments.map(lambda moment: spelled(moment, own.spelling(form)))
    if own.precision:
        whole = st.integers(0, 10 ** (own.precision[0] - own.precision[1]) - 1)
        fraction = st.integers(0, 10 ** own.precision[1] - 1).map(f"{{:0{own.precision[1]}}}".format)
        return st.builds(lambda *parts: "{}.{}".format(*parts), whole, fraction)
    return {
        "text": texts,
        "boolean": st.sampled_from(["true", "false"]),
        "integer": st.integers(-(2**31), 2**31 - 1).map(str),
        "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
        "numeric": st.from_regex(r"(0|-?[1-9][0-9]{0,50})(\.[0-9]{1,30})?", fullmatch=True),
        "double precision": st.sampled_from(["0", "0.1", "-123456.789", "0.0001", "999999999999999", "-0.5"]),
        "date": st.dates().map(str),
        "uuid": st.uuids().map(str),
    }[own.scalar]


def values(kind: str, form: str) -> st.SearchStrategy[str]:
    """JSON values that fit the type and the format."""
    own = data_type(kind)
    if own.array:
        return st.lists(values(own.element, form), max_size=4).map(lambda items: f"[{', '.join(items)}]")
    if own.scalar == "text" or own.pattern(form):
        return strings(kind, form).map(json.dumps)
    return {
        "boolean": st.sampled_from(["true", "false"]),
        "integer": st.integers(-(2**31), 2**31 - 1).map(str) | st.just("-0"),
        "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
        "numeric": digits if own.precision else numbers | st.sampled_from(["1e400", "-0.0", "1e-9", "100", "0.000001"]),
        "double precision": (
            st.floats(allow_nan=False, allow_infinity=False)
            | st.sampled_from([-0.0, 5e-324, 1e308, 0.1, 1e22, 123456.789])
        ).map(repr),
        "jsonb": json_texts,
    }[own.scalar]


any_row = st.fixed_dictionaries({name: values(*own) | st.just("null") for name, own in COLUMNS.items() if name != "id"})


@given(st.lists(any_row, min_size=5, max_size=40))
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_hashes_of_both_engines_are_equal(both: Both, rows: list[Row]) -> None:
    """A row has the same hash where it was staged and in its target table, whatever the values."""
    both.take([{"id": json.dumps(str(n)), **row} for n, row in enumerate(rows)])
    assert both.prove(contract()) == Compared(len(rows), len(rows), 0, 0, 0)


ENCODED = {  # column: a value, and how it is encoded
    "a text": ('"é"', "T2:é"), "a integer": ("-5", "I2:-5"), "a boolean": ("true", "B1:t"),
    "a bigint": ("-9223372036854775808", "L20:-9223372036854775808"), "a numeric": ("-1.50e2", "M4:-150"),
    "a numeric(10,2)": ("7.10", "M3:7.1"), "a numeric(60,20)": ("0.0", "M1:0"),
    "a date": ('"0001-02-03"', "D10:0001-02-03"),
    "a time": ('"09:05"', "C8:09:05:00"), "a time HH:MM:SS.sss": ('"09:05:00.120"', "C11:09:05:00.12"),
    "a timestamp": ('"2024-02-29T23:59:59"', "S19:2024-02-29 23:59:59"),
    "a timestamptz": ('"0001-01-01T00:00:00.010Z"', "Z22:0001-01-01 00:00:00.01"),
    "a uuid": ('"123e4567-e89b-12d3-a456-426614174000"', "U36:123e4567-e89b-12d3-a456-426614174000"),
    "a jsonb": ('{"b": 1.0, "a": []}', 'J19:{"a": [], "b": 1.0}'), "a text[]": ('["x", "", "é"]', "A12:T1:xT0:T2:é"),
    "a integer[]": ("[1, -2]", "A9:I1:1I2:-2"), "a numeric[]": ("[1.0, 1e-1]", "A10:M1:1M3:0.1"),
    "a timestamptz[]": ('["2024-01-01T00:00:00.000Z"]', "A23:Z19:2024-01-01 00:00:00"),
    "a numeric(10,4) text": ('"18.0000"', "M2:18"), "a bigint text": ('"12"', "L2:12"),
}  # fmt: skip


def test_the_encoding_is_the_one_that_is_described(both: Both) -> None:
    """Anybody can compute a row's hash: tag, length in bytes, colon and text of each value, one after another."""
    row = {"id": '"1"', **{name: text for name, (text, _) in ENCODED.items()}, "a double precision": "0.1"}
    both.take([row, {"id": '""', "a boolean": "false", "a text[]": "[]", "a date[]": "[]"}])
    assert both.prove(contract()).different == 0
    bits = struct.unpack(">q", struct.pack(">d", 0.1))[0]
    encoded = {name: code for name, (_, code) in ENCODED.items()}
    encoded |= {"id": "T1:1", "a double precision": f"F{len(str(bits))}:{bits}"}
    empty = {"id": "T0:", "a boolean": "B1:f", "a text[]": "A0:", "a date[]": "A0:"}
    assert both.hashes() == {
        "1": sha256("".join(encoded.get(name, "N") for name in COLUMNS)),
        "": sha256("".join(empty.get(name, "N") for name in COLUMNS)),
    }


DIFFERENT: list[list[Row]] = [
    [{"a text": text} for text in ("null", '""', '" "', '"a"', '"a "', '" a"', '"A"', '"N"', '"NULL"', '"null"')],
    [{"a text": json.dumps(unicodedata.normalize(form, "é"))} for form in ("NFC", "NFD")],
    [{"a text": f'"a{space}b"'} for space in ("", " ", "\u00a0", "\u200b", "\\t", "\\n", "\\r\\n", "  ")],
    [{"a text": '"ab"', "other": '"c"'}, {"a text": '"a"', "other": '"bc"'}, {"a text": '"abc"', "other": '""'}],
    [{"a text": '"a"', "other": '"b"'}, {"a text": '"b"', "other": '"a"'}, {"other": '"ab"'}, {"a text": '"ab"'}],
    [{"a text": '"T1:a"'}, {"a text": '"a"', "other": '"a"'}, {"a text": '"aT1:a"'}, {"a text": '"NN"'}, {}],
    [{"a text": '"1"'}, {"a integer": "1"}, {"a double precision": "1"}, {"a jsonb": "1"}, {"other": '"1"'}],
    [{"a integer": text} for text in ("0", "null", "1", "-1", "10")],
    [{"a double precision": text} for text in ("0", "-0.0", "5e-324", "1", "1.0000000000000002", "null")],
    [{"a double precision": text} for text in ("0.1", "0.30000000000000004", "0.3", "1e16", "9007199254740992")],
    [{"a boolean": text} for text in ("true", "false", "null")],
    [{"a date": text} for text in ('"2026-01-02"', '"2026-02-01"', '"2025-01-02"', "null")],
    [{"a time": text} for text in ('"01:02"', '"02:01"', '"13:02"', '"00:00"', "null")],
    [{"a text[]": text} for text in ('["a", "b"]', '["ab"]', '["b", "a"]', '["a,b"]', '["a", "b", ""]', '["a"]')],
    [{"a text[]": text} for text in ("null", "[]", '[""]', '["", ""]', '["NULL"]', '["{}"]', '["N"]', '[" "]')],
    [{"a text[]": text} for text in ('["T1:a"]', '["a"]', '["a", "a"]', '["aT1:a"]', '["1:aT1:a"]')],
    [{"a jsonb": text} for text in ("1", "1.0", "1.00", "10", '"1"', "[1]", '{"a": 1}', "null", "true")],
    [{"a jsonb": text} for text in ("{}", "[]", '""', "[null]", '{"a": null}', "[[]]", "[{}]", "null")],
    [{"a jsonb": text} for text in ('["a", "b"]', '["b", "a"]', '["ab"]', '["a, b"]', '{"a": "b"}', '{"b": "a"}')],
    [{"a bigint": text} for text in ("9223372036854775807", "9223372036854775806", "0", "null")],
    [{"a numeric": text} for text in ("0.1", "0.10000000000000000000001", "1e400", "1e401", "-0.1", "0", "null")],
    [{"a numeric(10,2)": text} for text in ("1", "1.01", "10", "100", "-1", "0.01", "null")],
    [{"a timestamptz": f'"2024-01-01T00:00:00.{text}Z"'} for text in ("000", "001", "010", "100")],
    [{"a timestamp": f'"{text}"'} for text in ("2024-01-01T00:00:00", "2024-01-01T12:00:00", "2024-01-02T00:00:00")],
    [{"a integer[]": text} for text in ("[1, 2]", "[12]", "[2, 1]", "[]", "[0]", "[1, 2, 2]", "null")],
    [{"a text[]": '["1"]'}, {"a integer[]": "[1]"}, {"a bigint[]": "[1]"}, {"a numeric[]": "[1]"}, {"a jsonb": "[1]"}],
    [{"a boolean[]": text} for text in ("[true, false]", "[false, true]", "[true]", "[]")],
    [{"a jsonb": text} for text in ('"é"', '"e\\u0301"', "0.1", "0.10000000000000000000001", "1e20", "1e21")],
]  # fmt: skip


def test_no_two_different_rows_have_one_hash(both: Both) -> None:
    """Differences that comparisons often hide: blanks, case, NULL, spellings, places, order and borders of values."""
    rows = {f"{group}.{n}": row for group, rows in enumerate(DIFFERENT) for n, row in enumerate(rows)}
    both.take([{"id": json.dumps(key), **row} for key, row in rows.items()])
    found = both.without_key()
    assert found.keys() == rows.keys()
    for group, members in enumerate(DIFFERENT):
        hashes = [found[f"{group}.{n}"] for n in range(len(members))]
        assert len(set(hashes)) == len(hashes), members


CHANGES = {  # type: a value, and a change that is made to it in the target table
    "text": ('"x"', "'X'"), "integer": ("1", "2"), "bigint": ("9223372036854775807", "9223372036854775806"),
    "numeric": ("0.1", "0.10000000000000000000001"), "double precision": ("0.5", "0.5000000000000001"),
    "boolean": ("true", "false"), "date": ('"2026-01-01"', "'2026-01-02'"), "time": ('"08:00"', "'08:00:00.001'"),
    "timestamp": ('"2026-01-01T00:00:00"', "'2026-01-01 00:00:00.000001'"), "jsonb": ("[1]", "'[1.0]'"),
    "timestamptz": ('"2026-01-01T00:00:00.000Z"', "'2026-01-01 00:00:00+01'"),
    "uuid": (f'"{"0" * 8}-0000-0000-0000-{"0" * 12}"', f"'{'0' * 8}-0000-0000-0000-{'0' * 11}1'"),
    "numeric(10,2)": ("1", "1.01"), "text[]": ('["x"]', "'{x,NULL}'"), "integer[]": ("[1]", "'[0:0]={1}'"),
    "timestamptz[]": ("[]", "'{{2026-01-01}}'"), "numeric[]": ("[0]", "'{NaN}'"), "boolean[]": ("[true]", "'{false}'"),
}  # fmt: skip


def test_a_change_of_any_cell_is_noticed(both: Both) -> None:
    """One cell of the target table that is changed by hand, in any column, is one different row."""
    assert CHANGES.keys() >= FORMATS.keys()
    row = {f"a {kind}": value for kind, (value, _) in CHANGES.items()}
    both.take([{"id": json.dumps(kind), **row} for kind in CHANGES])
    assert both.prove(contract()).different == 0
    target = both.folder / "target.csv"
    with postgres.connect(both.url, name="test") as connection:
        for kind, (_, value) in CHANGES.items():
            query = f"UPDATE mock2pg_landing.t SET \"a {kind}\" = {value} WHERE id = '{kind}'"
            connection.execute(query)  # type: ignore[arg-type]
        postgres.row_hashes.write(connection, postgres.scratch.LANDING, contract(), target)
    found = staging.compare(both.parquet, target, publish="merge")
    assert found.different_keys == tuple(sorted(CHANGES))
    assert (found.different, found.missing, found.extra) == (len(CHANGES), 0, 0)


IN_TEXT = {  # type and format: as the JSON spells it, and otherwise
    ("integer", ""): ("-12", ("-012", "+12", "-12.0", " -12", "")),
    ("bigint", ""): ("9223372036854775807", ("09223372036854775807", "9223372036854775807.0")),
    ("boolean", ""): ("true", ("t", "True", "1", "yes")),
    ("date", ""): ("2026-03-02", ("2026-3-2", "March 2, 2026", "2026-02-30", "20260302")),
    ("time", ""): ("14:00", ("14:00:00", "2pm", "14:00:00.0", "1400", "25:00")),
    ("time", "HH:MM:SS"): ("14:00:00", ("14:00", "14:00:00.0", "14:00:60")),
    ("time", "HH:MM:SS.sss"): ("14:00:00.100", ("14:00:00.1", "14:00:00", "14:00:00.1000", "99:00:00.100")),
    ("timestamptz", ""): ("2026-03-02T14:00:00.000Z", (
        "2026-03-02T14:00:00Z", "2026-03-02 14:00:00+00", "2026-03-02T14:00:00.000+00:00", "2026-02-30T14:00:00.000Z",
        "2026-03-02T14:00:00.000", "soon")),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SSZ"): ("2026-03-02T14:00:00Z", ("2026-03-02T14:00:00.000Z",)),
    ("timestamptz", "YYYY-MM-DDTHH:MM:SS.ssssss+00:00"): (
        "2026-03-02T14:00:00.120000+00:00", ("2026-03-02T14:00:00.12+00:00", "2026-03-02T14:00:00.120000Z")),
    ("timestamp", ""): ("2026-03-02T14:00:00", ("2026-03-02 14:00:00", "2026-03-02T14:00:00.0")),
    ("timestamp", "YYYY-MM-DD HH:MM:SS.sss"): ("2026-03-02 10:00:00.000", ("2026-03-02 10:00:00", "2026-03-02 1:00")),
    ("uuid", ""): ("123e4567-e89b-12d3-a456-426614174000", (
        "123E4567-E89B-12D3-A456-426614174000", "123e4567e89b12d3a456426614174000", "")),
    ("numeric", ""): ("12.5", ("1.25e1", "+12.5", "012.5", "12,5", "12.51")),
    ("numeric(10,2)", ""): ("12.5", ("1.25e1", "12.51")),
    ("numeric", TEXT): ("12.50", ("12.51", "1.25e1", "-12.50", "")),
    ("numeric(10,4)", TEXT): ("18.0000", ("18", "18.00000", "18.0001", "018.0000")),
    ("integer", TEXT): ("12", ("012", "12.0")), ("boolean", TEXT): ("false", ("f", "no")),
    ("double precision", TEXT): ("0.5", ("0.50", ".5", "5e-1", "0.5000000000000001", "x")),
}  # fmt: skip


def of_kinds(*kinds: tuple[str, str]) -> SourceTable:
    columns = (staged_column(f"a {kind} {form}".strip(), f"{kind} {form}", kind, form) for kind, form in kinds)
    return SourceTable("t", "a", (SourceColumn("id", "text", "id"), *columns))


def in_json(kind: str, form: str, text: str) -> str:
    return json.dumps(text) if data_type(kind).pattern(form) else text


@pytest.mark.parametrize("own", ["text", "varchar(40)"])
def test_a_text_column_holds_what_the_json_says(own: str, both: Both) -> None:
    """A column that holds the JSON's own text is not updated; any other spelling is different, and no error."""
    source = of_kinds(*IN_TEXT)
    row = {f"{kind} {form}": in_json(kind, form, text) for (kind, form), (text, _) in IN_TEXT.items()}
    names = dict(zip(IN_TEXT, source.columns[1:], strict=True))
    others = {f"{names[of].name} {n}": (of, text) for of, (_, texts) in IN_TEXT.items() for n, text in enumerate(texts)}
    both.take([{"id": json.dumps(key), **row} for key in ("same", *others)], source)
    target = both.folder / "target.csv"
    with postgres.connect(both.url, name="test") as connection:
        texts = {names[of].name: text for of, (text, _) in IN_TEXT.items()}
        made = sql.SQL("CREATE TABLE public.t (id text PRIMARY KEY, {})").format(
            sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(own)) for name in texts)
        )
        connection.execute(made)
        filled = sql.SQL("INSERT INTO public.t SELECT id, {} FROM mock2pg_landing.t")
        connection.execute(filled.format(sql.SQL(", ").join(map(sql.Literal, texts.values()))))
        merge = TableMerge(connection, postgres.scratch.LANDING, "public", contract(source), created=False)
        rows = len(others) + 1
        assert (merge.misfits(), merge.difference()) == ({}, Difference(rows, rows, 0, 0, 0))
        for (kind, form), column in names.items():  # as publishing writes them
            alter = sql.SQL("ALTER TABLE mock2pg_landing.t ALTER {} TYPE {} USING {}")
            x = sql.Identifier(column.name)
            text = sql.SQL(json_text(kind, form, kind) or "{x}").format(x=x)
            connection.execute(alter.format(x, sql.SQL(own), text))
            written = connection.execute(sql.SQL("SELECT DISTINCT {} FROM mock2pg_landing.t").format(x)).fetchall()
            assert written == [(IN_TEXT[kind, form][0],)]
    retyped = (
        Column(c.name, "text", False, c.name, None, c.data_type, c.format)
        if c.name != "id"
        else Column("id", "text", False, "id", None)
        for c in source.columns
    )
    assert both.prove(Table("t", tuple(retyped), ("id",), source="t")).different == 0  # the contract may say text, too
    assert both.prove(contract(source)).different == 0
    with postgres.connect(both.url, name="test") as connection:
        for key, (of, text) in others.items():
            query = sql.SQL("UPDATE mock2pg_landing.t SET {} = {} WHERE id = {}")
            connection.execute(query.format(sql.Identifier(names[of].name), sql.Literal(text), sql.Literal(key)))
        postgres.row_hashes.write(connection, postgres.scratch.LANDING, contract(source), target)
    assert staging.compare(both.parquet, target, publish="merge").different == len(others)


LIMITS = {
    "text": ("a", "N"), "integer": ("-2147483648", "0", "2147483647"), "boolean": ("true", "false"),
    "bigint": ("-9223372036854775808", "0", "9223372036854775807"), "date": ("0001-01-01", "9999-12-31"),
    "time": ("00:00", "14:05"), "numeric": ("0", "-1234567.125", "1e30"),
    "numeric(10,2)": ("-12345678.9", "0.01", "100"),
    "timestamp": ("0001-01-01T00:00:00", "9999-12-31T23:59:59"), "uuid": ("123e4567-e89b-12d3-a456-426614174000",),
    "timestamptz": ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.990Z"), "double precision": ("0.1", "-5e-324"),
    "jsonb": ("[1.0]",),
}  # fmt: skip
TARGETS = [*FORMATS, "numeric(10,2)", "numeric(12,3)", "numeric(22,2)"]
CONVERTED = [
    *((own, "", to) for own in LIMITS for to in TARGETS if own != to and converted(own, "", to)),
    *(("timestamptz", form, "text") for form in FORMATS["timestamptz"]), ("numeric(10,2)", TEXT, "text"),
    ("integer[]", "", "bigint[]"), ("bigint[]", "", "numeric[]"), ("date[]", "", "text[]"), ("uuid[]", "", "text[]"),
]  # fmt: skip


def test_a_value_that_becomes_another_type_is_proven(both: Both) -> None:
    """Of every pair of types that a contract may ask for: PostgreSQL's cast of the value is what was staged."""
    source = of_kinds()
    columns = tuple(staged_column(f"{own} {form} {to}", f"{own} {form} {to}", own, form) for own, form, to in CONVERTED)
    source = replace(source, columns=(*source.columns, *columns))

    def value(own: str, form: str, n: int) -> str:
        element = data_type(own).element
        at_limit = LIMITS[element][n % len(LIMITS[element])]
        if form and element == "timestamptz":
            at_limit = spelled(MOMENTS[n % 2], form)
        if form == TEXT:
            at_limit = ["-12345678.90", "0.01", "100.00"][n % 3]
        text = json.dumps(at_limit) if element == "text" or data_type(own).pattern(form) else at_limit
        return f"[{text}]" if own.endswith("[]") else text

    both.take(
        [{"id": f'"{n}"', **{c.name: value(c.data_type, c.format, n) for c in columns}} for n in range(6)], source
    )
    with postgres.connect(both.url, name="test") as connection:
        for column, (own, form, to) in zip(columns, CONVERTED, strict=True):
            alter = sql.SQL("ALTER TABLE mock2pg_landing.t ALTER {0} TYPE {1} USING {2}")
            x = sql.SQL("({}::{})").format(sql.Identifier(column.name), sql.SQL(to))
            cast = sql.SQL((to == "text" and json_text(own, form, to)) or "{x}").format(x=x)
            connection.execute(alter.format(sql.Identifier(column.name), sql.SQL(to), cast))
    built = (
        Column(c.name, to, False, c.name, None, own, form)
        for c, (own, form, to) in zip(columns, CONVERTED, strict=True)
    )
    table = Table("t", (Column("id", "text", False, "id", None), *built), ("id",), source="t")
    assert both.prove(table) == Compared(6, 6, 0, 0, 0)


def test_a_row_is_found_by_a_key_of_any_type(both: Both) -> None:
    """Keys of every type, and keys of several columns, are spelled alike by both engines."""
    source = of_kinds(*((kind, "") for kind in CHANGES))
    both.take([{"id": '"1"', **{kind + " ": value for kind, (value, _) in CHANGES.items()}}], source)
    several = [("a integer", "id"), ("a text", "a numeric"), ("a timestamptz", "a bigint")]
    for keys in [*((f"a {kind}",) for kind in CHANGES), *several]:
        assert both.prove(contract(source, *keys)) == Compared(1, 1, 0, 0, 0), keys


def test_the_order_of_rows_is_no_part_of_a_tables_hash(both: Both) -> None:
    """A table hash does not depend on the order of rows; a duplicate row changes it."""
    found = []
    for ids in ("123", "321", "12", "122"):
        both.take([{"id": f'"{own}"'} for own in ids])
        with postgres.connect(both.url, name="test") as connection:
            found.append(
                postgres.row_hashes.table_hash(
                    connection, sql.Identifier(postgres.scratch.LANDING, contract().name), contract()
                )
            )
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_table_without_rows_has_a_hash(both: Both) -> None:
    """Nothing is equal to nothing."""
    both.take([])
    assert both.prove(contract()) == Compared(0, 0, 0, 0, 0)
    assert staging.table_hash(both.parquet) == "0:0:0"


def test_postgresql_computes_the_hash_of_a_row_once(connection: postgres.Connection) -> None:
    """A table hash names each row's hash twice, and yet there is one call for each row."""
    connection.execute("CREATE SEQUENCE public.calls")
    connection.execute(
        "CREATE FUNCTION public.hash_of(integer) RETURNS text IMMUTABLE LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM nextval('public.calls'); RETURN repeat('5', 64); END $$"
    )
    hashes = "SELECT public.hash_of(n) AS hash FROM generate_series(1, 9) AS r (n)"
    assert connection.execute(TABLE_HASH_POSTGRES.format(hashes=hashes)).fetchone() is not None
    assert connection.execute("SELECT last_value FROM public.calls").fetchone() == (9,)
