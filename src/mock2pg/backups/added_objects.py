"""Relations that a schema has and a backup of it has not: dropped one by one, so that all others stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from mock2pg.backups import dump
from mock2pg.errors import RollbackFailed
from mock2pg.postgres import drop_objects
from mock2pg.postgres.connection import Connection
from mock2pg.settings import LOCK_TIMEOUT

_KINDS = {"v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE", "r": "TABLE", "p": "TABLE", "S": "SEQUENCE"}


@dataclass(frozen=True)
class Added:
    """Added relations, by kind and name, and the definitions of the schema without them."""

    relations: tuple[tuple[str, str], ...]
    rest: Mapping[str, str] | None

    @property
    def tables(self) -> list[str]:
        return [name for kind, name in self.relations if kind == "TABLE"]


def find(
    connection: Connection,
    url: str,
    schema: str,
    program: Path,
    before: Mapping[str, str] | None,
    current: Mapping[str, str] | None,
    *,
    lock_timeout: str = LOCK_TIMEOUT,
) -> Added:
    """Compare the `current` definitions with those of a backup; pg_dump tells what they are without what was added.

    program  pg_dump
    """
    changed = dump.changed_entries(before, current)
    if before is None or current is None or not changed or set(changed.values()) != {"added"}:
        return Added((), current)
    relations = tuple(
        (kind, name) for kind, name in _relations(connection, schema) if changed.get(f"{kind} {name}") == "added"
    )
    if not relations:
        return Added((), current)
    names = [name for _, name in relations]
    rest = dump.definitions(connection, url, schema, program, lock_timeout=lock_timeout, without=names)
    return Added(relations, rest)


def drop(connection: Connection, schema: str, added: Added, *, cascade: bool = False) -> None:
    """Drop them. Without `cascade` an error is raised when anything else depends on one of them."""
    statement = sql.SQL("DROP {} IF EXISTS {} CASCADE" if cascade else "DROP {} IF EXISTS {}")
    for kinds in (("VIEW", "MATERIALIZED VIEW"), ("FOREIGN TABLE",), ("TABLE",), ("SEQUENCE",)):
        found = [(kind, sql.Identifier(schema, name)) for kind, name in added.relations if kind in kinds]
        together = [found] if len(kinds) == 1 and found else [[each] for each in found]  # tables may need each other
        for group in together:
            names = sql.SQL(", ").join(name for _, name in group)
            # a sequence has gone with the table whose column owns it, and a partition with its parent
            connection.execute(statement.format(sql.SQL(group[0][0]), names))


def refuse_dependents(connection: Connection, schema: str, added: Added) -> None:
    """Raise RollbackFailed when objects outside of the schema would be dropped with what was added; it names them."""
    before = drop_objects.dependents(connection, schema)
    with connection.transaction(force_rollback=True):  # PostgreSQL alone knows what goes with what
        drop(connection, schema, added, cascade=True)
        kept = set(drop_objects.dependents(connection, schema))
    if lost := [name for name in before if name not in kept]:
        relations = ", ".join(name for _, name in added.relations)
        raise RollbackFailed(
            f"objects that depend on relations added since the backup ({relations}) would be dropped:"
            f" {', '.join(lost)}",
            hint=drop_objects.DROP_FIRST,
        )


def _relations(connection: Connection, schema: str) -> list[tuple[str, str]]:
    """Kind, as pg_dump calls it, and name of each that is no part of another one or of an extension; newest first."""
    rows = connection.execute(
        "SELECT c.relkind::text, c.relname FROM pg_class AS c WHERE c.relkind::text = ANY (%s) AND c.relnamespace ="
        " (SELECT oid FROM pg_namespace WHERE nspname = %s) AND NOT EXISTS (SELECT FROM pg_depend AS d"
        " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i')"
        " AND d.refobjid <> c.oid)"  # a partitioned table depends on its own columns
        " ORDER BY c.oid DESC",
        [list(_KINDS), schema],
    ).fetchall()
    return [(_KINDS[kind], name) for kind, name in rows]
