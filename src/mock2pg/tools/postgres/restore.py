"""Putting a schema back to what a backup says: by difference where its definitions are the same, else made anew.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.contracts import Column, Table, key_groups
from mock2pg.errors import PublishFailed, RollbackFailed
from mock2pg.tools.postgres import catalogue, clearing, dump, merge
from mock2pg.tools.postgres.connection import Connection
from mock2pg.tools.postgres.dump import RAW, Field
from mock2pg.tools.postgres.merge import Difference


@dataclass(frozen=True)
class State:
    """What a backup holds. `rows` gives a table's lines of JSON; `definitions` is None when there was no schema."""

    definitions: Mapping[str, str] | None
    tables: Mapping[str, int]
    sequences: Mapping[str, Mapping[str, Any]]
    rows: Callable[[str], Iterable[bytes]]

    @classmethod
    def of(cls, header: Mapping[str, Any], tables: Mapping[str, int], rows: Callable[[str], Iterable[bytes]]) -> State:
        """From what a backup says of itself before its rows."""
        return cls(header["definitions"], tables, header["sequences"], rows)


@dataclass(frozen=True)
class Restored:
    """way: "merge" or "recreate"; dropped: tables that are there no more."""

    way: str
    tables: dict[str, Difference]
    dropped: tuple[str, ...]


def restore(connection: Connection, schema: str, state: State, current: Mapping[str, str] | None) -> Restored:
    """Bring definitions, rows and sequences back. `current` are the definitions as they are now."""
    same = state.definitions is not None and current is not None
    if same and not dump.changed_entries(state.definitions, current):
        try:
            with connection.transaction():  # a savepoint, for what sends us the other way
                differences = _merged(connection, schema, state)
                restart(connection, schema, state)
                return Restored("merge", differences, ())
        except psycopg.OperationalError:  # a lock that is not given, a connection that is lost
            raise
        except (psycopg.Error, PublishFailed, _NoKeyError):
            pass  # a trigger that changes rows, a circle of references, two rows that exchange a unique value
    return _recreated(connection, schema, state)


class _NoKeyError(Exception):
    """A table without a primary key cannot be merged."""


def _merged(connection: Connection, schema: str, state: State) -> dict[str, Difference]:
    parents: dict[str, set[str]] = {}
    for key in catalogue.foreign_keys(connection, schema):
        parents.setdefault(key.table, set()).add(key.parent)
    tables = []
    for name in chain.from_iterable(key_groups(list(state.tables), parents)):
        keys = catalogue.primary_key(connection, schema, name)
        if not keys:
            raise _NoKeyError
        fields = dump.fields(connection, schema, name)
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {} WITH NO DATA").format(
                sql.Identifier(name), shape(schema, name, fields)
            )
        )
        fill(connection, sql.Identifier("pg_temp", name), state, name, fields, "pg_temp")
        columns = tuple(Column(field.name, field.type, False, None, None) for field in fields)
        tables.append(Table(name, columns, keys))
    return merge.publish(connection, "pg_temp", schema, tables)


def _recreated(connection: Connection, schema: str, state: State) -> Restored:
    before = {name: catalogue.rows(connection, schema, name) for name in catalogue.tables(connection, schema)}
    clearing.clear(connection, schema)
    clearing.forget_default_privileges(connection, schema)
    after: dict[str, int] = {}
    if state.definitions is None:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))
    else:
        define(connection, state.definitions["pre_data"])
        for name in state.tables:
            fields = dump.fields(connection, schema, name)
            after[name] = fill(connection, sql.Identifier(schema, name), state, name, fields, "pg_temp")
        restart(connection, schema, state)
        define(connection, state.definitions["post_data"])
        clearing.refresh_views(connection, schema)
    dropped = [name for name in before if name not in after]
    return Restored(
        "recreate",
        {
            name: Difference(before.get(name, 0), count, count, 0, before.get(name, 0), name not in before)
            for name, count in {**after, **dict.fromkeys(dropped, 0)}.items()
        },
        tuple(dropped),
    )


def shape(schema: str, table: str, fields: Sequence[Field]) -> sql.Composed:
    """A query for the columns that a backup holds of the table."""
    names = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields)
    return sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(schema, table))


def fill(
    connection: Connection, target: sql.Identifier, state: State, name: str, fields: Sequence[Field], home: str
) -> int:
    """Insert a table's lines of JSON. Raises RollbackFailed when they are not as many as the backup says.

    home  the schema in which the lines are held meanwhile
    """
    lines = sql.Identifier(home, "mock2pg_lines")
    kind = sql.SQL("TEMPORARY" if home == "pg_temp" else "UNLOGGED")
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE {} TABLE {} (line text)").format(kind, lines))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN {}").format(lines, RAW)) as copy:
            for line in state.rows(name):
                copy.write(line)
        insert = sql.SQL("INSERT INTO {} SELECT FROM {}").format(target, lines)  # without a column
        if fields:
            insert = sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {},"
                " LATERAL json_to_record(rtrim(line, ',')::json) AS r({})"
            ).format(
                target,
                sql.SQL(", ").join(sql.Identifier(field.name) for field in fields),
                sql.SQL(", ").join(
                    sql.SQL("r.{}::{}").format(sql.Identifier(field.name), _sql(field.type)) for field in fields
                ),
                lines,
                sql.SQL(", ").join(
                    sql.SQL("{} {}").format(sql.Identifier(field.name), _sql(field.read)) for field in fields
                ),
            )
        cursor.execute(insert)
        restored = cursor.rowcount
        cursor.execute(sql.SQL("DROP TABLE {}").format(lines))
    if restored != state.tables[name]:
        raise RollbackFailed(f"table {name}: {restored} of {state.tables[name]} rows came back")
    return restored


def define(connection: Connection, script: str) -> None:
    """Execute what pg_dump wrote; the timeouts of the session stay as they are, which it would take away."""
    head, first, rest = script.partition("-- Name: ")
    connection.execute(re.sub(r"(?m)^SET \w+_timeout = 0;\n", "", head) + first + rest)
    connection.execute("SELECT set_config('search_path', '', false)")


def restart(connection: Connection, schema: str, state: State) -> None:
    """Set the sequences. A rollback undoes setval, too, once ALTER SEQUENCE has given the sequence a new file."""
    for name, position in state.sequences.items():
        sequence, last = sql.Identifier(schema, name), position["last_value"]
        connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sequence, sql.Literal(last)))
        connection.execute(
            "SELECT setval(%s::text::regclass, %s, %s)", [sequence.as_string(), last, position["is_called"]]
        )


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)  # a type as the catalogue spells it
