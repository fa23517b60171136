"""Row hashes of staged tables, and their comparison with those of target tables."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from mock2pg import duckdb_queries, staging_limits
from mock2pg.contracts import Column, Table
from mock2pg.conversions import converted
from mock2pg.encoding import TABLE_HASH_DUCKDB, duckdb_value, kind, shown_key
from mock2pg.errors import LoadFailed
from mock2pg.settings import STAGING_MEMORY
from mock2pg.source.staging.database import Connection, quoted, text
from mock2pg.step_results import Compared
from mock2pg.text import identity

_KEYS_SHOWN = 20
_SMALL = 8 << 20  # bytes of a file that are compared in memory; a limit of it would have to be smaller than any
_BLOCK = 4 << 20  # bytes of a CSV that are read at a time; the default is 32 MiB for each thread
_DICTIONARY = 1000  # distinct values of a column: keys and hashes have more, for which a dictionary is made in vain
_KINDS = ("missing", "extra", "different")
_COUNTED = ", ".join(
    [
        "count(*) FILTER (expected)",
        "count(*) FILTER (there)",
        *(f"count(*) FILTER (how = '{kind}')" for kind in _KINDS),
        *(f"coalesce(min(key, {_KEYS_SHOWN}) FILTER (how = '{kind}'), [])" for kind in _KINDS),
    ]
)


def write_hashes(staged: Connection, table: Table, built: Path | None, file: Path, secret: str) -> None:
    """Write one Parquet row per key: `key`, `hash` of the compared columns as staged, `built` of the derived ones.

    Beside them 16 bits of each compared value: they name the columns in which a row differs that `hash` has found.
    DuckDB's own hash costs little and may be another in its next version, which the file names.

    built   a CSV of key and hash of the derived columns, read from the table that dbt built, or the Parquet file of a
            run that built the same; None for the rows that are staged, of a table without derived columns
    secret  without it nobody can tell which of a few values has those bits
    Raises LoadFailed when the model lost or invented a row.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    read = "" if built is None else _parquet(built) if built.suffix == ".parquet" else _csv(built, "key", "built")
    if table.source is None:
        rows = f"SELECT key, sha256('') AS hash, built FROM {read} ORDER BY key"
    else:
        keys = [column for column in table.columns if column.name in table.key]
        if any(column not in table.compared for column in keys):
            raise LoadFailed(
                f"{table.name}: its primary key is not a staged column",
                hint="Stage the key, so that every row can be followed from the JSON to the target table.",
            )
        key, source = _key(keys), quoted(table.source)
        if read:
            _refuse_other_keys(staged, table, f"(SELECT {key} AS key FROM {source})", read)
        bits = "".join(
            f"{_bits(secret, each.name, key, _encoded(each))} AS {_bits_of(each.name)}, " for each in table.compared
        )
        hashed = f"{key} AS key, {_hash(table.compared)} AS hash, {bits}"
        if table.derived:
            rows = f"FROM (SELECT {hashed.removesuffix(', ')} FROM {source}) JOIN {read} USING (key) ORDER BY key"
        else:  # without the join and its order, the rows need little memory
            rows = f"SELECT {hashed}sha256('') AS built FROM {source}"
    options = f"FORMAT parquet, DICTIONARY_SIZE_LIMIT {_DICTIONARY}, KV_METADATA {{bits: '{_made_by(secret)}'}}"
    duckdb_queries.execute(staged, f"COPY ({rows}) TO {text(str(file))} ({options})")
    file.chmod(0o600)


def refuse_other_keys(staged: Connection, table: Table, file: Path, built: Path) -> None:
    """Raise LoadFailed when the built rows have not the keys that `write_hashes` wrote of the staged ones.

    built  a CSV of key and hash of the derived columns, read from the table that dbt built
    """
    _refuse_other_keys(staged, table, _parquet(file), _csv(built, "key", "built"))


