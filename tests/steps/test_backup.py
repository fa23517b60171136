"""backup: the step, without its notebook."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mock2pg import plan
from mock2pg.errors import BackupFailed
from mock2pg.runs import new_run
from mock2pg.settings import Settings
from mock2pg.tools import backups, postgres


def test_a_full_disk_stops_the_backup_and_leaves_no_half_file(
    settings: Settings, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step ends with its name although a table is half read, and nothing is left in the folder."""
    connection.execute(
        "CREATE TABLE public.wide AS SELECT n, repeat('x', 1000) AS t FROM generate_series(1, 5000) AS n"
    )
    monkeypatch.setattr(backups, "open", full_after(100_000), raising=False)
    with pytest.raises(BackupFailed, match="No space left on device"):
        plan.perform("backup", new_run(settings))
    assert list(settings.backups_dir.iterdir()) == []


def test_a_backup_that_does_not_restore_equal_is_removed(
    settings: Settings, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is named, and there is no file that one could trust in."""
    connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, v text)")
    connection.execute("INSERT INTO public.t VALUES (1, 'secret')")
    reading = backups.rows
    monkeypatch.setattr(backups, "rows", lambda *which: (line.replace(b"e", b"E") for line in reading(*which)))
    with pytest.raises(BackupFailed, match=r"does not restore equal to what is live: t \(1 row\)"):
        plan.perform("backup", new_run(settings))
    assert list(settings.backups_dir.iterdir()) == []


def test_what_was_rehearsed_is_said(settings: Settings, connection: postgres.Connection) -> None:
    """How long restoring took, the hash of each table, and what became of the definitions."""
    connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, v text)")
    data = plan.perform("backup", new_run(settings)).data
    assert data["rehearsed"]
    assert data["restore_seconds"] > 0
    assert data["definitions"] == "executed, and read the same"
    assert data["hashes"] == {"t": "0:0:0"}


def test_a_backup_without_a_rehearsal_says_so_loudly(settings: Settings) -> None:
    """In its own line, and in a warning of its own."""
    never = settings.model_copy(update={"backup_rehearsal": "never"})
    result = plan.perform("backup", new_run(never))
    assert result.summary.endswith("not rehearsed")
    assert result.data["cautions"] == ["The backup is not rehearsed: nobody knows yet that it restores."]
    assert "restore_seconds" not in result.data


def test_what_a_killed_backup_left_is_tidied_up(tmp_path: Path) -> None:
    """A half-written backup goes when the next run holds the lock; whole ones stay."""
    whole, half = tmp_path / "backup-1.json", tmp_path / ".backup-2.part"
    whole.touch()
    half.touch()
    backups.tidy(tmp_path)
    assert list(tmp_path.iterdir()) == [whole]


def full_after(room: int):  # type: ignore[no-untyped-def]
    """An `open` for a disk with so many bytes left."""

    def opening(descriptor: int, mode: str):  # type: ignore[no-untyped-def]
        file = open(descriptor, mode)  # noqa: SIM115
        written = 0

        class Full:
            def write(self, text: bytes) -> None:
                nonlocal written
                written += len(text)
                if written > room:
                    raise OSError(errno.ENOSPC, "No space left on device")
                file.write(text)

            def __getattr__(self, name: str) -> object:
                return getattr(file, name)

        return Full()

    return opening
