"""The rows of the target tables beside those that a run published, by their hashes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from mock2pg import files, postgres, private, progress
from mock2pg.contracts import Table
from mock2pg.errors import DatabaseError, VerifyFailed
from mock2pg.pipeline.sessions import session
from mock2pg.postgres import locks
from mock2pg.runs import Run, Times
from mock2pg.source import staging
from mock2pg.step_results import Compared

EXAMINED = 10_000  # different rows of a table whose values are looked at, to name the columns
_MANY = 10_000  # rows for which a second session pays
_AGAIN = 0.05  # seconds after which a query that goes on is cancelled again


def compared(
    run: Run, published: Run, connection: postgres.Connection, tables: Sequence[Table], rows: int | None, times: Times
) -> dict[str, Compared]:
    """Compare the tables, each while the database hashes the next ones; then name the columns that differ.

    rows  how many the tables should have
    """
    places = {table.name: run.path("target_rows", f"{files.named(table.name)}.csv") for table in tables}
    try:
        with times.of("hash and compare"):
            found = _found(run, published, connection, tables, places, rows)
        for table in (table for table in tables if found[table.name].different):
            columns = _different_columns(run, published, connection, table, places[table.name])
            found[table.name] = replace(found[table.name], columns=columns)
        return found
    finally:
        for place in places.values():
            place.unlink(missing_ok=True)


def gone(published: Run) -> VerifyFailed:
    """Return the error that there is nothing to compare with."""
    return VerifyFailed(
        f"run {published.id} published the target tables, but its row hashes in runs/ are gone",
        hint="Restore its folder, or run `mock2pg migrate` again.",
    )


def _found(
    run: Run,
    published: Run,
    connection: postgres.Connection,
    tables: Sequence[Table],
    places: dict[str, Path],
    rows: int | None,
) -> dict[str, Compared]:
    with (
        ThreadPoolExecutor(1, "compare") as comparing,
        _sessions(run, connection, [table.name for table in tables], rows or 0) as sessions,
        ThreadPoolExecutor(len(sessions), "hash", progress.join, (progress.reporter(),)) as hashing,
    ):
        free = SimpleQueue[postgres.Connection]()
        for each in sessions:
            free.put(each)

        def hashed(table: Table) -> Future[Compared]:
            own = free.get()
            try:
                progress.detail(table.name)
                postgres.row_hashes.write(own, run.settings.target_schema, table, places[table.name])
            finally:
                free.put(own)
            return comparing.submit(_compare, run, published, table, places[table.name])

        begun = dict[str, Future[Future[Compared]]]()
        try:
            for table in tables:
                begun[table.name] = hashing.submit(hashed, table)
            return {name: each.result().result() for name, each in begun.items()}
        except BaseException:
            hashing.shutdown(wait=False, cancel_futures=True)
            while not all(each.done() for each in begun.values()):  # PostgreSQL forgets it before a query begins
                for each in sessions:
                    with suppress(postgres.Error):  # one that is lost needs no end
                        each.cancel_safe(timeout=1)
                time.sleep(_AGAIN)
            raise


@contextmanager
def _sessions(
    run: Run, connection: postgres.Connection, names: Sequence[str], rows: int
) -> Iterator[list[postgres.Connection]]:
    """Yield the session and, for many rows, another one that sees its snapshot; each node of Citus has its own.

    names  the tables that are locked
    """
    with ExitStack() as stack:
        found = [connection]
        if rows >= _MANY and not postgres.distribution.is_citus(connection):
            name = postgres.export_snapshot(connection)
            with suppress(DatabaseError, postgres.Error):  # the role or the server has no session left: one will do
                other = stack.enter_context(session(run, "verify", read_only=True))
                stack.enter_context(postgres.in_snapshot(other, name))
                # one that waited for a lock would wait for who waits for the first session
                locks.share(other, run.settings.target_schema, names, wait=False)
                found.append(other)
        yield found


def _compare(run: Run, published: Run, table: Table, rows: Path) -> Compared:
    """Compare one table with what a run published; its rows are kept only while they have to be looked at again."""
    file = published.row_hashes(table.name)
    if not file.exists():
        raise gone(published)
    memory = run.settings.staging_memory
    found = staging.compare(file, rows, publish=table.publish, key_columns=len(table.key), memory=memory)
    if not found.different:
        rows.unlink()
    return found


def _different_columns(
    run: Run, published: Run, connection: postgres.Connection, table: Table, rows: Path
) -> dict[str, int]:
    file, columns, settings = published.row_hashes(table.name), Counter[str](), run.settings
    memory, secret = settings.staging_memory, private.secret(settings.secret_file)
    keys = staging.different_keys(file, rows, publish=table.publish, limit=EXAMINED, memory=memory)
    for some in postgres.row_hashes.encoded(connection, settings.target_schema, table, keys):
        columns.update(staging.different_columns(file, table, some, secret))
    return dict(columns)
