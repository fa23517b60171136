"""The row hash: equal in both engines for equal rows, and different for rows that differ in any way."""

from __future__ import annotations

import csv
import hashlib
import json
import struct
import unicodedata
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mock2pg import postgres
from mock2pg.contracts import Column, SourceColumn, SourceTable, Table
from mock2pg.encoding import CONVERSIONS_DUCKDB, JSON_TEXT_POSTGRES, KINDS, TABLE_HASH_POSTGRES
from mock2pg.source import staging
from mock2pg.step_results import Compared
from tests.fix_staging import csv_blocks, write_hashes

Row = dict[str, str]  # column -> its value as JSON text

COLUMNS = {"id": "text", **{f"a {kind}": kind for kind in KINDS}, "other": "text"}
SOURCE = SourceTable("t", "a", tuple(SourceColumn(name, kind, name) for name, kind in COLUMNS.items()))


def contract(source: SourceTable = SOURCE, *keys: str, derived: str | None = None) -> Table:
    """Every column as it is staged; or, but for the key, derived."""
    keys = keys or ("id",)
    columns = (
        Column(own.name, own.data_type, False, own.name, None if own.name in keys else derived)
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
            postgres.scratch.write_hashes(connection, schema, table, built, built_only=True)
            postgres.scratch.write_hashes(connection, schema, table, target)
            write_hashes(self.staged, table, built, self.parquet)
            assert postgres.scratch.table_hash(
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
            postgres.scratch.write_hashes(connection, postgres.scratch.LANDING, table, file, built_only=True)
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
VALUES: dict[str, st.SearchStrategy[str]] = {
    "text": texts.map(json.dumps),
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "double precision": (
        st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 5e-324, 1e308, 0.1, 1e22, 123456.789])
    ).map(repr),
    "boolean": st.sampled_from(["true", "false"]),
    "date": st.dates().map(lambda day: json.dumps(day.isoformat())),
    "time": st.times().map(lambda moment: json.dumps(moment.strftime("%H:%M"))),
    "jsonb": json_texts,
    "text[]": st.lists(texts, max_size=4).map(json.dumps),
}
any_row = st.fixed_dictionaries(
    {name: VALUES[kind] | st.just("null") for name, kind in COLUMNS.items() if name != "id"}
)


@given(st.lists(any_row, min_size=5, max_size=40))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_hashes_of_both_engines_are_equal(both: Both, rows: list[Row]) -> None:
    """A row has the same hash where it was staged and in its target table, whatever the values."""
    both.take([{"id": json.dumps(str(n)), **row} for n, row in enumerate(rows)])
    assert both.prove(contract()) == Compared(len(rows), len(rows), 0, 0, 0)


def test_there_is_a_strategy_for_every_type() -> None:
    """A type that is added is also tested."""
    assert VALUES.keys() == KINDS.keys()


def test_the_encoding_is_the_one_that_is_described(both: Both) -> None:
    """Anybody can compute a row's hash: tag, length in bytes, colon and text of each value, one after another."""
    row = {
        "id": '"1"', "a text": '"é"', "a integer": "-5", "a double precision": "0.1", "a boolean": "true",
        "a date": '"0001-02-03"', "a time": '"09:05"', "a jsonb": '{"b": 1.0, "a": []}', "a text[]": '["x", "", "é"]',
    }  # fmt: skip
    both.take([row, {"id": '""', "a boolean": "false", "a text[]": "[]"}])
    assert both.prove(contract()).different == 0
    bits = struct.unpack(">q", struct.pack(">d", 0.1))[0]
    encoded = dict.fromkeys(KINDS, "N")
    encoded |= {"text": "T2:é", "integer": "I2:-5", "double precision": f"F{len(str(bits))}:{bits}", "boolean": "B1:t"}
    encoded |= {"date": "D10:0001-02-03", "time": "C8:09:05:00", "jsonb": 'J19:{"a": [], "b": 1.0}'}
    encoded |= {"text[]": "A12:T1:xT0:T2:é"}
    whole = "T1:1" + "".join(encoded[kind] for kind in KINDS) + "N"
    empty = "T0:" + "".join({"boolean": "B1:f", "text[]": "A0:"}.get(kind, "N") for kind in KINDS) + "N"
    assert both.hashes() == {"1": sha256(whole), "": sha256(empty)}


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


def test_a_change_of_any_cell_is_noticed(both: Both) -> None:
    """One cell of the target table that is changed by hand, in any column, is one different row."""
    row = {"a text": '"x"', "a integer": "1", "a double precision": "0.5", "a boolean": "true",
           "a date": '"2026-01-01"', "a time": '"08:00"', "a jsonb": "[1]", "a text[]": '["x"]',
           "other": '"y"'}  # fmt: skip
    changes = {
        "a text": "'X'", "a integer": "2", "a double precision": "0.5000000000000001", "a boolean": "false",
        "a date": "'2026-01-02'", "a time": "'08:00:00.001'", "a jsonb": "'[1.0]'", "a text[]": "'{x,NULL}'",
        "other": "NULL",
    }  # fmt: skip
    assert {"id", *changes} == set(COLUMNS)
    both.take([{"id": json.dumps(column), **row} for column in COLUMNS])
    assert both.prove(contract()).different == 0
    target = both.folder / "target.csv"
    with postgres.connect(both.url, name="test") as connection:
        for column, value in changes.items():
            query = f"UPDATE mock2pg_landing.t SET \"{column}\" = {value} WHERE id = '{column}'"
            connection.execute(query)  # type: ignore[arg-type]
        postgres.scratch.write_hashes(connection, postgres.scratch.LANDING, contract(), target)
    found = staging.compare(both.parquet, target, publish="merge")
    assert found.different_keys == tuple(sorted(changes))
    assert (found.different, found.missing, found.extra) == (len(changes), 0, 0)


