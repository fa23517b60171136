"""Tables of others in the target schema whose rows cannot be read or restored without running code of theirs.

A backup reads every table of the schema, and its restore test and a rollback write their rows. The planner of a SELECT
computes the constant parts of index and statistics expressions; a value of a domain runs its CHECK, one that is
compared as text a cast, and a new row triggers, rules and CHECKs: all with the rights of this role. A table of a role
that is not trusted is refused when it has code that is that role's, or a volatile function of PostgreSQL's, which
could execute any statement.
"""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from mock2pg import history
from mock2pg.errors import SchemaRefused
from mock2pg.postgres.catalogue import current_role
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OTHERS

_TABLES = (
    OTHERS  # noqa: S608
    + """,
    tables AS (
        SELECT c.oid, c.relname, pg_get_userbyid(c.relowner) AS owner FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p') AND c.relowner IN (TABLE others))"""
)
_CODE = (
    _TABLES.replace("WITH owners", "WITH RECURSIVE owners", 1)  # noqa: S608
    + """,
    types AS (
        SELECT t.oid, a.atttypid AS type FROM tables AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
        WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION SELECT types.oid, part.type FROM types JOIN pg_type AS y ON y.oid = types.type, LATERAL (
            SELECT y.typelem UNION ALL SELECT y.typbasetype
            UNION ALL SELECT rngsubtype FROM pg_range WHERE rngtypid = y.oid
            UNION ALL SELECT rngtypid FROM pg_range WHERE rngmultitypid = y.oid
            UNION ALL SELECT atttypid FROM pg_attribute
            WHERE attrelid = y.typrelid AND attnum > 0 AND NOT attisdropped) AS part (type)
        WHERE part.type <> 0),
    parts AS (
        SELECT conrelid AS oid, 'constraint' AS kind, conname AS name, conbin::text AS code
        FROM pg_constraint WHERE conbin IS NOT NULL AND conrelid IN (SELECT oid FROM tables)
        UNION ALL SELECT s.oid, 'domain', y.typname, c.conbin::text
        FROM types AS s JOIN pg_type AS y ON y.oid = s.type JOIN pg_constraint AS c ON c.contypid = y.oid
        UNION ALL SELECT s.oid, 'cast to', format_type(k.casttarget, NULL), concat(':funcid ', k.castfunc::text)
        FROM types AS s JOIN pg_cast AS k ON k.castsource = s.type
        UNION ALL SELECT a.attrelid, 'generated column', a.attname, d.adbin::text
        FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE a.attgenerated <> ''
        UNION ALL SELECT i.indrelid, 'index', c.relname, concat(i.indexprs::text, i.indpred::text)
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        UNION ALL SELECT stxrelid, 'statistics', stxname, stxexprs::text FROM pg_statistic_ext
        UNION ALL SELECT tgrelid, 'trigger', tgname, concat(tgqual::text, ' :funcid ', tgfoid::text)
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT ev_class, 'rule', rulename, concat(ev_qual::text, ev_action::text) FROM pg_rewrite)
    SELECT DISTINCT t.relname, t.owner, p.kind, p.name FROM tables AS t JOIN parts AS p ON p.oid = t.oid,
        LATERAL regexp_matches(p.code, ':(?:op|win|agg)?f(?:uncid|noid) (\\d+)', 'g') AS used (ids)
        JOIN pg_proc AS f ON f.oid = used.ids[1]::oid
    WHERE f.proowner IN (TABLE others) OR p.kind <> 'trigger' AND f.provolatile = 'v'
    ORDER BY 1, 3, 4"""
)
_PLANTED = (
    _TABLES  # noqa: S608
    + " SELECT relname, owner FROM tables WHERE relname = ANY (%(names)s) AND oid <> ALL (%(known)s)"
)
_REMEDY = "Look at what it is; then drop it, or give the table to a role that is trusted: ALTER TABLE {} OWNER TO {}"


def found(connection: Connection, schema: str, targets: Collection[str]) -> list[tuple[str, str, str]]:
    """Return the tables, what is wrong with each in words, and what there is to do.

    targets  the tables that are migrated, whose owners are trusted
    """
    rows = connection.execute(_CODE, {"schema": schema, "tables": list(targets)}).fetchall()
    me = sql.Identifier(current_role(connection)).as_string()
    tables: dict[tuple[str, str], list[str]] = {}
    for table, owner, kind, name in rows:
        tables.setdefault((table, owner), []).append(f"{kind} {name}")
    return [
        (
            table,
            f"it belongs to {owner}, whose code would run with the rights of this role ({', '.join(code)})",
            _REMEDY.format(sql.Identifier(schema, table).as_string(), me),
        )
        for (table, owner), code in tables.items()
    ]


def refuse(connection: Connection, schema: str, targets: Collection[str] = ()) -> None:
    """Raises SchemaRefused when there are any, before a row of the schema is read.

    targets  the tables that are migrated; those that the newest run published are known
    """
    newest = history.newest(connection, schema)
    if tables := found(connection, schema, [*targets, *(newest.tables if newest else ())]):
        lines = [f"  {table}: {what}" for table, what, _ in tables]
        raise SchemaRefused(
            "\n".join([f"tables of others are in schema {schema}:", *lines]),
            hint=f"{tables[0][2]}.",
        )


def refuse_planted(connection: Connection, schema: str, tables: Collection[str], known: Collection[int]) -> None:
    """Raises SchemaRefused when a table to publish into was made by another role after the run had looked.

    known  the oids of those that were there
    """
    row = connection.execute(
        _PLANTED,
        {"schema": schema, "tables": [], "names": list(tables), "known": list(known)},
    ).fetchone()
    if row:
        place = sql.Identifier(schema, row[0]).as_string()
        raise SchemaRefused(
            f"table {place} belongs to {row[1]}, and was created during this run",
            hint=f"Look at what it is, and at who may create objects in that schema: REVOKE CREATE ON SCHEMA"
            f" {sql.Identifier(schema).as_string()} FROM PUBLIC.",
        )
