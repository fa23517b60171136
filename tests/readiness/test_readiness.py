"""The first look at a database: each thing that a command needs, and what is said where it is not there."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo, sql

from mock2pg import MigrationService, postgres, readiness
from mock2pg import settings as settings_module
from mock2pg.errors import BackupFailed, NotReady
from mock2pg.postgres import client_programs
from mock2pg.postgres.server import Server, binary
from mock2pg.step_results import Check
from tests.citus import double
from tests.fix_small import small_document, small_project

ROLE = "looked_at"
FORBIDS = """
    CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql
        AS $$BEGIN IF tg_tag = '{tag}' THEN RAISE EXCEPTION 'Canary7291'; END IF; END$$;
    CREATE EVENT TRIGGER no_tables ON ddl_command_start EXECUTE FUNCTION public.forbid();
"""

# what is done as a superuser ({0} is the role, {1} the database), the check, its verdict, and what is said of it
CASES = {
    "nothing": ("SELECT 1", "", "passed", ""),
    "read-only database": (
        "ALTER DATABASE {1} SET default_transaction_read_only = on", "writing", "failed",
        r"set for the database \w+\. Use a role that may write, or .*; COMMIT; `mock2pg init-roles`"),
    "read-only role": (
        "ALTER ROLE {0} SET default_transaction_read_only = on", "writing", "failed", "set for the role looked_at"),
    "no CREATE on the database": (
        "REVOKE CREATE ON DATABASE {1} FROM {0}", "schemas of mock2pg", "failed",
        r'has no CREATE on database .* mock2pg\. GRANT CREATE ON DATABASE "\w+" TO "looked_at"; `mock2pg init-roles`'),
    "closed schema": ("CREATE SCHEMA mock2pg_next", "schemas of mock2pg", "failed", "GRANT ALL ON SCHEMA mock2pg_next"),
    "no USAGE on public": (
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, {0}", "target schema", "failed", 'GRANT USAGE ON SCHEMA "public"'),
    "no CREATE on an empty public": (
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC, {0}", "target schema", "failed", "GRANT CREATE ON SCHEMA"),
    "no CREATE on a public with tables": (
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC, {0}; CREATE TABLE public.a (); GRANT SELECT ON public.a TO {0}",
        "target schema", "warning", "missing tables cannot be created"),
    "no TEMPORARY": (
        "REVOKE TEMPORARY ON DATABASE {1} FROM PUBLIC", "temporary tables", "failed", "GRANT TEMPORARY ON DATABASE"),
    "no EXECUTE on pg_control_system": (
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", "server identity", "warning",
        r"by its address alone\. GRANT EXECUTE ON FUNCTION pg_control_system\(\)"),
    "a closed table": (
        "CREATE TABLE public.closed ()", "reading the target schema", "failed",
        'GRANT SELECT ON TABLE "public"."closed" TO "looked_at"'),
    "a limit of the role": ("ALTER ROLE {0} CONNECTION LIMIT 8", "number of sessions", "failed", "up to 10 are needed"),
    "a limit that is enough": ("ALTER ROLE {0} CONNECTION LIMIT 10", "number of sessions", "passed", ""),
    "a limit of the database": (
        "ALTER DATABASE {1} CONNECTION LIMIT 8", "number of sessions", "failed", "CONNECTION LIMIT 8 of the database"),
    "an event trigger": (
        FORBIDS.format(tag="CREATE TABLE"), "event triggers", "failed",
        r"with the event triggers no_tables, CREATE UNLOGGED fails \(SQLSTATE P0001\)\. ALTER EVENT TRIGGER"),
    "an event trigger for something else": (FORBIDS.format(tag="DROP VIEW"), "event triggers", "passed", "no_tables"),
    "a coordinator": (
        "CREATE TABLE public.shared (id int); SELECT create_reference_table('public.shared');"
        " CREATE TABLE public.own (id int); SELECT create_distributed_table('public.own', 'id');"
        " GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC",
        "Citus", "passed", "Citus: version 14.0-1 with 2 workers"),
    "an event trigger of Citus": (
        FORBIDS.format(tag="CREATE TABLE") + "; SET allow_system_table_mods = on; INSERT INTO pg_depend SELECT"
        " 'pg_event_trigger'::regclass, oid, 0, 'pg_extension'::regclass, 99999, 0, 'e' FROM pg_event_trigger",
        "Citus", "passed", "Citus: version 14.0-1 with 2 workers"),
    "a table by range": (
        "CREATE TABLE public.own (id int); INSERT INTO double_partition VALUES ('public.own', 'r', 'id', 9, 'c');"
        " GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC",
        "Citus", "failed", "distributed by append or range, or have one shard: own"),
    "a distributed schema": (
        "INSERT INTO pg_dist_schema SELECT oid, 7 FROM pg_namespace WHERE nspname = 'public'",
        "Citus", "failed", r"schema public is distributed as a whole \(schema-based sharding\)"),
    "a worker": (
        "UPDATE pg_dist_local_group SET groupid = 2", "Citus", "failed",
        "a worker of a Citus cluster. Connect to the coordinator"),
    "an old Citus": (
        "SET allow_system_table_mods = on; UPDATE pg_extension SET extversion = '12.1-1' WHERE extname = 'citus'",
        "Citus", "failed", r"version 12.1-1\. mock2pg needs Citus 13 or later"),
}  # fmt: skip


@pytest.fixture
def as_role(database: str) -> Iterator[str]:
    """The database as an ordinary role sees it that may do everything a migration does."""
    with postgres.connect(database, name="test") as connection:
        named = sql.Identifier(ROLE), sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL(
                "CREATE ROLE {0} LOGIN; GRANT CREATE ON DATABASE {1} TO {0}; GRANT CREATE ON SCHEMA public TO {0}"
            ).format(*named)
        )
        yield conninfo.make_conninfo(database, user=ROLE)
        connection.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
        connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(*named))


@pytest.mark.parametrize("case", CASES)
def test_what_is_lacking_is_named_with_its_remedy(case: str, database: str, as_role: str) -> None:
    """Each check has its verdict, the others pass, and looking leaves nothing behind."""
    statements, name, verdict, said = CASES[case]
    if name == "Citus":
        double.install(database)
    with postgres.connect(database, name="test") as connection:
        named = sql.Identifier(ROLE), sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL(statements.replace("{}", "{{}}")).format(*named))  # type: ignore[arg-type]
    with postgres.connect(as_role, name="test", read_only=True) as connection:
        checks = {check.name: check for check in readiness.look(connection, "public", "migrate", binary("pg_dump"))}
        assert connection.execute("SELECT to_regnamespace('mock2pg_doctor')").fetchone() == (None,)
    others = {check.verdict for check in checks.values() if check.name != name}
    assert others == {"passed"}, checks
    if name:
        assert checks[name].verdict == verdict
        assert re.search(said, str(checks[name])), checks[name]
    assert "Canary" not in str(checks)


@pytest.mark.parametrize(
    ("tag", "forbidden"),
    [
        ("CREATE SCHEMA", {"migrate", "plan", "rollback"}),
        ("DROP SCHEMA", {"migrate", "plan"}),
        ("CREATE INDEX", {"migrate", "plan"}),
        ("CREATE TABLE", {"migrate", "plan", "rollback", "backup"}),
        ("CREATE TRIGGER", {"migrate", "rollback"}),
        ("COMMENT", {"migrate", "rollback"}),
        ("CREATE DATABASE", set()),
    ],
)
def test_an_event_trigger_refuses_what_meets_it(tag: str, forbidden: set[str], database: str, as_role: str) -> None:
    """A backup makes temporary tables, verify nothing, the first to publish the history; what is there is not made."""
    with postgres.connect(database, name="test") as connection:
        connection.execute(FORBIDS.format(tag=tag))  # type: ignore[arg-type]

    def refused() -> set[str]:
        with postgres.connect(as_role, name="test", read_only=True) as connection:
            looks = {
                command: readiness.look(connection, "public", command, binary("pg_dump"))
                for command in ("migrate", "plan", "rollback", "backup", "verify")
            }
        return {command for command, checks in looks.items() if any(check.verdict == "failed" for check in checks)}

    assert refused() == forbidden
    with postgres.connect(database, name="test") as connection:
        connection.execute("ALTER EVENT TRIGGER no_tables DISABLE")
        for schema in ("mock2pg", *postgres.scratch.SCHEMAS):
            connection.execute(
                sql.SQL("CREATE SCHEMA {0}; GRANT ALL ON SCHEMA {0} TO {1}").format(
                    sql.Identifier(schema), sql.Identifier(ROLE)
                )
            )
        connection.execute("ALTER EVENT TRIGGER no_tables ENABLE")
    assert refused() == (forbidden if tag in ("CREATE INDEX", "CREATE TABLE") else set())


def test_a_backup_is_taken_where_no_schema_may_be_made(database: str, tmp_path: Path) -> None:
    """Its restore test makes temporary tables, and its definitions another database."""
    service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=database))
    assert service.migrate_all_data(small_document("Rex")).success
    with postgres.connect(database, name="test") as connection:
        connection.execute(FORBIDS.format(tag="CREATE SCHEMA"))  # type: ignore[arg-type]
    taken = service.take_backup()
    assert taken.success, taken.error
    assert service.rollback(service.backups()[0]["id"]).success
    assert "CREATE SCHEMA fails" in str(service.migrate_all_data(small_document("Tom")).error)


@pytest.mark.parametrize("whose", ["DATABASE {1}", "ROLE {0}", "ROLE {0} IN DATABASE {1}"])
def test_a_read_only_database_takes_the_statements_that_end_it(
    whose: str, connection: postgres.Connection, as_role: str
) -> None:
    """Typed into the database itself, by one whom the setting holds as well."""
    named = sql.Identifier(ROLE), sql.Identifier(connection.info.dbname)
    setting = sql.SQL(f"ALTER {whose} SET default_transaction_read_only = on")  # type: ignore[arg-type]
    connection.execute(sql.SQL("ALTER DATABASE {1} OWNER TO {0}").format(*named))
    connection.execute(setting.format(*named))
    with postgres.connect(as_role, name="test") as held:
        check = writing(held)
        assert check.verdict == "failed"
        held.execute(check.remedy.partition(", or ")[2].partition("; `")[0])  # type: ignore[call-overload]
    with postgres.connect(as_role, name="test") as free:
        assert writing(free).verdict == "passed"
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(named[1]))


def test_read_only_by_the_url_is_ended_there(as_role: str) -> None:
    """No statement would help: each session begins with it."""
    url = conninfo.make_conninfo(as_role, options="-c default_transaction_read_only=on")
    with postgres.connect(url, name="test") as connection:
        check = writing(connection)
    assert (check.verdict, check.remedy) == ("failed", "Remove it there")
    assert check.found.endswith("set by `options` in DATABASE_URL or by PGOPTIONS")


def writing(connection: postgres.Connection) -> Check:
    checks = readiness.look(connection, "public", "migrate", binary("pg_dump"))
    return next(check for check in checks if check.name == "writing")


def test_a_migration_is_refused_with_all_of_it(database: str, as_role: str, tmp_path: Path) -> None:
    """Before the source is read, in one error; doctor lists the same; a command that needs less is not refused."""
    service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=as_role))
    assert service.migrate_all_data(small_document("Rex")).success
    with postgres.connect(database, name="test") as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(name))
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        connection.execute("CREATE TABLE public.closed ()")
        connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 2").format(sql.Identifier(ROLE)))
    refused = service.migrate_all_data(small_document("Rex", "Tom"))
    assert isinstance(refused.error, NotReady)
    assert list(refused.summary) == ["connect", "report"]
    lines = refused.error.message.split("\n")[1:]
    assert [line.partition(":")[0].strip() for line in lines] == [
        "temporary tables", "reading the target schema", "number of sessions"
    ]  # fmt: skip
    failed = [check["name"] for check in service.doctor() if check["verdict"] == "failed"]
    assert failed == ["temporary tables", "reading the target schema", "number of sessions"]
    assert service.verify().success, "a role that may read enough"
    assert "temporary tables: looked_at has no TEMPORARY" in str(service.take_backup().error), "it would be restored"


def test_another_encoding_is_said_first(server: Server) -> None:
    """It is one line of the list, not a traceback from a later step."""
    with postgres.connect(server.url("postgres"), name="test") as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with postgres.connect(server.url("latin"), name="test") as connection:
            checks = readiness.look(connection, "public", "migrate", binary("pg_dump"))
        assert [check.name for check in checks if check.verdict == "failed"] == ["encoding"]
    finally:
        postgres.drop_database(server.url("postgres"), "latin")


def test_a_pg_dump_is_found_that_can_read_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled one unless it is older than the server or TLS is asked for; else one of the machine that has its
    pg_restore beside it, or an error."""
    bundled = binary("pg_dump")
    own = tmp_path / "pg_dump"
    own.write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 19.1"\n')
    own.chmod(own.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(client_programs, "_PLACES", ())
    client_programs.pg_dump.cache_clear()
    try:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(BackupFailed, match=f"{own} has no pg_restore beside it"):
            client_programs.pg_dump(bundled, 190000, False)
        own.with_name("pg_restore").touch()
        assert client_programs.pg_dump(bundled, 180006, False) == bundled
        assert client_programs.pg_dump(bundled, 180006, True) == own
        assert client_programs.pg_dump(bundled, 190000, False) == own
        with pytest.raises(BackupFailed, match="is of version 19") as failed:
            client_programs.pg_dump(bundled, 200000, False)
        assert "of version 20 or later" in failed.value.hint
        monkeypatch.setenv("PATH", "/nonexistent")
        client_programs.pg_dump.cache_clear()
        with pytest.raises(BackupFailed, match="the bundled one speaks no TLS"):
            client_programs.pg_dump(bundled, 180006, True)
    finally:
        client_programs.pg_dump.cache_clear()
