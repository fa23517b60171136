"""Compare the relations of the target schema with the contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.target_records import TargetColumn
from mock2pg.publishing.alteration import Alteration
from mock2pg.step_results import Finding
from mock2pg.text import counted

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a composite type",
    "i": "an index",
    "I": "an index",
    "t": "a TOAST table",
}


def findings(
    connection: Connection, schema: str, tables: Sequence[Table], pending: Mapping[str, Alteration], *, alter: bool
) -> list[Finding]:
    """Relations that are no tables, columns that are missing, keys that do not tell rows apart.

    pending  what could be altered, and `alter` whether it is
    """
    present, others = set(catalogue.tables(connection, schema)), _others(connection, schema)
    columns = catalogue.columns(connection, schema, *(table.name for table in tables if table.name in present))
    found = []
    for table in tables:
        if table.name in present:
            altered = pending.get(table.name)
            found += _columns(connection, schema, table, columns[table.name], altered, alter=alter)
            column = table.distribution_column
            if alter and altered and column in {each.name for each in altered.retyped}:
                what = f"its contract changes the type of {column}, by which its rows are distributed"
                found.append(
                    Finding(table.name, what, "Keep the type in the contract, or make the table again by hand")
                )
        elif kind := others.get(table.name):
            found.append(
                Finding(
                    table.name,
                    f"{schema}.{table.name} is {kind}, and rows are published into tables",
                    "Rename it, or publish into another schema: MIGRATION_SCHEMA",
                )
            )
    return found


def _others(connection: Connection, schema: str) -> dict[str, str]:
    """Every other relation that has a name in the schema, and what it is."""
    rows = connection.execute(
        "SELECT relname, relkind::text, relispartition FROM pg_class"
        " WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
        [schema],
    ).fetchall()
    return {
        name: "a partition of another table" if partition else _KINDS.get(kind, "a table that an extension owns")
        for name, kind, partition in rows
    }


def _columns(
    connection: Connection,
    schema: str,
    table: Table,
    there: Mapping[str, TargetColumn],
    altered: Alteration | None,
    *,
    alter: bool,
) -> list[Finding]:
    home = sql.Identifier(schema, table.name)
    found = [
        Finding(
            table.name,
            f"column {column.name} is missing",
            "A migration created the table: --alter adds it"
            if altered and column in altered.added
            else f"Add it: {_text(sql.SQL('ALTER TABLE {} ADD {} {}'), home, column.name, column.data_type)}",
        )
        for column in table.columns
        if column.name not in there and not (alter and altered and column in altered.added)
    ]
    if not found and table.merge_key != catalogue.primary_key(connection, schema, table.name):
        found += _duplicates(connection, schema, table, there)
    return found


def _duplicates(
    connection: Connection, schema: str, table: Table, there: Mapping[str, TargetColumn]
) -> Iterator[Finding]:
    """Values of the key that more than one row holds, as they are matched: under no primary key by bytes."""
    columns = sql.SQL(", ").join(
        sql.SQL("{}" if there[name].deterministic or there[name].unique_by else '{} COLLATE "C"').format(
            sql.Identifier(name)
        )
        for name in table.merge_key
    )
    twice = catalogue.count(
        connection,
        sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1) AS t").format(
            catalogue.own_rows(connection, schema, table.name), columns
        ),
    )
    if twice:
        yield Finding(
            table.name,
            f"{counted(twice, 'value')} of its key ({', '.join(table.merge_key)}) are in more than one target row",
            "Rows are matched by key: remove the duplicates, and make the key unique",
        )


def unfilled(connection: Connection, schema: str, tables: Sequence[Table]) -> list[Finding]:
    """Columns of the target tables that need a value in a new row, and that nothing fills."""
    there = catalogue.columns(connection, schema, *(table.name for table in tables))
    found = []
    for table in tables:
        ours = {column.name for column in table.columns}
        for column in there[table.name].values():
            if column.name in ours or not column.not_null or column.has_default or column.generated:
                continue
            default = _text(
                sql.SQL("ALTER TABLE {} ALTER {} SET DEFAULT ..."), sql.Identifier(schema, table.name), column.name
            )
            found.append(
                Finding(
                    table.name,
                    f"column {column.name} is NOT NULL without a default, and no model fills it",
                    f"Fill it in the model and its contract, or give it a default: {default}",
                )
            )
    return found


def _text(statement: sql.SQL, home: sql.Identifier, column: str, *types: str) -> str:
    return statement.format(home, sql.Identifier(column), *map(sql.SQL, types)).as_string()
