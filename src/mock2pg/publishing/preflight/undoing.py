"""Obstacles to undoing an alteration: its rollback drops everything in the schema and creates it again."""

from __future__ import annotations

from collections.abc import Iterator

from mock2pg.postgres import drop_objects
from mock2pg.postgres.connection import Connection
from mock2pg.step_results import Finding

_WHY = "could not be undone: a rollback creates the schema again"
_BY_HAND = "or alter the tables by hand: `mock2pg plan` prints the statements"


def findings(connection: Connection, schema: str, *, writes: bool = True) -> Iterator[Finding]:
    """Find what would stop the rollback of an alteration in the schema.

    writes  False for a role that only plans: what it may do itself is not looked at
    """
    if outside := drop_objects.dependents(connection, schema):
        what = f"--alter {_WHY}, and objects that depend on it would be dropped: {', '.join(outside)}"
        yield Finding("", what, f"Drop it and create it again afterwards, {_BY_HAND}")
    if not writes:
        return
    parameters = {"schema": schema}
    if others := connection.execute(_OWNED_BY_OTHERS, parameters).fetchall():
        named = ", ".join(f"{identity} of {owner}" for identity, owner in others)
        to_do = f"Use a role that is a member of the owners', {_BY_HAND}"
        yield Finding("", f"--alter {_WHY}, and this role may not create objects of another role: {named}", to_do)
    if unreached := connection.execute(_UNREACHED, parameters).fetchall():
        named = ", ".join(f"{table}.{key}: REFERENCES on {parent}" for table, key, parent in unreached)
        to_do = f"Grant it, {_BY_HAND}"
        yield Finding("", f"--alter {_WHY}, and this role may not create every foreign key: {named}", to_do)


_OWNED_BY_OTHERS = """
    WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
    SELECT i.type || ' ' || i.identity, pg_get_userbyid(o.owner) FROM (
        SELECT 'pg_class'::regclass AS classid, oid, relowner AS owner FROM pg_class
        WHERE relnamespace = (SELECT oid FROM home) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc WHERE pronamespace = (SELECT oid FROM home)
        UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type WHERE typnamespace = (SELECT oid FROM home)
        AND typtype IN ('d', 'e', 'r')) AS o, pg_identify_object(o.classid, o.oid, 0) AS i
    WHERE NOT pg_has_role(o.owner, 'USAGE') AND NOT EXISTS (
        SELECT FROM pg_depend AS d WHERE (d.classid, d.objid) = (o.classid, o.oid) AND d.deptype = 'e')
    ORDER BY 1"""

_UNREACHED = """
    SELECT t.relname, k.conname, k.confrelid::regclass::text
    FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.conrelid JOIN pg_class AS p ON p.oid = k.confrelid
    WHERE k.contype = 'f' AND k.connamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
        AND p.relnamespace <> k.connamespace
        AND NOT (has_schema_privilege(p.relnamespace, 'USAGE') AND (has_table_privilege(p.oid, 'REFERENCES')
            OR NOT EXISTS (SELECT FROM unnest(k.confkey) AS n WHERE NOT has_column_privilege(p.oid, n, 'REFERENCES'))))
    ORDER BY 1, 2"""