def _refuse_other_keys(staged: Connection, table: Table, source: str, built: str) -> None:
    lost, invented = duckdb_queries.execute(
        staged,
        "SELECT count(*) FILTER (b.key IS NULL), count(*) FILTER (s.key IS NULL)"
        f" FROM {source} AS s FULL JOIN {built} AS b ON s.key = b.key",
    ).fetchone() or (0, 0)
    if lost or invented:
        raise LoadFailed(f"{table.name}: its model lost {lost} staged rows and has {invented} that were not staged")


def table_hash(file: Path, column: str = "hash") -> str:
    """The table's hash out of what `write_hashes` wrote: rows, and two sums over the row hashes.

    column  `hash`, of the compared columns, or `built`, of the derived ones
    """
    query = f"SELECT {TABLE_HASH_DUCKDB} FROM (SELECT {column} AS hash FROM read_parquet(?))"
    return str(_row(query, [str(file)])[0])


def compare(file: Path, target: Path, *, publish: str, key_columns: int = 1, memory: str = STAGING_MEMORY) -> Compared:
    """Compare the Parquet file of a run with a CSV of `key`, `hash`, `built` that was read from the target table.

    publish  as the table's contract has it: "merge", exactly these rows; "upsert", these rows and others;
             "ensure", these rows, whatever they hold, and others
    key_columns  the columns of the key
    memory       the limit for that of DuckDB
    A second target row of one key, possible only in a table without a primary key, is extra; so is one without a key.
    """
    (expected,) = _row(f"SELECT count(*) FROM {_parquet(file)}")
    for numbered in (False, True):  # the usual table has no key twice, and its rows need no numbers
        rows = _joined(file, target, publish, numbered=numbered)
        joined, actual, missing, extra, different, *keys = _row_of_files(
            target, f"SELECT {_COUNTED} FROM ({rows})", memory
        )
        if joined == expected:
            break
    named = [[shown_key(key) if key_columns > 1 else key for key in found or ()] for found in keys]
    shown = [tuple(map(identity, found)) for found in named]
    return Compared(expected, actual, missing, extra, different, shown[0], shown[1], shown[2])


def different_keys(file: Path, target: Path, *, publish: str, limit: int, memory: str = STAGING_MEMORY) -> list[str]:
    """Return the first keys of the rows that `compare` calls different, as the files have them."""
    rows = _joined(file, target, publish, numbered=True)
    query = f"SELECT coalesce(min(key, {limit}) FILTER (how = 'different'), []) FROM ({rows})"
    (keys,) = _row_of_files(target, query, memory)
    return list(keys)


def different_columns(file: Path, table: Table, rows: Sequence[tuple[str, ...]], secret: str) -> dict[str, int]:
    """Count, by column, the rows that differ from what `write_hashes` wrote; empty for what another version wrote, or
    with another secret.

    rows  key, hash of the derived columns, and the encoded compared values of target rows; they stay in memory
    Derived columns have one hash: they are counted together, by all of their names.
    """
    names = [column.name for column in table.compared]
    derived = ", ".join(column.name for column in table.derived)
    given = [f"unnest(?::VARCHAR[]) AS {quoted(name)}" for name in ("key", "built", *map(_value_of, names))]
    differ = [f"e.{_bits_of(name)} <> {_bits(secret, name, 'l.key', f'l.{quoted(_value_of(name))}')}" for name in names]
    counts = ", ".join(f"count(*) FILTER ({each})" for each in ["e.built <> l.built", *differ])
    query = f"SELECT {counts} FROM {_parquet(file)} AS e JOIN (SELECT {', '.join(given)}) AS l USING (key)"
    made_by = (_made_by(secret).encode(),)
    if not rows or _row("SELECT value FROM parquet_kv_metadata(?) WHERE key = 'bits'", [str(file)]) != made_by:
        return {}
    counted = zip([derived, *names], _row(query, [list(values) for values in zip(*rows, strict=True)]), strict=True)
    return {name: number for name, number in counted if number}


