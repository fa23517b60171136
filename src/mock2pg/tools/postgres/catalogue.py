"""What the server says is there: tables, columns, keys, counts."""

from __future__ import annotations

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
    not_null: bool = False
    has_default: bool = False
    sequence: str | None = None  # that an identity or serial column draws from, qualified and quoted


@dataclass(frozen=True)
class LiveForeignKey:
    name: str
    table: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    schema: str = ""  # of `table`
    on_delete: str = "NO ACTION"


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
            a.attidentity = 'a', a.attnotnull, a.atthasdef OR a.attidentity <> '',
            pg_get_serial_sequence(format('%%I.%%I', %s::text, %s::text), a.attname)
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        [schema, table, schema, table],
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
    return _foreign_keys(connection, sql.SQL("t.relnamespace"), schema)


def references_to(connection: Connection, schema: str) -> list[LiveForeignKey]:
    """Every foreign key, of a table of any schema, that leads to one of the schema's tables."""
    return _foreign_keys(connection, sql.SQL("p.relnamespace"), schema)


def _foreign_keys(connection: Connection, whose: sql.SQL, schema: str) -> list[LiveForeignKey]:
    query = sql.SQL(
        """
        SELECT c.conname, t.relname,
            (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
            n.nspname, p.relname,
            (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum),
            (SELECT nspname FROM pg_namespace WHERE oid = t.relnamespace),
            CASE c.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT'
                WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
        FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
            JOIN pg_class AS p ON p.oid = c.confrelid JOIN pg_namespace AS n ON n.oid = p.relnamespace
        WHERE c.contype = 'f' AND c.conparentid = 0
            AND {whose} = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        ORDER BY t.relname COLLATE "C", c.conname COLLATE "C"
        """
    ).format(whose=whose)
    rows = connection.execute(query, [schema]).fetchall()
    return [LiveForeignKey(n, t, tuple(c), ps, p, tuple(pc), s, d) for n, t, c, ps, p, pc, s, d in rows]


def unique_keys(connection: Connection, schema: str, table: str) -> list[tuple[str, ...]]:
    """The columns of each unique index but the primary key's; those over expressions are left out."""
    rows = connection.execute(
        """
        SELECT (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey[:i.indnkeyatts - 1])
            WITH ORDINALITY AS k(attnum, n) JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
        FROM pg_index AS i
        WHERE i.indrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND i.indisunique AND NOT i.indisprimary
            AND i.indexprs IS NULL
        ORDER BY i.indexrelid
        """,
        [schema, table],
    ).fetchall()
    return [tuple(names) for (names,) in rows]


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


def schema_exists(connection: Connection, schema: str) -> bool:
    return connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is not None
