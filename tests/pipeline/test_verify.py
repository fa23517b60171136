"""verify: reads only, keeps nobody waiting, and says by key what differs."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import conninfo, errors, sql
from pydantic import SecretStr

from mock2pg import MigrationService, cli, postgres
from mock2pg import settings as settings_module
from mock2pg.contracts import Table
from mock2pg.errors import VerifyFailed
from mock2pg.pipeline.steps import verify
from mock2pg.pipeline.steps.verify import compared_rows
from mock2pg.postgres.server import Server
from mock2pg.runs import new_run
from mock2pg.settings import Settings
from tests.fix_postgres import new_database
from tests.fix_small import small_document, small_project

READER = "reader_of_verify"


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Two owners and two pets in the target tables."""
    project = small_project(tmp_path_factory.mktemp("small"))
    with new_database(server) as url:
        settings = settings_module.load(project=project, database_url=url, operator="a tester")
        assert MigrationService(settings).migrate_all_data(small_document("Rex", "Tom")).success
        yield settings


@pytest.fixture
def reader(migrated: Settings) -> Iterator[Settings]:
    """Settings of a role that may read the target tables and the history, and no more."""
    with postgres.connect(migrated.url, name="test") as connection:
        role = sql.Identifier(READER)
        for statement in (
            "CREATE ROLE {} LOGIN",
            "GRANT USAGE ON SCHEMA public, mock2pg TO {}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public, mock2pg TO {}",
        ):
            connection.execute(sql.SQL(statement).format(role))
        yield migrated.model_copy(update={"database_url": SecretStr(conninfo.make_conninfo(migrated.url, user=READER))})
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


@contextmanager
def row_of_an_earlier_version(settings: Settings) -> Iterator[None]:
    """The history without what the run found, as before version 3."""
    with postgres.connect(conninfo.make_conninfo(settings.url, user="postgres"), name="test") as connection:
        connection.execute("ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only")
        connection.execute("CREATE TABLE public.was AS SELECT found FROM mock2pg.runs")
        connection.execute("UPDATE mock2pg.runs SET found = NULL")
        connection.execute("ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only")
        yield
        connection.execute("ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only")
        connection.execute("UPDATE mock2pg.runs SET found = (SELECT found FROM public.was)")
        connection.execute("ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only; DROP TABLE public.was")


def test_verify_needs_no_right_but_to_read(reader: Settings) -> None:
    """The whole command runs as a role that may only SELECT. What the run found is in the history, not in its folder;
    only a row of an earlier version lacks it.

    That version called a contract's staged columns by their JSON keys.
    """
    [file] = reader.runs_dir.glob("2*/contracts.json")  # beside it the link `latest`
    tables = json.loads(file.read_text())
    sources = [column for table in tables for column in table["columns"]]
    assert {column["source"] for column in sources if column["name"] == "owner_id"} == {"owner_id"}
    for column in sources:
        column["source"] = column["source"].replace("owner_id", "ownerId")
    file.unlink()
    result = MigrationService(reader).verify()
    assert result.success, result.message
    assert result.summary["verify"]["rows_compared"] == 4

    with row_of_an_earlier_version(reader):
        with pytest.raises(VerifyFailed, match="its row hashes in runs/ are gone"):
            verify.run(new_run(reader))
        file.write_text(json.dumps(tables))
        assert verify.run(new_run(reader)).rows_compared == 4
    hashes = file.parent / "hashes"
    hashes.rename(file.parent / "elsewhere")
    with pytest.raises(VerifyFailed, match="its row hashes in runs/ are gone"):
        verify.run(new_run(reader))
    (file.parent / "elsewhere").rename(hashes)
    (hashes / "pets.parquet").rename(file.parent / "elsewhere")
    with pytest.raises(VerifyFailed, match="its row hashes in runs/ are gone"):
        verify.run(new_run(reader))
    (file.parent / "elsewhere").rename(hashes / "pets.parquet")


@pytest.mark.parametrize("sessions", [1, 2])
def test_verify_writes_nothing_and_keeps_nobody_waiting(
    migrated: Settings, reader: Settings, monkeypatch: pytest.MonkeyPatch, sessions: int
) -> None:
    """It is read-only and sees one moment; others take meanwhile any lock that writing takes, and write.

    Of many rows, two sessions read two tables, and see the same moment.
    """
    write_hashes, seen = postgres.row_hashes.write, list[str]()
    pids, both, one_writer = set[int](), threading.Barrier(sessions), threading.Lock()

    def meanwhile(connection: postgres.Connection, schema: str, table: Table, file: Path) -> None:
        both.wait(60)
        write_hashes(connection, schema, table, file)
        seen.append(table.name)
        pids.add(connection.info.backend_pid)
        modes = connection.execute(
            "SELECT current_user::text, current_setting('transaction_read_only'), array_agg(DISTINCT mode)"
            " FROM pg_locks WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid'"
        ).fetchone()
        assert modes == (READER, "on", ["AccessShareLock"])
        with one_writer, postgres.connect(migrated.url, name="writer") as writer, writer.transaction():
            writer.execute("LOCK TABLE public.owners, public.pets, mock2pg.runs IN EXCLUSIVE MODE NOWAIT")
            writer.execute("UPDATE public.owners SET name = name || '!'; UPDATE public.pets SET name = name || '!'")

    monkeypatch.setattr(postgres.row_hashes, "write", meanwhile)
    monkeypatch.setattr(compared_rows, "_MANY", 4 if sessions == 2 else 5)
    assert verify.run(new_run(reader)).rows_compared == 4
    assert sorted(seen) == ["owners", "pets"]
    assert len(pids) == sessions
    monkeypatch.undo()
    monkeypatch.setattr(postgres.row_hashes, "_PORTION", 1)  # so many characters of the rows are looked at together
    with pytest.raises(
        VerifyFailed,
        match=r"owners: 2 different \(keys Ann, Bob\) in name \(2 rows\)\n"
        r"  pets: 2 different \(keys Rex, Tom\) in name \(2 rows\)",
    ):
        verify.run(new_run(reader))
    monkeypatch.setattr(compared_rows, "EXAMINED", 1)
    with pytest.raises(VerifyFailed, match=r"owners: 2 different \(keys Ann, Bob\) in name \(1 row\) of the first 1\n"):
        verify.run(new_run(reader))
    secret = migrated.secret_file
    assert secret.stat().st_mode & 0o777 == 0o600
    kept = secret.read_text()
    secret.write_text("another")  # as on another machine
    with pytest.raises(VerifyFailed, match=r"owners: 2 different \(keys Ann, Bob\)\n"):
        verify.run(new_run(reader))
    secret.write_text(kept)
    with postgres.connect(migrated.url, name="test") as connection:
        connection.execute("UPDATE public.owners SET name = id; UPDATE public.pets SET name = id")


