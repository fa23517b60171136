"""Verification proves: whatever is changed in a target table is found, and what is no change is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from mock2pg import postgres
from mock2pg.contracts import Column, Table
from mock2pg.conversions import json_text
from mock2pg.postgres.server import Server
from mock2pg.source import staging
from mock2pg.spellings import FORMATS
from mock2pg.staged_tables import SourceColumn, SourceTable
from mock2pg.step_results import Compared
from tests.fix_postgres import new_database
from tests.fix_staging import SECRET, csv_blocks, write_hashes

# column -> type of the contract, and that of a column which an application made for it
COLUMNS = {
    "id": ("text", "varchar(20)"),
    "word": ("text", "varchar(80)"),
    "other": ("text", "varchar"),
    "level": ("text", "public.levels"),
    "number": ("integer", "numeric"),
    "amount": ("integer", "numeric(12,2)"),
    "wide": ("integer", "bigint"),
    "share": ("double precision", "numeric"),
    "large": ("double precision", "double precision"),  # numeric would keep 15 digits of it
    "open": ("boolean", "text"),
    "day": ("date", "text"),
    "since": ("date", "timestamp"),
    "opens": ("time", "text"),
    "tags": ("text[]", "varchar(20)[]"),
    "notes": ("jsonb", "json"),
    "price": ("numeric(10,2)", "numeric"),
    "rate": ("numeric", "text"),
    "big": ("bigint", "text"),
    "seen": ("timestamptz", "text"),
    "planned": ("timestamp", "timestamp(3)"),
    "token": ("uuid", "varchar"),
    "counts": ("integer[]", "bigint[]"),
}
ROWS: list[dict[str, object]] = [
    {"id": "1", "word": " Zo\u00eb a\n", "other": "b", "level": "low", "number": 7, "amount": 7, "wide": 7,
     "share": 0.1, "open": True, "day": "2026-03-02", "since": "2026-03-02", "opens": "09:00",
     "tags": ["a", "b", "NULL"],
     "notes": {"big": 9007199254740993, "one": 1, "none": None, "list": [1, 2], "\u00eb": "x"},
     "price": 19.9, "rate": 0.25, "big": 9007199254740993, "seen": "2026-03-02T09:00:00.120Z",
     "planned": "2026-03-02T09:00:00", "token": "123e4567-e89b-12d3-a456-426614174000", "counts": [1, 2]},
    {"id": "2", "word": "9007199254740993", "other": "c", "level": "high", "number": 8, "amount": 8, "wide": 8,
     "share": 0.5, "large": 9007199254740992, "open": False, "day": "2026-03-03", "since": "2026-03-03",
     "opens": "12:00", "tags": ["a,b"], "notes": {"a": {"b": [None, False]}}},
    {"id": "3"},
    {"id": "4", "word": "", "other": "", "level": "low", "number": 0, "amount": 0, "wide": 0, "share": 0.0,
     "open": False, "day": "0001-01-01", "since": "0001-01-01", "opens": "00:00", "tags": [], "notes": {},
     "price": 0, "rate": 0, "big": 0, "seen": "0001-01-01T00:00:00.000Z", "planned": "0001-01-01T00:00:00",
     "token": "00000000-0000-0000-0000-000000000000", "counts": []},
]  # fmt: skip

# the row's key, and what is done to one of its cells
CELLS = [
    # text
    ("1", "word = trim(word)"),
    ("1", "word = rtrim(word, E'\\n')"),
    ("1", "word = replace(word, E'\\n', E'\\r\\n')"),
    ("1", "word = replace(word, ' ', chr(160))"),
    ("1", "word = upper(word)"),
    ("1", "word = lower(word)"),
    ("1", "word = normalize(word, NFD)"),
    ("1", "word = replace(word, 'a', chr(1072))"),  # a Cyrillic letter that looks the same
    ("1", "word = word || chr(8203)"),  # zero-width space
    ("1", "word = chr(65279) || word"),  # byte order mark
    ("1", "word = 'Zo' || chr(8205) || substr(word, 3)"),  # zero-width joiner
    ("1", "word = NULL"),
    ("2", "word = '9007199254740992'"),
    ("2", "word = '9007199254740993.0'"),
    ("3", "word = ''"),
    ("3", "word = 'NULL'"),
    ("3", "word = 'N'"),
    ("4", "word = NULL"),
    ("4", "word = ' '"),
    ("4", "word = 'T0:'"),
    # integer
    ("1", "number = 8"),
    ("1", "number = -7"),
    ("1", "number = NULL"),
    ("3", "number = 0"),
    ("4", "number = NULL"),
    # double precision
    ("1", "share = 0.10000000000000002"),
    ("1", "share = 0.09999999999999999"),
    ("1", "share = 0.1::real::double precision"),
    ("2", "large = 9007199254740994"),
    ("3", "share = 0"),
    ("3", "share = 'NaN'"),
    ("4", "share = '-0'::double precision"),
    ("4", "share = 5e-324"),
    ("4", "share = NULL"),
    # boolean
    ("1", "open = false"),
    ("2", "open = NULL"),
    ("3", "open = false"),
    # date
    ("1", "day = '2026-03-03'"),
    ("1", "day = '2026-03-01'"),
    ("1", "day = '2026-02-03'"),
    ("1", "day = '2026-03-02 BC'"),
    ("1", "day = 'infinity'"),
    ("3", "day = '1970-01-01'"),
    ("4", "day = '0001-01-01 BC'"),
    # time
    ("1", "opens = '09:00:00.000001'"),
    ("1", "opens = '21:00'"),
    ("3", "opens = '00:00'"),
    ("4", "opens = '24:00'"),
    ("4", "opens = NULL"),
    # text[]
    ("1", 'tags = $${b,a,"NULL"}$$'),
    ("1", "tags = '{a,b,NULL}'"),
    ("1", "tags = '{a,b}'"),
    ("1", 'tags = $${a,b,"NULL",""}$$'),
    ("1", 'tags = $${a,b,"NULL",NULL}$$'),
    ("1", 'tags = $${a,b,"NULL "}$$'),
    ("1", 'tags = $${{a,b,"NULL"}}$$'),
    ("1", 'tags = $${{a},{b},{"NULL"}}$$'),
    ("1", 'tags = $$[0:2]={a,b,"NULL"}$$'),
    ("2", "tags = '{a,b}'"),
    ("3", "tags = '{}'"),
    ("3", "tags = '{NULL}'"),
    ("4", "tags = NULL"),
    ("4", "tags = '{NULL}'"),
    ("4", 'tags = $${""}$$'),
    # jsonb
    ("1", "notes = jsonb_set(notes, '{one}', '1.0')"),
    ("1", "notes = jsonb_set(notes, '{one}', '\"1\"')"),
    ("1", "notes = jsonb_set(notes, '{one}', 'true')"),
    ("1", "notes = jsonb_set(notes, '{big}', '9007199254740992')"),
    ("1", "notes = jsonb_set(notes, '{big}', '\"9007199254740993\"')"),
    ("1", "notes = jsonb_set(notes, '{none}', '\"\"')"),
    ("1", "notes = notes - 'none'"),
    ("1", 'notes = notes || $${"nothing": null}$$'),
    ("1", "notes = jsonb_set(notes, '{list}', '[2, 1]')"),
    ("1", "notes = jsonb_set(notes, '{list}', '[[1, 2]]')"),
    ("1", "notes = normalize(notes::text, NFD)::jsonb"),
    ("1", "notes = to_jsonb(notes::text)"),
    ("2", "notes = jsonb_set(notes, '{a,b,0}', 'false')"),
    ("2", "notes = jsonb_set(notes, '{a,b,1}', '0')"),
    ("2", 'notes = $${"A": {"b": [null, false]}}$$'),
    ("2", 'notes = $${"a": {"b": [false]}}$$'),
    ("3", "notes = 'null'"),
    ("3", "notes = '{}'"),
    ("4", "notes = NULL"),
    ("4", "notes = 'null'"),
    ("4", "notes = '[]'"),
    ("4", 'notes = $${"": null}$$'),
    # numeric, bigint
    ("1", "price = 19.91"),
    ("1", "price = -price"),
    ("3", "price = 0"),
    ("1", "rate = 0.25000000000000000000000001"),
    ("4", "rate = 'NaN'"),
    ("1", "big = 9007199254740992"),
    ("4", "big = NULL"),
    # timestamp, timestamptz
    ("1", "seen = seen + interval '1 microsecond'"),
    ("1", "seen = '2026-03-02 09:00:00.12+01'"),
    ("1", "seen = 'infinity'"),
    ("4", "seen = '0001-01-01 00:00+00 BC'"),
    ("1", "planned = date_trunc('day', planned)"),
    # uuid, and arrays of other types
    ("1", "token = '123e4567-e89b-12d3-a456-426614174001'"),
    ("3", "token = '00000000-0000-0000-0000-000000000000'"),
    ("1", "counts = '{2,1}'"),
    ("1", "counts = '{1,2,NULL}'"),
    ("1", "counts = '{12}'"),
    ("1", "counts = '[0:1]={1,2}'"),
    ("4", "counts = NULL"),
]
# the same where the columns are of an application's own types
OWN_CELLS = [
    ("1", "word = trim(word)"),
    ("1", "word = normalize(word, NFD)"),
    ("3", "word = ''"),
    ("4", "word = NULL"),
    ("1", "level = 'high'"),
    ("3", "level = 'low'"),
    ("1", "number = 7.4"),  # which an integer would round away
    ("1", "number = 7.0"),
    ("4", "number = 0.00000000000000000001"),
    ("1", "amount = 7.01"),
    ("1", "wide = 8"),
    ("1", "share = 0.10000000000000000000001"),  # which a double would round away
    ("1", "share = 0.10"),
    ("2", "share = 0.5000000000000000000"),
    ("1", "open = 't'"),
    ("1", "open = 'TRUE'"),
    ("1", "day = '2026-3-2'"),
    ("1", "day = ' 2026-03-02'"),
    ("1", "day = '2026-03-02 23:59'"),
    ("1", "day = 'March 2, 2026'"),
    ("1", "since = since + interval '1 microsecond'"),
    ("1", "opens = '09:00:00'"),
    ("1", "opens = ''"),
    ("1", "open = 'perhaps'"),
    ("1", "day = 'soon'"),
    ("1", "opens = '9:00:00'"),
    ("1", "opens = '09:00:00+02'"),
    ("1", 'tags = $${{a,b,"NULL"}}$$'),
    ("1", 'tags = $$[0:2]={a,b,"NULL"}$$'),
    ("1", "tags = '{a,b,NULL}'"),
    ("2", "notes = replace(notes::text, ' ', '')::json"),
    ("2", 'notes = $${"a": 1, "a": {"b": [null, false]}}$$'),  # jsonb keeps the last of a key
    ("3", "notes = 'null'"),
    ("1", "price = 19.901"),  # which numeric(10,2) would round away
    ("1", "rate = '0.251'"),
    ("1", "rate = '2.5e-1'"),
    ("1", "big = '09007199254740993'"),
    ("1", "seen = '2026-03-02 09:00:00.12+00'"),
    ("1", "seen = '2026-03-02T09:00:00.12Z'"),
    ("1", "planned = planned + interval '1 millisecond'"),
    ("1", "token = upper(token)"),
    ("1", "counts = '{1,3}'"),
]
# whole rows: what is done, and the keys that are missing, extra and different then
MOVES = [
    ("UPDATE {t} SET word = other, other = word WHERE id = '1'", (), (), ("1",)),
    ("UPDATE {t} SET number = wide + 1, wide = number WHERE id = '1'", (), (), ("1",)),
    ("UPDATE {t} AS a SET word = b.word FROM {t} AS b WHERE a.id IN ('1', '2') AND b.id IN ('1', '2') AND a.id <> b.id",
     (), (), ("1", "2")),
    ("UPDATE {t} SET id = CASE id WHEN '1' THEN '2' ELSE '1' END WHERE id IN ('1', '2')", (), (), ("1", "2")),
    ("UPDATE {t} SET id = '1 ' WHERE id = '1'", ("1",), ("1 ",), ()),
    ("UPDATE {t} SET id = '01' WHERE id = '1'", ("1",), ("01",), ()),
    ("UPDATE {t} SET id = NULL WHERE id = '1'", ("1",), ("NULL",), ()),
    ("UPDATE {t} SET id = '' WHERE id = '3'", ("3",), ("",), ()),
    ("DELETE FROM {t} WHERE id = '3'", ("3",), (), ()),
    ("DELETE FROM {t}", ("1", "2", "3", "4"), (), ()),
    ("TRUNCATE {t}", ("1", "2", "3", "4"), (), ()),
    ("INSERT INTO {t} (id) VALUES ('5')", (), ("5",), ()),
    ("INSERT INTO {t} SELECT * FROM {t} WHERE id = '1'", (), ("1",), ()),
    ("WITH gone AS (DELETE FROM {t} WHERE id = '3') INSERT INTO {t} SELECT * FROM {t} WHERE id = '1'",
     ("3",), ("1",), ()),
    ("INSERT INTO {t} DEFAULT VALUES", (), ("NULL",), ()),
]  # fmt: skip
# what changes nothing that a row holds
SAME = [
    "UPDATE {t} SET word = word",
    'UPDATE {t} SET notes = $${"a": {"b": [null, false]}, "a": {"b": [null, false]}}$$ WHERE id = \'2\'',
    'UPDATE {t} SET notes = $${ "one":1,"none":null,"list":[1,2],"big":9007199254740993,"\u00eb":"x"}$$'
    " WHERE id = '1'",
    "UPDATE {t} SET opens = '09:00:00.000', share = 1e-1 WHERE id = '1'",
    "UPDATE {t} SET seen = '2026-03-02 10:00:00.12+01', rate = 0.2500 WHERE id = '1'",
    "ALTER TABLE {t} ADD created_at timestamptz DEFAULT now()",
    "CREATE INDEX ON {t} (word)",
]


@dataclass(frozen=True)
class Published:
    """The rows, staged and in the target: in a table that mock2pg would create, and in one that an application made."""

    url: str
    folder: Path

    @property
    def hashes(self) -> Path:
        return self.folder / "hashes.parquet"

    def compared(self, name: str, change: str | None = None) -> Compared:
        """As the step `verify` compares, after a change that is taken back again."""
        target = self.folder / "target.csv"
        with postgres.connect(self.url, name="test") as connection, connection.transaction(force_rollback=True):
            if change:
                query = sql.SQL(change.replace("{", "{{").replace("}", "}}").replace("{{t}}", "{t}"))  # type: ignore[arg-type]
                assert connection.execute(query.format(t=sql.Identifier("public", name))).rowcount
            postgres.row_hashes.write(connection, "public", contract(name), target)
            keys = staging.different_keys(self.hashes, target, publish="merge", limit=1)
            [values] = postgres.row_hashes.encoded(connection, "public", contract(name), keys)
        columns = staging.different_columns(self.hashes, contract(name), values, SECRET)
        return replace(staging.compare(self.hashes, target, publish="merge"), columns=columns)


def contract(name: str) -> Table:
    columns = tuple(Column(column, kind, False, column, None) for column, (kind, _) in COLUMNS.items())
    return Table(name, columns, ("id",), source="staged")


@contextmanager
def publish(server: Server, folder: Path, rows: Sequence[Mapping[str, object]]) -> Iterator[Published]:
    """Stage the rows, and write them into both tables."""
    source = SourceTable("staged", "a", tuple(SourceColumn(name, kind, name) for name, (kind, _) in COLUMNS.items()))
    (array := folder / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    staged, built = folder / "staging.duckdb", folder / "built.csv"
    staging.stage(staged, {"a": array}, [source])
    with new_database(server, folder.name) as url, postgres.connect(url, name="test") as connection:
        postgres.scratch.recreate(connection)
        postgres.scratch.land(connection, source, csv_blocks(staged, source), len(rows))
        connection.execute("CREATE TYPE public.levels AS ENUM ('low', 'high')")
        for name, which in (("plain", 0), ("own", 1)):
            kinds = {column: kinds[which] for column, kinds in COLUMNS.items()}
            connection.execute(f"CREATE TABLE public.{name} ({', '.join(f'{c} {k}' for c, k in kinds.items())})")  # type: ignore[arg-type]
            values = ", ".join(  # as publishing casts them
                (json_text(own, "", own) or "{x}").format(x=column) + f"::{kinds[column]}"
                if kinds[column] in ("text", "varchar")
                else f"{column}::{kinds[column]}"
                for column, (own, _) in COLUMNS.items()
            )
            connection.execute(f"INSERT INTO public.{name} SELECT {values} FROM mock2pg_landing.staged")  # type: ignore[arg-type]
        postgres.row_hashes.write(connection, "public", contract("plain"), built, built_only=True)
        made = Published(url, folder)
        write_hashes(staged, contract("plain"), built, made.hashes)
        yield made


@pytest.fixture(scope="module")
def published(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with publish(server, tmp_path_factory.mktemp("published"), ROWS) as made:
        yield made


def test_there_is_a_column_of_every_type() -> None:
    """A type that is added is changed here, too."""
    changed = {cell.split(" = ")[0] for _, cell in CELLS}
    assert {COLUMNS[column][0] for column in changed} >= {*FORMATS, "text[]", "integer[]", "numeric(10,2)"}
    assert {cell.split(" = ")[0] for _, cell in OWN_CELLS} == COLUMNS.keys() - {"id", "other", "large"}


@pytest.mark.parametrize("name", ["plain", "own"])
def test_what_was_published_is_as_it_was_staged(published: Published, name: str) -> None:
    """Nothing is found where nothing was changed, also in columns of an application's own types."""
    assert published.compared(name) == Compared(len(ROWS), len(ROWS), 0, 0, 0)


