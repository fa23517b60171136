"""backup: the step, without its notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import pytest

from mock2pg import backups, postgres
from mock2pg.backups import Backup, json_rows, names, restore_test, snapshot
from mock2pg.errors import BackupFailed, Interrupted
from mock2pg.pipeline import step as steps
from mock2pg.runs import new_run
from mock2pg.settings import Settings
from tests.fix_backups import room


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_full_disk_stops_the_backup_and_leaves_no_half_file(
    compression: str, settings: Settings, connection: postgres.Connection
) -> None:
    """The step ends with its name although a table is half read, and nothing is left in the folder."""
    connection.execute(
        "CREATE TABLE public.wide AS SELECT n, string_agg(md5(random()::text), '') AS t"
        " FROM generate_series(1, 5000) AS n, generate_series(1, 10 + n % 2) GROUP BY n"
    )
    run = new_run(settings.model_copy(update={"backup_compression": compression}))
    with room(500_000), pytest.raises(BackupFailed, match=r"cannot write .*: File too large"):
        steps.run_in_process("backup", run)
    assert list(settings.backups_dir.iterdir()) == []


def test_the_file_has_the_form_that_the_settings_ask_for(settings: Settings) -> None:
    """Packed with zstd unless told otherwise; encrypted when a recipient is given."""
    public, identity = backups.new_key()
    for given, ending in (
        ({}, ".json.zst"),
        ({"backup_compression": "none"}, ".json"),
        ({"backup_compression": "gzip", "backup_recipient": public}, ".json.gz.age"),
    ):
        result = steps.run_in_process("backup", new_run(settings.model_copy(update=given)))
        assert result.data["file"] == f"backups/{result.data['backup_id']}{ending}"
        assert (
            backups.open_backup(settings.backups_dir, result.data["backup_id"], identity).header["schema"] == "public"
        )


def test_a_backup_that_does_not_restore_equal_is_removed(
    settings: Settings, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is named, and there is no file that one could trust in."""
    connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, v text)")
    connection.execute("INSERT INTO public.t VALUES (1, 'secret')")
    batches = json_rows.batches
    monkeypatch.setattr(json_rows, "batches", lambda rows: (line.replace(b"e", b"E") for line in batches(rows)))
    monkeypatch.setattr(json_rows, "made", lambda *_: (1, False))
    with pytest.raises(BackupFailed, match=r"does not restore equal to the target tables: t \(1 row\)"):
        steps.run_in_process("backup", new_run(settings))
    assert list(settings.backups_dir.iterdir()) == []


FORMS = [{"backup_compression": "none"}, {"backup_compression": "zstd"}, {"backup_recipient": backups.new_key()[0]}]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", [10, 0.5, -100, None])
def test_a_backup_that_is_not_on_the_disk_as_it_was_written_is_removed(
    place: float | None,
    form: dict[str, str],
    settings: Settings,
    connection: postgres.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Damage of its beginning, its rows or its end is the reason that is given, and so is an end that is missing."""
    connection.execute("CREATE TABLE public.t AS SELECT n, md5(n::text) AS v FROM generate_series(1, 5000) AS n")
    save = snapshot.save

    def spoiled(*given: Any) -> Backup:
        backup: Backup = save(*given)
        content = bytearray(backup.file.read_bytes())
        if place is None:
            del content[-1]
        else:
            content[int(place * len(content)) if 0 < place < 1 else int(place)] ^= 1
        backup.file.write_bytes(content)
        return backup

    monkeypatch.setattr(snapshot, "save", spoiled)
    with pytest.raises(
        BackupFailed, match=r"^what was written does not read back: .* is (damaged|truncated|encrypted)"
    ):
        steps.run_in_process("backup", new_run(settings.model_copy(update=form)))
    assert list(settings.backups_dir.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_backup_is_read_once_for_its_restore_test(
    form: dict[str, str], settings: Settings, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are verified on their way into the database; before that, only its header is read."""
    for name in "abc":
        connection.execute(f"CREATE TABLE public.{name} AS SELECT 1 AS n")
    opened, reading = list[Path](), names.open_regular

    def noted(file: Path) -> BinaryIO:
        opened.append(file)
        return reading(file)

    monkeypatch.setattr(names, "open_regular", noted)
    steps.run_in_process("backup", new_run(settings.model_copy(update=form)))
    assert len(opened) == 2


def test_a_backup_whose_restore_test_is_interrupted_is_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that was cut short is removed: its restore test did not run, and its run published nothing."""

    def pressed(*_: object) -> None:
        assert list(settings.backups_dir.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(restore_test, "run", pressed)
    with pytest.raises(Interrupted):
        steps.run_in_process("backup", new_run(settings))
    assert list(settings.backups_dir.iterdir()) == []


def test_the_restore_test_is_reported(settings: Settings, connection: postgres.Connection) -> None:
    """The report has the duration of the restore test, each table's hash, and the result for the definitions."""
    connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, v text)")
    data = steps.run_in_process("backup", new_run(settings)).data
    assert data["restore_tested"]
    assert data["restore_seconds"] > 0
    assert data["definitions"] == "equal"
    assert data["hashes"] == {"t": "0:0:0"}


def test_a_backup_without_a_restore_test_has_a_warning(settings: Settings) -> None:
    """In its own line, and in a warning of its own."""
    never = settings.model_copy(update={"backup_restore_test": "never"})
    result = steps.run_in_process("backup", new_run(never))
    assert result.summary.endswith("no restore test")
    assert result.data["cautions"] == ["No restore test was made: whether the backup restores is not known."]
    assert result.data["restore_seconds"] is None


def test_what_a_killed_backup_left_is_tidied_up(tmp_path: Path) -> None:
    """A half-written backup goes when the next run begins; whole ones stay, and one that is being written."""
    whole, half = tmp_path / "backup-1.json", tmp_path / ".backup-2.part"
    whole.touch()
    half.touch()
    with backups.Writer(tmp_path, "2026-11-22T10:30:00.000Z"):
        backups.remove_unfinished(tmp_path)
        assert {file.name for file in tmp_path.iterdir()} == {whole.name, ".backup-2026-11-22T10-30-00-000Z.part"}
