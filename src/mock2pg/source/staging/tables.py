"""The staging database (DuckDB): one table per array of the document, every cast explicit."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from duckdb.func import SPECIAL

from mock2pg.contracts import HIDDEN, SourceColumn, SourceTable
from mock2pg.errors import InternalError
from mock2pg.foreign_errors import scrubbed
from mock2pg.source.staging.casts import cast
from mock2pg.source.staging.json_values import FUNCTIONS
from mock2pg.text import LIMIT

Connection = duckdb.DuckDBPyConnection

_AT_ONCE = 2  # tables; more would take more memory


@contextmanager
def opened(database: Path, *, read_only: bool = False, threads: int | None = None) -> Iterator[Connection]:
    """Connect to the staging file; a DuckDB error is raised as an InternalError without the values in its text."""
    try:
        config: dict[str, str | bool | int | float | list[str]] = {"threads": threads} if threads else {}
        with duckdb.connect(str(database), read_only=read_only, config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            if not read_only:
                for function, parameters, result in FUNCTIONS:
                    connection.create_function(function.__name__, function, parameters, result, null_handling=SPECIAL)
            yield connection
    except duckdb.Error as error:
        raise InternalError(f"the staging database: {type(error).__name__}: {scrubbed(str(error))}") from error


def stage(database: Path, arrays: Mapping[str, Path], tables: Sequence[SourceTable]) -> dict[str, int]:
    """Make one staged table per source table from the arrays' files; returns the rows of each.

    `_unfit` lists what a row holds that its columns cannot: "." for the row itself, "" for the array around it, and
    "*" for something below a key that is not declared. A duplicate key is unfit as well: JSON readers differ
    in which value they keep.
    """
    with opened(database) as connection, ExitStack() as cursors:
        cursors_of = {table.name: cursors.enter_context(connection.cursor()) for table in tables}

        def one(table: SourceTable) -> int:
            """DuckDB reads one file in one thread."""
            nested = [other.nested for other in tables if other.entity == table.entity and other.nested]
            array, cursor = arrays[table.entity], cursors_of[table.name]
            largest = max(array.stat().st_size, 1 << 20)  # no row is larger than its array
            cursor.execute(_create(table, [name for name in nested if name], largest), [str(array)])
            # where there is no array inside a row, one row represents it, so that the check can say so
            return int(_one(cursor, f"SELECT count(*) FROM {quoted(table.name)} WHERE NOT list_contains(_unfit, '')"))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            largest_first = sorted(tables, key=lambda table: -arrays[table.entity].stat().st_size)
            try:
                counts = dict(zip([table.name for table in largest_first], pool.map(one, largest_first), strict=True))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for cursor in cursors_of.values():
                    cursor.interrupt()
                raise
    return {table.name: counts[table.name] for table in tables}


@dataclass(frozen=True)
class Refused:
    """A staged row that was taken out: its hidden columns."""

    table: str
    row: int
    root_row: int
    id: str | None
    index: int | None


def refuse(database: Path, rows: Mapping[str, Collection[int]], tables: Sequence[SourceTable]) -> list[Refused]:
    """Take rows out of the staged tables, by table and `_row`, and with a row the elements of its nested arrays."""
    gone: list[Refused] = []
    with opened(database) as connection:

        def take(table: str, condition: str, parameters: list[Any]) -> None:
            query = f"DELETE FROM {quoted(table)} WHERE {condition} RETURNING _row, _root_row, _id, _index, _unfit"
            rows = connection.execute(query, parameters).fetchall()
            gone.extend(Refused(table, *row) for *row, unfit in rows if unfit != [""])

        for table, numbers in rows.items():
            take(table, "_row IN (SELECT unnest(?::BIGINT[]))", [sorted(numbers)])
        roots = {table.entity: table.name for table in tables if not table.nested}
        for nested in tables:
            if nested.nested and nested.entity in roots:
                take(nested.name, f"_root_row NOT IN (SELECT _row FROM {quoted(roots[nested.entity])})", [])
    return gone


def quoted(name: str) -> str:
    """A DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def _create(table: SourceTable, nested: Sequence[str], largest: int) -> str:
    keys = {column.path: "JSON" for column in table.columns if column.is_key}
    declared = [*keys, *(nested if not table.nested else ())]
    transform = f"json_transform(element, {_text(json.dumps(keys))})" if keys else "NULL"
    columns = {
        column.name: cast(column, _json(column), _steps(table, column)) for column in table.columns if not column.uuid5
    }
    select = [f"{value} AS {quoted(name)}" for name, value in columns.items()]
    unfit = [
        f"CASE WHEN {columns[column.name]} IS NULL AND {_json(column)} IS NOT NULL"
        f" AND json_type({_json(column)}) <> 'NULL' THEN {_text(column.label)} END"
        for column in table.columns
        if not column.uuid5 and not column.of_root
    ]
    derived = [f"{_uuid5(table, column)} AS {quoted(column.name)}" for column in table.columns if column.uuid5]
    order = ", ".join(quoted(column.name) for column in table.columns)
    # numbered when the rows' own texts are gone: of a nested array, each element carries that of its whole row
    number = "row_number() OVER (ORDER BY _root_row, _index)" if table.nested else "_root_row"
    # no ORDER BY: DuckDB keeps the order of insertion, and whoever needs the order of rows asks for that of `_row`
    # nothing here looks at each key for each other key: a row may have a million that are not declared
    unknown = f"list_filter(keys, lambda key: NOT list_contains({_list(declared)}, key))"
    twice = f"list_filter({_list(declared)}, lambda key: len(list_filter(keys, lambda other: other = key)) > 1)"
    found = " + ".join([f"(f.{quoted(key)} IS NOT NULL)::BIGINT" for key in keys] or ["0"])
    is_once = f"len(keys) = {found}" if table.nested or not nested else "false"  # and none is unknown
    return f"""
        CREATE TABLE {quoted(table.name)} AS
        WITH elements AS ({_elements(table, largest)}),
        fields AS (
            SELECT *, {transform} AS f,
                CASE WHEN json_type(element) = 'OBJECT' AND NOT {str(table.scalar).lower()}
                     THEN json_keys(element) ELSE [] END AS keys
            FROM elements),
        typed AS (
            SELECT {", ".join(select)}, _root_row, _id, _index,
                CASE WHEN misplaced THEN ['']
                     WHEN {"false" if table.scalar else "json_type(element) IS DISTINCT FROM 'OBJECT'"} THEN ['.']
                     ELSE list_distinct(list_filter([{", ".join(unfit)}], lambda name: name IS NOT NULL)
                        || CASE WHEN {is_once} OR len(keys) = len(list_distinct(keys)) THEN [] ELSE {twice} END
                        || CASE WHEN len({unknown}) = 0 THEN [] -- a call of Python: only where keys are unknown
                                WHEN strict_json(element::VARCHAR, {_list(declared)}) THEN [] ELSE ['*'] END)
                     END AS _unfit,
                list_distinct({unknown}) AS _unknown
            FROM fields),
        derived AS (SELECT *, {number} AS _row{"".join(", " + value for value in derived)} FROM typed)
        SELECT {order}, {", ".join(HIDDEN)} FROM derived"""


