"""The memory of DuckDB: its limit, what it spills, and the order of rows that it does not sort."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from mock2pg import checks, staging_limits
from mock2pg.contracts import Column, Table
from mock2pg.errors import InternalError, StagingFailed
from mock2pg.source import staging
from mock2pg.source.staging import row_hashes, tables
from mock2pg.staged_tables import SourceColumn, SourceTable
from tests.fix_staging import SECRET

ROWS = 3000
PARENT = SourceTable("a", "a", (SourceColumn("id", "integer", "id"), SourceColumn("pad", "text", "pad")))
CHILD = SourceTable("b", "a[].b[].c[]", (SourceColumn("n", "integer", "n"),))
CONTRACT = Table(
    "a",
    (Column("id", "integer", True, "id", None), Column("pad", "text", True, "pad", None)),
    ("id",),
    source="a",
)


@pytest.fixture(scope="module")
def array(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of a kilobyte, of which some have nothing inside, or not what is declared."""
    file = tmp_path_factory.mktemp("source") / "a.json"
    rows = [
        {
            "id": n,
            "pad": "x" * 1000,
            "b": None if n % 7 == 0 else [{"c": [{"n": n * 10 + k}] * (n % 4)} for k in (0, 1)],
        }
        for n in range(ROWS)
    ]
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def staged(array: Path) -> Path:
    database = array.with_name("staging.duckdb")
    staging.stage(database, {"a": array}, [PARENT, CHILD])
    return database


def test_rows_are_numbered_in_the_order_of_the_file(staged: Path) -> None:
    """Rows of nested arrays are numbered by their place in the source, however many are worked on at a time."""
    with staging.opened(staged, read_only=True) as connection:
        numbered = connection.execute("SELECT _row, _root_row, _steps FROM b ORDER BY _row").fetchall()
        stored = connection.execute("SELECT _row FROM b").fetchall()
    places = [(root, json.loads(steps)) for _, root, steps in numbered if steps]
    places = [(root, [int(step) for step in steps]) for root, steps in places]
    assert len(numbered) > ROWS
    assert places == sorted(places)
    assert [row for row, *_ in numbered] == list(range(1, len(numbered) + 1)) == [row for (row,) in stored]


@pytest.mark.parametrize(("rows", "length", "memory"), [(9, 5_000_000, "1GiB"), (1, 33_000_000, "2GiB")])
def test_large_rows_get_all_of_the_memory(tmp_path: Path, rows: int, length: int, memory: str) -> None:
    """Rows that need more than the usual memory, or buffers, are staged with all that the setting allows."""
    file, database = tmp_path / "a.json", tmp_path / "staging.duckdb"
    file.write_text(json.dumps([{"id": n, "pad": "x" * length} for n in range(rows)]), encoding="utf-8")
    with pytest.raises(StagingFailed):
        staging.stage(database, {"a": file}, [PARENT], memory="128MiB")
    assert staging.stage(database, {"a": file}, [PARENT], memory=memory) == {"a": rows}
    with staging.opened(database, read_only=True) as connection:
        found = connection.execute("SELECT sum(length(pad)) FROM a").fetchone()
    assert found == (rows * length,)


def test_few_large_rows_are_worked_on_at_a_time(array: Path) -> None:
    """DuckDB's functions over JSON see fewer rows at a time, the larger these are."""
    with duckdb.connect() as connection:
        largest = array.stat().st_size
        parts = tables._parts(connection, array, largest)
    assert parts == 4


def _stage(array: Path, staged: Path, folder: Path, memory: str) -> None:
    staging.stage(folder / "staging.duckdb", {"a": array}, [PARENT], memory=memory)


def _check(array: Path, staged: Path, folder: Path, memory: str) -> None:
    (folder / "a.json").write_text(
        json.dumps(
            {
                "name": "a",
                "expectations": [
                    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "pad"}, "severity": "critical"}
                ],
            }
        )
    )
    url = checks.duckdb_url(staged)
    checks.validate(url, folder, index_columns=["_row"], sources=[PARENT, CHILD], memory=memory)


