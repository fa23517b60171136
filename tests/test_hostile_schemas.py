"""Nobody else's code runs with our rights: no session finds what others created, and schemas of others are refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.backups import snapshot
from mock2pg.build import Built
from mock2pg.contracts import Column, Table
from mock2pg.errors import LoadFailed, PublishFailed, SchemaRefused
from mock2pg.history import layout
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.steps.load import judging
from mock2pg.pipeline.steps.publish import publishing
from mock2pg.postgres import server as server_programs
from mock2pg.postgres.server import Server
from mock2pg.publishing import others_code
from mock2pg.report.terminal import status_lines
from mock2pg.runs import new_run
from mock2pg.settings import Settings
from mock2pg.source import staging
from mock2pg.step_results import StepResult
from tests.citus import double
from tests.fix_postgres import new_database
from tests.fix_small import small_document, small_project
from tests.history.test_layout import first_version

# In `public` and in a schema named like the user: functions of all names and signatures, operators that fit better than
# PostgreSQL's own, relations and types named like the catalogue's. Whatever runs takes a number and fails.
_PLANT = """
CREATE SEQUENCE {0}.ran;
CREATE FUNCTION {0}.trap() RETURNS boolean LANGUAGE plpgsql AS $f$
BEGIN
    PERFORM pg_catalog.nextval('{1}.ran');
    RAISE EXCEPTION 'trapped';
END $f$;
DO $do$
DECLARE
    f record;
    types text[] := '{{text,name,varchar,int4,int8,oid,float8,numeric,date,bool,jsonb,json}}';
    l text;
    r text;
    o text;
BEGIN
    FOR f IN SELECT proname, pg_get_function_identity_arguments(oid) AS arguments,
            format_type(prorettype, NULL) AS result
        FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
            AND provariadic = 0 AND prorettype NOT IN (SELECT oid FROM pg_type WHERE typtype = 'p')
            AND proargmodes IS NULL
            AND NOT EXISTS (SELECT FROM unnest(proargtypes) AS t JOIN pg_type ON pg_type.oid = t WHERE typtype = 'p')
    LOOP
        EXECUTE format('CREATE FUNCTION {0}.%I(%s) RETURNS %s LANGUAGE plpgsql AS'
            ' ''BEGIN PERFORM {0}.trap(); RETURN NULL; END''', f.proname, f.arguments, f.result);
    END LOOP;
    FOREACH l IN ARRAY types LOOP
        FOREACH r IN ARRAY types LOOP
            EXECUTE format('CREATE FUNCTION {0}.trap(%s, %s) RETURNS boolean LANGUAGE plpgsql AS'
                ' ''BEGIN RETURN {0}.trap(); END''', l, r);
            FOREACH o IN ARRAY '{{=,<>,<,>,<=,>=,||,+,~}}'::text[] LOOP
                EXECUTE format('CREATE OPERATOR {0}.%s (leftarg = %s, rightarg = %s, function = {0}.trap)', o, l, r);
            END LOOP;
        END LOOP;
    END LOOP;
    FOREACH o IN ARRAY '{{pg_class,pg_namespace,pg_index,pg_constraint,pg_proc,pg_type,pg_roles}}'::text[] LOOP
        EXECUTE format('CREATE VIEW {0}.%I AS SELECT * FROM pg_catalog.%I WHERE {0}.trap()', o, o);
    END LOOP;
    FOREACH o IN ARRAY types LOOP
        EXECUTE format('CREATE DOMAIN {0}.%I AS pg_catalog.%I CHECK ({0}.trap())', o, o);
    END LOOP;
END $do$;
"""


@pytest.fixture
def mallory(server: Server) -> Iterator[str]:
    """A role that has been allowed to create objects, as many databases allow it."""
    name = f"mallory_{secrets.token_hex(4)}"
    with postgres.connect(server.url("postgres"), name="test") as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def hostile(server: Server, mallory: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A project of two entities, and a database in which every path but PostgreSQL's own leads to a trap."""
    with new_database(server) as url:
        with postgres.connect(url, name="test") as connection:
            role, database = sql.Identifier(mallory), sql.Identifier(connection.info.dbname)
            connection.execute(
                sql.SQL(
                    "GRANT CREATE ON SCHEMA public TO {0}; CREATE SCHEMA postgres AUTHORIZATION {0}; SET ROLE {0}"
                ).format(role)
            )
            for schema in ("public", "postgres"):
                connection.execute(_PLANT.format(schema, schema))  # type: ignore[arg-type]
            connection.execute("RESET ROLE")
            connection.execute(
                sql.SQL('ALTER DATABASE {} SET search_path = "$user", public, pg_catalog').format(database)
            )
        project = small_project(tmp_path_factory.mktemp("small"))
        path = project / "dbt_project" / "tests" / "session.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text("select 1 where current_setting('search_path') <> 'pg_catalog,pg_temp'")
        yield settings_module.load(project=project, database_url=url, target_schema="app", operator="a tester")


