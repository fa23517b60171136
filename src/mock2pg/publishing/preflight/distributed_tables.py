"""Reference and distributed tables that Citus does not take: by contracts and catalogue, and by the built rows.

Only tables that are created or altered get the keys of their contract; another one keeps those that it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from mock2pg import history
from mock2pg.contracts import Table, key_groups
from mock2pg.distributed_keys import refused, widened
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.distribution import Distribution
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.publishing.comparison import key_text
from mock2pg.spellings import data_type
from mock2pg.step_results import Finding
from mock2pg.text import counted, identity

_SHOWN = 5  # keys of rows whose parent has another value
_ON_DELETE = re.compile(r"\bon\s+delete\s+set\s+(null|default)\b", re.IGNORECASE)
_ON_UPDATE = re.compile(r"\bon\s+update\s+(cascade|set\s+(null|default))\b", re.IGNORECASE)

# A healthy transaction over several nodes is prepared for milliseconds.
_PREPARED = """
    SELECT nodename || ':' || nodeport, success, result FROM pg_catalog.run_command_on_workers($$
        SELECT count(*)::text FROM pg_catalog.pg_prepared_xacts
        WHERE starts_with(gid, 'citus_') AND database = current_database() AND prepared < now() - interval '10 s'$$)
"""


def findings(
    connection: Connection,
    schema: str,
    tables: Sequence[Table],
    there: Mapping[str, Distribution],
    *,
    alter: bool = False,
) -> Iterator[Finding]:
    """Find what contracts and catalogue show before anything is built.

    tables  as the target distributes them
    there   what the target schema has that is distributed
    alter   whether tables that a migration created are altered first
    """
    if not any(table.distribution for table in tables):
        return
    by_name, present = {table.name: table for table in tables}, set(catalogue.tables(connection, schema))
    kept = _kept(connection, schema, alter=alter)
    types = {
        table.name: _column_type(connection, schema, table, exists=table.name in present)
        for table in tables
        if table.distribution_column
    }
    for table in tables:
        column = table.distribution_column
        if column and column not in {each.name for each in table.columns}:
            what = f"rows are distributed by {column}, and no model fills it"
            yield Finding(table.name, what, "Fill it in the model and its contract")
        if any(each.name == column and not each.not_null for each in table.columns):
            what = f"rows are distributed by {column}, which may be null"
            yield Finding(table.name, what, "Give the column a not_null constraint in the contract")
        if table.name in present and table.distribution:
            yield from _as_it_is(connection, schema, table.name)
        if table.name not in kept:
            yield from _keys(table, by_name, types)
            yield from _groups(table, there)
    yield from _circles(connection, schema, {name: table for name, table in by_name.items() if name in present})
    yield from _prepared(connection)


def _as_it_is(connection: Connection, schema: str, table: str) -> Iterator[Finding]:
    """Properties of an existing table whose rows could not be changed, or not restored."""
    row = connection.execute(
        "SELECT coalesce((SELECT amname FROM pg_am AS m WHERE m.oid = c.relam), ''),"
        " ARRAY (SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal ORDER BY tgname)"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        [schema, table],
    ).fetchone()
    method, triggers = row or ("", [])
    home = sql.Identifier(schema, table)
    if method == "columnar":
        statement = sql.SQL("SELECT alter_table_set_access_method({}, 'heap')").format(sql.Literal(home.as_string()))
        what = "the table is columnar, which takes no UPDATE and no DELETE"
        yield Finding(table, what, f"Change it by hand: {statement.as_string()}")
    if triggers:
        what = f"the table has the trigger{'s' if len(triggers) > 1 else ''} {', '.join(triggers)}"
        to_do = "; ".join(
            sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(name), home).as_string() for name in triggers
        )
        yield Finding(table, f"{what}, and Citus disables and restores none", f"Drop it by hand: {to_do}")


def _keys(table: Table, tables: Mapping[str, Table], types: Mapping[str, str]) -> Iterator[Finding]:
    """Foreign keys of a contract that Citus does not take for a table that is to be created."""
    column = table.distribution_column
    for key, wide in zip(table.foreign_keys, widened(table, tables).foreign_keys, strict=True):
        told = f"the foreign key ({', '.join(key.columns)}) to {key.parent}"
        action = _ON_DELETE.search(key.on_delete) or _ON_UPDATE.search(key.on_delete)
        kinds = [types[name] for name in (table.name, key.parent) if name in types]
        if why := refused(table, key, tables[key.parent]):
            yield Finding(table.name, f"Citus does not take {told}: {why}", _OTHERWISE)
        elif len(set(kinds)) == 2:
            what = f"Citus does not take {told}: the distribution columns are {' and '.join(kinds)}"
            yield Finding(table.name, what, "Give both columns one type")
        elif column in wide.columns and action:
            what = f"Citus does not take {told} {action[0]}: {column} is the distribution column, and part of the key"
            yield Finding(table.name, what, "Use another action, such as ON DELETE CASCADE or NO ACTION")


def _groups(table: Table, there: Mapping[str, Distribution]) -> Iterator[Finding]:
    """Existing tables that a table refers to, and whose rows of one value are on different nodes."""
    parents = sorted({key.parent for key in table.foreign_keys if key.parent in there and there[key.parent].column})
    groups = {there[name].colocation for name in (table.name, *parents) if name in there}
    if table.distribution_column and len(groups) > 1:
        what = f"it refers to {', '.join(parents)}, and these tables are not colocated"
        to_do = "Colocate them by hand: SELECT update_distributed_table_colocation('...', colocate_with := '...')"
        yield Finding(table.name, what, to_do)


def _column_type(connection: Connection, schema: str, table: Table, *, exists: bool) -> str:
    """Return the type of the distribution column, without modifiers: by it rows of two tables are colocated."""
    name = table.distribution_column
    if exists:
        kind = catalogue.columns(connection, schema, table.name)[table.name][name].data_type
    else:
        kind = data_type(next(column.data_type for column in table.columns if column.name == name)).in_catalogue
    return kind.partition("(")[0]


def _circles(connection: Connection, schema: str, tables: Mapping[str, Table]) -> Iterator[Finding]:
    """Existing tables of Citus that refer to each other, and of whose rows none could be inserted first.

    A circle that is to be created gets keys that are looked at when the transaction ends.
    """
    keys = catalogue.foreign_keys(connection, schema)
    parents = {name: {key.parent for key in keys if key.table == name} for name in tables}
    for group in key_groups(list(tables), parents):
        if not any(tables[name].distribution for name in group):
            continue
        fixed = {
            name: {
                key.parent
                for key in keys
                if key.table == name and key.parent in group and not _waits(tables[name], key)
            }
            for name in group
        }
        for circle in key_groups(group, fixed):
            if len(circle) > 1:
                names = ", ".join(circle)
                what = f"{names} refer to each other, and Citus looks at each key at once"
                to_do = "Make a column of one of the keys nullable, or the key DEFERRABLE INITIALLY DEFERRED"
                yield Finding("", what, to_do)


def _waits(table: Table, key: TargetForeignKey) -> bool:
    """Return True when rows can be inserted before those that the key refers to."""
    nullable = {each.name for each in table.columns if not each.not_null} - {*table.merge_key}
    return key.deferred or bool(nullable & set(key.columns))


def _prepared(connection: Connection) -> Iterator[Finding]:
    """Nodes with a transaction that was to be committed or rolled back there, and was not: its rows are as before."""
    for node, answers, result in connection.execute(_PREPARED).fetchall():
        number = int(result) if answers else 0
        if answers and not number:
            continue
        left = f"{counted(number, 'transaction')} of Citus {'is' if number == 1 else 'are'} prepared and not ended"
        yield Finding(
            "",
            f"node {node}: {left}" if answers else f"node {node} does not answer",
            "Run the command again when all nodes answer: Citus ends what is prepared each minute,"
            " and a superuser may SELECT recover_prepared_transactions()",
        )


def _kept(connection: Connection, schema: str, *, alter: bool) -> set[str]:
    """Return the existing tables that get no key of their contract."""
    return set(catalogue.tables(connection, schema)) - set(history.owned(connection, schema) if alter else ())


def of_rows(
    connection: Connection, built: str, schema: str, tables: Sequence[Table], *, alter: bool = False
) -> Iterator[Finding]:
    """Find built rows that refer to a row with another value of the distribution column, which is on another shard.

    A key that the target table has not, and does not get, is none of Citus's.
    """
    if not any(table.distribution_column for table in tables):
        return
    by_name, kept = {table.name: table for table in tables}, _kept(connection, schema, alter=alter)
    there = {
        (key.table, key.parent, frozenset(zip(key.columns, key.parent_columns, strict=True)))
        for key in catalogue.foreign_keys(connection, schema)
    }
    for table in tables:
        for key, wide in zip(table.foreign_keys, widened(table, by_name).foreign_keys, strict=True):
            parent = by_name[key.parent]
            if key.columns == wide.columns or not parent.distribution_column:
                continue
            columns = frozenset(zip(wide.columns, wide.parent_columns, strict=True))
            if table.name in kept and (table.name, key.parent, columns) not in there:
                continue
            pairs = [
                sql.SQL("c.{} = p.{}").format(sql.Identifier(ours), sql.Identifier(theirs))
                for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
            ]
            apart = sql.SQL(" FROM {} AS c JOIN {} AS p ON {} WHERE c.{} <> p.{}").format(
                sql.Identifier(built, table.name),
                sql.Identifier(built, parent.name),
                sql.SQL(" AND ").join(pairs),
                sql.Identifier(table.distribution_column),
                sql.Identifier(parent.distribution_column),
            )
            if rows := catalogue.count(connection, sql.SQL("SELECT count(*)") + apart):
                yield Finding(
                    table.name,
                    f"{', '.join(key.columns)}: {counted(rows, 'row')} would refer to a row of {parent.name} with"
                    f" another {parent.distribution_column} ({_keys_of(connection, table, apart)})",
                    "Correct the rows in the source, or declare one of the tables a reference table",
                )


def _keys_of(connection: Connection, table: Table, rows: sql.Composed) -> str:
    query = sql.SQL("SELECT {}{} ORDER BY 1 LIMIT {}").format(
        key_text("c", table.primary_key), rows, sql.Literal(_SHOWN + 1)
    )
    found = [identity(text) for (text,) in connection.execute(query).fetchall()]
    return ", ".join(found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")


_OTHERWISE = (
    "Declare another distribution for one of the two, such as reference for the one that is referred to,"
    " or leave the key out of the contract and test it: relationships"
)
