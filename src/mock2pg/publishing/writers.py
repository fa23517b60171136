"""Writers: other sessions that insert, update or delete are kept out of the tables that lose or change rows.

SHARE ROW EXCLUSIVE is the weakest lock that does it and that no two sessions hold at once. Readers go on, SELECT ...
FOR UPDATE and the foreign-key checks of others among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import LiteralString

from psycopg import sql

from mock2pg.errors import PublishFailed
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.target_records import TargetForeignKey
from mock2pg.publishing.merge import Merge

Name = tuple[str, str]  # schema, table
_ACTS = ("CASCADE", "SET NULL", "SET DEFAULT")


def keep_out_of_schema(connection: Connection, schema: str) -> None:
    """Lock every table of the schema, and those of other schemas whose rows its foreign keys change."""
    tables = {(schema, name) for name in catalogue.tables(connection, schema)}
    keep_out(connection, tables.union(*(_below(connection, table) for table in tables)))


def keep_out(connection: Connection, tables: Iterable[Name], mode: LiteralString = "SHARE ROW EXCLUSIVE") -> None:
    """Lock the tables until the transaction ends, in an order that is always the same.

    One that this role may not write to is left out: no rows of it are written in this role's name.

    mode  SHARE for who only reads: several may hold it at once
    """
    names = sorted(set(tables))
    rows = connection.execute(
        "SELECT n.nspname, c.relname, c.relkind = 'p' FROM unnest(%s::text[], %s::text[]) AS t (schema, name)"
        " JOIN pg_namespace AS n ON n.nspname = t.schema"
        " JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name"
        " WHERE c.relkind IN ('r', 'p')"
        " AND has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')"
        ' ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"',
        [[schema for schema, _ in names], [name for _, name in names]],
    ).fetchall()
    if rows:
        each = [sql.SQL("{}{}").format(sql.SQL("" if p else "ONLY "), sql.Identifier(s, n)) for s, n, p in rows]
        query = sql.SQL("LOCK TABLE {} IN {} MODE").format(sql.SQL(", ").join(each), sql.SQL(mode))
        connection.execute(query)


def compared(connection: Connection, compare: Callable[[], Merge], expected: Iterable[Name] = ()) -> Merge:
    """The comparison that holds until the transaction ends: writers are kept out of every table that it would write.

    compare   called again until a comparison finds no table to write that is not locked yet
    expected  tables that it will probably write, locked before the first comparison
    """
    locked = set(expected)
    if locked:
        keep_out(connection, locked)
    while True:
        merge = compare()
        written = written_by(connection, merge) - locked
        if not written:
            return merge
        keep_out(connection, written)
        locked |= written


def written_by(connection: Connection, merge: Merge) -> set[Name]:
    """The tables that the merge writes, and those whose rows its foreign keys change."""
    found: set[Name] = set()
    for each in merge.merges:
        difference, home = merge.differences[each.table.name], (each.target_schema, each.table.name)
        if difference.created or not (difference.inserted or difference.updated or difference.deleted):
            continue
        found.add(home)
        if difference.deleted:
            found |= _below(connection, home)
        if difference.updated:
            settable = set(each.settable)
            found |= {
                (key.schema, key.table)
                for key in _references(connection, home)
                if key.on_update in _ACTS and settable & set(key.parent_columns)
            }
    return found


def others_wrote(tables: Sequence[str]) -> PublishFailed:
    """Return the error about tables that others changed after the backup."""
    return PublishFailed(
        f"others changed the target tables after the backup was taken: {', '.join(tables)}",
        hint="Run the command again when nobody writes to these tables.",
    )


def set_off(connection: Connection, schema: str, tables: Iterable[Name]) -> bool:
    """Return whether writing may set off triggers or rules, which may write into other tables of the schema.

    tables  those that are written; triggers of the schema's other tables count, too
    """
    names = [*tables]
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE (n.nspname = %s OR (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[])))"
        " AND c.relkind IN ('r', 'p') AND (c.relhasrules OR EXISTS ("
        "SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)))",
        [schema, [schema for schema, _ in names], [name for _, name in names]],
    ).fetchone()
    return row != (False,)


def _below(connection: Connection, table: Name) -> set[Name]:
    """The tables whose rows are changed when rows of the table are deleted, through others too."""
    found, queue = set[Name](), [table]
    while queue:
        for key in _references(connection, queue.pop()):
            child = (key.schema, key.table)
            if key.on_delete in _ACTS and child not in found:
                found.add(child)
                queue.append(child)
    return found


def _references(connection: Connection, table: Name) -> list[TargetForeignKey]:
    schema, name = table
    return [key for key in catalogue.references_to(connection, schema) if key.parent == name]
