"""The staged tables: one for each array, map or object that is declared, every cast explicit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from mock2pg import progress
from mock2pg.json_paths import Mark
from mock2pg.source.staging.columns import Row, constant_parameters
from mock2pg.source.staging.database import one, opened, quoted
from mock2pg.source.staging.decimals import narrow
from mock2pg.source.staging.elements import ORDER, elements, is_simple
from mock2pg.staged_tables import HIDDEN, SourceTable
from mock2pg.text import counted

_AT_ONCE = 2  # tables; more would take more memory


def stage(
    database: Path,
    arrays: Mapping[str, Path],
    tables: Sequence[SourceTable],
    constants: Mapping[tuple[str, ...], str] | None = None,
) -> dict[str, int]:
    """Make one staged table per source table from the files of the source; returns the rows of each.

    constants  the JSON texts of what the source has once, by the keys that lead to it

    `_unfit` lists what a row holds that its columns cannot: "." for the row itself, "" for the array around it, and
    "*" for something below a key that is not declared. A duplicate key is unfit as well: JSON readers differ
    in which value they keep.
    """
    with opened(database) as connection, ExitStack() as cursors:
        cursors_of = {table.name: cursors.enter_context(connection.cursor()) for table in tables}

        def staged(table: SourceTable) -> int:
            """DuckDB reads one file in one thread."""
            array, cursor = arrays[table.entity], cursors_of[table.name]
            parameters = {"array": str(array), **constant_parameters(table, dict(constants or {}))}
            if table.levels[0].mark is Mark.MEMBER:
                parameters["keys"] = str(array.with_suffix(".keys"))
            cursor.execute(_create(table, tables, max(array.stat().st_size, 1 << 20)), parameters)
            # where there is no array inside a row, one row represents it, so that the check can say so
            return int(one(cursor, f"SELECT count(*) FROM {quoted(table.name)} WHERE NOT list_contains(_unfit, '')"))

        sizes = {table.name: arrays[table.entity].stat().st_size for table in tables}
        counts = dict[str, int]()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            largest_first = sorted(tables, key=lambda table: -sizes[table.name])
            progress.expect(None)
            try:
                for table, rows in zip(largest_first, pool.map(staged, largest_first), strict=True):
                    counts[table.name] = rows
                    progress.rows(rows)
                    progress.total(_estimated(counts, sizes))
                    progress.detail(f"{len(counts)} of {counted(len(tables), 'table')}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for cursor in cursors_of.values():
                    cursor.interrupt()
                raise
        narrow(connection, tables)
    return {table.name: counts[table.name] for table in tables}


def _estimated(counts: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    """Return about how many rows all files hold, by those that were read; exact when all were."""
    rows, read = sum(counts.values()), sum(sizes[name] for name in counts)
    estimated = rows * sum(sizes.values()) // max(read, 1)
    return rows if len(counts) == len(sizes) else round(estimated, 2 - len(str(estimated)))


def _create(table: SourceTable, tables: Sequence[SourceTable], largest: int) -> str:
    row = Row(table, tables)
    values = row.values()
    select = "".join(f"{value} AS {quoted(name)}, " for name, value in values.items())
    order = "".join(f"{quoted(column.name)}, " for column in table.columns)
    # numbered when the rows' own texts are gone: they would be sorted with them
    place = "_index" if is_simple(table) else quoted(ORDER)
    number = f"row_number() OVER (ORDER BY _root_row, {place})" if table.nested else "_root_row"
    # no ORDER BY: DuckDB keeps the order of insertion, and whoever needs the order of rows asks for that of `_row`
    return f"""
        CREATE TABLE {quoted(table.name)} AS
        WITH {", ".join([*row.constants(), *elements(table, tables, largest)])},
        fields AS (
            SELECT *, {row.transform} AS f, CASE WHEN json_type(element) = 'OBJECT' THEN {row.keys} ELSE [] END AS keys
            FROM elements),
        typed AS (
            SELECT {select}_root_row, _id, _index, _steps{"" if is_simple(table) else f", {quoted(ORDER)}"},
                {row.unfit(values)} AS _unfit, {row.unknown()} AS _unknown
            FROM fields),
        derived AS (SELECT *, {number} AS _row{"".join(", " + value for value in row.made())} FROM typed)
        SELECT {order}{", ".join(HIDDEN)} FROM derived"""
