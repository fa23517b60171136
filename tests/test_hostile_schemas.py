"""Nobody else's code runs with our rights: no session finds what others created, and schemas of others are refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg import sql

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.settings import Settings
from mock2pg.tools import postgres
from mock2pg.tools.server import Server
from tests.fix_postgres import new_database
from tests.fix_small import small_document, small_project

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
