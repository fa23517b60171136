"""The SQL for roles that may do what a migration and an auditor do, and no more."""

from __future__ import annotations

from importlib import resources

from psycopg import sql

from mock2pg.history import layout


def statements(database: str, schema: str, migrator: str, auditor: str) -> str:
    """A script for psql, to be run by the database's owner or a superuser; running it again changes nothing."""
    template = resources.files("mock2pg.history").joinpath("roles.sql").read_text(encoding="utf-8")
    names = {"database": database, "live": schema, "migrator": migrator, "auditor": auditor}
    return (
        sql.SQL(template)
        .format(
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
