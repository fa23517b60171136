"""Schemas of others: what has one of mock2pg's names is used only when nobody else could put anything into it."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from mock2pg.errors import SchemaRefused
from mock2pg.postgres.connection import Connection

# Roles that may act with the rights of this role anyway: itself, those whose rights it has, superusers, and
# the owner of the database, who runs init-roles. A superuser has the rights of all, and trusts none for that.
_TRUSTED = """
    me AS (SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = current_user),
    trusted AS (
        SELECT r.oid FROM pg_roles AS r, me
        WHERE r.oid = me.oid OR r.rolsuper OR r.rolname = 'pg_database_owner'
            OR r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
            OR NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'USAGE')),
    home AS (SELECT * FROM pg_namespace WHERE nspname = ANY (%(schemas)s)),
    relations AS (
        SELECT c.oid, home.nspname, home.oid AS home, c.relname, c.relowner, c.relacl, c.relkind,
            c.relhassubclass, c.relispartition,
            CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END AS kind
        FROM pg_class AS c JOIN home ON home.oid = c.relnamespace WHERE c.relkind NOT IN ('i', 'I', 't'))"""


def refuse_foreign(connection: Connection, schemas: Collection[str], emptied: Collection[str] = ()) -> None:
    """Raises SchemaRefused when one of the schemas, or anything in them, is another role's, or open to everybody.

    emptied  those that are emptied before they are used: what this role can drop may be anybody's
    """
    row = connection.execute(
        f"""
        WITH {_TRUSTED},
        objects AS (
            SELECT 1 AS n, nspname, 'schema' AS kind, NULL AS name, nspowner AS owner, oid AS home FROM home
            UNION ALL SELECT 2, nspname, kind, relname, relowner, home FROM relations
            UNION ALL SELECT 3, nspname, 'function', proname, proowner, home.oid
            FROM pg_proc JOIN home ON home.oid = pronamespace)
        SELECT o.nspname, o.kind, o.name, pg_get_userbyid(o.owner), me.rolname
        FROM objects AS o JOIN home ON home.oid = o.home, me
        WHERE o.owner NOT IN (TABLE trusted)
            AND NOT (o.n > 1 AND o.nspname = ANY (%(emptied)s) AND (me.rolsuper OR home.nspowner = me.oid))
        ORDER BY o.n, o.nspname, o.name LIMIT 1
        """,  # noqa: S608  the part is the one above
        {"schemas": [*schemas, *emptied], "emptied": list(emptied)},
    ).fetchone()
    if row:
        schema, kind, name, owner, role = row
        place = (sql.Identifier(schema, name) if name else sql.Identifier(schema)).as_string()
        raise SchemaRefused(
            f"{kind} {place} belongs to {owner}, whose code would run with the rights of {role}",
            hint=f"Look at what it is. Then drop it, or give it away: ALTER {kind.upper()} {place} OWNER TO"
            f" {sql.Identifier(role).as_string()}.",
        )
    row = connection.execute(
        "SELECT n.nspname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a"
        " WHERE n.nspname = ANY (%s) AND a.grantee = 0 AND a.privilege_type = 'CREATE' LIMIT 1",
        [[*schemas, *emptied]],
    ).fetchone()
    if row:
        place = sql.Identifier(row[0]).as_string()
        raise SchemaRefused(
            f"everybody may create objects in schema {place}",
            hint=f"Take that away: REVOKE CREATE ON SCHEMA {place} FROM PUBLIC.",
        )


def refuse_meddled(connection: Connection, schemas: Collection[str]) -> None:
    """Raises SchemaRefused when the schemas, which were filled a moment ago, hold what this role did not put there, or
    tables that others may write to."""
    row = connection.execute(
        f"""
        WITH {_TRUSTED}
        SELECT r.nspname, r.relname, r.kind, CASE
            WHEN r.relowner NOT IN (TABLE trusted) THEN 'belongs to ' || pg_get_userbyid(r.relowner)
            WHEN EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = r.oid AND NOT t.tgisinternal)
                THEN 'has a trigger'
            WHEN EXISTS (SELECT FROM pg_rewrite AS w WHERE w.ev_class = r.oid AND w.rulename <> '_RETURN')
                THEN 'has a rule'
            WHEN EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = r.oid) THEN 'has a row security policy'
            WHEN r.relkind NOT IN ('v', 'm', 'r', 'S', 'c') OR r.relispartition OR r.relhassubclass
                OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = r.oid)
                THEN 'is not a table of its own'
            ELSE (SELECT 'may be written by ' || coalesce(g.rolname, 'everybody')
                FROM aclexplode(r.relacl) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee
                WHERE a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
                    AND a.grantee NOT IN (TABLE trusted)
                    AND (a.grantee <> 0 AND has_schema_privilege(a.grantee, r.home, 'USAGE')
                        OR a.grantee = 0 AND EXISTS (SELECT FROM home, aclexplode(home.nspacl) AS u
                            WHERE home.oid = r.home AND u.privilege_type = 'USAGE'
                                AND u.grantee NOT IN (TABLE trusted)))
                LIMIT 1)
            END AS fault
        FROM relations AS r
        UNION ALL SELECT nspname, NULL, 'schema', 'belongs to ' || pg_get_userbyid(nspowner)
        FROM home WHERE nspowner NOT IN (TABLE trusted)
        ORDER BY fault NULLS LAST LIMIT 1
        """,  # noqa: S608  the part is the one above
        {"schemas": list(schemas)},
    ).fetchone()
    if row and row[3]:
        schema, name, kind, fault = row
        place = sql.Identifier(schema, name) if name else sql.Identifier(schema)
        raise SchemaRefused(
            f"{kind} {place.as_string()} {fault}: it is not only what this run put there",
            hint="Find out who may create objects in that schema, or has default privileges on new tables"
            " (\\ddp in psql), and take that away.",
        )


def close_to_others(connection: Connection, schema: str) -> None:
    """Take away what default privileges gave to others on a schema that was just made."""
    rows = connection.execute(
        "SELECT DISTINCT g.rolname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a"
        " LEFT JOIN pg_roles AS g ON g.oid = a.grantee WHERE n.nspname = %s AND a.grantee <> n.nspowner",
        [schema],
    ).fetchall()
    for (name,) in rows:
        role = sql.SQL("PUBLIC") if name is None else sql.Identifier(name)
        connection.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(sql.Identifier(schema), role))


def other_owner(connection: Connection, database: str) -> str | None:
    """The owner of a database of that name, when that is another role: it is not ours to drop."""
    row = connection.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database"
        " WHERE datname = %s AND pg_get_userbyid(datdba) <> current_user",
        [database],
    ).fetchone()
    return str(row[0]) if row else None