def test_nothing_of_others_runs_and_no_clock_decides(hostile: Settings) -> None:
    """Migrating as a superuser, through whatever library, runs no operator, function, view or type that another role
    created; and when the server's clock has gone back, every command still refers to the newest run.
    """
    service = MigrationService(hostile)
    first = service.migrate_all_data(small_document("Rex"))
    assert first.success, (first.message, first.error)
    with postgres.connect(hostile.url, name="test") as connection:
        connection.execute("ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only")
        connection.execute("UPDATE mock2pg.runs SET published_at = published_at + interval '1 hour'")
        connection.execute("ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only")
    second = service.migrate_all_data(small_document("Tom"))
    assert second.success, second.message
    assert service.status().published_run == second.run_id
    assert service.validate_migration()
    with postgres.connect(hostile.url, name="test") as connection:
        for schema in ("public", "postgres"):
            query = sql.SQL("SELECT is_called FROM {}").format(sql.Identifier(schema, "ran"))
            assert connection.execute(query).fetchone() == (False,)


@pytest.fixture
def plain(database: str, tmp_path: Path) -> Settings:
    """A project of two entities and an empty database."""
    return settings_module.load(project=small_project(tmp_path), database_url=database, operator="a tester")


@pytest.mark.parametrize("schema", ["mock2pg", *postgres.scratch.SCHEMAS, postgres.scratch.RESTORED])
def test_schemas_of_others_are_refused_before_anything(
    mallory: str, plain: Settings, connection: postgres.Connection, schema: str
) -> None:
    """The owner of a schema of our names could run code with our rights: they are named, and nothing was done there."""
    role, home = sql.Identifier(mallory), sql.Identifier(schema)
    if schema == postgres.scratch.RESTORED:
        double.install(plain.url)
    connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(home, role))
    connection.execute(
        sql.SQL("CREATE TABLE {}.users (id text); ALTER TABLE {}.users OWNER TO {}").format(home, home, role)
    )
    service = MigrationService(plain)
    for command in (lambda: service.migrate_all_data(small_document("Rex")), service.take_backup):
        result = command()
        assert isinstance(result.error, SchemaRefused)
        assert f'schema "{schema}" belongs to {mallory}' in result.error.message
        assert "ALTER SCHEMA" in result.error.hint
    if schema == "mock2pg":
        for read in (service.status, service.history):
            with pytest.raises(SchemaRefused):
                read()
    else:
        connection.execute(sql.SQL("CREATE SCHEMA mock2pg_left_1 AUTHORIZATION {}").format(role))
        connection.execute("CREATE TABLE mock2pg_left_1.users ()")
        status = service.status()
        assert status.leftovers == ()  # nothing that the next run would tidy up
        assert status.refused == f"{result.error.message}. {result.error.hint}"
        assert f"next run     refused: {status.refused}" in status_lines(status)
        assert "tidies up" not in status_lines(status)
    connection.execute(sql.SQL("ALTER SCHEMA {} OWNER TO CURRENT_USER").format(home))
    if schema == "mock2pg":  # the table in it could not be dropped by who only reads
        assert "belongs to" in service.take_backup().error.message  # type: ignore[union-attr]
    else:
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA {} TO PUBLIC").format(home))
        assert "everybody may create objects" in service.take_backup().error.message  # type: ignore[union-attr]


def test_the_schema_that_citus_needs_is_nothing_elsewhere(
    mallory: str, plain: Settings, connection: postgres.Connection
) -> None:
    """A schema of that name is its owner's where a rollback distributes nothing: no command looks at it."""
    home = sql.Identifier(postgres.scratch.RESTORED)
    connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(home, sql.Identifier(mallory)))
    connection.execute(sql.SQL("CREATE TABLE {}.users (id text)").format(home))
    service = MigrationService(plain)
    assert service.status().refused is None
    migrated = service.migrate_all_data(small_document("Rex"))
    assert migrated.success, migrated.error
    assert service.rollback(service.backups()[0]["id"]).success
    assert connection.execute(sql.SQL("TABLE {}.users").format(home)).rowcount == 0