@pytest.mark.parametrize("change", SAME)
def test_what_is_no_change_is_not_found(published: Published, change: str) -> None:
    """A jsonb has no order and no spelling, a column of nobody's contract and an index are not compared."""
    assert published.compared("plain", change) == Compared(len(ROWS), len(ROWS), 0, 0, 0)


@pytest.mark.parametrize(("name", "cells"), [("plain", CELLS), ("own", OWN_CELLS)])
def test_a_cell_that_was_changed_is_found(
    name: str, cells: Sequence[tuple[str, str]], server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever hides from an eye or from a comparison: its row is different, in its column, and no other is."""
    of = {row["id"]: row for row in ROWS}
    own = {f"cell {number}": case for number, case in enumerate(cells)}  # each cell in a row of its own
    rows = [*ROWS, *({**of[like], "id": key} for key, (like, _) in own.items())]
    with publish(server, tmp_path_factory.mktemp("cells"), rows) as made:
        target, columns = made.folder / "target.csv", dict[str, list[str]]()
        with postgres.connect(made.url, name="test") as connection, connection.transaction(force_rollback=True):
            for key, (_, cell) in own.items():
                change = sql.SQL(cell.replace("{", "{{").replace("}", "}}"))  # type: ignore[arg-type]
                update = sql.SQL("UPDATE {} SET {} WHERE id = {}").format(
                    sql.Identifier("public", name), change.format(), sql.Literal(key)
                )
                assert connection.execute(update).rowcount == 1, cell
                columns.setdefault(cell.split(" = ")[0], []).append(key)
            postgres.row_hashes.write(connection, "public", contract(name), target)
            values = {
                column: [row for some in postgres.row_hashes.encoded(connection, "public", contract(name), keys)
                         for row in some]
                for column, keys in columns.items()
            }  # fmt: skip
        found = staging.different_keys(made.hashes, target, publish="merge", limit=len(rows))
        assert [own[key] for key in own.keys() - set(found)] == []
        assert len(found) == len(own)
        compared = staging.compare(made.hashes, target, publish="merge")
        assert (compared.missing, compared.extra, compared.different) == (0, 0, len(own))
        for column, keys in columns.items():
            differ = staging.different_columns(made.hashes, contract(name), values[column], SECRET)
            assert differ == {column: len(keys)}


@pytest.mark.parametrize("name", ["plain", "own"])
@pytest.mark.parametrize(("change", "missing", "extra", "different"), MOVES)
def test_rows_that_moved_are_found(
    published: Published,
    name: str,
    change: str,
    missing: tuple[str, ...],
    extra: tuple[str, ...],
    different: tuple[str, ...],
) -> None:
    """Swapped columns, cells and keys; rows that are gone, added or there twice, also when their number is the same."""
    found = published.compared(name, change)
    assert (found.missing_keys, found.extra_keys, found.different_keys) == (missing, extra, different)
    assert (found.missing, found.extra, found.different) == (len(missing), len(extra), len(different))
    assert found.target == found.staged - found.missing + found.extra


def test_what_is_not_of_the_type_at_all_stops_the_comparison(published: Published) -> None:
    """It is never taken for equal: the database refuses to read it as what the contract says."""
    with pytest.raises(psycopg.DataError):
        published.compared("own", "UPDATE {t} SET number = 1e12 WHERE id = '1'")


@pytest.mark.parametrize("name", ["plain", "own"])
def test_settings_of_the_database_neither_hide_nor_invent(published: Published, name: str) -> None:
    """Whatever time zone, way to write dates and number of digits a server has: the result is the same."""
    settings = {"DateStyle": "German", "TimeZone": "Asia/Tokyo", "extra_float_digits": "-10", "search_path": "public"}
    with postgres.connect(published.url, name="test") as connection:
        home = sql.Identifier(postgres.database_name(published.url))
        for key, value in settings.items():
            connection.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(home, sql.SQL(key), sql.Literal(value)))
        try:
            assert published.compared(name) == Compared(len(ROWS), len(ROWS), 0, 0, 0)
            found = published.compared(name, "UPDATE {t} SET day = '2026-02-03' WHERE id = '1'")
            assert found.different_keys == ("1",)
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(home))
