"""Staged rows on their way out: through COPY into PostgreSQL, and as hashes that are compared."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from psycopg import sql

from mock2pg import postgres
from mock2pg.contracts import Column, Table
from mock2pg.errors import InternalError, LoadFailed
from mock2pg.source import staging
from mock2pg.staged_tables import SourceColumn, SourceTable
from mock2pg.step_results import Compared
from tests.fix_staging import csv_blocks, write_hashes

NAUGHTY = [
    "", " ", "\\.", "\\N", "NULL", "null", '""', '"', "'", ",", ";", "\t", "\n", "\r", "\r\n", "a\nb", "\\", "\\n",
    "\\\\", "{", "}", "{}", "{NULL}", "[", "#", "--", "\x01", "\x7f", "\u2028", "\ufeff", "é", "e\u0301", "😀", "名前",
    "\U0010ffff", "x" * 5000,
]  # fmt: skip
SOURCE = SourceTable(
    "t",
    "a",
    tuple(SourceColumn(name, kind, name) for name, kind in (("id", "text"), ("list", "text[]"), ("json", "jsonb"))),
)
ONE = SourceTable("t", "a", (SourceColumn("id", "text", "id"),))
CONTRACT = Table("t", (Column("id", "text", True, "id", None),), ("id",), source="t")
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def database(database: str) -> str:
    """The test's own database, with room to land in."""
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
    return database


def stage(place: Path, rows: list[dict[str, Any]], table: SourceTable = SOURCE) -> Path:
    file, staged = place / "a.json", place / "staging.duckdb"
    file.write_text(json.dumps(rows), encoding="utf-8")
    staged.unlink(missing_ok=True)
    staging.stage(staged, {"a": file}, [table])
    return staged


def landed(connection: postgres.Connection, name: str = "t") -> list[tuple[Any, ...]]:
    return connection.execute(sql.SQL("SELECT * FROM mock2pg_landing.{}").format(sql.Identifier(name))).fetchall()


def test_naughty_values_land_as_they_are(tmp_path: Path, connection: postgres.Connection) -> None:
    """Strings that COPY, CSV, arrays or JSON might take for their own signs arrive unchanged, in their order."""
    rows = [{"id": text, "list": [text, "x", text], "json": {text: [text]}} for text in NAUGHTY]
    rows += [{"id": None, "list": [], "json": None}, {"id": "", "list": ["", ""], "json": []}, {"list": NAUGHTY}]
    staged = stage(tmp_path, rows)
    assert postgres.scratch.land(connection, SOURCE, csv_blocks(staged, SOURCE), len(rows)) == len(rows)
    assert landed(connection) == [(row.get("id"), row.get("list"), row.get("json")) for row in rows]


@pytest.mark.parametrize("text", ["", "\\.", "\\N", '"'])
def test_a_table_of_one_column_lands_whole(text: str, tmp_path: Path, connection: postgres.Connection) -> None:
    """The end-of-data sign of COPY is an ordinary value, and so is nothing at all."""
    staged = stage(tmp_path, [{"id": text}, {"id": None}, {"id": "last"}], ONE)
    postgres.scratch.land(connection, ONE, csv_blocks(staged, ONE), 3)
    assert landed(connection) == [(text,), (None,), ("last",)]


def test_an_odd_name_and_an_empty_table_land(tmp_path: Path, connection: postgres.Connection) -> None:
    """Names are quoted on both sides; no rows are no rows."""
    table = SourceTable('Sel"ect', "a", (SourceColumn('or"Der', "text", "x"), SourceColumn("user", "integer", "y")))
    for rows, expected in (([], []), ([{"x": "1", "y": 2}], [("1", 2)])):
        staged = stage(tmp_path, rows, table)
        postgres.scratch.recreate(connection)
        postgres.scratch.land(connection, table, csv_blocks(staged, table), len(rows))
        assert landed(connection, 'Sel"ect') == expected


def test_more_than_a_pipe_holds_lands(tmp_path: Path, connection: postgres.Connection) -> None:
    """The rows stream: several times the pipe's size, in order."""
    rows = [{"id": str(n), "list": ["x" * 50] * 4} for n in range(20_000)]
    postgres.scratch.land(connection, SOURCE, csv_blocks(stage(tmp_path, rows), SOURCE), len(rows))
    assert [row[0] for row in landed(connection)] == [str(n) for n in range(20_000)]


def test_rows_that_are_missing_are_noticed(connection: postgres.Connection) -> None:
    """Fewer landed rows than staged ones are a failure, and the landing table is not there then."""
    with pytest.raises(LoadFailed, match="t: 1 of 2 staged rows were landed"):
        postgres.scratch.land(connection, ONE, [b'"a"\n'], 2)
    assert postgres.catalogue.tables(connection, "mock2pg_landing") == []


