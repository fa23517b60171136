"""Staged rows as CSV for COPY."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from pathlib import Path

from mock2pg import private
from mock2pg.encoding import kind
from mock2pg.source.staging.casts import is_digits
from mock2pg.source.staging.database import Connection, quoted, text
from mock2pg.spellings import TEXT, data_type
from mock2pg.staged_tables import SourceColumn, SourceTable

_PIPE = 1 << 20
_KEYS_SHOWN = 20


def csv_blocks(staged: Connection, table: SourceTable) -> Generator[bytes, None, None]:
    """The staged table as CSV for PostgreSQL's COPY, in blocks of up to 1 MiB, columns in declared order.

    staged  opened with one thread: two threads into one pipe buffer the whole table

    DuckDB writes into a pipe while the caller reads. A fault of DuckDB's is raised from here, so inside the
    caller's COPY: an early end of the file would look like success.
    """
    with private.folder() as folder:
        yield from _through(folder / "rows.csv", staged, table)


def _through(pipe: Path, staged: Connection, table: SourceTable) -> Generator[bytes, None, None]:
    faults = list[BaseException]()
    os.mkfifo(pipe, 0o600)
    # both ends are ours before DuckDB begins: a producer that fails at once then leaves no reader waiting for ever
    reader, writer = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), os.open(pipe, os.O_WRONLY)
    os.set_blocking(reader, True)
    columns = ", ".join(_csv_value(column) for column in table.columns)
    query = f"SELECT {columns} FROM {quoted(table.name)}"  # in the order of `_row`

    def produce() -> None:
        try:
            with staged.cursor() as cursor:
                cursor.execute(f"COPY ({query}) TO {text(str(pipe))} (FORMAT csv, HEADER false, FORCE_QUOTE *)")
        except BaseException as fault:
            faults.append(fault)
        finally:
            os.close(writer)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    try:
        with open(reader, "rb", buffering=0) as blocks:
            if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
                fcntl.fcntl(blocks, fcntl.F_SETPIPE_SZ, _PIPE)
            while block := blocks.read(_PIPE):
                yield block
        producer.join()
        if faults:
            raise faults[0]
    finally:
        producer.join(10)


def _csv_value(declared: SourceColumn) -> str:
    """SQL for a value as PostgreSQL reads it."""
    column, own = quoted(declared.name), data_type(declared.data_type)
    zone = " || '+00'" if own.scalar == "timestamptz" else ""  # it was staged as that of UTC
    if is_digits(declared) and declared.format != TEXT:
        return kind(own.scalar).duckdb.format(x=column)  # a decimal has zeros, which a numeric would show
    if not own.array:
        return f"{column}::VARCHAR{zone}" if zone else column
    text = """replace(replace(e, '\\', '\\\\'), '"', '\\"')""" if own.scalar == "text" else f"e::VARCHAR{zone}"
    element = f"""'"' || {text} || '"'"""
    return (
        f"CASE WHEN {column} IS NOT NULL THEN '{{' || coalesce(array_to_string("
        f"list_transform({column}, lambda e: {element}), ','), '') || '}}' END"
    )
