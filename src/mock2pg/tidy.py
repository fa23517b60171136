"""What holds the data itself must not stay when a run has ended, however it ended."""

from __future__ import annotations

import os
import shutil

from mock2pg.log import log
from mock2pg.runs import Run, all_runs
from mock2pg.tools import backups

_LEFT = ("staging.duckdb", "staging.duckdb.wal", "staging.duckdb.tmp", "arrays", "live")


def clear(run: Run) -> None:
    """Remove what the run staged."""
    for name in _LEFT:
        place = run.folder / name
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)


def after_killed(run: Run) -> None:
    """Clear up after runs whose process was killed. Only under the lock: then nobody but `run` is at work."""
    backups.tidy(run.settings.backups_dir)
    _clear_killed(run)


def after_killed_checks(run: Run) -> None:
    """The same for checks alone, which take no lock and leave nothing but their own folder."""
    _clear_killed(run, "check")


def _clear_killed(run: Run, command: str | None = None) -> None:
    for other in all_runs(run.settings):
        left = other.read("record.json")
        killed = left.get("status") == "running" and not _alive(left.get("pid"))
        if other.id != run.id and killed and command in (None, left.get("command")):
            clear(other)
            other.write("record.json", {**left, "status": "failed", "message": "The process was killed."})
            log.info("🧹 Tidied up after run %s, which was killed", other.id)


def _alive(pid: int | None) -> bool:
    try:
        os.kill(int(pid or 0), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return bool(pid)
