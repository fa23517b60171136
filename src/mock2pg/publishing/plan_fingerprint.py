"""Plan fingerprints: they tell whether the target tables are still those that a reviewed plan compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.postgres.catalogue import own_rows
from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.row_hashes import contract_hash
from mock2pg.publishing.alteration import Alteration
from mock2pg.step_results import Difference


def fingerprints(
    connection: Connection,
    target: str,
    tables: Sequence[Table],
    differences: Mapping[str, Difference],
    alterations: Mapping[str, Alteration],
) -> dict[str, str]:
    """Return table -> hash of the migrated columns of the target table.

    For a table that keeps the rows of others, only the rows to insert count.
    """
    found = {}
    for table in tables:
        difference = differences[table.name]
        if difference.created:
            found[table.name] = "absent"
        elif table.publish == "ensure":
            found[table.name] = f"{difference.inserted} to insert"
        elif altered := alterations.get(table.name):
            found[table.name] = "; ".join([_whole(connection, target, table), *altered.statements])
        else:
            found[table.name] = contract_hash(connection, target, table)
    return found


def _whole(connection: Connection, target: str, table: Table) -> str:
    """Return a hash of all columns of the target table."""
    query = sql.SQL("SELECT concat(count(*), ':', sum(hashtextextended((t.*)::text, 0)::numeric)) FROM {} AS t")
    return str(one_row(connection, query.format(own_rows(connection, target, table.name)))[0])


def locks(
    tables: Sequence[Table], differences: Mapping[str, Difference], alterations: Mapping[str, Alteration]
) -> dict[str, str]:
    """Return table -> PostgreSQL's name of the strongest lock that publishing takes; empty when it only reads."""
    referred = {key.parent for table in tables if differences[table.name].created for key in table.foreign_keys}
    found = {}
    for table in tables:
        difference = differences[table.name]
        if difference.created or table.name in alterations:
            found[table.name] = "ACCESS EXCLUSIVE"
        else:
            written = difference.inserted + difference.updated + difference.deleted
            found[table.name] = "SHARE ROW EXCLUSIVE" if written or table.name in referred else ""
    return found