def test_a_fault_of_the_producer_is_raised_inside_the_copy(tmp_path: Path, connection: postgres.Connection) -> None:
    """Half of the rows, then a fault: it has a name, and nothing is landed."""
    staged = stage(tmp_path, [{"id": str(n)} for n in range(50_000)], ONE)
    with duckdb.connect(str(staged)) as changed:  # the last row fails, which only the query finds out
        changed.execute("ALTER TABLE t RENAME TO kept")
        changed.execute(
            "CREATE VIEW t AS SELECT CASE _row WHEN 50000 THEN error('Canary') ELSE id END AS id, _row FROM kept"
        )
    with pytest.raises(InternalError) as failed:
        postgres.scratch.land(connection, ONE, csv_blocks(staged, ONE), 50_000)
    assert failed.value.message.startswith("the staging database cannot be read: InvalidInputException")
    assert postgres.catalogue.tables(connection, "mock2pg_landing") == []


def test_a_producer_that_fails_at_once_leaves_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is done before anybody looks: the reader gets the fault, the pipe goes away."""
    before = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("mock2pg-*/rows.csv"))
    start = threading.Thread.start

    def finished(thread: threading.Thread) -> None:
        start(thread)
        thread.join(5)

    monkeypatch.setattr(threading.Thread, "start", finished)
    with pytest.raises(InternalError, match="the staging database cannot be read: "):
        list(csv_blocks(tmp_path / "nothing.duckdb", ONE))
    assert set(Path(os.environ.get("TMPDIR", "/tmp")).glob("mock2pg-*/rows.csv")) == before


def test_a_reader_that_stops_leaves_nothing_behind(tmp_path: Path) -> None:
    """A COPY that fails half way ends the producer, too."""
    staged = stage(tmp_path, [{"id": "x" * 1000}] * 20_000, ONE)
    threads = threading.active_count()
    blocks = csv_blocks(staged, ONE)
    assert next(iter(blocks))
    assert isinstance(blocks, Iterator)
    blocks.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


def written(place: Path, staged: Path, keys: list[str | None], table: Table = CONTRACT) -> Path:
    """The run's hashes, after what PostgreSQL writes of a built table with these keys."""
    built, file = place / "built.csv", place / "hashes.parquet"
    built.write_bytes(b"".join(csv(key, EMPTY) for key in keys))
    write_hashes(staged, table, built, file)
    return file


def csv(*values: str | None) -> bytes:
    """A line as PostgreSQL's COPY writes it when it is to quote every value."""
    return ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in values).encode() + b"\n"


# Alone where a reader that guesses what separates, quotes or comments would be led astray by a file of nothing else.
ALONE = ["", " ", "\\.", "NULL", '"', "'", ",", ";", "\t", "\n", "\r\n", "\\", "#"]


@pytest.mark.parametrize("keys", [NAUGHTY, *([text] for text in ALONE), ["'a", "b'"], ["#1", "2"], ["a;b", "c;d"]])
def test_any_key_is_followed_from_the_staged_to_the_built_row(keys: list[str], tmp_path: Path) -> None:
    """Quotes, line ends and what looks like a comment in a key lose no row."""
    file = written(tmp_path, stage(tmp_path, [{"id": key} for key in keys], ONE), list(keys))
    with duckdb.connect() as connection:
        found = connection.execute("SELECT key FROM read_parquet(?)", [str(file)]).fetchall()
    assert sorted(key for (key,) in found) == sorted(keys)
    target = tmp_path / "target.csv"
    target.write_bytes(b"".join(csv(key, "x", EMPTY) for key in keys))
    assert staging.compare(file, target, publish="merge").different == len(keys)


def test_nobody_tells_a_value_by_its_bits(tmp_path: Path) -> None:
    """A value has other bits in each row and column, and with another secret: a file that is shared shows nothing of
    a value that is one of few."""
    columns = (*CONTRACT.columns, Column("b", "boolean", False, "b", None), Column("c", "boolean", False, "c", None))
    rows = [{"id": str(number), "b": True, "c": True} for number in range(100)]
    source = SourceTable("t", "a", tuple(SourceColumn(each.name, each.data_type, each.name) for each in columns))
    staged = stage(tmp_path, rows, source)
    file = written(tmp_path, staged, [row["id"] for row in rows], Table("t", columns, ("id",), source="t"))
    with duckdb.connect() as connection:
        found = connection.execute('SELECT "bits of b", "bits of c" FROM read_parquet(?)', [str(file)]).fetchall()
    assert len({bits for row in found for bits in row}) > 150


def test_a_model_that_loses_or_invents_rows_is_noticed(tmp_path: Path) -> None:
    """Every staged row is built, and nothing else is."""
    staged = stage(tmp_path, [{"id": "1"}, {"id": "2"}, {"id": "3"}], ONE)
    with pytest.raises(LoadFailed, match="t: its model lost 2 staged rows and has 1 that were not staged"):
        written(tmp_path, staged, ["1", "4"])


