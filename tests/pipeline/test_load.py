"""The row hashes of a load: written beside the landing, compared with what dbt built, and removed when it fails."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mock2pg import MigrationService, build
from mock2pg import settings as settings_module
from mock2pg.errors import LoadFailed, Mock2pgError, StagingFailed
from mock2pg.pipeline.steps.load import hashing
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.source import staging
from tests.fix_merge import table
from tests.fix_small import small_document, small_project


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(project=small_project(tmp_path), database_url=database)


def failed(settings: Settings, kind: type[Mock2pgError]) -> str:
    """Load, and return what the error says; nothing of what was hashed is left."""
    result = MigrationService(settings).load(small_document("Rex", "Tom"))
    assert isinstance(result.error, kind), result.message
    assert not (Run(result.run_id, settings).folder / "hashes").exists()
    return result.error.message


def test_staged_rows_are_hashed_while_they_are_landed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """When dbt begins, the hashes of the tables whose columns are all staged are there."""
    built, there = build.build, list[str]()

    def look(project: Any) -> Any:
        there.extend(sorted(file.name for file in settings.runs_dir.glob("2*/hashes/*")))
        return built(project)

    monkeypatch.setattr(build, "build", look)
    result = MigrationService(settings).load(small_document("Rex"))
    assert result.success, result.message
    assert there == ["owners.parquet", "pets.parquet"]


def test_a_row_that_a_model_loses_stops_the_load(settings: Settings) -> None:
    """The hashes are those of the staged rows, so the keys of the built ones are compared with them."""
    model = settings.dbt_dir / "models" / "core" / "pets.sql"
    model.write_text(f"{model.read_text()} where name <> 'Rex'")
    assert failed(settings, LoadFailed) == "pets: its model lost 1 staged rows and has 0 that were not staged"


def test_a_failed_build_leaves_no_row_hashes(settings: Settings) -> None:
    """They would be those of rows that are never published."""
    (settings.dbt_dir / "models" / "core" / "pets.sql").write_text(
        "select * from {{ source('landing', 'pets') }}, no_such_table"
    )
    assert "pets" in failed(settings, LoadFailed)


def test_want_of_memory_while_hashing_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the thread that hashes is the load's own."""

    def fail(*_: object) -> None:
        raise duckdb.OutOfMemoryException("failed to allocate")

    monkeypatch.setattr(staging, "write_hashes", fail)
    assert failed(settings, StagingFailed) == f"the staged rows need more than {settings.staging_memory} of memory"


class Late:
    """A connection to DuckDB whose query begins only when it was interrupted, which DuckDB forgets."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection, self._interrupted = connection, threading.Event()

    def cursor(self) -> AbstractContextManager[Late]:
        return nullcontext(self)

    def interrupt(self) -> None:
        self._connection.interrupt()
        self._interrupted.set()

    def query(self, *_: object) -> None:
        self._interrupted.wait(60)
        self._connection.execute("SELECT count(*) FROM range(3_000_000_000) AS r WHERE hash(r.range) = 3")


def test_an_interrupt_before_a_query_begins_is_not_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C does not wait until the query of a large table has come to its end."""
    failed = list[BaseException | None]()
    with duckdb.connect(config={"threads": 1}) as connection:
        late = Late(connection)

        def write(*_: object) -> None:
            try:
                late.query()
            except duckdb.InterruptException as error:
                failed.append(error)

        monkeypatch.setattr(hashing, "_write", write)
        pets = table("pets", "id text!", source="pets")
        with pytest.raises(KeyboardInterrupt), hashing.beside(Run("a-run", Settings(project=tmp_path)), late, [pets]):  # type: ignore[arg-type]
            raise KeyboardInterrupt
    assert failed
