"""The row hashes of what is to be published, each table's in a file of the run's folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mock2pg import files, postgres, private, progress, workers
from mock2pg.contracts import Table
from mock2pg.runs import Run
from mock2pg.source import staging

_AGAIN = 0.05  # seconds after which a query that goes on is interrupted again


@contextmanager
def unless_failed(run: Run) -> Iterator[None]:
    """Remove what the block hashed when it fails: nothing of it will be published."""
    try:
        yield
    except BaseException:
        shutil.rmtree(run.folder / "hashes", ignore_errors=True)
        raise


@contextmanager
def beside(
    run: Run, staged: staging.Connection, tables: Sequence[Table], published: Run | None = None
) -> Iterator[None]:
    """Write the row hashes that follow from the staged rows alone, while the block does something else.

    published  a run that built the same rows: with the hashes of its derived columns, those of all tables follow
    """
    with staged.cursor() as cursor, _thread(cursor) as submit:
        for table in tables:
            if published or _is_staged_alone(table):
                submit(_write, run, cursor, table, place(published, table) if published and table.derived else None)
        yield


def complete(run: Run, connection: postgres.Connection, staged: staging.Connection, tables: Sequence[Table]) -> None:
    """Write the others, and compare the keys of all with those of the built tables.

    Raises LoadFailed when a model lost or invented a row.
    """
    with _thread(staged) as submit:
        for table in tables:
            progress.detail(f"hashing {table.name}")
            rows = run.path("hashes", f"{files.named(table.name)}.csv")
            postgres.row_hashes.write(connection, postgres.scratch.NEXT, table, rows, built_only=True)
            submit(_complete, run, staged, table, rows)


def place(run: Run, table: Table) -> Path:
    """Return the file of a table's row hashes."""
    return run.path("hashes", f"{files.named(table.name)}.parquet")


def make_room(rows: Mapping[str, int]) -> None:
    """End the workers that are done, where hashing and comparing the rows needs their memory."""
    if sum(rows.values()) > workers.MANY_ROWS:
        workers.end_waiting(workers.RULES, workers.DBT)


def _is_staged_alone(table: Table) -> bool:
    return bool(table.source) and not table.derived


def _write(run: Run, staged: staging.Connection, table: Table, built: Path | None) -> None:
    """Write the row hashes of a table.

    built  where the hashes of its derived columns are read
    """
    staging.write_hashes(staged, table, built, place(run, table), private.secret(run.settings.secret_file))


def _complete(run: Run, staged: staging.Connection, table: Table, rows: Path) -> None:
    if _is_staged_alone(table):
        staging.refuse_other_keys(staged, table, place(run, table), rows)
    else:
        _write(run, staged, table, rows)
    rows.unlink()


@contextmanager
def _thread(staged: staging.Connection) -> Iterator[Callable[..., None]]:
    """A thread for queries: what submits them. They are waited for, and interrupted when the block or one fails."""
    begun = list[Future[None]]()
    with ThreadPoolExecutor(1, "hash") as thread:
        try:
            yield lambda *query: begun.append(thread.submit(*query))
            for each in begun:
                each.result()
        except BaseException:
            thread.shutdown(wait=False, cancel_futures=True)
            while not all(each.done() for each in begun):  # DuckDB forgets an interrupt before a query begins
                staged.interrupt()
                time.sleep(_AGAIN)
            raise
