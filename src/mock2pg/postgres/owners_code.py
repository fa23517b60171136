"""Statements that run the code of the tables' owner: triggers, and functions of checks, defaults and indexes.

Such code may find tables and functions by the search path of the application. Ours never may: an operator that somebody
planted in a schema on the path would run with our rights. So a statement is parsed, with every name and operator in it,
while the path is empty: as the body of a temporary function (BEGIN ATOMIC), which PostgreSQL keeps parsed. The function
is then called under the path of the owner's code.

That path is the one that the role, the database or the URL configures (`"$user", public` by default), after the target
schema where that is not on it. Left out is every schema that others can create objects in, or have functions, operators
or types in, since an unqualified name would run those. Others are the roles that are neither a superuser, nor we, nor
the owner of the database, of the target schema or of a table that is written: their triggers run with our rights in
any case.

Where no such code depends on the path, statements are executed as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from psycopg import sql

from mock2pg.postgres.connection import Connection, one_row

Statement = sql.SQL | sql.Composed

_NAME = sql.SQL("pg_temp.mock2pg_statement")

# Functions whose names are looked up when they run: not those of C, nor those that set a path of their own.
_BY_PATH = """
    SELECT p.oid FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'mock2pg')
        AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search\\_path=%')"""
_USED = f"""
    SELECT EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgfoid IN ({_BY_PATH}))
        OR EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_proc'::regclass AND refobjid IN ({_BY_PATH})
            AND classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_class'::regclass,
                'pg_rewrite'::regclass, 'pg_trigger'::regclass))"""  # noqa: S608
_USED_BY_VALUES = f"""
    SELECT EXISTS (SELECT FROM pg_depend AS d LEFT JOIN pg_constraint AS c ON d.classid = 'pg_constraint'::regclass
            AND c.oid = d.objid
        WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid IN ({_BY_PATH})
            AND (c.contypid <> 0 OR d.classid = 'pg_cast'::regclass))"""  # noqa: S608
# Roles whose code is not to run with our rights.
OTHERS = """
    WITH owners AS (
        SELECT nspowner AS oid FROM pg_namespace WHERE nspname = %(schema)s
        UNION SELECT datdba FROM pg_database WHERE datname = current_database()
        UNION SELECT relowner FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)),
    others AS (
        SELECT r.oid FROM pg_roles AS r WHERE NOT r.rolsuper AND r.rolname <> current_user
            AND r.rolname <> 'pg_database_owner'  -- its one member is looked at
            AND NOT EXISTS (SELECT FROM owners AS o WHERE pg_has_role(r.oid, o.oid, 'USAGE')))"""
_TRUSTED = (
    OTHERS  # noqa: S608
    + """
    SELECT quote_ident(n.nspname) FROM unnest(%(path)s::text[]) WITH ORDINALITY AS s(name, number)
        JOIN pg_namespace AS n ON n.nspname = s.name
    WHERE n.nspname <> 'pg_catalog'
        AND NOT EXISTS (SELECT FROM others AS o WHERE has_schema_privilege(o.oid, n.oid, 'CREATE'))
        AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid AND proowner IN (TABLE others))
        AND NOT EXISTS (SELECT FROM pg_operator WHERE oprnamespace = n.oid AND oprowner IN (TABLE others))
        AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace = n.oid AND typowner IN (TABLE others)
            AND typtype NOT IN ('c', 'e') AND typelem = 0)  -- those that run code of theirs
    ORDER BY s.number"""
)


class OwnersCode:
    """A runner of statements that may trigger the owner's code, inside the caller's transaction.

    tables  those that are written
    used    whether any code depends on the path; None: find out when it is first asked
    values  only values are made, no rows: what counts is the code of domains and casts
    """

    def __init__(
        self,
        connection: Connection,
        schema: str,
        tables: Sequence[str] = (),
        *,
        used: bool | None = None,
        values: bool = False,
    ) -> None:
        self._connection, self._schema, self._tables, self._used = connection, schema, tables, used
        self._asked = _USED_BY_VALUES if values else _USED

    @cached_property
    def _path(self) -> str:
        used = self._used
        if used is None:
            used = self._connection.execute(self._asked).fetchone() == (True,)
        return _path(self._connection, self._schema, self._tables) if used else ""

    @property
    def used(self) -> bool:
        """Return True when statements are run under the path of the owner's code."""
        return bool(self._path)

    def run(self, statement: Statement) -> None:
        """Execute a statement that gives no rows."""
        if self._path:
            self._called("void", statement)
        else:
            self._connection.execute(statement)

    def count(self, statement: Statement) -> int:
        """Execute an INSERT, UPDATE or DELETE, without WITH and RETURNING; return its number of rows."""
        if not self._path:
            return int(self._connection.execute(statement).rowcount)
        query = sql.SQL("WITH written AS ({} RETURNING 1) SELECT count(*) FROM written").format(statement)
        return int(self._called("bigint", query)[0])

    def number(self, query: Statement) -> int:
        """Return the single number that a query gives."""
        return int(self._values("bigint", query)[0])

    def texts(self, query: Statement) -> list[str]:
        """Return the texts that a query of one column gives."""
        return self._values("SETOF text", query)

    @contextmanager
    def path(self) -> Iterator[None]:
        """Have the path of the owner's code, for a command in which no name or operator of ours is looked up."""
        if not self._path:
            yield
            return
        self._set(f"pg_catalog, {self._path}, pg_temp")  # a temporary table of ours is found last
        yield
        self._set("")

    def _values(self, returns: str, query: Statement) -> list[Any]:
        if self._path:
            return self._called(returns, query)
        return [value for (value,) in self._connection.execute(query).fetchall()]

    def _called(self, returns: str, statement: Statement) -> list[Any]:
        create = sql.SQL("CREATE FUNCTION {}() RETURNS {} LANGUAGE sql BEGIN ATOMIC {}; END")
        self._connection.execute(create.format(_NAME, sql.SQL(returns), statement))
        with self.path():
            call = sql.SQL("SELECT {}()").format(_NAME)
            rows = self._connection.execute(call, prepare=False).fetchall()  # each gives a type of its own
        self._connection.execute(sql.SQL("DROP FUNCTION {}()").format(_NAME))
        return [value for (value,) in rows]

    def _set(self, path: str) -> None:
        self._connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [path])


def _path(connection: Connection, schema: str, tables: Sequence[str]) -> str:
    """The schemas of the path, comma-separated and quoted; empty when none of them can be trusted."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "SELECT pg_catalog.set_config('search_path', reset_val, true) FROM pg_catalog.pg_settings"
            " WHERE name OPERATOR(pg_catalog.=) 'search_path'"
        )
        (found,) = one_row(connection, "SELECT pg_catalog.current_schemas(false)")
    path = found if schema in found else [schema, *found]
    rows = connection.execute(_TRUSTED, {"schema": schema, "tables": list(tables), "path": path}).fetchall()
    return ", ".join(name for (name,) in rows)
