"""The cost of a backup, and of one that is restored once to prove it, beside pg_dump and pg_restore.

All of them take the same table from the same server, in turn.

    python benchmarks/backups.py --rows 1000000
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from stage import stage

from mock2pg import postgres
from mock2pg.pipeline import step as steps
from mock2pg.postgres.server import binary
from mock2pg.runs import new_run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult

_ROWS = """
    CREATE TABLE public.people (id bigint PRIMARY KEY, name text NOT NULL, mail text, born date, score numeric(8, 2),
        tags text[], seen timestamptz NOT NULL);
    INSERT INTO public.people SELECT n, 'Person ' || md5(n::text), md5((-n)::text) || '@example.org',
        date '1960-01-01' + (n % 20000)::int, (n % 100000) / 7.0, ARRAY['a', md5((n % 97)::text)],
        timestamptz '2026-01-01' + n * interval '1 second' FROM generate_series(1, {rows}) AS n;
    ANALYZE public.people"""


def backup(settings: Settings, restore_test: str) -> StepResult:
    return steps.run_in_process("backup", new_run(settings.model_copy(update={"backup_restore_test": restore_test})))


def dump(settings: Settings, file: Path) -> None:
    """pg_dump, packed with gzip: the bundled one has no zstd."""
    run(str(binary("pg_dump")), "--format=custom", "--compress=gzip:1", f"--file={file}", settings.url)


def run(*program: str) -> None:
    subprocess.run(program, check=True)  # noqa: S603  what to run stands here


def restore(settings: Settings, file: Path) -> None:
    """Restore it into a scratch database as a careful person does, keys and indexes too."""
    postgres.ensure_database(settings.url, "restored")
    url = postgres.database_url(settings.url, "restored")
    run(str(binary("pg_restore")), "--exit-on-error", f"--dbname={url}", str(file))
    postgres.drop_database(settings.url, "restored")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with stage() as settings:
        with postgres.connect(settings.url, name="benchmark") as connection:
            connection.execute(_ROWS.format(rows=rows))  # type: ignore[arg-type]
        file = settings.project / "dump"
        took = {
            "backup, no restore test": timed(lambda: backup(settings, "never")),
            "pg_dump": timed(lambda: dump(settings, file)),
            "pg_restore": timed(lambda: restore(settings, file)),
        }
        began = time.perf_counter()
        result = backup(settings, "always")
        tested = result.data
        took["backup, with restore test"] = time.perf_counter() - began
    peer = took["pg_dump"] + took["pg_restore"]
    for name, seconds in took.items():
        print(f"{name:<24} {seconds:7.2f} s, {seconds / peer:5.2f} of pg_dump and pg_restore")
    print(f"{rows:,} rows, {tested['bytes'] / 1e6:,.1f} MB; parts of the tested one, in s: {tested['times']}")
    print(f"our memory {result.peak_memory_bytes / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
