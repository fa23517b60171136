"""The database that a run works on: protected or not, who may do what, and the published run."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import conninfo, sql

from mock2pg import MigrationResult, MigrationService, cli, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import DatabaseError, Mock2pgError, PreflightFailed, SourceError, UsageError
from mock2pg.pipeline import target
from mock2pg.postgres.server import binary
from mock2pg.runs import Run, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import Database
from tests.fix_published import small_rows
from tests.fix_small import small_document, small_project


@pytest.fixture
def roles(published_small: Settings) -> Iterator[tuple[str, str]]:
    """Names of two roles that `init-roles` is to make; they are dropped afterwards."""
    names = f"migrator_{secrets.token_hex(4)}", f"an auditor {secrets.token_hex(4)}"
    yield names
    with postgres.connect(published_small.url, name="test") as connection:
        for name in names:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None:
                connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(sql.Identifier(name)))


def as_role(settings: Settings, role: str) -> Settings:
    url = conninfo.make_conninfo(settings.url, user=role)
    return settings_with(settings, database_url=url)


def settings_with(settings: Settings, **changed: object) -> Settings:
    return type(settings)(_env_file=None, **{**settings.model_dump(), **changed})  # type: ignore[call-arg]


def psql(settings: Settings, script: str) -> None:
    command = [binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", settings.url]
    subprocess.run(command, input=script, text=True, check=True, capture_output=True)


def test_the_printed_roles_can_do_their_work_and_no_more(published_small: Settings, roles: tuple[str, str]) -> None:
    """The migrator migrates and backs up but makes and drops nothing; the auditor verifies and only reads."""
    settings, document = published_small, small_rows()
    script = MigrationService(settings).init_roles(*roles)
    psql(settings, script)
    psql(settings, script)  # a second time changes nothing
    document["owners"][0]["name"] = "changed"
    document["pets"].pop()
    migrator = MigrationService(as_role(settings, roles[0]))
    migrated = migrator.migrate_all_data(document)
    assert migrated.success, migrated.message
    auditor = MigrationService(as_role(settings, roles[1]))
    assert auditor.validate_migration()
    for role, statements in (
        (roles[0], ("CREATE TABLE public.mine (a int)", "DROP TABLE public.pets", "DELETE FROM mock2pg.runs",
                    "UPDATE mock2pg.settings SET value = 'false'", "CREATE SCHEMA mine")),
        (roles[1], ("DELETE FROM public.pets", "INSERT INTO mock2pg.runs DEFAULT VALUES")),
    ):  # fmt: skip
        with postgres.connect(as_role(settings, role).url, name="test") as connection:
            for statement in statements:
                with (
                    pytest.raises(Mock2pgError, match=r"permission denied|must be owner|read-only"),
                    postgres.named(Mock2pgError, "x"),
                ):
                    connection.execute(statement)  # type: ignore[arg-type]


def test_a_plan_needs_no_right_to_write(published_small: Settings, roles: tuple[str, str]) -> None:
    """A role that reads the target and writes the scratch schemas can plan; a migration is told what it lacks."""
    planner = roles[0]
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute(
            sql.SQL(
                "CREATE ROLE {0} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0};"
                "CREATE SCHEMA mock2pg_landing AUTHORIZATION {0}; CREATE SCHEMA mock2pg_next AUTHORIZATION {0};"
                "CREATE SCHEMA mock2pg_restore_test AUTHORIZATION {0};"
                "GRANT USAGE ON SCHEMA mock2pg TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA mock2pg TO {0}"
            ).format(sql.Identifier(planner))
        )
    document = small_rows()
    document["owners"][0]["name"] = "changed"
    service = MigrationService(as_role(published_small, planner))
    planned = service.plan(document)
    assert planned.success, planned.message
    assert planned.summary["plan"]["tables"]["owners"]["updated"] == 1
    refused = service.migrate_all_data(document)
    assert isinstance(refused.error, PreflightFailed)
    grants = " ".join(finding["to_do"] for finding in refused.summary["preflight"]["findings"])
    assert f'GRANT UPDATE ON TABLE "public"."owners" TO "{planner}"' in grants


def test_a_protected_database_takes_what_was_migrated_elsewhere(
    migrated_small: MigrationResult, published_small: Settings
) -> None:
    """A protected database takes only input that succeeded on another server; the owner says so in mock2pg.settings."""
    settings, service = published_small, MigrationService(published_small)
    with postgres.connect(settings.url, name="test") as connection:
        connection.execute("INSERT INTO mock2pg.settings VALUES ('protected', 'true')")
    assert service.status().protected
    refused = service.migrate_all_data(small_document("pet"))
    assert isinstance(refused.error, UsageError)
    assert "never migrated on another server" in refused.error.message
    run = Run(migrated_small.run_id, settings)
    record = run.read("record.json")
    assert record["database"]["system_identifier"].isdigit()
    run.write("record.json", {**record, "database": {**record["database"], "system_identifier": "1"}})
    database = Database(**record["database"])
    target.require_migrated_on_another_server(run, database)
    run.write("record.json", {**run.read("record.json"), "status": "failed"})
    with pytest.raises(UsageError):
        target.require_migrated_on_another_server(run, database)


def test_status_names_the_published_run_the_lock_holder_and_leftovers(settings: Settings) -> None:
    """Before anything, while somebody holds the lock, and after a run that was killed, until the next one tidies up."""
    service = MigrationService(settings)
    status = service.status()
    assert (status.published_run, status.command, status.lock_holder, status.leftovers) == (None, None, None, ())
    with postgres.advisory_lock(settings.url, "run of another"):
        assert "mock2pg run of another" in str(service.status().lock_holder)

    killed = new_run(settings)
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout
    killed.write("record.json", {"command": "migrate", "status": "running", "pid": int(gone)})
    (killed.folder / "staging.duckdb").touch()
    settings.backups_dir.mkdir(exist_ok=True)
    (settings.backups_dir / ".backup-2026-01-01T00-00-00-000Z.part").touch()
    with postgres.connect(settings.url, name="test") as connection:
        postgres.scratch.recreate(connection)
        connection.execute("CREATE TABLE mock2pg_next.a (b int)")
    assert service.status().leftovers == (
        f"run {killed.id} was killed and left staging.duckdb",
        "1 unfinished backup in backups/",
        "the schema mock2pg_next",
    )
    assert service.take_backup().success
    assert service.status().leftovers == ()
    assert killed.read("record.json")["status"] == "failed"


@pytest.mark.parametrize("url", ["postgresql://me@host", "host=a", "postgresql://"])
def test_roles_are_made_for_a_database_that_is_named(url: str, project: Path) -> None:
    """A connection string without a database, or none at all that can be read, is a usage error that quotes nothing."""
    with pytest.raises(UsageError, match="DATABASE_URL names no database"):
        MigrationService(project=project, database_url=url).init_roles()


@pytest.mark.parametrize("command", ["migrate_all_data", "plan"])
def test_the_target_is_looked_at_before_the_source(command: str, tmp_path: Path) -> None:
    """A fault that keeps a run from its database is reported once, before the source is read; a check needs none."""
    service = MigrationService(project=small_project(tmp_path), database_url="postgresql://u@127.0.0.1:1/db")
    (unread := tmp_path / "mocks.json").write_text("{")
    refused = getattr(service, command)(unread)
    assert isinstance(refused.error, DatabaseError)
    assert "stage" not in refused.summary
    assert refused.warnings == ()
    assert isinstance(service.check(unread).error, SourceError)


def test_a_server_that_does_not_answer_is_waited_for_once(tmp_path: Path) -> None:
    """The error comes after one connect timeout, and the database is not asked again to remember the run."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.1)
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db?connect_timeout=2"
        service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=url))
        for command in (service.verify, service.take_backup, lambda: service.migrate_all_data(small_document("Rex"))):
            refused = command()
            assert "timeout expired" in str(refused.error)
            assert refused.warnings == ()
            silent.accept()[0].close()
            with pytest.raises(TimeoutError):
                silent.accept()


def test_doctor_says_what_it_found_and_what_to_do() -> None:
    """One line per check with its mark, the remedy below, exit code 19 when one failed; the same as JSON."""
    ask = CliRunner().invoke
    done = ask(cli.command, ["doctor"], env={"DATABASE_URL": "postgresql://u:Canary7291@127.0.0.1:1/db?pgbouncer=true"})
    assert done.exit_code == 19
    assert "✔ DATABASE_URL: not used: pgbouncer=true" in done.output
    assert "✘ connection: cannot connect: " in done.output
    assert "    Check that the server runs, and that DATABASE_URL names its host" in done.output
    assert "doctor" not in done.output
    assert "Canary7291" not in done.output
    done = ask(cli.command, ["doctor", "--json"], env={"DATABASE_URL": "mysql://u:Canary7291@h/db"})
    found = json.loads(done.stdout)
    assert (found["success"], found["checks"][0]["verdict"]) == (False, "failed")
    assert "begins with mysql:" in found["checks"][0]["found"]