def test_who_owns_the_database_may_have_made_them(mallory: str, connection: postgres.Connection) -> None:
    """As init-roles does; and a role that is no superuser may read the history that another role has made."""
    role = sql.Identifier(mallory)
    layout.create(connection)
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(connection.info.dbname), role))
    for table in ("runs", "events", "settings", "schema_version"):
        connection.execute(sql.SQL("ALTER TABLE mock2pg.{} OWNER TO {}").format(sql.Identifier(table), role))
    assert layout.present(connection)
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(connection.info.dbname))
    )
    with pytest.raises(SchemaRefused, match=f"belongs to {mallory}"):
        layout.present(connection)
    connection.execute("CREATE ROLE a_reader; GRANT USAGE ON SCHEMA mock2pg TO a_reader")
    connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA mock2pg TO a_reader; SET ROLE a_reader")
    try:
        assert layout.version(connection, reading=True) == layout.VERSION
        with pytest.raises(SchemaRefused, match=f"belongs to {mallory}"):
            layout.version(connection, reading=False)
    finally:
        connection.execute("RESET ROLE; DROP OWNED BY a_reader; DROP ROLE a_reader")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "CREATE VIEW mock2pg_next.users AS SELECT 1; ALTER VIEW mock2pg_next.users OWNER TO {0}",
            "view .* belongs to",
        ),
        ("ALTER SCHEMA mock2pg_next OWNER TO {0}", 'schema "mock2pg_next" belongs to'),
        ("CREATE TRIGGER t BEFORE INSERT ON mock2pg_next.t EXECUTE FUNCTION mock2pg_next.f()", "has a trigger"),
        ("CREATE RULE r AS ON INSERT TO mock2pg_next.t DO INSTEAD NOTHING", "has a rule"),
        ("CREATE POLICY p ON mock2pg_next.t", "has a row security policy"),
        ("CREATE TABLE public.c () INHERITS (mock2pg_next.t)", "is not a table of its own"),
        (
            "GRANT USAGE ON SCHEMA mock2pg_next TO {0}; GRANT INSERT ON mock2pg_next.t TO {0}",
            "may be written by mallory",
        ),
        (
            "REVOKE ALL ON ALL TABLES IN SCHEMA mock2pg_next FROM {0}; GRANT INSERT ON mock2pg_next.t TO PUBLIC;"
            "GRANT USAGE ON SCHEMA mock2pg_next TO {0}",
            "may be written by everybody",
        ),
    ],
)
def test_what_a_run_did_not_put_there_is_refused(
    mallory: str, connection: postgres.Connection, statement: str, said: str
) -> None:
    """After building and again before publishing: a view in place of a table, a trigger, rows that others may add."""
    role = sql.Identifier(mallory)
    connection.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {}").format(role))
    connection.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {}").format(role))
    postgres.scratch.recreate(connection)
    connection.execute("CREATE TABLE mock2pg_next.t (id text); CREATE VIEW mock2pg_next.stg_t AS TABLE mock2pg_next.t")
    connection.execute("CREATE FUNCTION mock2pg_next.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    postgres.schemas.refuse_meddled(connection, postgres.scratch.SCHEMAS)  # nobody reaches what is in the schema
    connection.execute(sql.SQL(statement).format(role))  # type: ignore[arg-type]
    with pytest.raises(SchemaRefused, match=said):
        postgres.schemas.refuse_meddled(connection, postgres.scratch.SCHEMAS)


_CODE_OF_OTHERS = {
    "domain d": "CREATE DOMAIN {s}.d AS text CHECK ({s}.trap(0) = 0); CREATE TABLE {s}.m (x {s}.d[])",
    "cast to text": "CREATE TYPE {s}.c AS (a int); CREATE FUNCTION {s}.spelled({s}.c) RETURNS text LANGUAGE sql"
    " RETURN 'x'; CREATE CAST ({s}.c AS text) WITH FUNCTION {s}.spelled; CREATE TABLE {s}.m (x {s}.c)",
    "generated column b": "CREATE TABLE {s}.m (a int, b int GENERATED ALWAYS AS ({s}.trap(a)) STORED)",
    "index i": "CREATE TABLE {s}.m (a int); CREATE INDEX i ON {s}.m (a, {s}.trap(1))",
    "statistics t": "CREATE TABLE {s}.m (a int); CREATE STATISTICS {s}.t ON a, ({s}.trap(1)) FROM {s}.m",
    "trigger t": "CREATE TABLE {s}.m (a int); CREATE FUNCTION {s}.fired() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON {s}.m EXECUTE FUNCTION {s}.fired()",
    "rule r": "CREATE TABLE {s}.m (a int); CREATE RULE r AS ON INSERT TO {s}.m DO ALSO SELECT {s}.trap(1)",
    "constraint k": "CREATE TABLE {s}.m (a int,"
    " CONSTRAINT k CHECK (query_to_xml('SELECT 1', true, true, '') IS NOT NULL))",
    "": "CREATE DOMAIN {s}.d AS text CHECK (length(VALUE) > 1); CREATE TABLE {s}.m (x {s}.d, n int DEFAULT {s}.trap(1),"
    " CHECK (x > 'a')); CREATE VIEW {s}.v AS SELECT {s}.trap(1); CREATE INDEX ON {s}.m (lower(x))",
}


def test_code_on_tables_of_others_is_refused(mallory: str, connection: postgres.Connection) -> None:
    """A table of another role in the target schema is not read, nor its rows restored, when that would run code of that
    role, or a function of PostgreSQL's that executes any statement; the owner of a table that is migrated is trusted.
    """
    role = sql.Identifier(mallory)
    for number, (code, statement) in enumerate(_CODE_OF_OTHERS.items()):
        schema, home = f"s{number}", sql.Identifier(f"s{number}")
        connection.execute(
            sql.SQL("CREATE SCHEMA {0}; GRANT ALL ON SCHEMA {0} TO {1}; SET ROLE {1}").format(home, role)
        )
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION {}.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';"
                + statement
            ).format(home, s=home)  # type: ignore[arg-type]
        )
        connection.execute("RESET ROLE")
        told = [("m", f"({code})")] if code else []
        found = others_code.found(connection, schema, [])
        assert [(table, what[what.rindex("(") :]) for table, what, _ in found] == told
        assert others_code.found(connection, schema, ["m"]) == []
    with (
        pytest.raises(SchemaRefused, match=f"belongs to {mallory}, whose code would run"),
        snapshot.export(f"{connection.info.dsn}", "s0", server_programs.binary("pg_dump")),
    ):
        pass


