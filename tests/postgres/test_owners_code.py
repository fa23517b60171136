"""Code of the owner that finds what it uses by the search path: it runs as in the application, and ours does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo

from mock2pg import postgres
from mock2pg.errors import RollbackFailed
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.publishing import deletion_limits, preflight
from tests.fix_merge import Publish, build, select, table
from tests.fix_postgres import new_database
from tests.fix_restore import back_up, dumped, execute, go_back

# A trigger that writes, a check, a generated column, a default, an index and a type whose functions find tables and
# functions by the path alone.
BY_PATH = """
    SET search_path = {};
    CREATE TABLE audit_log (id int, what text);
    CREATE TABLE limits (most int); INSERT INTO limits VALUES (100);
    CREATE FUNCTION most() RETURNS int LANGUAGE sql STABLE AS 'SELECT most FROM limits';
    CREATE FUNCTION few(n int) RETURNS bool LANGUAGE plpgsql STABLE AS 'BEGIN RETURN n < most(); END';
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 2 * n + 0 * most(); END';
    CREATE DOMAIN small AS int CHECK (few(VALUE));
    CREATE TABLE items (id int PRIMARY KEY, n small CHECK (few(n)), two int GENERATED ALWAYS AS (twice(n)) STORED,
        made int DEFAULT most());
    CREATE INDEX by_two ON items (twice(n));
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO audit_log VALUES (new.id, tg_op); RETURN new; END';
    CREATE TRIGGER audit AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION audit();
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        EXECUTE FUNCTION audit();
    INSERT INTO items (id, n) VALUES (1, 1), (2, 2);
    SET CONSTRAINTS ALL IMMEDIATE;
    RESET search_path"""


@pytest.mark.parametrize(
    ("version", "schema"), [("server", "public"), ("server", "my App"), ("older_server", "public")]
)
def test_what_finds_tables_by_the_path_is_restored(
    version: str, schema: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The restore test and both ways of a rollback run it under the path that the application has."""
    with new_database(request.getfixturevalue(version), template="template0") as url:
        execute(url, f'CREATE SCHEMA IF NOT EXISTS "{schema}"; {by_path(schema)}')
        before, backup = dumped(url), back_up(url, tmp_path, schema)
        change = f"""SET search_path = "{schema}"; UPDATE items SET n = 3; DELETE FROM items WHERE id = 2;
            SET CONSTRAINTS ALL IMMEDIATE; {{}}; RESET search_path"""
        execute(url, change.format("CREATE TABLE more ()"))
        assert go_back(url, backup, schema).way == "merge"
        assert dumped(url) == before
        execute(url, change.format("CREATE TYPE more AS ENUM ()"))
        changed = dumped(url)
        if version == "older_server":
            assert go_back(url, backup, schema).way == "recreate"
            assert dumped(url) == before
        else:  # since version 17 such an index is made on no table that has rows
            with pytest.raises(RollbackFailed, match="SQLSTATE 42883"):
                go_back(url, backup, schema)
            assert dumped(url) == changed


def test_what_finds_tables_by_the_path_runs_when_rows_are_published(
    database: str, connection: postgres.Connection, publish: Publish, tmp_path: Path
) -> None:
    """Triggers write into the application's tables, and the preflight judges checks and generated columns."""
    execute(database, by_path("public"))
    items = table("items", "id integer!", "n integer")
    for rows, wrong in (([(1, 5), (3, 6)], []), ([(1, 5), (3, 101)], ["column n is publ"])):
        tables = build(connection, [(items, rows)])
        with connection.transaction(force_rollback=True):
            found = preflight.look(
                connection,
                postgres.scratch.NEXT,
                "public",
                tables,
                deletion_limits.DeletionLimits("100%"),
                backups=preflight.Backups(tmp_path),
            )
        assert [finding.what[:16] for finding in found.findings] == wrong
    assert publish({items: [(1, 5), (3, 6)]}) == {"items": (2, 2, 1, 1, 1)}
    assert select(connection, "SELECT * FROM public.items ORDER BY id") == [(1, 5, 10, 100), (3, 6, 12, 100)]
    assert select(connection, "SELECT id, what, count(*) FROM public.audit_log GROUP BY 1, 2 ORDER BY 1, 2") == [
        (1, "INSERT", 2), (1, "UPDATE", 1), (2, "INSERT", 2), (3, "INSERT", 2),
    ]  # fmt: skip


@pytest.fixture
def planted(database: str, connection: postgres.Connection) -> Iterator[str]:
    """A database in whose public another role planted a function and an operator; the URL for that role."""
    execute(database, "CREATE ROLE planter LOGIN; GRANT CREATE ON SCHEMA public TO planter")
    execute(database, by_path("public"))
    url = conninfo.make_conninfo(database, user="planter")
    execute(url, """
        CREATE TABLE public.planted (who text);
        CREATE FUNCTION public.evil(public.small, int) RETURNS bool LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.planted VALUES (current_user); RETURN true; END';
        CREATE OPERATOR public.< (leftarg = public.small, rightarg = int, function = public.evil);
        CREATE OPERATOR public.= (leftarg = public.small, rightarg = int, function = public.evil)""")  # fmt: skip
    yield url
    connection.execute("DROP OWNED BY planter CASCADE; DROP ROLE planter")


def test_a_schema_that_others_can_create_in_is_not_on_the_path(
    planted: str, database: str, connection: postgres.Connection
) -> None:
    """A schema in which they left a function, an operator or a type is not on it either; on it is what the role or the
    database says, resolved."""
    with connection.transaction(force_rollback=True):
        assert path_of(OwnersCode(connection, "public")) == ""
        connection.execute("REVOKE CREATE ON SCHEMA public FROM planter")
        assert path_of(OwnersCode(connection, "public")) == ""
        connection.execute("CREATE SCHEMA aside; ALTER FUNCTION public.evil SET SCHEMA aside")
        assert path_of(OwnersCode(connection, "public")) == ""  # its operators call it there
        connection.execute("DROP OWNED BY planter CASCADE; CREATE DOMAIN public.word AS text")
        connection.execute("ALTER DOMAIN public.word OWNER TO planter")
        assert path_of(OwnersCode(connection, "public")) == ""
        connection.execute("DROP OWNED BY planter CASCADE")
        assert path_of(OwnersCode(connection, "public")) == "pg_catalog, public, pg_temp"
    execute(database, 'CREATE SCHEMA "a,b"; CREATE SCHEMA postgres; CREATE SCHEMA app; ALTER ROLE postgres IN DATABASE'
            f' {connection.info.dbname} SET search_path = "$user", nowhere, "a,b", pg_catalog')  # fmt: skip
    with postgres.connect(database, name="test") as other, other.transaction():
        assert path_of(OwnersCode(other, "app", used=True)) == 'pg_catalog, app, postgres, "a,b", pg_temp'
        execute(planted, "SELECT 1")


def by_path(schema: str) -> str:
    return BY_PATH.format(f'"{schema}"')


def path_of(code: OwnersCode) -> str:
    """The path under which a statement is called; empty where it is executed as it is."""
    with code.path():
        row = code._connection.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
    assert row is not None
    return str(row[0])