def _hash(array: Path, staged: Path, folder: Path, memory: str) -> None:
    built = folder / "built.csv"
    built.write_text("".join(f'"{n}",""\n' for n in range(ROWS)))
    with staging.opened(staged, memory=memory, read_only=True) as connection:
        staging.write_hashes(connection, CONTRACT, built, folder / "a.parquet", SECRET)


def _compare(array: Path, staged: Path, folder: Path, memory: str) -> None:
    _hash(array, staged, folder, "512MiB")
    target = folder / "target.csv"
    target.write_text("".join(f'"{n}","{"0" * 64}",""\n' for n in range(ROWS)))
    staging.compare(folder / "a.parquet", target, publish="merge", memory=memory)
    assert not list(folder.glob("*.spilled"))


@pytest.mark.parametrize("work", [_stage, _check, _hash, _compare])
def test_too_little_memory_is_named(
    work: Callable[[Path, Path, Path, str], None],
    array: Path,
    staged: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each use of the staged rows ends with StagingFailed under a limit that is too small, and says what to set."""
    monkeypatch.setattr(row_hashes, "_SMALL", 0)
    with pytest.raises(StagingFailed) as refused:
        work(array, staged, tmp_path, "1MiB")
    assert refused.value.message == "the staged rows need more than 1MiB of memory"
    assert "MIGRATION_STAGING_MEMORY to 64MiB," in refused.value.hint


SORTED = "SELECT count(*) FROM (SELECT * FROM range(3000000) AS r(n) ORDER BY hash(n) LIMIT 2900000)"


def test_what_does_not_fit_is_spilled_beside_the_database(tmp_path: Path) -> None:
    """A sort that exceeds the limit spills into the run's folder, and nothing of it is left."""
    database = tmp_path / "staging.duckdb"
    with staging.opened(database, memory="24MiB", threads=1) as connection:
        folder = connection.execute("SELECT current_setting('temp_directory')").fetchone()
        assert folder == (f"{database}.tmp",)
        assert connection.execute(SORTED).fetchone() == (2900000,)
    assert [file.name for file in tmp_path.iterdir()] == ["staging.duckdb"]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """Rows that cannot be spilled for want of disk space end with StagingFailed, and so does the staging file."""

    def sort() -> None:
        with staging.opened(tmp_path / "staging.duckdb", memory="24MiB", threads=1) as connection:
            connection.execute("SET max_temp_directory_size = '1MiB'")
            connection.execute(SORTED)

    with pytest.raises(StagingFailed, match="no disk space"):
        sort()
    full = duckdb.IOException('IO Error: Could not write file "x": No space left on device')
    assert isinstance(staging_limits.named(full), StagingFailed)
    memory = duckdb.OutOfMemoryException("Out of Memory Error: x")
    for limit, more in {"31MiB": "64MiB", "40MiB": "80MiB", "3GiB": "6GiB"}.items():
        assert f"to {more}," in staging_limits.named(memory, limit).hint
    assert isinstance(staging_limits.named(duckdb.BinderException("Binder Error: no column")), InternalError)


def test_threads_are_as_many_as_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of many processors, a thread has 64 MiB or there are fewer threads."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert staging_limits.config("512MiB", reads_json=True)["threads"] == 8
    assert staging_limits.config("1MiB")["threads"] == 1
    assert "threads" not in staging_limits.config("8GiB")


def test_a_small_file_is_read_by_one_thread(tmp_path: Path) -> None:
    """A large file, and one that is not there yet, leaves the number of threads to the memory."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b" ")
    with large.open("wb") as file:
        file.truncate(1 << 30)
    assert [staging_limits.threads(file) for file in (small, large, tmp_path / "none")] == [1, None, None]


def test_what_can_spill_gets_half_of_the_memory(staged: Path) -> None:
    """Checks, hashes and comparisons leave half of the limit to what runs beside them; reading JSON may need all."""
    limits = []
    for read_only in (False, True):
        with staging.opened(staged, memory="64MiB", read_only=read_only) as connection:
            limits.append(connection.execute("SELECT current_setting('memory_limit')").fetchone())
    assert limits == [("64.0 MiB",), ("32.0 MiB",)]
    assert staging_limits.config("64MiB")["memory_limit"] == f"{32 << 20}B"
