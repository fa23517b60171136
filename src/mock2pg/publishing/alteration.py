"""A contract that changed: the ALTER statements that bring a table of our own from the old one to the new.

A table is our own when a migration created it and it is still that table, by its oid; the history keeps the contract
under which it is. What somebody changed by hand since is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from mock2pg.contracts import Column, Table, tables_from
from mock2pg.distributed_keys import widened
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.target_records import TargetColumn
from mock2pg.publishing import creation
from mock2pg.spellings import data_type

Owned = Mapping[str, Mapping[str, Any]]  # table -> oid, and contract as `Table.as_dict` gave it


@dataclass(frozen=True)
class Alteration:
    """before  the contract under which the table is
    first   statements that must run before the rows are merged
    last    statements that must run when they are
    added   columns that the first statements add
    retyped columns whose type they change
    """

    table: Table
    before: Table
    first: tuple[sql.Composed, ...]
    last: tuple[sql.Composed, ...]
    added: tuple[Column, ...]
    retyped: tuple[Column, ...]

    @property
    def statements(self) -> list[str]:
        return [statement.as_string() for statement in (*self.first, *self.last)]

    def view(
        self, target: sql.Composable, there: Mapping[str, TargetColumn]
    ) -> tuple[sql.Composed, dict[str, TargetColumn]]:
        """The target rows and columns as the alteration will leave them, for a look before it is made."""
        new = {column.name: column.data_type for column in (*self.retyped, *self.added)}
        values = [_sql(f"l.{{0}}::{new[name]} AS {{0}}" if name in new else "l.{}", name) for name in there]
        values += [_sql(f"NULL::{column.data_type} AS {{}}", column.name) for column in self.added]
        columns = dict(there)
        for name, kind in new.items():
            known = there.get(name, TargetColumn(name, kind, "", generated=False, identity_always=False))
            columns[name] = replace(known, data_type=kind)
        return sql.SQL("(SELECT {} FROM {} AS l)").format(sql.SQL(", ").join(values), target), columns


def pending(connection: Connection, schema: str, tables: Sequence[Table], owned: Owned) -> dict[str, Alteration]:
    """Return the pending alterations, by table."""
    found, oids = {}, oids_of(connection, schema)
    ours = [table for table in tables if table.name in owned and oids.get(table.name) == owned[table.name]["oid"]]
    there = catalogue.columns(connection, schema, *(table.name for table in ours))
    for table in ours:
        mine = owned[table.name]
        old = replace(tables_from([mine["contract"]])[0], distribution=table.distribution)
        by_name = {each.name: each for each in tables}
        alteration = _alteration(connection, schema, widened(old, by_name), widened(table, by_name), there[table.name])
        if alteration.first or alteration.last:
            found[table.name] = alteration
    return found


def oids_of(connection: Connection, schema: str) -> dict[str, int]:
    """Every relation of the schema by its name, which is another one's when it was made again."""
    rows = connection.execute(
        "SELECT relname, oid::bigint FROM pg_class"
        " WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
        [schema],
    ).fetchall()
    return dict(rows)


def owned_now(
    connection: Connection, schema: str, tables: Sequence[Table], before: Owned, changed: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the tables of our own after a publication that created or altered those in `changed`."""
    oids = oids_of(connection, schema)
    found = {name: dict(mine) for name, mine in before.items() if mine["oid"] == oids.get(name)}
    for table in tables:
        if table.name in changed:
            found[table.name] = {"oid": oids.get(table.name), "contract": table.as_dict()}
    return found


def owned_again(connection: Connection, schema: str, before: Owned) -> dict[str, dict[str, Any]]:
    """Return the tables of our own after they were created again from a backup."""
    oids = oids_of(connection, schema)
    return {name: {**mine, "oid": oids[name]} for name, mine in before.items() if name in oids}


def _alteration(
    connection: Connection, schema: str, old: Table, new: Table, target: Mapping[str, TargetColumn]
) -> Alteration:
    names = catalogue.constraint_names(connection, schema, new.name)
    columns = {column.name: column for column in old.columns}
    wanted = {column.name for column in new.columns} | {name for name, _ in new.database_columns}
    gone = [name for name in (*columns, *dict(old.database_columns)) if name in target and name not in wanted]
    added = tuple(column for column in new.columns if column.name not in target and column.name not in columns)
    retyped = tuple(
        column
        for column in new.columns
        if column.name in columns and column.name in target and _retyped(columns[column.name], column, target)
    )
    home = sql.Identifier(schema, new.name)
    first = [*_dropped_constraints(old, new, names), *(_sql("DROP COLUMN {}", name) for name in gone)]
    first += [_sql(f"ADD COLUMN {{}} {column.data_type}", column.name) for column in added]
    first += [
        _sql(f"ADD COLUMN {{}} {definition}", name)
        for name, definition in new.database_columns
        if name not in target and name not in dict(old.database_columns)
    ]
    for column in retyped:
        first.append(_sql(f"ALTER COLUMN {{0}} TYPE {column.data_type} USING {{0}}::{column.data_type}", column.name))
    first += [
        _sql("ALTER COLUMN {} DROP NOT NULL", column.name)
        for column in new.columns
        if not column.not_null and column.name in columns and columns[column.name].not_null
        and column.name in target and target[column.name].not_null
    ]  # fmt: skip
    last = [
        _sql("ALTER COLUMN {} SET NOT NULL", column.name)
        for column in new.columns
        if column.not_null and (column in added or (column.name in target and not target[column.name].not_null))
    ]
    head = sql.SQL("ALTER TABLE {} ").format(home)
    return Alteration(
        new,
        old,
        tuple(head + action for action in first),
        (*(head + action for action in last), *_added_constraints(schema, old, new, names)),
        added,
        retyped,
    )


def _retyped(old: Column, new: Column, target: Mapping[str, TargetColumn]) -> bool:
    """Return True when the contract has another type, and the column still the one that it had."""
    wanted, was = data_type(new.data_type).in_catalogue, data_type(old.data_type).in_catalogue
    return wanted != was == target[new.name].data_type


def _dropped_constraints(
    old: Table, new: Table, names: Mapping[tuple[str, tuple[str, ...]], str]
) -> Iterator[sql.Composed]:
    for name, expression in old.checks:
        if (name, expression) not in new.checks and ("c", (name,)) in names:
            yield _sql("DROP CONSTRAINT {}", name)
    for columns in old.uniques:
        if columns not in new.uniques and ("u", columns) in names:
            yield _sql("DROP CONSTRAINT {}", names["u", columns])
    for key in old.foreign_keys:
        if key not in new.foreign_keys and ("f", key.columns) in names:
            yield _sql("DROP CONSTRAINT {}", names["f", key.columns])


def _added_constraints(
    schema: str, old: Table, new: Table, names: Mapping[tuple[str, tuple[str, ...]], str]
) -> Iterator[sql.Composed]:
    for name, expression in new.checks:
        if (name, expression) not in old.checks and (name in dict(old.checks) or ("c", (name,)) not in names):
            yield creation.check(schema, new, name, expression)
    for columns in new.uniques:
        if columns not in old.uniques and ("u", columns) not in names:
            yield creation.unique(schema, new, columns)
    for key in new.foreign_keys:
        if key not in old.foreign_keys:
            yield from creation.reference(schema, new, key)


def _sql(action: str, name: str) -> sql.Composed:
    """An action of ALTER TABLE; its types and definitions are the contract's own."""
    return sql.SQL(action).format(sql.Identifier(name))
