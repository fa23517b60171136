"""Readers of target tables: they never see a mix of old and new rows, at either isolation level, and go on reading."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_published import small_rows
from tests.fix_small import small_document, small_project

ROWS = 5_000


class Reader(threading.Thread):
    """Reads all tables over and over; keeps what each round saw."""

    def __init__(self, url: str, isolation: psycopg.IsolationLevel, queries: list[str]) -> None:
        super().__init__(daemon=True)
        self._url, self._isolation, self._queries = url, isolation, queries
        self.seen: list[tuple[Any, ...]] = []
        self.ended, self.ready = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with postgres.connect(self._url, name="reader", read_only=True) as connection:
                connection.isolation_level = self._isolation
                connection.execute("SET lock_timeout = '10s'")
                while not self.ended.is_set():
                    with connection.transaction():
                        rows = [connection.execute(query).fetchone() for query in self._queries]  # type: ignore[arg-type]
                    self.seen.append(tuple(value for row in rows for value in row or ()))
                    self.ready.set()
        except BaseException as error:
            self.error = error
            self.ready.set()


OWNERS = "SELECT min(name), max(name), count(*) FROM public.owners"
PETS = "SELECT min(legs), max(legs), count(*) FROM public.pets"
BOTH = f"SELECT * FROM ({OWNERS}) AS o, ({PETS}) AS p"


def test_no_reader_sees_a_mix(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At REPEATABLE READ a transaction over all tables, at READ COMMITTED a statement: all old or all new, in turn."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database, max_deleted="100%")
    old = small_document(*(f"pet {n}:4" for n in range(ROWS)), owners=("Ann", "Ann's brother"))
    new = small_document(*(f"pet {n}:3" for n in range(100, ROWS + 200)), owners=("Bob", "Bob's sister"))
    service = MigrationService(settings)
    assert service.migrate_all_data(old).success
    readers = [
        Reader(database, psycopg.IsolationLevel.REPEATABLE_READ, [OWNERS, PETS]),
        Reader(database, psycopg.IsolationLevel.READ_COMMITTED, [BOTH]),
    ]
    execute = steps.run_recorded

    def watched(step: steps.Step, run: Run, **parameters: Any) -> StepResult:
        if step.name == "publish":
            for reader in readers:
                reader.start()
                reader.ready.wait()
        return execute(step, run, **parameters)

    monkeypatch.setattr(steps, "run_recorded", watched)
    result = service.migrate_all_data(new)
    backup = result.summary["backup"]["backup_id"]
    turned = [len(reader.seen) for reader in readers]
    assert result.success, result.message
    back = service.rollback(backup)
    assert back.success, back.message
    for reader in readers:
        reader.ended.set()
        reader.join()
        if reader.error:
            raise reader.error
    before = ("Ann", "Ann's brother", 2, 4, 4, ROWS)
    after = ("Bob", "Bob's sister", 2, 3, 3, ROWS + 100)
    for reader, turn in zip(readers, turned, strict=True):
        assert set(reader.seen) == {before, after}
        first = reader.seen.index(after)
        assert set(reader.seen[:first]) == {before}
        assert before not in reader.seen[first:turn]
        assert reader.seen[-1] == before


def test_a_reader_that_stays_keeps_nobody_waiting(published_small: Settings) -> None:
    """A transaction that read a table and is left open is neither waited for nor made to wait."""
    service, document = MigrationService(published_small.model_copy(update={"lock_timeout": "1s"})), small_rows()
    document["pets"][0]["legs"] = 3
    document["pets"].append({**document["pets"][0], "id": "new", "name": "new"})
    with postgres.connect(published_small.url, name="idle") as idle, idle.transaction():
        idle.execute("LOCK TABLE public.owners, public.pets IN ROW SHARE MODE")  # meets all that ACCESS SHARE meets
        idle.execute("SELECT FROM public.owners, public.pets")
        assert service.migrate_all_data(document).success
