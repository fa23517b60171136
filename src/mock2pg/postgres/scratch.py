"""The scratch schemas: landing tables by COPY, and all of it dropped when the run ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from mock2pg import progress
from mock2pg.errors import BuiltRowsLost, LoadFailed
from mock2pg.postgres import distribution, drop_objects
from mock2pg.postgres.catalogue import schema_exists
from mock2pg.postgres.connection import Connection, named
from mock2pg.postgres.describing import described
from mock2pg.postgres.schemas import close_to_others, refuse_foreign
from mock2pg.staged_tables import SourceTable
from mock2pg.text import counted

SCHEMAS = LANDING, NEXT = "mock2pg_landing", "mock2pg_next"
RESTORED = "mock2pg_restore_test"  # where Citus distributes a backup's rows, within a transaction that leaves none
_LEFT = "mock2pg_left_"  # and an oid: a schema that could not be dropped


def used(connection: Connection) -> list[str]:
    """Return the schemas that commands empty and use in this database."""
    return [*SCHEMAS, *([RESTORED] if distribution.is_citus(connection) else [])]


def recreate(connection: Connection, schemas: Sequence[str] = SCHEMAS) -> None:
    """Make the scratch schemas, or empty those that are there. Raises SchemaRefused when one is another role's."""
    with named(LoadFailed, "cannot make the scratch schemas"):
        refuse_foreign(connection, [], schemas)
        for schema in schemas:
            if schema_exists(connection, schema):
                drop_objects.drop_objects(connection, schema)
            else:
                create_closed(connection, schema)


def create(connection: Connection, schema: str) -> None:
    """Make the schema unless it is there; one that is there needs no right to make another."""
    if not schema_exists(connection, schema):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def create_closed(connection: Connection, schema: str) -> None:
    """Make the schema unless it is there: whatever default privileges say, nobody else reaches what is in it."""
    if not schema_exists(connection, schema):
        with connection.transaction():
            create(connection, schema)
            close_to_others(connection, schema)


@contextmanager
def emptied(connection: Connection, schema: str) -> Iterator[None]:
    """Have the schema for as long as the block runs, in the caller's transaction; nothing of it is left behind."""
    there = schema_exists(connection, schema)
    create_closed(connection, schema)
    refuse_foreign(connection, [], [schema])
    yield
    if there:
        drop_objects.drop_objects(connection, schema)
    else:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


def present(connection: Connection) -> list[str]:
    """The scratch schemas that hold anything, also those of this role that could not be dropped."""
    rows = connection.execute(
        "SELECT nspname FROM pg_namespace AS n WHERE (nspname = ANY (%s)"
        " OR starts_with(nspname, %s) AND pg_get_userbyid(nspowner) = current_user)"
        " AND EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid) ORDER BY 1",
        [list(SCHEMAS), _LEFT],
    ).fetchall()
    return [name for (name,) in rows]


def drop(connection: Connection) -> list[str]:
    """Drop the scratch schemas; one that init-roles made for others, or that this role could not make, is emptied.

    Returns what is left because another session uses it, in words. Where the role may, that schema is renamed, so that
    it keeps no run from making another; the next drop tries again.
    """
    left = []
    with named(LoadFailed, "cannot drop the scratch schemas"):
        rows = connection.execute(
            "SELECT nspname, oid::text, pg_get_userbyid(nspowner) = current_user"
            " AND has_database_privilege(current_database(), 'CREATE')"
            " AND NOT EXISTS (SELECT FROM aclexplode(nspacl) AS a WHERE a.grantee <> nspowner) FROM pg_namespace"
            " WHERE nspname = ANY (%s)"
            " OR starts_with(nspname, %s) AND pg_get_userbyid(nspowner) = current_user ORDER BY oid",
            [list(SCHEMAS), _LEFT],
        ).fetchall()
        for schema, oid, whole in rows:
            name = sql.Identifier(schema)
            try:
                if whole:
                    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
                else:
                    drop_objects.drop_objects(connection, schema)
            except psycopg.errors.LockNotAvailable as error:
                left.append(f"schema {schema}: {described(error)}")
                if whole and schema in SCHEMAS:
                    connection.execute(
                        sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(name, sql.Identifier(_LEFT + oid))
                    )
    return left


def land(connection: Connection, table: SourceTable, blocks: Iterable[bytes], expected: int) -> int:
    """COPY a staged table's CSV into its landing table; returns its rows. Raises LoadFailed when any are missing."""
    target = sql.Identifier(LANDING, table.name)
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.data_type)) for column in table.columns
    ]
    counted = 0
    progress.detail(table.name)
    with (
        named(LoadFailed, f"cannot land {table.name}"),
        connection.transaction(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(target, sql.SQL(", ").join(definitions)))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(target)) as copy:
            for block in blocks:
                copy.write(block)
                lines = min(block.count(b"\n"), expected - counted)  # a text may have line breaks
                counted += lines
                progress.rows(lines)
        if cursor.rowcount != expected:
            raise LoadFailed(f"{table.name}: {cursor.rowcount} of {expected} staged rows were landed")
        cursor.execute(sql.SQL("ANALYZE {}").format(target))
    progress.rows(expected - counted)
    return expected


def require_built(connection: Connection, expected: Mapping[str, int]) -> None:
    """Raises BuiltRowsLost when a built table does not hold its rows any more.

    Scratch tables are unlogged: a server that crashed empties them when it starts.

    expected  table -> rows that were built
    """
    try:
        found = row_counts(connection, NEXT, expected)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise BuiltRowsLost(
            "the tables that were built are gone: a server with synchronous_commit off crashed, or another run began"
        ) from error
    lost = [
        f"{name} ({found[name]:,} of {counted(rows, 'row')})" for name, rows in expected.items() if found[name] != rows
    ]
    if lost:
        raise BuiltRowsLost(
            "the tables that were built lost their rows, as unlogged tables do when the server crashes: "
            + ", ".join(lost)
        )


def row_counts(connection: Connection, schema: str, names: Iterable[str]) -> dict[str, int]:
    """Count the rows of several tables in one statement."""
    each = [
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(name), sql.Identifier(schema, name)) for name in names
    ]
    return dict(connection.execute(sql.SQL(" UNION ALL ").join(each)).fetchall()) if each else {}
