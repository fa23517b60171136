"""The waits of readers and writers while rows are published, and while a seed script does the same job.

Both put the same rows into the same tables of the same server, in turn. A reader asks each table for one row by its
key, over and over, and a writer updates that row; what counts is the longest answer in that time, beside the longest
one while nothing is published.

    python benchmarks/readers.py --rows 100000
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path

from stage import stage

from mock2pg import postgres
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run, new_run
from mock2pg.settings import REPOSITORY, Settings
from mock2pg.source import sample

READ, WRITE = "SELECT * FROM public.{} WHERE id = '1'", "UPDATE public.{} SET id = id WHERE id = '1'"


class Session(threading.Thread):
    """Runs a statement on each table until it is told to end; keeps the longest answer in seconds."""

    def __init__(self, url: str, tables: list[str], statement: str) -> None:
        super().__init__(daemon=True)
        self._url, self._statements = url, [statement.format(table) for table in tables]
        self.longest, self.answers, self.ended = 0.0, 0, threading.Event()

    def run(self) -> None:
        with postgres.connect(self._url, name="benchmark", lock_timeout="0") as connection:
            while not self.ended.is_set():
                for statement in self._statements:
                    began = time.perf_counter()
                    connection.execute(statement)  # type: ignore[arg-type]
                    self.longest = max(self.longest, time.perf_counter() - began)
                    self.answers += 1


def watched(url: str, tables: list[str], work: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds that the work took, and the longest that a reader and a writer waited meanwhile."""
    sessions = [Session(url, tables, statement) for statement in (READ, WRITE)]
    for session in sessions:
        session.start()
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    for session in sessions:
        session.ended.set()
        session.join()
    reader, writer = (session.longest for session in sessions)
    return took, reader, writer


def seed_script(url: str, tables: list[str]) -> None:
    """Empty all tables and fill them again in one transaction, as a careful seed script does."""
    with postgres.connect(url, name="seed") as connection, connection.transaction():
        connection.execute(f"TRUNCATE {', '.join(f'public.{table}' for table in tables)}")  # type: ignore[arg-type]
        for table in tables:
            columns = ", ".join(column.name for column in postgres.catalogue.columns(connection, "copy", table))
            connection.execute(f"INSERT INTO public.{table} ({columns}) SELECT * FROM copy.{table}")  # type: ignore[arg-type]


def built(settings: Settings, source: Path) -> Run:
    """A run that has staged, checked and built the source, and publishes next."""
    run = new_run(settings, source)
    for step in ("stage", "check", "load"):
        steps.run_in_process(step, run)
    return run


def measure(settings: Settings, rows: int) -> list[tuple[str, float, float, float]]:
    """The work that was done, its seconds, and the longest waits of a reader and a writer in seconds."""
    url, home = settings.url, settings.project
    for seed in (1, 2):
        sample.generate(REPOSITORY / "mock_data" / "sample", home / f"seed{seed}", rows=rows, seed=seed)
    steps.run_in_process("publish", built(settings, home / "seed1"))
    run = built(settings, home / "seed2")
    tables = [record["name"] for record in run.read("contracts.json") if record["publish"] == "merge"]
    with postgres.connect(url, name="copy") as connection:
        connection.execute("CREATE SCHEMA copy")
        for table in tables:
            connection.execute(f"CREATE TABLE copy.{table} AS TABLE mock2pg_next.{table}")  # type: ignore[arg-type]
    return [
        ("nothing is published", *watched(url, tables, lambda: time.sleep(3))),
        ("mock2pg publishes; every row differs", *watched(url, tables, lambda: steps.run_in_process("publish", run))),
        ("a seed script truncates and inserts", *watched(url, tables, lambda: seed_script(url, tables))),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with stage() as settings:
        results = measure(settings, rows)
    print(f"{rows:,} rows; the longest wait")
    for name, took, reader, writer in results:
        print(f"{name:<40} took {took:6.2f} s, readers {reader * 1000:8.1f} ms, writers {writer * 1000:8.1f} ms")


if __name__ == "__main__":
    main()
