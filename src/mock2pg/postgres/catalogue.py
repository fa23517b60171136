"""The catalogue: tables, columns, keys, counts."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from mock2pg.postgres.connection import Connection, one_row
from mock2pg.postgres.target_records import TargetColumn, TargetForeignKey, TargetUnique, only_own_rows


def oids(connection: Connection, schema: str) -> list[int]:
    """The tables of the schema by their oids, which one that replaces another does not share."""
    rows = connection.execute(
        "SELECT oid::bigint FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) ORDER BY 1",
        [schema],
    ).fetchall()
    return [oid for (oid,) in rows]


def tables(connection: Connection, schema: str) -> list[str]:
    """Tables that hold rows of their own, except those of extensions, by name.

    A partition is part of the table above it, unless that is in another schema.
    """
    rows = connection.execute(
        """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
            AND c.relkind IN ('r', 'p') AND NOT (c.relispartition AND EXISTS (
                SELECT FROM pg_partition_ancestors(c.oid) AS a JOIN pg_class AS above ON above.oid = a.relid
                WHERE a.relid <> c.oid AND above.relnamespace = c.relnamespace))
            AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY c.relname COLLATE "C"
        """,
        [schema],
    ).fetchall()
    return [name for (name,) in rows]


def readable(connection: Connection, schema: str, names: Sequence[str]) -> list[str]:
    """Return those of the names that are tables of which this role may read all columns."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s"
        " AND c.relname = ANY (%s) AND c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE')"
        " AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname COLLATE \"C\"",
        [schema, list(names)],
    ).fetchall()
    return [name for (name,) in rows]


def estimated_rows(connection: Connection, schema: str, names: Sequence[str]) -> int | None:
    """Return about how many rows the tables have, by the server's statistics; None when it knows nothing of one."""
    row = connection.execute(
        "SELECT sum(r)::bigint FROM (SELECT coalesce(nullif(pg_stat_get_live_tuples(c.oid), 0), c.reltuples) AS r"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s)) AS estimated HAVING min(r) >= 0",
        [schema, list(names)],
    ).fetchone()
    return row[0] if row else None


def columns(connection: Connection, schema: str, *tables: str) -> dict[str, dict[str, TargetColumn]]:
    """Table -> column -> what it is, in the columns' order; of all tables in one query, which is slow to plan."""
    rows = connection.execute(
        """
        SELECT o.name, a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory::text, a.attgenerated <> '',
            a.attidentity = 'a', a.attnotnull, a.atthasdef OR a.attidentity <> '',
            a.attidentity <> '' OR EXISTS (SELECT FROM pg_attrdef AS f JOIN pg_depend AS d
                ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND a.attgenerated = ''
                    AND (d.refclassid = 'pg_proc'::regclass OR pg_get_expr(f.adbin, f.adrelid) ~* 'nextval')),
            coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation), true),
            (SELECT format('%%I.%%s', (SELECT nspname FROM pg_namespace WHERE oid = o.oprnamespace), o.oprname)
                FROM pg_index AS i, unnest(i.indkey::int2[], i.indclass::oid[]) AS k(attnum, class)
                    JOIN pg_opclass AS c ON c.oid = k.class JOIN pg_am AS am ON am.oid = c.opcmethod
                    JOIN pg_amop AS p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3
                        AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
                    JOIN pg_operator AS o ON o.oid = p.amopopr
                WHERE i.indrelid = a.attrelid AND k.attnum = a.attnum AND i.indisunique AND i.indpred IS NULL
                    AND am.amname = 'btree' ORDER BY i.indisprimary DESC LIMIT 1)
        FROM unnest(%s::text[]) AS o(name)
            JOIN pg_attribute AS a ON a.attrelid = format('%%I.%%I', %s::text, o.name)::regclass
            JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attrelid, a.attnum
        """,
        [list(tables), schema],
    ).fetchall()
    found: dict[str, dict[str, TargetColumn]] = {table: {} for table in tables}
    for table, *row in rows:
        column = TargetColumn(*row)
        found[table][column.name] = column
    return found


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


def constraint_names(connection: Connection, schema: str, table: str) -> dict[tuple[str, tuple[str, ...]], str]:
    """The table's constraints by pg_constraint.contype and columns; a check, "c", by its own name."""
    rows = connection.execute(
        """
        SELECT contype::text, conname, (SELECT array_agg(a.attname::text ORDER BY k.n)
            FROM unnest(conkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = k.attnum)
        FROM pg_constraint
        WHERE conrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND contype IN ('c', 'u', 'f')
        """,
        [schema, table],
    ).fetchall()
    return {(kind, (name,) if kind == "c" else tuple(columns)): name for kind, name, columns in rows}


def foreign_keys(connection: Connection, schema: str) -> list[TargetForeignKey]:
    """Every foreign key of the schema's tables."""
    return _foreign_keys(connection, sql.SQL("t.relnamespace"), schema)


def references_to(connection: Connection, schema: str) -> list[TargetForeignKey]:
    """Every foreign key, of a table of any schema, that leads to one of the schema's tables."""
    return _foreign_keys(connection, sql.SQL("p.relnamespace"), schema)