@pytest.mark.parametrize("sessions", [1, 2])
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE public.pets ALTER legs TYPE integer USING legs + 0",
        "BEGIN; LOCK public.pets, public.owners; COMMIT",
    ],
)
def test_who_would_write_a_table_anew_waits(
    statement: str, sessions: int, migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the snapshot the table would be empty, which nobody did; all tables are locked before it is taken."""
    write, begun, settings = postgres.row_hashes.write, list[Future[object]](), migrated
    waits = sql.SQL("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.pets'::regclass")

    def between(connection: postgres.Connection, schema: str, table: Table, file: Path) -> None:
        with once:
            if not begun:
                begun.append(threads.submit(other.execute, statement))  # type: ignore[arg-type]
                while not postgres.catalogue.count(look, waits):
                    assert not begun[0].done()
        write(connection, schema, table, file)

    monkeypatch.setattr(compared_rows, "_MANY", 0 if sessions == 2 else 1_000)
    monkeypatch.setattr(postgres.row_hashes, "write", between)
    once = threading.Lock()
    with (
        postgres.connect(settings.url, name="look") as look,
        postgres.connect(settings.url, name="other", lock_timeout="1min") as other,
        ThreadPoolExecutor() as threads,
    ):
        assert verify.run(new_run(settings)).rows_compared == 4
        begun[0].result()


def test_one_session_is_enough(migrated: Settings, reader: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that may not open another one verifies all the same."""
    monkeypatch.setattr(compared_rows, "_MANY", 0)
    with postgres.connect(migrated.url, name="test") as connection:
        connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(sql.Identifier(READER)))
    assert verify.run(new_run(reader)).rows_compared == 4


@pytest.mark.parametrize("late", [False, True])
def test_a_failure_in_one_session_ends_the_other(
    migrated: Settings, reader: Settings, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """Nobody waits for rows that nothing will be compared with, even if their query begins only afterwards."""
    both, cancelled, ended = threading.Barrier(2), threading.Event(), list[str]()
    cancel, waiting = psycopg.Connection.cancel_safe, list[postgres.Connection]()

    def noted(connection: postgres.Connection, *, timeout: float) -> None:
        cancel(connection, timeout=timeout)
        if connection in waiting:
            cancelled.set()

    def half(connection: postgres.Connection, schema: str, table: Table, file: Path) -> None:
        if table.name == "pets":
            waiting.append(connection)
        both.wait(60)
        if table.name == "owners":
            raise OSError(errno.ENOSPC, "No space left on device")
        if late:
            cancelled.wait(60)
        try:
            connection.execute("SELECT pg_sleep(20)")
        except errors.QueryCanceled:
            ended.append(table.name)
            raise

    monkeypatch.setattr(compared_rows, "_MANY", 0)
    monkeypatch.setattr(postgres.row_hashes, "write", half)
    monkeypatch.setattr(psycopg.Connection, "cancel_safe", noted)
    with pytest.raises(OSError, match="No space left"):
        verify.run(new_run(reader))
    assert ended == ["pets"]


def test_the_terminal_and_junit_name_the_keys(migrated: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, extra and different rows by table and key, and orphans by foreign key; exit code 10."""
    for name, value in migrated.environment().items():
        monkeypatch.setenv(name, value)
    with postgres.connect(migrated.url, name="test") as connection:
        connection.execute("SET session_replication_role = replica")  # as damage from below would: no key is enforced
        connection.execute("DELETE FROM public.owners WHERE id = 'Bob'")
        connection.execute("UPDATE public.pets SET legs = 3 WHERE id = 'Rex'")
        connection.execute("INSERT INTO public.pets (id, owner_id, name, legs) VALUES (E'a\\nb', 'Ann', 'c', 4)")
    said = CliRunner().invoke(cli.command, ["verify"])
    assert said.exit_code == VerifyFailed.code
    for line in ("owners: 1 missing (key Bob)", r"pets: 1 extra (key a\nb); 1 different (key Rex) in legs (1 row)"):
        assert line in [each.strip() for each in said.output.split("\n")]
    done = CliRunner().invoke(cli.command, ["verify", "--format", "junit"])
    assert done.exit_code == VerifyFailed.code
    root = ElementTree.fromstring(done.stdout)
    found = {
        f"{suite.get('name')}: {case.get('name')}": case[0].text if len(case) else None
        for suite in root
        for case in suite
    }
    (orphans,) = (found.pop(name) for name in list(found) if name.startswith("foreign keys: pets."))
    assert orphans == "1 row of pets (owner_id) without owners"
    assert found == {
        "tables: owners": "missing: Bob",
        "tables: pets": "extra: a\\nb\ndifferent: Rex\ndifferent in legs: 1 row",
    }
