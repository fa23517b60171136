"""The distribution of each target table in Citus: an existing table keeps its own, a new one gets what is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from mock2pg.contracts import REFERENCE, Table
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.distribution import Distribution, is_citus, of_schema
from mock2pg.publishing.preflight import distributed_tables
from mock2pg.step_results import Finding
from mock2pg.text import counted


@dataclass(frozen=True)
class Effective:
    """tables    with the distribution that they have, or will have
    findings  declarations that differ from the target tables, and what Citus does not take
    notes     declarations that have no effect, and distributions that no model declares
    """

    tables: tuple[Table, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def effective(connection: Connection, schema: str, tables: Sequence[Table], *, alter: bool = False) -> Effective:
    """Return the tables as the target distributes them; where it is no Citus coordinator, all are local.

    alter  whether tables that a migration created are altered first, where their contract changed
    """
    if not is_citus(connection):
        declared = [table.name for table in tables if table.distribution]
        return Effective(
            tuple(replace(table, distribution="") for table in tables),
            notes=(f"{_all(declared)} a distribution, and the target has no Citus: local tables",) if declared else (),
        )
    there, present = of_schema(connection, schema), set(catalogue.tables(connection, schema))
    existing = [table for table in tables if table.name in present]
    undeclared = [
        f"{each.name} is {_as_words(how)}"
        for each in existing
        if not each.distribution and (how := _of(there, each.name))
    ]
    held = tuple(
        replace(table, distribution=_of(there, table.name)) if table.name in present else table for table in tables
    )
    differing = (
        _differing(connection, schema, table, _of(there, table.name))
        for table in existing
        if table.distribution not in ("", _of(there, table.name))
    )
    return Effective(
        held,
        (*differing, *distributed_tables.findings(connection, schema, held, there, alter=alter)),
        (f"kept, and declared by no model: {'; '.join(undeclared)}",) if undeclared else (),
    )


def _of(there: Mapping[str, Distribution], name: str) -> str:
    return there[name].declared if name in there else ""


def _differing(connection: Connection, schema: str, table: Table, found: str) -> Finding:
    """A migration changes no distribution: it moves all rows, and locks the table meanwhile."""
    name = sql.Literal(sql.Identifier(schema, table.name).as_string())
    column = sql.Literal(table.distribution)
    if table.distribution == REFERENCE:
        steps = ["SELECT undistribute_table({name})"] if found else []
        steps += ["SELECT create_reference_table({name})"]
    elif found and found != REFERENCE:
        steps = ["SELECT alter_distributed_table({name}, distribution_column := {column})"]
    else:
        steps = ["SELECT undistribute_table({name})"] if found else []
        steps += ["SELECT create_distributed_table({name}, {column})"]
    statements = [sql.SQL(step).format(name=name, column=column).as_string() for step in steps]
    keys = _without(connection, schema, table) if table.distribution_column else []
    foreign = _foreign(connection, schema, table.name) if keys else []
    advice = ". Drop the foreign keys {} before, and add them with the distribution columns afterwards"
    return Finding(
        table.name,
        f"its model declares {_as_words(table.distribution)}, and the table is {_as_words(found)}",
        "Correct config.meta.distribution, or change the table by hand: "
        + "; ".join(statements[:-1] + keys + statements[-1:])
        + (advice.format(", ".join(foreign)) if foreign else ""),
    )


def _without(connection: Connection, schema: str, table: Table) -> list[str]:
    """Return the statements that add the distribution column to the keys that are without it: Citus takes no other.

    Of a table that is distributed, it adds a constraint only in a statement of its own.
    """
    rows = connection.execute(
        """
        SELECT conname, contype = 'p', columns FROM pg_constraint, LATERAL (
            SELECT array_agg(attname::text ORDER BY k.n) AS columns FROM unnest(conkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = k.attnum) AS key
        WHERE conrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND contype IN ('p', 'u')
            AND %s <> ALL (columns)
        ORDER BY contype, conname
        """,
        [schema, table.name, table.distribution],
    ).fetchall()
    return [
        sql.SQL("ALTER TABLE {0} DROP CONSTRAINT {1}; ALTER TABLE {0} ADD {2} ({3})")
        .format(
            sql.Identifier(schema, table.name),
            sql.Identifier(name),
            sql.SQL("PRIMARY KEY" if primary else "UNIQUE"),
            sql.SQL(", ").join(map(sql.Identifier, (*columns, table.distribution))),
        )
        .as_string()
        for name, primary, columns in rows
    ]


def _foreign(connection: Connection, schema: str, table: str) -> list[str]:
    """Return the names of the foreign keys that refer to the table or from it, with their tables."""
    keys = {*catalogue.foreign_keys(connection, schema), *catalogue.references_to(connection, schema)}
    return sorted(
        f"{key.name} of {key.table}"
        for key in keys
        if (key.schema, key.table) == (schema, table) or (key.parent_schema, key.parent) == (schema, table)
    )


def _as_words(distribution: str) -> str:
    if not distribution:
        return "local"
    return "a reference table" if distribution == REFERENCE else f"distributed by {distribution}"


def _all(names: Sequence[str]) -> str:
    return f"{counted(len(names), 'model')} declare{'s' if len(names) == 1 else ''}"