@pytest.mark.parametrize("step", ["publish", "backup"])
def test_a_table_that_another_role_makes_meanwhile_is_not_published_into(
    mallory: str, plain: Settings, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Its triggers would run with our rights, and its rows would be another role's."""
    connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(mallory)))
    execute = steps.run_recorded

    def planting(each: steps.Step, *rest: Any, **named: Any) -> StepResult:
        if each.name == step:
            create = (
                "CREATE TABLE public.owners (id text PRIMARY KEY, name text); ALTER TABLE public.owners OWNER TO {}"
            )
            connection.execute(sql.SQL(create).format(sql.Identifier(mallory)))
        return execute(each, *rest, **named)

    monkeypatch.setattr(steps, "run_recorded", planting)
    result = MigrationService(plain).migrate_all_data(small_document("Rex"))
    assert isinstance(result.error, SchemaRefused)
    assert f'table "public"."owners" belongs to {mallory}, and was created' in result.error.message
    assert postgres.catalogue.rows(connection, "public", "owners") == 0


def test_a_table_without_a_source_is_what_its_model_gives(
    connection: postgres.Connection, plain: Settings, tmp_path: Path
) -> None:
    """A row that somebody added between building and publishing stops the run; a query that never gives the same rows
    is told apart."""
    run = new_run(plain)
    users = Table("users", (Column("id", "text", True, None, "made up"),), ("id",))
    postgres.scratch.recreate(connection)
    connection.execute("CREATE TABLE mock2pg_next.users AS SELECT 'a' AS id")
    rows = run.path("hashes", "users.csv")
    postgres.row_hashes.write(connection, postgres.scratch.NEXT, users, rows, built_only=True)
    with staging.opened(tmp_path / "x.duckdb") as staged:
        staging.write_hashes(staged, users, rows, run.path("hashes", "users.parquet"), "a secret")

    def built(query: str) -> Built:
        return Built(1, 0, {"users": query})

    assert judging.is_as_its_model_says(run, connection, users, built("select 'a' as id -- the only one"))
    with pytest.raises(LoadFailed, match="users: the built rows are not those that its model gives"):
        judging.is_as_its_model_says(run, connection, users, built("select 'a' as id union all select 'ADMIN'"))
    assert not judging.is_as_its_model_says(run, connection, users, built("select gen_random_uuid()::text as id"))
    publishing._refuse_unlike_built(run, connection, [users])
    connection.execute("INSERT INTO mock2pg_next.users VALUES ('ADMIN')")
    with pytest.raises(PublishFailed, match="table users: the built rows are no longer those"):
        publishing._refuse_unlike_built(run, connection, [users])


def test_a_database_of_another_role_is_not_dropped(mallory: str, connection: postgres.Connection) -> None:
    """The restore test has a database of a name of its own; one that is another role's is left alone."""
    name = sql.Identifier("a_database_of_mallory")
    assert postgres.schemas.other_owner(connection, "a_database_of_mallory") is None
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(name, sql.Identifier(mallory)))
    assert postgres.schemas.other_owner(connection, "a_database_of_mallory") == mallory
    connection.execute(sql.SQL("DROP DATABASE {}").format(name))


def test_the_first_command_that_writes_upgrades(plain: Settings, connection: postgres.Connection) -> None:
    """A command that only reads says so instead."""
    first_version(connection)
    service = MigrationService(plain)
    with pytest.raises(SchemaRefused, match="have version 1, and this mock2pg needs version 3"):
        service.status()
    result = service.take_backup()
    assert result.success, result.message
    assert service.status().published_run == "c"