def _foreign_keys(connection: Connection, whose: sql.SQL, schema: str) -> list[TargetForeignKey]:
    query = sql.SQL(
        """
        SELECT c.conname, t.relname,
            (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
            n.nspname, p.relname,
            (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, n)
                JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum),
            (SELECT nspname FROM pg_namespace WHERE oid = t.relnamespace),
            c.confdeltype::text, c.confupdtype::text,
            (SELECT array_agg(format('%%I.%%s', (SELECT nspname FROM pg_namespace WHERE oid = o.oprnamespace),
                o.oprname) ORDER BY k.n)
                FROM unnest(c.conpfeqop) WITH ORDINALITY AS k(oid, n) JOIN pg_operator AS o ON o.oid = k.oid),
            t.relkind <> 'p', p.relkind <> 'p',
            has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(t.relnamespace, 'USAGE')
                AND has_table_privilege(t.oid, 'SELECT') AND has_table_privilege(p.oid, 'SELECT'),
            c.condeferred
        FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
            JOIN pg_class AS p ON p.oid = coalesce(pg_partition_root(c.confrelid), c.confrelid)
            JOIN pg_namespace AS n ON n.oid = p.relnamespace
        WHERE c.contype = 'f' AND c.conparentid = 0
            AND {whose} = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        ORDER BY t.relname COLLATE "C", c.conname COLLATE "C"
        """
    ).format(whose=whose)
    return [
        TargetForeignKey(
            n, t, tuple(c), ps, p, tuple(pc), s, _ACTIONS[deleted], _ACTIONS[updated], tuple(equals), *only
        )
        for n, t, c, ps, p, pc, s, deleted, updated, equals, *only in connection.execute(query, [schema]).fetchall()
    ]


_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def uniques(connection: Connection, schema: str, table: str) -> list[TargetUnique]:
    """Return the unique and exclusion constraints and unique indexes, except the primary key."""
    rows = connection.execute(
        """
        WITH i AS (
            SELECT indexrelid, indrelid, indkey[:indnkeyatts - 1] AS keys, indexprs IS NOT NULL AS expressions,
                indexprs IS NULL AND NOT indisexclusion
                    AND to_jsonb(x) ->> 'indnullsnotdistinct' IS DISTINCT FROM 'true'
                    AND NOT EXISTS (SELECT FROM unnest(indkey::int2[], indcollation::oid[]) AS k(attnum, collated)
                        JOIN pg_attribute AS c USING (attnum) WHERE c.attrelid = indrelid
                        AND (c.attcollation <> k.collated OR c.attgenerated <> '')) AS plain
            FROM pg_index AS x
            WHERE indrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND NOT indisprimary
                AND (indisunique OR indisexclusion)),
        depends AS (
            SELECT indexrelid, unnest(keys) AS attnum, true AS compared FROM i
            UNION ALL SELECT i.indexrelid, d.refobjsubid, i.expressions FROM i JOIN pg_depend AS d
                ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
            UNION ALL SELECT i.indexrelid, d.refobjsubid, true FROM i JOIN pg_attrdef AS f
                ON f.adrelid = i.indrelid AND f.adnum = ANY (i.keys) JOIN pg_depend AS d
                ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refobjid = i.indrelid)
        SELECT array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE d.compared),
            array_agg(a.attname::text ORDER BY a.attnum), i.plain
        FROM (SELECT indexrelid, attnum, bool_or(compared) AS compared FROM depends GROUP BY 1, 2) AS d
            JOIN i USING (indexrelid) JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = d.attnum
        WHERE a.attnum > 0
        GROUP BY i.indexrelid, i.plain
        ORDER BY i.indexrelid
        """,
        [schema, table],
    ).fetchall()
    return [TargetUnique(tuple(compared or ()), tuple(watched), plain) for compared, watched, plain in rows]


def orphans(connection: Connection, key: TargetForeignKey) -> int:
    """Count the orphans: rows that refer to a missing parent (a NULL refers to nothing)."""
    query = sql.SQL("SELECT count(*) FROM {} AS c WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {})").format(
        key.child_rows,
        sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(column)) for column in key.columns),
        key.parent_rows,
        key.refers("c", "p"),
    )
    return count(connection, query)


def rows(connection: Connection, schema: str, table: str) -> int:
    return count(connection, sql.SQL("SELECT count(*) FROM {}").format(own_rows(connection, schema, table)))


def own_rows(connection: Connection, schema: str, table: str) -> sql.Composable:
    """The table's own rows, those of its partitions among them; rows of a table that inherits from it are that one's.

    For FROM, UPDATE and DELETE.
    """
    row = connection.execute(
        "SELECT relkind <> 'p' FROM pg_class WHERE oid = to_regclass(format('%%I.%%I', %s::text, %s::text))",
        [schema, table],
    ).fetchone()
    return only_own_rows(schema, table, only=row != (False,))


def heirs(connection: Connection, schema: str, table: str) -> list[tuple[str, str]]:
    """Schema and name of the tables that inherit from the table, directly or not, and that this role may read.

    Partitions are no such tables: their rows are the table's own.
    """
    rows = connection.execute(
        """
        WITH RECURSIVE heirs AS (
            SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = format('%%I.%%I', %s::text, %s::text)::regclass
            UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN heirs ON heirs.oid = i.inhparent)
        SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = ANY (ARRAY(TABLE heirs)) AND NOT c.relispartition
            AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        ORDER BY 1, 2
        """,  # with an array PostgreSQL asks for the privileges of these alone
        [schema, table],
    ).fetchall()
    return [(schema, name) for schema, name in rows]


def count(connection: Connection, query: sql.Composed) -> int:
    """The single number that a query gives."""
    return int(one_row(connection, query)[0])


def schema_exists(connection: Connection, schema: str) -> bool:
    return connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is not None


def current_role(connection: Connection) -> str:
    return str(one_row(connection, "SELECT current_user")[0])
