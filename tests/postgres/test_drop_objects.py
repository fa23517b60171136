"""Making a schema anew: all of it goes, and nothing but it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mock2pg import postgres
from mock2pg.backups import privileges
from mock2pg.errors import BuiltRowsLost, RollbackFailed
from mock2pg.postgres import catalogue
from tests.fix_restore import CHANGED, EVERYTHING, Trial, back_up, dumped, execute, go_back


def test_going_back_to_nothing_leaves_nothing(database: str, connection: postgres.Connection, tmp_path: Path) -> None:
    """A schema that was not there is not there again; an empty one is empty again."""
    before = dumped(database)
    nothing, empty = (
        back_up(database, tmp_path, "My Schema"),
        back_up(database, tmp_path, moment="2026-01-02T00:00:00.000Z"),
    )
    script = EVERYTHING + ";\n" + CHANGED
    execute(
        database,
        'CREATE SCHEMA "My Schema";\n'
        + script.replace("public.", '"My Schema".').replace("child ENABLE", "child NO FORCE"),
    )
    assert go_back(database, nothing, "My Schema").way == "recreate"
    assert not catalogue.schema_exists(connection, "My Schema")
    execute(database, script)
    restored = go_back(database, empty)
    assert {difference.after for difference in restored.tables.values()} == {0}
    assert set(restored.tables) == set(restored.dropped)
    assert set(restored.dropped) == {"child", "counts", "Order \"1\" 'ü'", "parent", "parts"}
    assert dumped(database) == before


# Objects of another schema that depend on ones of this schema, by how PostgreSQL describes them.
DEPENDENTS = {
    "view app.v": "CREATE VIEW app.v AS SELECT * FROM public.t",
    "constraint refers_t_fkey on table app.refers": "CREATE TABLE app.refers (t int REFERENCES public.t)",
    "default value for column n of table app.counts":
        "CREATE TABLE app.counts (n int DEFAULT nextval('public.s'))",
    "column m of table app.feels": "CREATE TABLE app.feels (m public.mood)",
    "type app.d": "CREATE DOMAIN app.d AS public.mood",
    "constraint checks_id_check on table app.checks": "CREATE TABLE app.checks (id int CHECK (public.f(id)))",
    "index app.i": "CREATE INDEX i ON app.plain (public.f(id))",
    "policy p on table app.plain": "CREATE POLICY p ON app.plain USING (public.f(id))",
    "trigger g on table app.plain":
        "CREATE TRIGGER g BEFORE INSERT ON app.plain EXECUTE FUNCTION public.g()",
    "function app.h()": "CREATE FUNCTION app.h() RETURNS public.mood LANGUAGE sql AS 'SELECT NULL::public.mood'",
    "table app.inherits": "CREATE TABLE app.inherits () INHERITS (public.t)",
    "publication of table public.t in publication news": "CREATE PUBLICATION news FOR TABLE public.t",
}  # fmt: skip


def test_what_others_built_on_the_schema_stays(database: str, tmp_path: Path) -> None:
    """Rows and tables that were added are undone around it. Where all of the schema would have to be made anew, nothing
    changes and each object is named."""
    execute(
        database,
        "CREATE SCHEMA app;\nCREATE TABLE public.t (id int PRIMARY KEY);\nCREATE SEQUENCE public.s;\n"
        "CREATE TYPE public.mood AS ENUM ('glad');\n"
        "CREATE FUNCTION public.f(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';\n"
        "CREATE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';\n"
        "CREATE TABLE app.plain (id int);\n" + ";\n".join(DEPENDENTS.values()),
    )
    before, backup = dumped(database), back_up(database, tmp_path)
    execute(database, "INSERT INTO public.t VALUES (1);\nCREATE TABLE public.more (id serial REFERENCES public.t)")
    assert go_back(database, backup).dropped == ("more",)
    assert dumped(database) == before
    execute(database, "INSERT INTO public.t VALUES (1);\nCREATE TYPE public.more AS ENUM ()")
    before = dumped(database)
    with pytest.raises(RollbackFailed) as failed:
        go_back(database, backup)
    assert failed.value.message.partition("would be dropped: ")[2].split(", ") == sorted(DEPENDENTS)
    assert "Drop it, roll back again" in failed.value.hint
    assert dumped(database) == before


def test_a_table_made_anew_is_open_to_nobody_else(trial: Trial) -> None:
    """Default privileges that came after a table do not open it when it is made again."""
    trial(
        "CREATE TABLE public.t (id int);\nCREATE SEQUENCE public.s;\n"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;\n"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO PUBLIC;\n"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON ROUTINES TO pg_monitor",
        "CREATE TYPE public.more AS ENUM ()",
        "recreate",
    )


def test_built_tables_that_are_gone_have_both_causes(connection: postgres.Connection) -> None:
    """A crash may have lost the COMMIT that made them, where the server does not wait for its disk."""
    with pytest.raises(BuiltRowsLost, match="a server with synchronous_commit off crashed, or another run began"):
        postgres.scratch.require_built(connection, {"pets": 1})


def test_a_role_with_capitals_in_its_name_can_do_what_others_can(connection: postgres.Connection) -> None:
    """Scratch schemas are dropped, and default privileges set aside, by whatever name the role has."""
    name = connection.info.dbname
    connection.execute('CREATE ROLE "My User"')
    connection.execute(f'GRANT CREATE ON DATABASE {name} TO "My User"; SET ROLE "My User"')  # type: ignore[arg-type]
    try:
        connection.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
        before = connection.execute("SELECT defaclacl::text FROM pg_default_acl").fetchall()
        postgres.scratch.recreate(connection)
        postgres.scratch.drop(connection)
        assert not postgres.catalogue.schema_exists(connection, postgres.scratch.NEXT)
        with privileges.without_default_privileges(connection, "public"):
            assert connection.execute("SELECT defaclacl::text FROM pg_default_acl").fetchall() != before
        assert connection.execute("SELECT defaclacl::text FROM pg_default_acl").fetchall() == before
    finally:
        connection.execute('RESET ROLE; DROP OWNED BY "My User"; DROP ROLE "My User"')
