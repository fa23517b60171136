"""What the server says is there: tables, columns, keys, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from mock2pg.tools.postgres.connection import Connection


@dataclass(frozen=True)
class LiveColumn:
    """One column as the catalogue has it; `data_type` as format_type spells it."""

    name: str
    data_type: str
    type_category: str
    generated: bool
    identity_always: bool


@dataclass(frozen=True)
class LiveForeignKey:
    name: str
    table: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]


def tables(connection: Connection, schema: str) -> list[str]:
    """Tables that hold rows of their own (a partition is part of its root), except those of extensions, by name."""
    rows = connection.execute(
        """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
            AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY c.relname COLLATE "C"
        """,
        [schema],
    ).fetchall()
    return [name for (name,) in rows]


def columns(connection: Connection, schema: str, table: str) -> list[LiveColumn]:
    """The columns in their order."""
    rows = connection.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory::text, a.attgenerated <> '',
            a.attidentity = 'a'
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        [schema, table],
    ).fetchall()
    return [LiveColumn(*row) for row in rows]


def primary_key(connection: Connection, schema: str, table: str) -> tuple[str, ...]:
    """The columns of the primary key, in its order; empty when there is none."""
    rows = connection.execute(
        """
        SELECT a.attname FROM pg_constraint AS c, unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
            JOIN pg_attribute AS a ON a.attnum = k.attnum
        WHERE c.conrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND c.contype = 'p'
            AND a.attrelid = c.conrelid
        ORDER BY k.n
        """,
        [schema, table],
    ).fetchall()
    return tuple(name for (name,) in rows)


def foreign_keys(connection: Connection, schema: str) -> list[LiveForeignKey]:
    """Every foreign key of the schema's tables."""
    rows = connection.execute(
        """
        SELECT c.conname, t.relname,
            (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
            n.nspname, p.relname,
            (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum)
        FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
            JOIN pg_class AS p ON p.oid = c.confrelid JOIN pg_namespace AS n ON n.oid = p.relnamespace
        WHERE c.contype = 'f' AND c.conparentid = 0
            AND t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        ORDER BY t.relname COLLATE "C", c.conname COLLATE "C"
        """,
        [schema],
    ).fetchall()
    return [LiveForeignKey(n, t, tuple(c), ps, p, tuple(pc)) for n, t, c, ps, p, pc in rows]


def is_referred_to(connection: Connection, schema: str, table: str) -> bool:
    """Whether a foreign key of any schema leads to the table."""
    row = connection.execute(
        "SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = format('%%I.%%I', %s::text, %s::text)::regclass",
        [schema, table],
    ).fetchone()
    return row is not None


def orphans(connection: Connection, schema: str, key: LiveForeignKey) -> int:
    """How many rows refer to a parent that is not there (a NULL refers to nothing)."""
    child, parent = sql.Identifier(schema, key.table), sql.Identifier(key.parent_schema, key.parent)
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    query = sql.SQL("SELECT count(*) FROM {} AS c WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {})").format(
        child,
        sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(column)) for column, _ in pairs),
        parent,
        sql.SQL(" AND ").join(
            sql.SQL("p.{} = c.{}").format(sql.Identifier(theirs), sql.Identifier(ours)) for ours, theirs in pairs
        ),
    )
    return count(connection, query)


def rows(connection: Connection, schema: str, table: str) -> int:
    return count(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))


def count(connection: Connection, query: sql.Composed) -> int:
    """The single number that a query gives."""
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101
    return int(row[0])


def in_key_order(names: Sequence[str], parents: dict[str, set[str]]) -> list[str]:
    """The names so that each comes after those it refers to; among equals, in the order given.

    A table that is part of a cycle comes when everything outside the cycle has come.
    """
    ordered: list[str] = []
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if not (parents.get(name, set()) - {name}) & set(waiting)]
        if not ready:  # the first of a cycle that refers to nothing but itself
            above = {name: _above(name, parents, set(waiting)) for name in waiting}
            ready = [next(name for name in waiting if all(name in above[other] for other in above[name]))]
        ordered += ready
        waiting = [name for name in waiting if name not in ordered]
    return ordered


def _above(name: str, parents: dict[str, set[str]], among: set[str]) -> set[str]:
    """All that a name refers to, directly or not."""
    found: set[str] = set()
    new = [name]
    while new:
        more = (parents.get(new.pop(), set()) & among) - found
        found |= more
        new += more
    return found


def schema_exists(connection: Connection, schema: str) -> bool:
    return connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is not None