SPELLED = {  # in the JSON, and otherwise
    "integer": ("-12", ("-012", "+12", "-12.0", " -12", "")), "boolean": ("true", ("t", "True", "1", "yes")),
    "date": ('"2026-03-02"', ("2026-3-2", "March 2, 2026", "2026-02-30", "20260302")),
    "time": ('"14:00"', ("14:00:00", "2pm", "14:00:00.0", "1400", "25:00")),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "varchar(20)"])
def test_a_text_column_holds_what_the_json_says(kind: str, both: Both) -> None:
    """The JSON's own text, whatever the contract's type is; any other spelling is different, and no error."""
    row = {f"a {name}": spelled for name, (spelled, _) in SPELLED.items()}
    others = {f"{name} {n}": (name, text) for name, (_, texts) in SPELLED.items() for n, text in enumerate(texts)}
    both.take([{"id": json.dumps(key), **row} for key in ("same", *others)])
    target = both.folder / "target.csv"
    with postgres.connect(both.url, name="test") as connection:
        for name, (spelled, _) in SPELLED.items():
            column, text = sql.Identifier(f"a {name}"), sql.Literal(json.loads(spelled) if '"' in spelled else spelled)
            alter = sql.SQL("ALTER TABLE mock2pg_landing.t ALTER {} TYPE {} USING {}")
            connection.execute(alter.format(column, sql.SQL(kind), text))
    retyped = (
        replace(c, data_type="text", staged_type=c.data_type) if c.name.removeprefix("a ") in SPELLED else c
        for c in contract().columns
    )
    assert both.prove(replace(contract(), columns=tuple(retyped))).different == 0  # the contract may say text, too
    assert both.prove(contract()).different == 0
    with postgres.connect(both.url, name="test") as connection:
        for key, (name, text) in others.items():
            query = sql.SQL("UPDATE mock2pg_landing.t SET {} = {} WHERE id = {}")
            connection.execute(query.format(sql.Identifier(f"a {name}"), sql.Literal(text), sql.Literal(key)))
        postgres.scratch.write_hashes(connection, postgres.scratch.LANDING, contract(), target)
    assert staging.compare(both.parquet, target, publish="merge").different_keys == tuple(sorted(others))


def test_a_value_that_becomes_another_type_is_proven(both: Both) -> None:
    """Of every pair of types that a contract may ask for: PostgreSQL's cast of the value is what was staged."""
    values = {"integer": ("-2147483648", "0", "2147483647"), "boolean": ("true", "false"),
              "date": ('"0001-01-01"', '"9999-12-31"'), "time": ('"00:00"', '"14:05"')}  # fmt: skip
    pairs = {f"{own} to {to}": (own, to) for own, to in CONVERSIONS_DUCKDB}
    source = replace(
        SOURCE, columns=tuple(SourceColumn(n, own, n) for n, (own, _) in {"id": ("text", ""), **pairs}.items())
    )
    both.take(
        [{"id": f'"{n}"', **{p: values[own][n % len(values[own])] for p, (own, _) in pairs.items()}} for n in range(6)],
        source,
    )
    with postgres.connect(both.url, name="test") as connection:
        for name, (own, to) in pairs.items():
            alter = sql.SQL("ALTER TABLE mock2pg_landing.t ALTER {0} TYPE {1} USING {2}")
            cast = sql.SQL(JSON_TEXT_POSTGRES.get((own, to), "{x}")).format(
                x=sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(to))
            )
            connection.execute(alter.format(sql.Identifier(name), sql.SQL(to), cast))
    columns = (Column(name, to, False, name, None, own) for name, (own, to) in pairs.items())
    table = Table("t", (Column("id", "text", False, "id", None), *columns), ("id",), source="t")
    assert both.prove(table) == Compared(6, 6, 0, 0, 0)


@pytest.mark.parametrize("keys", [(name,) for name in COLUMNS] + [("a integer", "id"), ("a text", "other")])
def test_a_row_is_found_by_a_key_of_any_type(keys: tuple[str, ...], both: Both) -> None:
    """Keys of every type, and keys of several columns, are spelled alike by both engines."""
    row = {"a text": '"é, \\"1\\""', "a integer": "-1", "a double precision": "5", "a boolean": "true",
           "a date": '"0001-01-01"', "a time": '"08:00"', "a jsonb": '{"b": 1.50}', "a text[]": '["x y", ""]',
           "other": '""'}  # fmt: skip
    both.take([{"id": '"1"', **row}])
    assert both.prove(contract(SOURCE, *keys)) == Compared(1, 1, 0, 0, 0)


def test_the_order_of_rows_is_no_part_of_a_tables_hash(both: Both) -> None:
    """A table hash does not depend on the order of rows; a duplicate row changes it."""
    found = []
    for ids in ("123", "321", "12", "122"):
        both.take([{"id": f'"{own}"'} for own in ids])
        with postgres.connect(both.url, name="test") as connection:
            found.append(
                postgres.scratch.table_hash(
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
