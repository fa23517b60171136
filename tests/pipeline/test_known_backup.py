"""A migration takes no backup of a state that the last one's backup holds already."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from mock2pg import MigrationResult, MigrationService, backups, evidence, postgres
from mock2pg import settings as settings_module
from mock2pg.backups import exported_rows
from mock2pg.pipeline import known_backup
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.steps import backup
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, new_run, open_run
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp
from tests.fix_postgres import DATABASE, new_database
from tests.fix_published import SMALL, small_rows

BACKED_UP = "mock2pg_backed_up_small"


@pytest.fixture(scope="module")
def backed_up(server: Server, migrated_small: MigrationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that has migrated twice, so that the state of its database is in a backup."""
    project = tmp_path_factory.mktemp("backed_up") / "small"
    shutil.copytree(migrated_small.report.parents[2], project, symlinks=True)
    with new_database(server, template=SMALL) as url:
        settings = settings_module.load(project=project, database_url=url, operator="a tester")
        result = MigrationService(settings).migrate_all_data(small_rows())
        assert result.success, result.message
        assert Run(result.run_id, settings).require(BackedUp).taken_by is None
        with postgres.connect(server.url("postgres"), name="test") as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(BACKED_UP)))
            connection.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(BACKED_UP), Identifier(DATABASE))
            )
    return project


