"""Taking a schema's objects away: what there is to drop, and what outside of it would be swept away with it."""

from __future__ import annotations

from mock2pg.errors import RollbackFailed
from mock2pg.postgres.connection import Connection

DROP_FIRST = "Drop it, roll back again, and create it again afterwards."

# The objects of a schema, of every kind that pg_dump writes.
_OBJECTS = "\n        UNION ALL ".join(
    f"SELECT '{name}'::regclass AS classid, oid FROM {name} WHERE {home} = (SELECT oid FROM home)"  # noqa: S608
    for name, home in (
        ("pg_class", "relnamespace"), ("pg_proc", "pronamespace"), ("pg_type", "typnamespace"),
        ("pg_collation", "collnamespace"), ("pg_conversion", "connamespace"), ("pg_operator", "oprnamespace"),
        ("pg_opclass", "opcnamespace"), ("pg_opfamily", "opfnamespace"), ("pg_statistic_ext", "stxnamespace"),
        ("pg_ts_config", "cfgnamespace"), ("pg_ts_dict", "dictnamespace"), ("pg_ts_parser", "prsnamespace"),
        ("pg_ts_template", "tmplnamespace"),
    )
)  # fmt: skip
_HOME = f"""
    WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s),
    owned AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
    objects AS (SELECT * FROM (
        {_OBJECTS}) AS o WHERE (classid, oid) NOT IN (SELECT classid, objid FROM owned))"""  # noqa: S608  the names are those above

# And what belongs to them without standing in the schema itself.
_INSIDE = (
    _HOME  # noqa: S608
    + """,
    inside AS (
        SELECT * FROM objects
        UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a JOIN objects AS o ON o.oid = adrelid
        UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger AS t JOIN objects AS o ON o.oid = tgrelid
        UNION ALL SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite AS r JOIN objects AS o ON o.oid = ev_class
        UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy AS p JOIN objects AS o ON o.oid = polrelid
        UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint AS c WHERE connamespace =
            (SELECT oid FROM home)
        UNION ALL SELECT 'pg_amop'::regclass, a.oid FROM pg_amop AS a JOIN objects AS o ON o.oid = amopfamily
        UNION ALL SELECT 'pg_amproc'::regclass, a.oid FROM pg_amproc AS a JOIN objects AS o ON o.oid = amprocfamily)"""
)


def clear(connection: Connection, schema: str) -> None:
    """Drop every object of the schema that no extension owns; what belongs to another one goes with it.

    Raises RollbackFailed when an object that is not the schema's own depends on any of them.
    """
    _refuse_dependents(connection, schema)
    drop_objects(connection, schema)


def drop_objects(connection: Connection, schema: str) -> None:
    """Drop every object of the schema that no extension owns, and whatever depends on it."""
    query = """
        SELECT format('DROP %%s IF EXISTS %%s CASCADE', i.type, i.identity)
        FROM objects AS o, pg_identify_object(o.classid, o.oid, 0) AS i
        WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE (d.classid, d.objid) = (o.classid, o.oid)
            AND d.refobjid <> o.oid  -- a partitioned table depends on its own columns
            AND (d.deptype = 'i' OR d.deptype = 'a' AND d.refclassid = 'pg_class'::regclass
                AND d.refobjid IN (SELECT oid FROM objects)))  -- and not on a table of another schema
        ORDER BY o.classid <> 'pg_class'::regclass, o.oid"""
    for (statement,) in connection.execute(_HOME + query, {"schema": schema}).fetchall():
        connection.execute(statement)


def dependents(connection: Connection, schema: str) -> list[str]:
    """Return the dependents of the schema's objects outside of it, as PostgreSQL describes them."""
    query = """
        SELECT DISTINCT CASE WHEN d.classid = 'pg_rewrite'::regclass THEN pg_describe_object('pg_class'::regclass,
            (SELECT ev_class FROM pg_rewrite WHERE oid = d.objid), 0)  -- the view, not its rule
            ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END
        FROM pg_depend AS d JOIN inside AS i ON (d.refclassid, d.refobjid) = (i.classid, i.oid)
        WHERE d.deptype IN ('n', 'a') AND (d.classid, d.objid) NOT IN (SELECT classid, oid FROM inside)
        ORDER BY 1"""
    return [name for (name,) in connection.execute(_INSIDE + query, {"schema": schema}).fetchall()]


def _refuse_dependents(connection: Connection, schema: str) -> None:
    if found := dependents(connection, schema):
        raise RollbackFailed(
            f"objects outside schema {schema} that depend on it would be dropped: {', '.join(found)}",
            hint=DROP_FIRST,
        )


def extensions(connection: Connection, schema: str) -> list[tuple[str, str]]:
    """The extensions whose objects the schema's own depend on, each with the schema that it is installed in."""
    query = f"""
        SELECT DISTINCT e.extname, n.nspname {_NEEDED} JOIN pg_extension AS e ON e.oid = o.refobjid
            JOIN pg_namespace AS n ON n.oid = e.extnamespace
        ORDER BY 1"""
    return connection.execute(_INSIDE + query, {"schema": schema}).fetchall()


def needs_others(connection: Connection, schema: str) -> bool:
    """Return True when the schema's objects depend on others than its own, those of extensions and PostgreSQL's."""
    query = f"""
        SELECT EXISTS (SELECT {_NEEDED} WHERE o.refobjid IS NULL AND d.refobjid >= 16384
            AND (d.refclassid, d.refobjid) NOT IN (SELECT classid, oid FROM inside)
            AND (d.refclassid, d.refobjid) NOT IN (SELECT 'pg_namespace'::regclass, oid FROM home))"""  # noqa: S608
    return connection.execute(_INSIDE + query, {"schema": schema}).fetchone() == (True,)


# What the schema's objects depend on, with the extension (o.refobjid) that it is of, if it is of one.
_NEEDED = """
    FROM pg_depend AS d JOIN inside AS i ON (d.classid, d.objid) = (i.classid, i.oid)
        LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
        LEFT JOIN pg_depend AS o ON o.classid = d.refclassid AND o.objid IN (d.refobjid, t.typelem)
            AND o.deptype = 'e'"""