def _joined(file: Path, target: Path, publish: str, *, numbered: bool = False) -> str:
    """SQL for the rows of both files by key, and how they differ.

    numbered  the rows of one key are numbered, which keeps all of them in memory: only the first is not extra
    """
    n = "row_number() OVER (PARTITION BY key ORDER BY hash, built)" if numbered else "1"
    return f"""
        SELECT coalesce(e.key, l.key, 'NULL') AS key, e.key IS NOT NULL AS expected, l.n IS NOT NULL AS there,
            CASE WHEN l.n IS NULL THEN 'missing'
                 WHEN {str(publish == "ensure").lower()} THEN NULL
                 WHEN e.key IS NULL AND {str(publish == "upsert").lower()} THEN NULL
                 WHEN e.key IS NULL OR l.n > 1 THEN 'extra'
                 WHEN e.hash <> l.hash OR e.built <> l.built THEN 'different' END AS how
        FROM {_parquet(file)} AS e
        FULL JOIN (SELECT *, {n} AS n FROM {_csv(target, "key", "hash", "built")}) AS l ON e.key = l.key"""


def _parquet(file: Path) -> str:
    return f"read_parquet({text(str(file))})"


def _csv(file: Path, *columns: str) -> str:
    """SQL that reads what PostgreSQL's COPY wrote. Nothing is left to be guessed: a key may look like anything."""
    types = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    return (
        f"read_csv({text(str(file))}, auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"',"
        f" new_line = '\\n', comment = '', allow_quoted_nulls = false, buffer_size = {_BLOCK}, columns = {{{types}}})"
    )


def _bits(secret: str, column: str, key: str, value: str) -> str:
    """SQL for 16 bits of a value's hash, others in each row. Of two values that differ, one pair in 65,536 has the
    same.
    """
    return f"(hash(concat({text(f'{secret} {column} ')}, {key}, ' ', {value})) & 65535)::USMALLINT"


def _made_by(secret: str) -> str:
    """Return what tells whether bits can be compared."""
    return f"DuckDB {duckdb.__version__}, {hashlib.sha256(secret.encode()).hexdigest()[:16]}"


def _bits_of(column: str) -> str:
    return quoted(f"bits of {column}")


def _value_of(column: str) -> str:
    return f"value of {column}"


def _encoded(column: Column) -> str:
    return duckdb_value(column.data_type).format(x=_staged(column))


def _hash(columns: tuple[Column, ...]) -> str:
    values = [_encoded(column) for column in columns]
    return f"sha256(concat({', '.join(values)}))" if values else "sha256('')"


def _key(columns: list[Column]) -> str:
    """A single column's canonical text; several are encoded, so that no two keys look alike."""
    if len(columns) == 1:
        return kind(columns[0].data_type).duckdb.format(x=_staged(columns[0]))
    return f"concat({', '.join(map(_encoded, columns))})"


def _staged(column: Column) -> str:
    """The staged column as the contract's type; of one that became text, as the JSON spells it."""
    value = converted(column.staged_as, column.staged_format, column.data_type) or "{x}"
    return value.format(x=quoted(str(column.source)))


@cache
def _memory() -> Connection:  # to open one takes longer than to read a small table
    return duckdb.connect(config={"temp_directory": "", "threads": 1})  # it is for what is small, and spills nothing


# A forked process would have it without its threads, and be ended by SIGABRT when it waits for them at its end.
os.register_at_fork(before=_memory.cache_clear)


def _row(query: str, parameters: list[Any] | None = None) -> Any:
    """The single row that a query over files gives."""
    try:
        with _memory().cursor() as cursor:
            return cursor.execute(query, parameters or []).fetchone()
    except duckdb.Error as error:
        raise staging_limits.named(error, failed="the row hashes cannot be read") from error


def _row_of_files(target: Path, query: str, memory: str) -> Any:
    """The single row that a query over a file of target rows gives; it may spill beside that file."""
    if target.stat().st_size < _SMALL:
        return _row(query)
    spill = target.with_suffix(".spilled")
    try:
        with duckdb.connect(config=staging_limits.config(memory, spill=spill)) as database:
            database.execute("SET enable_progress_bar = false")
            return database.execute(query).fetchone()
    except duckdb.Error as error:
        raise staging_limits.named(error, memory) from error
    finally:
        shutil.rmtree(spill, ignore_errors=True)