@pytest.fixture
def settings(server: Server, backed_up: Path, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a copy of it."""
    project = tmp_path / "small"
    shutil.copytree(backed_up, project, symlinks=True)
    with new_database(server, template=BACKED_UP) as url:
        yield settings_module.load(project=project, database_url=url, operator="a tester")


def backed_up_by(settings: Settings, command: str = "migrate") -> BackedUp:
    """Return what the step finds in a run of the command."""
    run = new_run(settings)
    run.write("record.json", {"command": command})
    return steps.run_in_process("backup", run).of(BackedUp)


def content(settings: Settings) -> list[str]:
    with postgres.connect(settings.url, name="test") as connection:
        return [exported_rows.content_hash(connection, "public", name) for name in ("owners", "pets")]


def test_a_state_is_backed_up_once(settings: Settings) -> None:
    """Later runs name the backup of the first one: it is as good as theirs would be, and one can go back to it."""
    service, first, before = MigrationService(settings), open_run(settings), content(settings)
    unchanged = Run(service.migrate_all_data(small_rows()).run_id, settings)
    document = small_rows()
    document["pets"].pop()
    changed = Run(service.migrate_all_data(document).run_id, settings)
    was = first.require(BackedUp)
    for run in (unchanged, changed):
        found = run.require(BackedUp)
        assert found == replace(
            was,
            summary=f"{was.backup_id}: 144 rows of 2 tables, taken by run {first.id}; nothing was written since",
            times=found.times,
            horizon=found.horizon,
            taken_by=first.id,
        )
        logged = run.path("migration.log").read_text(encoding="utf-8")
        assert f"Already backed up: {found.summary}" in logged
        assert "Created backup" not in logged
        assert run.read("record.json")["metrics"]["steps"]["backup"]["rows"] is None  # none was read
        assert evidence.sha256(settings.backups_dir / Path(found.file).name) == found.file_sha256
        assert run.read("record.json")["backup_id"] == was.backup_id
    assert content(settings) != before
    assert len(backups.list_backups(settings.backups_dir)) == 2  # of nothing, and of what was published
    assert service.rollback("latest").success
    assert content(settings) == before
    assert service.validate_migration()


def test_no_space_is_asked_for_a_backup_that_is_not_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preflight asks for it as long as a backup is to be written, and not where the run has one."""

    def usage(folder: Path) -> Any:
        free = 100 if folder == settings.backups_dir else 1 << 40
        return shutil._ntuple_diskusage(0, 0, free)  # type: ignore[attr-defined]

    monkeypatch.setattr("mock2pg.publishing.preflight.disk_space.shutil.disk_usage", usage)
    service = MigrationService(settings)
    document = small_rows()
    document["pets"].pop()
    for run in (service.plan(small_rows()), service.plan(document), service.migrate_all_data(small_rows())):
        assert run.success, run.error
    _execute("UPDATE public.pets SET legs = legs WHERE id = 'pet 1'")(settings)
    short = r"bytes are needed for the backup in backups/, and 100 are free"
    assert re.search(short, str(service.plan(document).error))
    run = new_run(settings)
    with postgres.connect(settings.url, name="test") as connection:
        assert known_backup.is_to_be_written(run, connection)
        run.write("record.json", {"command": "migrate"})
        assert steps.run_in_process("backup", run).of(BackedUp).taken_by is None
        assert not known_backup.is_to_be_written(run, connection)


def test_discarding_a_run_keeps_the_backup_of_an_earlier_one(settings: Settings) -> None:
    """A run that fails before it publishes removes only what it took, and what it left when it was ended."""
    half = settings.backups_dir / ".backup-1.part"
    half.touch()
    run = new_run(settings)
    run.write("record.json", {"command": "migrate"})
    taken = steps.run_in_process("backup", run).of(BackedUp)
    backup.discard(run)
    assert run.find(BackedUp) is None
    assert (settings.backups_dir / Path(taken.file).name).exists()
    assert not half.exists()


def _execute(statement: str) -> Callable[[Settings], Settings]:
    def executed(settings: Settings) -> Settings:
        with postgres.connect(settings.url, name="test") as connection:
            connection.execute(statement)  # type: ignore[arg-type]
        return settings

    return executed


def _with(**changes: str) -> Callable[[Settings], Settings]:
    return lambda settings: settings.model_copy(update=changes)


def _file(settings: Settings) -> Path:
    return settings.backups_dir / Path(open_run(settings).require(BackedUp).file).name


def _gone(settings: Settings) -> Settings:
    _file(settings).unlink()
    return settings


def _flipped(settings: Settings) -> Settings:
    file = _file(settings)
    text = bytearray(file.read_bytes())
    text[len(text) // 2] ^= 1
    file.write_bytes(text)
    return settings


def _flipped_before_it_ended(settings: Settings) -> Settings:
    """After the backup was tested: the manifest has the file as the run's end found it."""
    evidence.write_manifest(open_run(_flipped(settings)))
    return settings


def _run_gone(settings: Settings) -> Settings:
    shutil.rmtree(open_run(settings).folder)
    return settings


def _untested(settings: Settings) -> Settings:
    run = open_run(settings)
    result = run.result("backup")
    assert result
    run.save(replace(result, found=replace(run.require(BackedUp), restore_tested=False)))
    return settings


_OTHER_TABLES = """
    ALTER TABLE mock2pg.runs DISABLE TRIGGER USER;
    UPDATE mock2pg.runs SET tables = tables - 'pets' WHERE id = (SELECT max(id) FROM mock2pg.runs);
    ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER server_columns"""


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_execute("UPDATE public.pets SET legs = legs WHERE id = 'pet 1'"), id="a row was written"),
        pytest.param(_execute("DELETE FROM public.pets WHERE id = 'pet 1'"), id="a row was deleted"),
        pytest.param(_execute("CREATE TABLE public.theirs AS SELECT 1 AS id"), id="a table came"),
        pytest.param(_execute("COMMENT ON TABLE public.pets IS 'theirs'"), id="a definition changed"),
        pytest.param(_execute(_OTHER_TABLES), id="other tables were published"),
        pytest.param(_gone, id="its file is gone"),
        pytest.param(_flipped, id="its file was changed"),
        pytest.param(_flipped_before_it_ended, id="its file was changed before its run ended"),
        pytest.param(_run_gone, id="the run that took it is gone"),
        pytest.param(_untested, id="it was not tested"),
        pytest.param(_with(backup_recipient=backups.new_key()[0]), id="backups are to be encrypted"),
    ],
)
def test_a_backup_is_taken_unless_one_holds_the_state(
    settings: Settings, change: Callable[[Settings], Settings]
) -> None:
    """Nothing may have been written or defined since, and the earlier backup must be what was tested."""
    before = open_run(settings).require(BackedUp).backup_id
    settings = change(settings)
    found = backed_up_by(settings)
    assert found.taken_by is None
    assert found.backup_id != before


def test_a_sequence_that_was_advanced_is_a_change(settings: Settings) -> None:
    """Its position is part of the state, though no row has it."""
    _execute("CREATE SEQUENCE public.numbers")(settings)
    service = MigrationService(settings)
    service.migrate_all_data(small_rows())
    taken = open_run(settings).require(BackedUp)
    assert backed_up_by(settings).backup_id == taken.backup_id
    _execute("SELECT nextval('public.numbers')")(settings)
    assert backed_up_by(settings).backup_id != taken.backup_id


def test_a_backup_that_somebody_asks_for_is_taken(settings: Settings) -> None:
    """A file of its own is what the command is for."""
    assert backed_up_by(settings, "backup").taken_by is None
