"""The backup to go back to: the latest, or the one that a run took."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mock2pg import MigrationService, backups, cli, postgres
from mock2pg.errors import BackupRefused, NothingPublished, UsageError
from mock2pg.pipeline import destination
from mock2pg.settings import Settings
from tests.fix_published import small_rows


def pets(settings: Settings) -> int:
    with postgres.connect(settings.url, name="test") as connection:
        row = connection.execute("SELECT count(*) FROM public.pets").fetchone()
    return row[0] if row else -1


def test_latest_is_the_state_before_the_newest_change(published_small: Settings) -> None:
    """Of a migration the state before it, of a rollback what that undid; a run is named in its place with --before."""
    service = MigrationService(published_small)
    rows = small_rows()
    second = service.migrate_all_data({**rows, "pets": rows["pets"][:-2]})
    assert second.success
    held = second.summary["backup"]["backup_id"]

    def asked(*arguments: str) -> str:
        result = CliRunner().invoke(cli.command, ["rollback", *arguments], env=published_small.environment())
        assert result.exit_code == 0, result.output
        return result.output

    words = f"{held} holds the state before run {second.run_id}, published by {published_small.operator} at "
    assert words in asked("latest", "--show")
    assert words in asked("--before", second.run_id, "--show")
    assert "restore 2 rows" in asked(held.removeprefix("backup-"), "--show")
    assert words in asked("latest")
    assert pets(published_small) == 132
    undone = service.rollback("latest", show=True)
    assert undone.summary["rollback"]["backup_id"] != held
    assert service.rollback("latest").success
    assert pets(published_small) == 130
    assert service.validate_migration()
    log = published_small.log_file.read_text()
    assert f"which rolled back to {held} at " in log
    with pytest.raises(BackupRefused, match="another run published in the meantime"):
        destination.refuse_moved(published_small, published_small.url, held)


def test_a_run_that_took_no_backup_is_named(published_small: Settings) -> None:
    """A run that changed nothing, one that does not exist, and a database into which nothing was published."""
    service = MigrationService(published_small)
    checked = service.check(small_rows())
    with pytest.raises(BackupRefused, match=f"run {checked.run_id} took no backup"):
        service.rollback(before=checked.run_id)
    with pytest.raises(BackupRefused, match=f"{checked.run_id} is a run, not a backup"):
        service.rollback(checked.run_id)
    for name in ("2026-11-22T10-30-00-000Z", "../runs", "\udcff", "\0", "a" * 5000):
        with pytest.raises(UsageError, match="there is no run "):
            service.rollback(before=name)
    for given in ({}, {"backup_id": "latest", "before": checked.run_id}):
        with pytest.raises(UsageError):
            service.rollback(**given)
    taken = service.backup()
    newest = max(run.name for run in published_small.runs_dir.glob("2*"))
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute("DROP SCHEMA mock2pg CASCADE")
    (header,) = [entry.header for entry in backups.list_backups(published_small.backups_dir) if entry.id == taken]
    assert header["taken_by"] == {"run_id": newest, "command": "backup"}
    assert destination.find(published_small, published_small.url, None, newest).backup_id == taken
    with pytest.raises(NothingPublished, match="nothing was ever published into schema public"):
        service.rollback("latest")
    fresh = MigrationService(project=published_small.project)
    with pytest.raises(NothingPublished, match="there is no database yet"):
        fresh.rollback("latest")
    assert not fresh.settings.postgres_dir.exists()
