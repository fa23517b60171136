"""Staged rows on their way out: as CSV for COPY, and as hashes that prove what arrived."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from mock2pg import private
from mock2pg.contracts import Column, Table
from mock2pg.conversions import converted
from mock2pg.encoding import TABLE_HASH_DUCKDB, duckdb_value, kind, shown_key
from mock2pg.errors import InternalError, LoadFailed
from mock2pg.source.staging.casts import is_digits
from mock2pg.source.staging.database import Connection, quoted
from mock2pg.spellings import TEXT, data_type
from mock2pg.staged_tables import SourceColumn, SourceTable
from mock2pg.step_results import Compared
from mock2pg.text import identity

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
    query = f"SELECT {columns} FROM {quoted(table.name)} ORDER BY _row"

    def produce() -> None:
        try:
            with staged.cursor() as cursor:
                cursor.execute(f"COPY ({query}) TO '{_path(pipe)}' (FORMAT csv, HEADER false, FORCE_QUOTE *)")
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


def write_hashes(staged: Connection, table: Table, built: Path, file: Path) -> None:
    """Write one Parquet row per key: `key`, `hash` of the compared columns as staged, `built` of the derived ones.

    built  a CSV of key and hash of the derived columns, read from the table that dbt built
    Raises LoadFailed when the model lost or invented a row.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    read = f"(FROM {_csv(built, 'key', 'built')})"
    if table.source is None:
        rows = f"SELECT key, sha256('') AS hash, built FROM {read} ORDER BY key"
    else:
        keys = [column for column in table.columns if column.name in table.key]
        if any(column not in table.compared for column in keys):
            raise LoadFailed(
                f"{table.name}: its primary key is not a staged column",
                hint="Stage the key, so that every row can be followed from the JSON to the target table.",
            )
        hashed = f"SELECT {_key(keys)} AS key, {_hash(table.compared)} AS hash FROM {quoted(table.source)}"
        rows = f"SELECT key, hash, built FROM ({hashed}) FULL JOIN {read} USING (key) ORDER BY key"
    staged.execute(f"COPY ({rows}) TO '{_path(file)}' (FORMAT parquet)")
    file.chmod(0o600)
    lost, invented = staged.execute(
        f"SELECT count(*) FILTER (built IS NULL), count(*) FILTER (hash IS NULL) FROM read_parquet('{_path(file)}')"
    ).fetchone() or (0, 0)
    if lost or invented:
        file.unlink()
        raise LoadFailed(f"{table.name}: its model lost {lost} staged rows and has {invented} that were not staged")


def table_hash(file: Path, column: str = "hash") -> str:
    """The table's hash out of what `write_hashes` wrote: rows, and two sums over the row hashes.

    column  `hash`, of the compared columns, or `built`, of the derived ones
    """
    query = f"SELECT {TABLE_HASH_DUCKDB} FROM (SELECT {column} AS hash FROM read_parquet(?))"
    return str(_row(query, [str(file)])[0])


def compare(file: Path, target: Path, *, publish: str, key_columns: int = 1) -> Compared:
    """Compare the Parquet file of a run with a CSV of `key`, `hash`, `built` that was read from the target table.

    publish  as the table's contract has it: "merge", exactly these rows; "upsert", these rows and others;
             "ensure", these rows, whatever they hold, and others
    key_columns  the columns of the key
    A second target row of one key, possible only in a table without a primary key, is extra; so is one without a key.
    """
    kinds = ("missing", "extra", "different")
    query = f"""
        WITH expected AS (FROM read_parquet('{_path(file)}')),
        target AS (
            SELECT *, row_number() OVER (PARTITION BY key ORDER BY hash, built) AS n
            FROM {_csv(target, "key", "hash", "built")}),
        joined AS (
            SELECT coalesce(e.key, l.key, 'NULL') AS key,
                CASE WHEN l.n IS NULL THEN 'missing'
                     WHEN {str(publish == "ensure").lower()} THEN NULL
                     WHEN e.key IS NULL AND {str(publish == "upsert").lower()} THEN NULL
                     WHEN e.key IS NULL OR l.n > 1 THEN 'extra'
                     WHEN e.hash <> l.hash OR e.built <> l.built THEN 'different' END AS how
            FROM expected AS e FULL JOIN target AS l ON e.key = l.key)
        SELECT (SELECT count(*) FROM expected), (SELECT count(*) FROM target),
            {", ".join(f"count(*) FILTER (how = '{kind}')" for kind in kinds)},
            {", ".join(f"coalesce(min(key, {_KEYS_SHOWN}) FILTER (how = '{kind}'), [])" for kind in kinds)}
        FROM joined"""
    expected, actual, missing, extra, different, *keys = _row(query)
    named = [[shown_key(key) if key_columns > 1 else key for key in found or ()] for found in keys]
    return Compared(expected, actual, missing, extra, different, *(tuple(map(identity, found)) for found in named))


def _csv(file: Path, *columns: str) -> str:
    """SQL that reads what PostgreSQL's COPY wrote. Nothing is left to be guessed: a key may look like anything."""
    types = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    return (
        f"read_csv('{_path(file)}', auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"',"
        f" new_line = '\\n', comment = '', allow_quoted_nulls = false, columns = {{{types}}})"
    )


def _hash(columns: tuple[Column, ...]) -> str:
    values = [duckdb_value(column.data_type).format(x=_staged(column)) for column in columns]
    return f"sha256({' || '.join(values) if values else chr(39) * 2})"


def _key(columns: list[Column]) -> str:
    """A single column's canonical text; several are encoded, so that no two keys look alike."""
    if len(columns) == 1:
        return kind(columns[0].data_type).duckdb.format(x=_staged(columns[0]))
    return " || ".join(duckdb_value(column.data_type).format(x=_staged(column)) for column in columns)


def _staged(column: Column) -> str:
    """The staged column as the contract's type; of one that became text, as the JSON spells it."""
    value = converted(column.staged_as, column.staged_format, column.data_type) or "{x}"
    return value.format(x=quoted(str(column.source)))


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


def _path(file: Path) -> str:
    return str(file).replace("'", "''")


@cache
def _memory() -> Connection:  # to open one takes longer than to read a small table
    return duckdb.connect()


# A forked process would have it without its threads, and be ended by SIGABRT when it waits for them at its end.
os.register_at_fork(before=_memory.cache_clear)


def _row(query: str, parameters: list[str] | None = None) -> Any:
    """The single row that a query over files gives."""
    try:
        with _memory().cursor() as cursor:
            return cursor.execute(query, parameters or []).fetchone()
    except duckdb.Error as error:
        raise InternalError(f"the row hashes cannot be read: {type(error).__name__}") from error
