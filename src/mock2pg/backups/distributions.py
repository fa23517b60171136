"""The distributions of the tables of a backup, which pg_dump does not say: kept in its header, and made again.

Nothing is ever un-distributed: a table that was local when the backup was taken, and is distributed now, stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.contracts import REFERENCE
from mock2pg.errors import RollbackFailed
from mock2pg.postgres import distribution, scratch
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.describing import described
from mock2pg.postgres.distribution import Distribution

Distributions = Mapping[str, Distribution]  # table -> its own; a local table has none


def as_header(found: Distributions) -> dict[str, Any]:
    """Return what a header has of them: nothing where every table is local, as in any other PostgreSQL."""
    return {"distribution": {name: asdict(each) for name, each in found.items()}} if found else {}


def of_header(header: Mapping[str, Any]) -> dict[str, Distribution]:
    """Those that a header has; a backup of an earlier version has none."""
    return {name: Distribution(**each) for name, each in header.get("distribution", {}).items()}


def changed(backup: Distributions, now: Distributions, present: Iterable[str]) -> dict[str, str]:
    """The tables that a rollback distributes again as they were, under the name of a definition, and what became of it.

    present  the tables that are there
    """
    return {
        f"DISTRIBUTION {name}": "changed" if name in now else "removed"
        for name in present
        if name in backup and (name not in now or now[name].declared != backup[name].declared)
    }


def kept(backup: Distributions, now: Distributions, tables: Iterable[str]) -> dict[str, Distribution]:
    """Those of the backup's tables that were local when it was taken, and are distributed now."""
    return {name: now[name] for name in tables if name in now and name not in backup}


def make(connection: Connection, schema: str, wanted: Distributions) -> None:
    """Distribute local tables, which have no keys yet; those that were colocated are so again.

    Raises RollbackFailed when a table was neither a reference table nor distributed by the hash of a column.
    """
    if other := [name for name, each in wanted.items() if each.kind == distribution.OTHER]:
        raise RollbackFailed(
            f"mock2pg cannot distribute tables as these were: {', '.join(other)}",
            hint="Create these tables by hand: mock2pg makes reference tables, and distributes by hash.",
        )
    groups: dict[int, sql.Identifier] = {}
    for name, each in sorted(wanted.items(), key=lambda item: (item[1].colocation, item[0])):
        with _in_one_transaction(connection, schema, name):
            like = groups.get(each.colocation)
            if each.kind == REFERENCE:
                distribution.distribute(connection, schema, name, REFERENCE)
            else:
                like = like or distribution.in_group(connection, schema, name, each)
                distribution.distribute(connection, schema, name, each.column, like, shards=each.shards)
                groups.setdefault(each.colocation, sql.Identifier(schema, name))


_HERE = sql.Identifier(scratch.RESTORED, "here")


@contextmanager
def _in_one_transaction(connection: Connection, schema: str, name: str) -> Iterator[None]:
    """Let Citus make the sequences of a table within this transaction, which has dropped those of these names.

    Usually it makes them in sessions of their own, which wait until this transaction ends. Not so if the table depends,
    here by an index, on a function of this transaction; but for a role that is no superuser it cannot.
    """
    if connection.info.parameter_status("is_superuser") != "on":
        with _named_for_others(name):
            yield
        return
    table, index = sql.Identifier(schema, name), "mock2pg_here"
    connection.execute(sql.SQL("CREATE FUNCTION {}() RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true").format(_HERE))
    connection.execute(sql.SQL("CREATE INDEX {} ON {} (({}()))").format(sql.Identifier(index), table, _HERE))
    yield
    connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(schema, index)))
    connection.execute(sql.SQL("DROP FUNCTION {}()").format(_HERE))


@contextmanager
def _named_for_others(name: str) -> Iterator[None]:
    """Say what another attempt would not change."""
    try:
        yield
    except (psycopg.errors.DeadlockDetected, psycopg.errors.UndefinedTable) as error:
        raise RollbackFailed(
            f"table {name} cannot be dropped and distributed again in one transaction: {described(error)}",
            hint="Run the rollback as a superuser: Citus allows it to no other role for a table with a serial column.",
        ) from error


@contextmanager
def named(kept: Distributions) -> Iterator[None]:
    """Turn what refuses the keys that tables had before they were distributed into RollbackFailed."""
    try:
        yield
    except psycopg.errors.FeatureNotSupported as error:
        if not kept:
            raise
        raise RollbackFailed(
            f"tables are distributed now that were local when the backup was taken ({', '.join(kept)}), and cannot have"
            f" the keys that they had: {described(error)}",
            hint="Run undistribute_table('NAME') by hand, then roll back: a rollback un-distributes nothing.",
        ) from error
