"""Putting a schema back to what a backup says: by difference where its definitions are the same, else made anew.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.contracts import Column, Table
from mock2pg.errors import PublishFailed, RollbackFailed
from mock2pg.tools.postgres import catalogue, clearing, merge
from mock2pg.tools.postgres.connection import Connection
from mock2pg.tools.postgres.dump import RAW, json_types
from mock2pg.tools.postgres.merge import Difference


@dataclass(frozen=True)
class State:
    """What a backup holds. `rows` gives a table's lines of JSON; `definitions` is None when there was no schema."""

    definitions: Mapping[str, str] | None
    tables: Mapping[str, int]
    sequences: Mapping[str, Mapping[str, Any]]
    rows: Callable[[str], Iterable[bytes]]


@dataclass(frozen=True)
class Restored:
    """way: "merge" or "recreate"; dropped: tables that are there no more."""

    way: str
    tables: dict[str, Difference]
    dropped: tuple[str, ...]


def restore(connection: Connection, schema: str, state: State, current: Mapping[str, str] | None) -> Restored:
    """Bring definitions, rows and sequences back. `current` are the definitions as they are now."""
    if state.definitions is not None and state.definitions == current:
        try:
            with connection.transaction():  # a savepoint, for what sends us the other way
                differences = _merged(connection, schema, state)
                _restart(connection, schema, state)
                return Restored("merge", differences, ())
        except psycopg.OperationalError:  # a lock that is not given, a connection that is lost
            raise
        except (psycopg.Error, PublishFailed, _NoKeyError):
            pass  # a trigger that changes rows, a circle of references, two rows that exchange a unique value
    return _recreated(connection, schema, state)


class _NoKeyError(Exception):
    """A table without a primary key cannot be merged."""


def _merged(connection: Connection, schema: str, state: State) -> dict[str, Difference]:
    tables = []
    for name in state.tables:  # as they stand in the file, so that one pass through it is enough
        keys = catalogue.primary_key(connection, schema, name)
        if not keys:
            raise _NoKeyError
        columns = [column for column in catalogue.columns(connection, schema, name) if not column.generated]
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(name),
                sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
                sql.Identifier(schema, name),
            )
        )
        _fill(connection, ("pg_temp", name), state, name, json_types(connection, schema, name))
        shape = tuple(Column(column.name, column.data_type, False, None, None) for column in columns)
        tables.append(Table(name, shape, keys))
    return merge.publish(connection, "pg_temp", schema, tables)


def _recreated(connection: Connection, schema: str, state: State) -> Restored:
    before = {name: catalogue.rows(connection, schema, name) for name in catalogue.tables(connection, schema)}
    clearing.clear(connection, schema)
    clearing.forget_default_privileges(connection, schema)
    after: dict[str, int] = {}
    if state.definitions is None:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))
    else:
        connection.execute(state.definitions["pre_data"])
        for name in state.tables:
            after[name] = _fill(connection, (schema, name), state, name, json_types(connection, schema, name))
        _restart(connection, schema, state)
        connection.execute(state.definitions["post_data"])
        clearing.refresh_views(connection, schema)
        connection.execute("SELECT set_config('search_path', '', false)")
    dropped = [name for name in before if name not in after]
    return Restored(
        "recreate",
        {
            name: Difference(before.get(name, 0), count, count, 0, before.get(name, 0), name not in before)
            for name, count in {**after, **dict.fromkeys(dropped, 0)}.items()
        },
        tuple(dropped),
    )


def _fill(
    connection: Connection,
    target: tuple[str, str],
    state: State,
    name: str,
    types: list[tuple[str, str, str]],
) -> int:
    """Insert a table's lines of JSON. Raises RollbackFailed when they are not as many as the backup says."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE mock2pg_lines (line text) ON COMMIT DROP")
        with cursor.copy(sql.SQL("COPY pg_temp.mock2pg_lines FROM STDIN {}").format(RAW)) as copy:
            for line in state.rows(name):
                copy.write(line)
        lines = sql.SQL("FROM pg_temp.mock2pg_lines")
        insert = sql.SQL("INSERT INTO {} SELECT {}").format(sql.Identifier(*target), lines)  # rows without a column
        if types:
            insert = sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} {},"
                " LATERAL json_to_record(rtrim(line, ',')::json) AS r({})"
            ).format(
                sql.Identifier(*target),
                sql.SQL(", ").join(sql.Identifier(column) for column, _, _ in types),
                sql.SQL(", ").join(
                    sql.SQL("r.{}::{}").format(sql.Identifier(column), _sql(own)) for column, own, _ in types
                ),
                lines,
                sql.SQL(", ").join(
                    sql.SQL("{} {}").format(sql.Identifier(column), _sql(spelled)) for column, _, spelled in types
                ),
            )
        cursor.execute(insert)
        restored = cursor.rowcount
        cursor.execute("DROP TABLE pg_temp.mock2pg_lines")
    if restored != state.tables[name]:
        raise RollbackFailed(f"table {name}: {restored} of {state.tables[name]} rows came back")
    return restored


def _restart(connection: Connection, schema: str, state: State) -> None:
    """Set the sequences. A rollback undoes setval, too, once ALTER SEQUENCE has given the sequence a new file."""
    for name, position in state.sequences.items():
        sequence, last = sql.Identifier(schema, name), position["last_value"]
        connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sequence, sql.Literal(last)))
        connection.execute(
            "SELECT setval(%s::text::regclass, %s, %s)", [sequence.as_string(), last, position["is_called"]]
        )


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)  # a type as the catalogue spells it
