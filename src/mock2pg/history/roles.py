"""The SQL for roles that may do what a migration and an auditor do, and no more."""

from __future__ import annotations

from importlib import resources

from psycopg import sql

from mock2pg.history import layout

# Also what default privileges gave to others. Without the owner's own, and with those of the migrator, granted below.
_CLOSING = """format('REVOKE ALL ON SCHEMA %I FROM %s', nspname,
    CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_namespace JOIN LATERAL aclexplode(nspacl) ON grantee <> nspowner"""


def statements(database: str, schema: str, migrator: str, auditor: str) -> str:
    """A script for psql, to be run by the database's owner or a superuser; running it again changes nothing."""
    template = resources.files("mock2pg.history").joinpath("roles.sql").read_text(encoding="utf-8")
    names = {"database": database, "target": schema, "migrator": migrator, "auditor": auditor}
    return (
        sql.SQL(template)
        .format(
            closing=sql.SQL(_CLOSING),
            history=sql.SQL("\n").join(map(_due, range(1, layout.VERSION + 1))),
            **{name: sql.Identifier(value) for name, value in names.items()},
            **{f"{name}_name": sql.Literal(value) for name, value in names.items()},
        )
        .as_string()
    )


def _due(number: int) -> sql.Composed:
    """The step of that number, for psql, where it was not taken yet."""
    condition = sql.SQL("SELECT :version < {} AS due \\gset\n\\if :due\n").format(sql.Literal(number))
    return condition + layout.step(number) + sql.SQL("\\endif")
