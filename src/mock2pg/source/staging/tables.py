"""The staged tables: one for each array, map or object that is declared, every cast explicit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import duckdb

from mock2pg import progress
from mock2pg.json_paths import Mark
from mock2pg.settings import STAGING_MEMORY, size
from mock2pg.source.staging.columns import Row, constant_parameters
from mock2pg.source.staging.database import Connection, one, opened, quoted, text
from mock2pg.source.staging.decimals import narrow
from mock2pg.source.staging.elements import elements
from mock2pg.staged_tables import HIDDEN, SourceTable
from mock2pg.text import counted

_AT_ONCE = 2  # tables; more would take more memory
_USUAL = 256 << 20  # bytes of memory that two tables need; with more, DuckDB keeps more, and is no faster
_LARGEST = 16 << 20  # bytes of a row: DuckDB reads this much of a file twice over, however small the rows are
_VECTOR, _AT_A_TIME = 2048, 512 << 10  # rows that DuckDB works on at a time; bytes of them, where rows are large
_SAMPLED = 1000  # rows


def stage(
    database: Path,
    arrays: Mapping[str, Path],
    tables: Sequence[SourceTable],
    constants: Mapping[tuple[str, ...], str] | None = None,
    *,
    memory: str = STAGING_MEMORY,
) -> dict[str, int]:
    """Make one staged table per source table from the files of the source; returns the rows of each.

    constants  the JSON texts of what the source has once, by the keys that lead to it
    memory     the limit for that of DuckDB

    `_unfit` lists what a row holds that its columns cannot: "." for the row itself, "" for the array around it, and
    "*" for something below a key that is not declared. A duplicate key is unfit as well: JSON readers differ
    in which value they keep. Raises StagingFailed when memory or disk space is not enough.
    """
    with opened(database, memory=memory) as connection, ExitStack() as cursors:
        connection.execute(f"SET memory_limit = '{min(size(memory), _USUAL)}B'")
        cursors_of = {table.name: cursors.enter_context(connection.cursor()) for table in tables}

        def staged(table: SourceTable) -> int:
            """DuckDB reads one file in one thread."""
            array, cursor = arrays[table.entity], cursors_of[table.name]
            parameters = {"array": str(array), **constant_parameters(table, dict(constants or {}))}
            if table.levels[0].mark is Mark.MEMBER:
                parameters["keys"] = str(array.with_suffix(".keys"))
            _fill(cursor, array, partial(_create, table, tables), parameters, size(memory))
            # where there is no array inside a row, one row represents it, so that the check can say so
            return int(one(cursor, f"SELECT count(*) FROM {quoted(table.name)} WHERE NOT list_contains(_unfit, '')"))

        sizes = {table.name: arrays[table.entity].stat().st_size for table in tables}
        counts = dict[str, int]()
        with ThreadPoolExecutor(_AT_ONCE if size(memory) >= _USUAL else 1) as pool:
            largest_first = sorted(tables, key=lambda table: -sizes[table.name])
            progress.expect(None)
            try:
                for table, rows in zip(largest_first, pool.map(staged, largest_first), strict=True):
                    counts[table.name] = rows
                    progress.rows(rows)
                    progress.detail(f"{len(counts)} of {counted(len(tables), 'table')}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for cursor in cursors_of.values():
                    cursor.interrupt()
                raise
        connection.execute(f"SET memory_limit = '{size(memory)}B'")
        narrow(connection, tables)
    return {table.name: counts[table.name] for table in tables}


def _fill(
    cursor: Connection,
    array: Path,
    create: Callable[[int, int], str],
    parameters: Mapping[str, str | None],
    memory: int,
) -> None:
    """Create a staged table. For large rows it is tried again with larger buffers, and with all of the memory."""
    largest, allowed = min(array.stat().st_size, _LARGEST), min(memory, _USUAL)
    while True:
        try:
            cursor.execute(create(max(largest, 1 << 20), _parts(cursor, array, largest)), dict(parameters))
            return
        except duckdb.InvalidInputException:
            if largest == array.stat().st_size:
                raise
            largest = min(array.stat().st_size, largest * 4)
        except duckdb.OutOfMemoryException:
            if allowed == memory:
                raise
            allowed = memory
            cursor.execute(f"SET memory_limit = '{memory}B'")


def _parts(cursor: Connection, array: Path, largest: int) -> int:
    """Return into how many parts DuckDB's rows at a time are to be divided, by the size of the first rows."""
    if array.stat().st_size <= _AT_A_TIME:
        return 1
    row = float(
        one(
            cursor,
            f"SELECT coalesce(avg(strlen(json::VARCHAR)), 0) FROM (FROM read_json_objects({text(str(array))},"
            f" format = 'array', maximum_object_size = {max(largest, 1 << 20)}) LIMIT {_SAMPLED})",
        )
    )
    return max(1, min(round(row * _VECTOR / _AT_A_TIME), _VECTOR))


def _create(table: SourceTable, tables: Sequence[SourceTable], largest: int, parts: int) -> str:
    row = Row(table, tables)
    strings, string = _named("s", row.strings())
    values, value = _named("x", row.values(string))
    judged = row.broken(value)
    broken, unfit = _named("b", {str(number): condition for number, (_, condition) in enumerate(judged)})
    names = dict(zip(unfit.values(), (name for name, _ in judged), strict=True))
    select = "".join(f"{value[name]} AS {quoted(name)}, " for name in value)
    order = "".join(f"{quoted(column.name)}, " for column in table.columns)
    # no ORDER BY, which would keep all rows in memory: they come in the order of the file
    number = "row_number() OVER ()" if table.nested else "_root_row"
    return f"""
        CREATE TABLE {quoted(table.name)} AS
        WITH {", ".join([*row.constants(), *elements(table, tables, largest, parts)])},
        fields AS (SELECT *, {row.transform} AS f, {row.keys} AS keys FROM elements),
        read AS (SELECT *, {row.usual} AS usual, {row.given} AS given{strings} FROM fields),
        typed AS (SELECT *{values} FROM read),
        judged AS (SELECT *{broken} FROM typed),
        named AS (
            SELECT {select}_root_row, {row.id} AS _id, _index, _steps,
                {row.unfit(names)} AS _unfit, {row.unknown()} AS _unknown
            FROM judged),
        derived AS (SELECT *, {number} AS _row{"".join(", " + value for value in row.made())} FROM named)
        SELECT {order}{", ".join(HIDDEN)} FROM derived"""


def _named(letter: str, expressions: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return expressions for a list of columns, and the names that they have there, which no other column has."""
    names = {name: f"{letter}{number}" for number, name in enumerate(expressions)}
    return "".join(f", {sql} AS {names[name]}" for name, sql in expressions.items()), names
