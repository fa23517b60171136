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
from mock2pg.tools.postgres import catalogue, merge
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
    parents: dict[str, set[str]] = {}
    for key in catalogue.foreign_keys(connection, schema):
        parents.setdefault(key.table, set()).add(key.parent)
    tables = []
    for name in catalogue.in_key_order(list(state.tables), parents):
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
    outside = _outside(connection, schema)
    for statement in _drops(connection, schema):
        connection.execute(statement)
    after: dict[str, int] = {}
    if state.definitions is None:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))
    else:
        connection.execute(state.definitions["pre_data"])
        for name in state.tables:
            after[name] = _fill(connection, (schema, name), state, name, json_types(connection, schema, name))
        _restart(connection, schema, state)
        connection.execute(state.definitions["post_data"])
        connection.execute("SELECT set_config('search_path', '', false)")
    lost = outside - _outside(connection, schema)
    if lost:
        raise RollbackFailed(
            f"objects outside of schema {schema} depend on what would be dropped: {', '.join(sorted(lost))}",
            hint="Drop them first, and make them again afterwards.",
        )
    return Restored(
        "recreate",
        {
            name: Difference(before.get(name, 0), count, count, 0, before.get(name, 0), name not in before)
            for name, count in after.items()
        },
        tuple(name for name in before if name not in after),
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
        columns = [sql.Identifier(column) for column, _, _ in types]
        if types:
            cursor.execute(
                sql.SQL(
                    "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM pg_temp.mock2pg_lines,"
                    " LATERAL json_to_record(rtrim(line, ',')::json) AS r({})"
                ).format(
                    sql.Identifier(*target),
                    sql.SQL(", ").join(columns),
                    sql.SQL(", ").join(
                        sql.SQL("r.{}::{}").format(sql.Identifier(column), _sql(own)) for column, own, _ in types
                    ),
                    sql.SQL(", ").join(
                        sql.SQL("{} {}").format(sql.Identifier(column), _sql(spelled)) for column, _, spelled in types
                    ),
                )
            )
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


def _drops(connection: Connection, schema: str) -> list[str]:
    """A DROP statement for every relation, routine and type of the schema that no extension owns."""
    rows = connection.execute(
        """
        WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s),
        owned AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
        SELECT 1, format('DROP %%s IF EXISTS %%s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW'
            WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE'
            ELSE 'TABLE' END, c.oid::regclass)
        FROM pg_class AS c, home WHERE c.relnamespace = home.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
            AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM owned)
        UNION ALL
        SELECT 2, format('DROP ROUTINE IF EXISTS %%s CASCADE', p.oid::regprocedure)
        FROM pg_proc AS p, home WHERE p.pronamespace = home.oid
            AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                AND d.deptype IN ('e', 'i'))
        UNION ALL
        SELECT 3, format('DROP TYPE IF EXISTS %%s CASCADE', t.oid::regtype)
        FROM pg_type AS t, home WHERE t.typnamespace = home.oid AND t.typelem = 0
            AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND EXISTS
                (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
            AND ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM owned)
        ORDER BY 1
        """,
        {"schema": schema},
    ).fetchall()
    return [statement for _, statement in rows]


def _outside(connection: Connection, schema: str) -> set[str]:
    """What lives in other schemas and could be swept away with what is dropped in this one."""
    rows = connection.execute(
        """
        WITH elsewhere AS (SELECT oid FROM pg_namespace
            WHERE nspname <> %s AND nspname !~ '^(pg_|mock2pg_|information_schema)')
        SELECT oid::regclass::text FROM pg_class WHERE relnamespace IN (SELECT oid FROM elsewhere)
        UNION ALL SELECT format('constraint %%s of %%s', conname, conrelid::regclass) FROM pg_constraint
            WHERE connamespace IN (SELECT oid FROM elsewhere) AND conrelid <> 0
        UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace IN (SELECT oid FROM elsewhere)
        UNION ALL SELECT format('column %%s of %%s', attname, attrelid::regclass) FROM pg_attribute
            JOIN pg_class AS c ON c.oid = attrelid WHERE c.relnamespace IN (SELECT oid FROM elsewhere)
            AND attnum > 0 AND NOT attisdropped AND c.relkind IN ('r', 'p')
        """,
        [schema],
    ).fetchall()
    return {name for (name,) in rows}


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)  # a type as the catalogue spells it