def test_a_key_that_is_not_staged_is_refused(tmp_path: Path) -> None:
    """Without a staged key nothing could be followed."""
    table = Table("t", (Column("id", "text", True, "id", "made up"),), ("id",), source="t")
    with pytest.raises(LoadFailed, match="its primary key is not a staged column"):
        written(tmp_path, stage(tmp_path, [], ONE), [], table)


def test_what_differs_is_counted_and_named_by_key(tmp_path: Path) -> None:
    """Missing, extra and different rows; where a table only ensures its rows, missing ones alone count."""
    staged = stage(tmp_path, [{"id": str(n)} for n in range(1, 6)], ONE)
    file = written(tmp_path, staged, list("12345"))
    own = {str(n): hashlib.sha256(f"T1:{n}".encode()).hexdigest() for n in range(1, 6)}
    target = tmp_path / "target.csv"
    lines = [
        csv("1", own["1"], EMPTY),
        csv("2", own["1"], EMPTY),
        csv("3", own["3"], own["3"]),
        csv("5", own["5"], EMPTY),
    ]
    target.write_bytes(b"".join([*lines, csv("9", own["5"], EMPTY)]))
    expected = Compared(5, 5, 1, 1, 2, ("4",), ("9",), ("2", "3"))
    assert staging.compare(file, target, publish="merge") == expected
    assert staging.compare(file, target, publish="ensure") == Compared(5, 5, 1, 0, 0, ("4",))


def test_no_more_than_twenty_keys_are_named(tmp_path: Path) -> None:
    """The counts are exact, the lists are short; an empty target table is one where all are missing."""
    keys = [f"{n:02}" for n in range(50)]
    file = written(tmp_path, stage(tmp_path, [{"id": key} for key in keys], ONE), list(keys))
    (tmp_path / "target.csv").touch()
    found = staging.compare(file, tmp_path / "target.csv", publish="merge")
    assert (found.staged, found.target, found.missing) == (50, 0, 50)
    assert (found.missing_keys, found.extra_keys, found.different_keys) == (tuple(keys[:20]), (), ())


def test_a_second_row_of_a_key_and_a_row_without_one_are_extra(tmp_path: Path) -> None:
    """A table without a primary key may hold them; where others are allowed, only the copy of ours is one too many."""
    file = written(tmp_path, stage(tmp_path, [{"id": "1"}], ONE), ["1"])
    own = hashlib.sha256(b"T1:1").hexdigest()
    target = tmp_path / "target.csv"
    target.write_bytes(csv("1", own, EMPTY) * 2 + csv(None, own, EMPTY) + csv("2", own, EMPTY) * 2)
    assert staging.compare(file, target, publish="merge") == Compared(1, 5, 0, 4, 0, (), ("1", "2", "2", "NULL"))
    assert staging.compare(file, target, publish="upsert") == Compared(1, 5, 0, 1, 0, (), ("1",))
    assert staging.compare(file, target, publish="ensure") == Compared(1, 5, 0, 0, 0)


def test_hashes_that_are_gone_have_a_name(tmp_path: Path) -> None:
    """A run's folder that lost its hashes is said to be what it is."""
    with pytest.raises(InternalError, match="the row hashes cannot be read"):
        staging.table_hash(tmp_path / "nothing.parquet")


def test_a_forked_process_ends_by_itself(tmp_path: Path) -> None:
    """DuckDB would wait in it for threads that only the process before it has, and be aborted."""
    duckdb.execute(f"COPY (SELECT 'a' AS hash WHERE false) TO '{tmp_path / 'hashes'}' (FORMAT parquet)")
    program = (
        "import os, pathlib, sys; from mock2pg.source import staging; file = pathlib.Path(sys.argv[1])\n"
        "staging.table_hash(file); forked = os.fork(); staging.table_hash(file)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) if forked else 7)"
    )
    command = [sys.executable, "-c", program, tmp_path / "hashes"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 7


@pytest.mark.parametrize(
    ("key", "shown"),
    [("I1:4D10:2026-03-02", "(4, 2026-03-02)"), ("T4:é:3T0:", "(é:3, )"), ("NT1:N", "(NULL, N)"), ("4, 5", "4, 5")],
)
def test_a_key_of_several_columns_is_shown_as_its_values(key: str, shown: str, tmp_path: Path) -> None:
    """As it is compared every value says what it is and how long; a single one is the value itself."""
    (tmp_path / "target.csv").write_bytes(csv(key, "x", EMPTY))
    file = written(tmp_path, stage(tmp_path, [], ONE), [])
    assert staging.compare(file, tmp_path / "target.csv", publish="merge", key_columns=2).extra_keys == (shown,)
    assert staging.compare(file, tmp_path / "target.csv", publish="merge").extra_keys == (key,)
