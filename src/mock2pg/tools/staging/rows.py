"""Staged rows on their way out: as CSV for COPY, and as hashes that prove what arrived."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mock2pg.contracts import Column, SourceTable, Table
from mock2pg.encoding import TABLE_HASH_DUCKDB, duckdb_value
from mock2pg.errors import InternalError, LoadFailed
from mock2pg.tools.staging.tables import opened, quoted

_PIPE = 1 << 20
_KEYS_SHOWN = 20


@dataclass(frozen=True)
class Comparison:
    """What differs between the hashes of a run and those of the live table; counts of rows.

    keys  the first 20 primary keys that differ, each with how: `17 (missing)`
    """

    expected: int
    live: int
    missing: int
    extra: int
    different: int
    keys: tuple[str, ...]


def csv_blocks(database: Path, table: SourceTable) -> Iterator[bytes]:
    """The staged table as CSV for PostgreSQL's COPY, in blocks of up to 1 MiB, columns in declared order.

    DuckDB writes into a pipe while the caller reads. A fault of DuckDB's is raised from here, so inside the
    caller's COPY: an early end of the file would look like success.
    """
    folder = Path(tempfile.mkdtemp(prefix="mock2pg-"))
    pipe, faults = folder / "rows.csv", list[BaseException]()
    os.mkfifo(pipe, 0o600)
    columns = ", ".join(_csv_value(column.name, column.data_type) for column in table.columns)
    query = f"SELECT {columns} FROM {quoted(table.name)} ORDER BY _row"  # noqa: S608

    def produce() -> None:
        try:
            with opened(database, read_only=True) as connection:
                connection.execute("SET threads = 1")  # two threads into one pipe buffer the whole table
                connection.execute(f"COPY ({query}) TO '{pipe}' (FORMAT csv, HEADER false, FORCE_QUOTE *)")
        except BaseException as fault:
            faults.append(fault)
        finally:
            try:  # free a reader that still waits for somebody to open the other end
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                pass

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    try:
        with pipe.open("rb", buffering=0) as blocks:
            if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
                fcntl.fcntl(blocks, fcntl.F_SETPIPE_SZ, _PIPE)
            while block := blocks.read(_PIPE):
                yield block
        producer.join()
        if faults:
            raise faults[0]
    finally:
        producer.join(10)
        pipe.unlink()
        folder.rmdir()


def write_hashes(database: Path, table: Table, built: Path, file: Path) -> None:
    """Write one Parquet row per key: `key`, `hash` of the compared columns as staged, `built` of the derived ones.

    built  a CSV of key and hash of the derived columns, read from the table that dbt built
    Raises LoadFailed when the model lost or invented a row.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    read = f"(SELECT * FROM read_csv('{_path(built)}', header = false, all_varchar = true, columns = {_BUILT}))"
    with opened(database, read_only=True) as connection:
        if table.source is None:
            rows = f"SELECT key, sha256('') AS hash, built FROM {read} ORDER BY key"
        else:
            keys = [column for column in table.columns if column.name in table.primary_key]
            if any(column not in table.compared for column in keys):
                raise LoadFailed(
                    f"{table.name}: its primary key is not a staged column",
                    hint="Stage the key, so that every row can be followed from the JSON to the live table.",
                )
            staged = (
                f"SELECT {_key(keys)} AS key, {_hash(table.compared)} AS hash"  # noqa: S608
                f" FROM {quoted(table.source)}"
            )
            rows = f"SELECT key, hash, built FROM ({staged}) FULL JOIN {read} USING (key) ORDER BY key"
            lost, invented = connection.execute(
                f"SELECT count(*) FILTER (built IS NULL), count(*) FILTER (hash IS NULL) FROM ({rows})"  # noqa: S608
            ).fetchone() or (0, 0)
            if lost or invented:
                raise LoadFailed(
                    f"{table.name}: its model lost {lost} staged rows and has {invented} that were not staged"
                )
        connection.execute(f"COPY ({rows}) TO '{_path(file)}' (FORMAT parquet)")
    file.chmod(0o600)


def table_hash(file: Path) -> str:
    """The table's hash out of what `write_hashes` wrote: rows, and two sums over the row hashes."""
    query = f"SELECT {TABLE_HASH_DUCKDB} FROM read_parquet(?)"  # noqa: S608
    return str(_rows(query, [str(file)])[0][0])


def compare(file: Path, live: Path, *, extra_allowed: bool) -> Comparison:
    """Compare the Parquet file of a run with a CSV of `key`, `hash`, `built` that was read from the live table."""
    actual = f"read_csv('{_path(live)}', header = false, all_varchar = true, columns = {_LIVE})"
    differing = f"""
        SELECT coalesce(e.key, l.key) AS key,
            CASE WHEN l.key IS NULL THEN 'missing' WHEN e.key IS NULL THEN 'extra' ELSE 'different' END AS how
        FROM read_parquet('{_path(file)}') AS e FULL JOIN {actual} AS l ON e.key = l.key
        WHERE l.key IS NULL OR {"false" if extra_allowed else "e.key IS NULL"}
            OR e.hash <> l.hash OR e.built <> l.built"""  # noqa: S608
    counts = dict(_rows(f"SELECT how, count(*) FROM ({differing}) GROUP BY how"))  # noqa: S608
    keys = _rows(f"SELECT key || ' (' || how || ')' FROM ({differing}) ORDER BY key LIMIT {_KEYS_SHOWN}")  # noqa: S608
    return Comparison(
        expected=_rows("SELECT count(*) FROM read_parquet(?)", [str(file)])[0][0],
        live=_rows(f"SELECT count(*) FROM {actual}")[0][0],  # noqa: S608
        missing=counts.get("missing", 0),
        extra=counts.get("extra", 0),
        different=counts.get("different", 0),
        keys=tuple(key for (key,) in keys),
    )


_BUILT = "{'key': 'VARCHAR', 'built': 'VARCHAR'}"
_LIVE = "{'key': 'VARCHAR', 'hash': 'VARCHAR', 'built': 'VARCHAR'}"


def _hash(columns: tuple[Column, ...]) -> str:
    values = [duckdb_value(column.data_type).format(x=quoted(str(column.source))) for column in columns]
    return f"sha256({' || '.join(values) if values else chr(39) * 2})"


def _key(columns: list[Column]) -> str:
    """A single column's own text; several are encoded, so that no two keys look alike."""
    if len(columns) == 1:
        return f"{quoted(str(columns[0].source))}::VARCHAR"
    return " || ".join(duckdb_value(column.data_type).format(x=quoted(str(column.source))) for column in columns)


def _csv_value(name: str, data_type: str) -> str:
    column = quoted(name)
    if data_type != "text[]":
        return column
    element = """'"' || replace(replace(e, '\\', '\\\\'), '"', '\\"') || '"'"""
    return (
        f"CASE WHEN {column} IS NOT NULL THEN '{{' || coalesce(array_to_string("
        f"list_transform({column}, lambda e: {element}), ','), '') || '}}' END"
    )


def _path(file: Path) -> str:
    return str(file).replace("'", "''")


def _rows(query: str, parameters: list[str] | None = None) -> list[tuple[int | str, ...]]:
    try:
        with duckdb.connect() as connection:
            return connection.execute(query, parameters or []).fetchall()
    except duckdb.Error as error:
        raise InternalError(f"the row hashes cannot be read: {type(error).__name__}") from error
