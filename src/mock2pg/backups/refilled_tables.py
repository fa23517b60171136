"""Tables that are empty where the backup has rows: filled from its file, batch by batch.

Each batch is one statement, which compares what the table then holds with the lines that it was made of, byte by byte.
So nothing is matched, held in other tables or hashed. This is for tables without code that could write anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from psycopg import sql

from mock2pg import progress
from mock2pg.backups import exported_rows, json_rows
from mock2pg.backups.json_rows import made
from mock2pg.backups.staged import Staged
from mock2pg.contracts import key_groups
from mock2pg.errors import RollbackFailed
from mock2pg.postgres import catalogue, distribution
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.publishing import next_values, sequences, writers
from mock2pg.step_results import Difference


def order(connection: Connection, schema: str, staged: Staged) -> list[str]:
    """Return the tables to fill, parents before children; none where any other table differs, or code would run."""
    differing = [name for name in staged.state.tables if not staged.is_equal(schema, name)]
    if not all(staged.content(schema, name).startswith("0:") for name in differing):
        return []
    if distribution.is_citus(connection) or writers.set_off(connection, schema, ()):
        return []
    if OwnersCode(connection, schema, differing).used:
        return []
    if not all(exported_rows.fields(connection, schema, name) for name in differing):
        return []
    parents: dict[str, set[str]] = {}
    for key in catalogue.foreign_keys(connection, schema):
        parents.setdefault(key.table, set()).add(key.parent)
    groups = list(key_groups(differing, parents))
    if any(len(group) > 1 or group[0] in parents.get(group[0], ()) for group in groups):
        return []
    return list(chain.from_iterable(groups))


def fill(connection: Connection, schema: str, staged: Staged, names: Sequence[str]) -> dict[str, Difference]:
    """Fill them; returns the difference of each table that the backup has. Raises RollbackFailed."""
    found = {name: Difference(rows, rows, 0, 0, 0) for name, rows in staged.state.tables.items()}
    for name in names:
        rows = staged.state.tables[name]
        progress.more(rows, name)
        if _filled(connection, schema, staged, name) != rows:
            raise RollbackFailed(f"table {name}: its rows are not as in the backup")
        found[name] = Difference(0, rows, rows, 0, 0)
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name in names:
        target = catalogue.own_rows(connection, schema, name)
        sequences.advance(connection, target, next_values.next_values(connection, schema, name))
    return found


def _filled(connection: Connection, schema: str, staged: Staged, name: str) -> int:
    fields, rows = exported_rows.fields(connection, schema, name), 0
    query = json_rows.restored_equal(sql.Identifier(schema, name), fields)
    for lines in json_rows.batches(staged.state.rows(name)):
        number, equal = made(connection, query, lines)
        if not equal:
            return -1
        rows += number
    return rows


def unchanged_since(connection: Connection, schema: str, filled: Mapping[str, int]) -> set[str]:
    """Return the tables that nothing was written to but the rows that filled them, as PostgreSQL counts.

    filled  table -> rows
    """
    rows = connection.execute(
        "SELECT c.relname, s.n_tup_ins FROM pg_class AS c JOIN pg_stat_xact_all_tables AS s ON s.relid = c.oid"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relkind = 'r'"
        " AND NOT c.relispartition AND current_setting('track_counts')::boolean"
        " AND s.n_tup_upd = 0 AND s.n_tup_del = 0",
        [schema],
    ).fetchall()
    return {name for name, inserted in rows if filled.get(name) == inserted}
