"""Privileges on a schema and on new objects in it: revoked while the schema is created again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from mock2pg.postgres.connection import Connection


def reset(connection: Connection, schema: str) -> None:
    """Make the schema itself what pg_dump assumes a new one to be: it writes only the difference from that.

    Its comment is always written, also that of `public`, because it dumps a schema that is named.
    """
    row = connection.execute(
        "SELECT nspowner::regrole::text, pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = %s", [schema]
    ).fetchone()
    if row is None or not row[1]:  # who does not own it can grant and comment nothing
        return
    grantees = connection.execute(
        "SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END"
        " FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname = %s",  # the owner's may be more than all
        [schema],
    ).fetchall()
    statements = [f"REVOKE ALL ON SCHEMA {{0}} FROM {grantee} CASCADE" for (grantee,) in grantees]
    statements.append(f"GRANT ALL ON SCHEMA {{0}} TO {row[0]}")
    if schema == "public":
        statements.append("GRANT USAGE ON SCHEMA {0} TO PUBLIC")
    statements.append("COMMENT ON SCHEMA {0} IS NULL")
    for statement in statements:
        connection.execute(sql.SQL(statement).format(sql.Identifier(schema)))


@contextmanager
def without_default_privileges(connection: Connection, schema: str) -> Iterator[None]:
    """Take back what new objects would be granted by themselves: a table made again would be open to more, or to fewer.

    Those of the schema come back with its definitions; the role's own, for all schemas, when the block has ended.
    """
    inside = connection.execute(
        _DEFAULTS  # noqa: S608
        + " WHERE d.defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND pg_has_role(d.defaclrole, 'USAGE')",
        [schema],
    ).fetchall()
    everywhere = connection.execute(
        _DEFAULTS + " WHERE d.defaclnamespace = 0 AND pg_get_userbyid(d.defaclrole) = current_user"
    ).fetchall()
    home = sql.SQL(" IN SCHEMA {}").format(sql.Identifier(schema))
    for role, kind, grantee, _privilege, _option in inside:
        _alter_defaults(connection, role, home, f"REVOKE ALL ON {kind} FROM {grantee}")
    nowhere = sql.SQL("")
    for role, kind, grantee, _privilege, _option in everywhere:
        _alter_defaults(connection, role, nowhere, f"REVOKE ALL ON {kind} FROM {grantee}")
    kinds = sorted({(role, kind) for role, kind, *_ in everywhere})
    for role, kind in kinds:
        _alter_defaults(connection, role, nowhere, f"GRANT ALL ON {kind} TO {role}")
        if kind in ("ROUTINES", "TYPES"):
            _alter_defaults(connection, role, nowhere, f"GRANT ALL ON {kind} TO PUBLIC")
    yield
    for role, kind in kinds:
        _alter_defaults(connection, role, nowhere, f"REVOKE ALL ON {kind} FROM {role}, PUBLIC")
    for role, kind, grantee, privilege, option in everywhere:
        _alter_defaults(connection, role, nowhere, f"GRANT {privilege} ON {kind} TO {grantee}{option}")


_DEFAULTS = """
    SELECT d.defaclrole::regrole::text, CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
            WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type,
        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM pg_default_acl AS d, aclexplode(d.defaclacl) AS a"""


def _alter_defaults(connection: Connection, role: str, home: sql.Composable, what: str) -> None:
    query = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {}{} {}")
    connection.execute(query.format(sql.SQL(role), home, sql.SQL(what)))  # regrole has quoted the role
