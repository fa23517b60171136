"""The history: what was published, and who tried what from where; rows are added and never change."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import conninfo, errors, sql
from pydantic import SecretStr

from mock2pg import MigrationService, cli, history, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import AlreadyRunning, BackupRefused, NothingPublished, UsageError
from mock2pg.history import events, layout
from mock2pg.settings import Settings
from tests.fix_small import small_document, small_project
from tests.history.test_layout import first_version
from tests.history.test_runs import FINDINGS, record
from tests.test_target import psql


@pytest.fixture
def small(database: str, tmp_path: Path) -> Settings:
    """A project of two entities and a database of its own, which is empty."""
    return settings_module.load(project=small_project(tmp_path), database_url=database, operator="a tester")


@pytest.fixture
def auditor(small: Settings) -> Iterator[str]:
    name = f"auditor_{secrets.token_hex(4)}"
    yield name
    with postgres.connect(small.url, name="test") as connection:
        for role in (name, f"{name}_not"):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
                connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(sql.Identifier(role)))


@pytest.fixture
def migrator(connection: postgres.Connection) -> Iterator[str]:
    """A role with just the rights of the printed migrator on the history."""
    name = sql.Identifier(role := f"migrator_{secrets.token_hex(4)}")
    script = (Path(postgres.__file__).parents[1] / "history" / "roles.sql").read_text()
    grants = script[script.index("GRANT USAGE ON SCHEMA mock2pg") : script.index("-- Where a migration builds")]
    layout.create(connection)
    connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    connection.execute(sql.SQL(grants).format(migrator=name, auditor=name))
    yield role
    connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(name))


def test_what_was_done_and_what_was_refused(small: Settings, auditor: str) -> None:
    """Every command that reached the database, by whom, from where, and how it ended; an auditor only reads them."""
    service = MigrationService(small)
    assert isinstance(service.verify().error, NothingPublished)
    assert service.take_backup().success
    with postgres.connect(small.url, name="test") as connection:  # commands that change nothing make nothing
        assert not postgres.catalogue.schema_exists(connection, "mock2pg")
    assert service.history() == []

    migrated = service.migrate_all_data(small_document("Rex"))
    assert migrated.success, migrated.message
    with postgres.advisory_lock(small.url, "run of another"):
        refused = service.take_backup()
    assert isinstance(refused.error, AlreadyRunning)
    with postgres.connect(small.url, name="test") as connection:
        connection.execute("INSERT INTO mock2pg.settings VALUES ('protected', 'true')")
    assert isinstance(service.migrate_all_data(small_document("Tom")).error, UsageError)
    assert service.check(small_document("Tom")).success  # reaches no database
    backup = migrated.summary["backup"]["backup_id"]
    with (small.backups_dir / f"{backup}.json.zst").open("ab") as file:
        file.write(b"x")
    for name in (backup, "../backup"):
        with pytest.raises(BackupRefused):
            service.rollback(name)
    with postgres.advisory_lock(small.url, "run of another"), pytest.raises(AlreadyRunning):
        service.prune_backups(keep_last=1, yes=True)

    found = service.history()
    told = [(entry["kind"], entry["outcome"], entry["error"]) for entry in found if entry["kind"] != "manifest"]
    assert told == [
        ("prune", "failed", "AlreadyRunning"),
        ("rollback", "failed", "BackupRefused"),
        ("rollback", "failed", "BackupRefused"),
        ("migrate", "failed", "UsageError"),
        ("backup", "failed", "AlreadyRunning"),
        ("migrate", "succeeded", None),
        ("published", "succeeded", None),
    ]
    assert len([entry for entry in found if entry["kind"] == "manifest"]) == 3
    assert [entry["backup_id"] for entry in found if entry["kind"] == "rollback"] == [None, backup]
    event = next(entry for entry in found if entry["run_id"] == migrated.run_id and entry["kind"] == "migrate")
    assert (event["operator"], event["host"], event["schema"]) == ("a tester", platform.node(), "public")
    assert event["database_user"] == "postgres"
    assert event["application"] == f"mock2pg event of run {migrated.run_id}"
    assert event["backup_id"] == migrated.summary["backup"]["backup_id"]
    assert service.history(2) == found[:2]
    assert [entry["at"] for entry in found] == sorted((entry["at"] for entry in found), reverse=True)

    psql(small, service.init_roles(f"{auditor}_not", auditor))
    url = conninfo.make_conninfo(small.url, user=auditor)
    auditing = MigrationService(small.model_copy(update={"database_url": SecretStr(url)}))
    assert auditing.verify().success
    assert auditing.history() == found
    log = small.log_file.read_text()
    assert "no event" not in log  # it is no fault, and only told to who asks for more


def test_rows_are_added_and_never_change(connection: postgres.Connection, migrator: str) -> None:
    """By trigger for the owner too, also in a session whose role is replica; by grants for the migrator."""
    event = events.Event("verify", "succeeded", "me", "public")
    assert events.add(connection, [event]) == ""
    for replica in ("origin", "replica"):
        connection.execute(f"SET session_replication_role = {replica}")  # type: ignore[arg-type]
        for table in ("runs", "events"):
            for statement in (f"UPDATE mock2pg.{table} SET operator = 'x'", f"DELETE FROM mock2pg.{table}",
                              f"TRUNCATE mock2pg.{table}"):  # fmt: skip
                with pytest.raises(errors.InsufficientPrivilege, match="only takes new rows"):
                    connection.execute(statement)  # type: ignore[arg-type]
    connection.execute("SET session_replication_role = origin")
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(migrator)))
    assert events.add(connection, [event]) == ""
    assert events.manifests(connection) == []
    for statement in (
        "INSERT INTO mock2pg.events (kind, outcome, operator, host, target_schema, database_user)"
        " VALUES ('a', 'b', 'c', 'd', 'e', 'somebody else')",
        "UPDATE mock2pg.events SET operator = 'x'",
        "DELETE FROM mock2pg.runs",
        "TRUNCATE mock2pg.events",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
            connection.execute(statement)  # type: ignore[arg-type]
    connection.execute("RESET ROLE")
    assert [entry["database_user"] for entry in events.listed(connection, None)] == ["postgres"] * 2


@pytest.mark.parametrize("earlier", range(layout.VERSION + 1))
def test_init_roles_upgrades_and_the_migrator_may_fill_what_was_added(
    small: Settings, auditor: str, earlier: int
) -> None:
    """Run by the owner, on a database without a history or with one of any version; a second time changes nothing."""
    migrator = f"{auditor}_not"
    with postgres.connect(small.url, name="test") as connection:
        if earlier:
            first_version(connection)
        for each in range(2, earlier + 1):
            connection.execute(layout.step(each))
        for _ in range(2):
            psql(small, MigrationService(small).init_roles(migrator, auditor))
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(migrator)))
        record(connection, "e", findings=FINDINGS)
        row = history.newest(connection, "public")
        assert row is not None
        assert row.findings == FINDINGS
        connection.execute("RESET ROLE")


def test_an_event_that_cannot_be_written_is_left_out(connection: postgres.Connection) -> None:
    """A read-only session is not troubled, and nothing is made where there is no table; each says why."""
    event = events.Event("verify", "succeeded", "me", "public")
    assert events.add(connection, [event]) == "nothing was ever published in this database"
    assert events.manifests(connection) is None
    layout.create(connection)
    connection.execute("SET default_transaction_read_only = on")
    assert events.add(connection, [event]) == "the role may only read"
    connection.execute("SET default_transaction_read_only = off")
    assert events.listed(connection, None) == []


def test_the_history_as_text(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line per run, newest first: when, what, by whom, verdict, error; --limit and --json."""
    monkeypatch.setenv("MIGRATION_PROJECT", str(small.project))
    monkeypatch.setenv("DATABASE_URL", small.url)
    assert CliRunner().invoke(cli.command, ["history"]).stdout == "Nothing was published in this database yet.\n"
    with postgres.connect(small.url, name="test") as connection:
        layout.create(connection)
        for run, outcome, error in (("1", "succeeded", None), ("2", "failed", "AlreadyRunning")):
            event = events.Event("backup", outcome, "Ada", "public", run, error)
            assert events.add(connection, [event]) == ""
        pruned = events.Event("prune", "succeeded", "Ada", "public", backup_id="backup-1")
        assert events.add(connection, [pruned]) == ""
    monkeypatch.setenv("COLUMNS", "80")
    head, *lines = CliRunner().invoke(cli.command, ["history"]).stdout.splitlines()
    assert head.split()[:9] == ["When", "(UTC)", "What", "By", "Changed", "Verdict", "Backup", "or", "error"]
    assert max(map(len, [head, *lines])) <= 80
    assert [" ".join(line.split()[2:7]) for line in lines] == [
        "prune Ada succeeded 1 backup",
        "backup Ada failed AlreadyRunning 2",
        f"backup Ada succeeded 1 {platform.node()}",
    ]
    newest = CliRunner().invoke(cli.command, ["history", "--limit", "1"]).stdout.splitlines()
    assert [line.split() for line in newest[1:]] == [lines[0].split()]
    told = json.loads(CliRunner().invoke(cli.command, ["history", "--json"]).stdout)
    assert [(each["run_id"], each["error"]) for each in told] == [(None, None), ("2", "AlreadyRunning"), ("1", None)]
