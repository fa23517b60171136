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