def _elements(table: SourceTable, largest: int) -> str:
    rows = (
        f"SELECT n, r FROM read_json_objects(?, format = 'array', maximum_object_size = {largest})"
        " WITH ORDINALITY AS x(r, n)"
    )
    # what a person finds the row by: a whole number counts, too, and a text is cut
    given = "CASE WHEN json_type(r->'$.id') IN ('VARCHAR', 'BIGINT', 'UBIGINT', 'HUGEINT') THEN r->>'$.id' END"
    identity = f"CASE WHEN length({given}) > {LIMIT} THEN left({given}, {LIMIT - 1}) || '…' ELSE {given} END AS _id"
    if not table.nested:
        return f"""
            SELECT n AS _root_row, {identity}, NULL::BIGINT AS _index, r AS element, r AS root,
                false AS misplaced FROM ({rows})"""
    inside = f"r->{_path(table.nested)}"
    return f"""
        SELECT n AS _root_row, {identity}, i - 1 AS _index, element,
            CASE WHEN NOT misplaced THEN r END AS root, misplaced
        FROM (SELECT n, r, unnest(elements) AS element, generate_subscripts(elements, 1) AS i, misplaced
              FROM (SELECT n, r, misplaced,
                        CASE WHEN misplaced THEN [NULL::JSON] ELSE ({inside})::JSON[] END AS elements
                    FROM (SELECT n, r, coalesce(json_type({inside}), 'NULL') <> 'ARRAY' AS misplaced
                          FROM ({rows}) WHERE json_type(r) = 'OBJECT')))"""


def _json(column: SourceColumn) -> str:
    """SQL for the column's JSON value."""
    if column.path == ".":
        return "element"
    if column.of_root:
        return f"(root->{_path(column.path.split('[].', 1)[1])})"
    return f"f.{quoted(column.path)}"


def _steps(table: SourceTable, column: SourceColumn) -> str:
    """SQL for the keys and indexes that lead from the root row to the column's JSON value."""
    inside = [_text(table.nested), "_index::VARCHAR"] if table.nested and not column.of_root else []
    last = [] if column.path == "." else [_text(column.path.split("[].", 1)[-1])]
    return f"[{', '.join(inside + last)}]"


def _uuid5(table: SourceTable, column: SourceColumn) -> str:
    """RFC 9562's version 5: SHA-1 over the table's name space and the JSON array of the natural key's parts."""
    space = uuid.uuid5(uuid.NAMESPACE_URL, f"mock2pg:{table.name}").hex
    parts = ", ".join(quoted(part) for part in column.uuid5)
    given = " AND ".join(f"{quoted(part)} IS NOT NULL" for part in column.uuid5)
    # `_(h)`, because the name of a value in a SELECT's list would hide a column h
    digest = f"sha1(unhex('{space}') || encode(json_array({parts})::VARCHAR))"
    return (
        f"CASE WHEN {given} THEN (SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-'"
        " || substr('89ab89ab89ab89ab', ('0x' || substr(h, 17, 1))::INTEGER + 1, 1) || substr(h, 18, 3) || '-'"
        f" || substr(h, 21, 12) FROM (SELECT {digest}) AS _(h)) END"
    )


def _path(key: str) -> str:
    return _text("$." + json.dumps(key, ensure_ascii=False))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]::VARCHAR[]"


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101  an aggregate always gives a row
    return row[0]
