"""Row hashes of staged tables, and their comparison with those of target tables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from mock2pg.contracts import Column, Table
from mock2pg.conversions import converted
from mock2pg.encoding import TABLE_HASH_DUCKDB, duckdb_value, kind, shown_key
from mock2pg.errors import InternalError, LoadFailed
from mock2pg.source.staging.database import Connection, quoted, text
from mock2pg.step_results import Compared
from mock2pg.text import identity

_KEYS_SHOWN = 20


def write_hashes(staged: Connection, table: Table, built: Path | None, file: Path, secret: str) -> None:
    """Write one Parquet row per key: `key`, `hash` of the compared columns as staged, `built` of the derived ones.

    Beside them 16 bits of each compared value: they name the columns in which a row differs that `hash` has found.
    DuckDB's own hash costs little and may be another in its next version, which the file names.

    built   a CSV of key and hash of the derived columns, read from the table that dbt built; None for the rows that
            are staged, of a table without derived columns
    secret  without it nobody can tell which of a few values has those bits
    Raises LoadFailed when the model lost or invented a row.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    read = f"(FROM {_csv(built, 'key', 'built')})" if built else ""
    if table.source is None:
        rows = f"SELECT key, sha256('') AS hash, built FROM {read} ORDER BY key"
    else:
        keys = [column for column in table.columns if column.name in table.key]
        if any(column not in table.compared for column in keys):
            raise LoadFailed(
                f"{table.name}: its primary key is not a staged column",
                hint="Stage the key, so that every row can be followed from the JSON to the target table.",
            )
        key = _key(keys)
        bits = "".join(
            f", {_bits(secret, each.name, key, _encoded(each))} AS {_bits_of(each.name)}" for each in table.compared
        )
        hashed = f"SELECT {key} AS key, {_hash(table.compared)} AS hash{bits} FROM {quoted(table.source)}"
        joined = (
            f"({hashed}) FULL JOIN {read} USING (key)" if read else f"(SELECT *, sha256('') AS built FROM ({hashed}))"
        )
        rows = f"SELECT * FROM {joined} ORDER BY key"
    staged.execute(f"COPY ({rows}) TO {text(str(file))} (FORMAT parquet, KV_METADATA {{bits: '{_made_by(secret)}'}})")
    file.chmod(0o600)
    lost, invented = staged.execute(
        f"SELECT count(*) FILTER (built IS NULL), count(*) FILTER (hash IS NULL) FROM read_parquet({text(str(file))})"
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
    query = f"""{_joined(file, target, publish)}
        SELECT (SELECT count(*) FROM expected), (SELECT count(*) FROM target),
            {", ".join(f"count(*) FILTER (how = '{kind}')" for kind in kinds)},
            {", ".join(f"coalesce(min(key, {_KEYS_SHOWN}) FILTER (how = '{kind}'), [])" for kind in kinds)}
        FROM joined"""
    expected, actual, missing, extra, different, *keys = _row(query)
    named = [[shown_key(key) if key_columns > 1 else key for key in found or ()] for found in keys]
    shown = [tuple(map(identity, found)) for found in named]
    return Compared(expected, actual, missing, extra, different, shown[0], shown[1], shown[2])


def different_keys(file: Path, target: Path, *, publish: str, limit: int) -> list[str]:
    """Return the first keys of the rows that `compare` calls different, as the files have them."""
    query = f"""{_joined(file, target, publish)}
        SELECT coalesce(min(key, {limit}) FILTER (how = 'different'), []) FROM joined"""
    (keys,) = _row(query)
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
    query = (
        f"SELECT {counts} FROM read_parquet({text(str(file))}) AS e JOIN (SELECT {', '.join(given)}) AS l USING (key)"
    )
    made_by = (_made_by(secret).encode(),)
    if not rows or _row("SELECT value FROM parquet_kv_metadata(?) WHERE key = 'bits'", [str(file)]) != made_by:
        return {}
    counted = zip([derived, *names], _row(query, [list(values) for values in zip(*rows, strict=True)]), strict=True)
    return {name: number for name, number in counted if number}


def _joined(file: Path, target: Path, publish: str) -> str:
    """SQL that begins with the rows of both files by key, and how they differ."""
    return f"""
        WITH expected AS (FROM read_parquet({text(str(file))})),
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
            FROM expected AS e FULL JOIN target AS l ON e.key = l.key)"""


def _csv(file: Path, *columns: str) -> str:
    """SQL that reads what PostgreSQL's COPY wrote. Nothing is left to be guessed: a key may look like anything."""
    types = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    return (
        f"read_csv({text(str(file))}, auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"',"
        f" new_line = '\\n', comment = '', allow_quoted_nulls = false, columns = {{{types}}})"
    )


def _bits(secret: str, column: str, key: str, value: str) -> str:
    """SQL for 16 bits of a value's hash, others in each row. Of two values that differ, one pair in 65,536 has the
    same.
    """
    return f"(hash({text(f'{secret} {column} ')} || {key} || ' ' || {value}) & 65535)::USMALLINT"


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
    return f"sha256({' || '.join(values) if values else chr(39) * 2})"


def _key(columns: list[Column]) -> str:
    """A single column's canonical text; several are encoded, so that no two keys look alike."""
    if len(columns) == 1:
        return kind(columns[0].data_type).duckdb.format(x=_staged(columns[0]))
    return " || ".join(map(_encoded, columns))


def _staged(column: Column) -> str:
    """The staged column as the contract's type; of one that became text, as the JSON spells it."""
    value = converted(column.staged_as, column.staged_format, column.data_type) or "{x}"
    return value.format(x=quoted(str(column.source)))


@cache
def _memory() -> Connection:  # to open one takes longer than to read a small table
    return duckdb.connect()


# A forked process would have it without its threads, and be ended by SIGABRT when it waits for them at its end.
os.register_at_fork(before=_memory.cache_clear)


def _row(query: str, parameters: list[Any] | None = None) -> Any:
    """The single row that a query over files gives."""
    try:
        with _memory().cursor() as cursor:
            return cursor.execute(query, parameters or []).fetchone()
    except duckdb.Error as error:
        raise InternalError(f"the row hashes cannot be read: {type(error).__name__}") from error
