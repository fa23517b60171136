"""Private files that interrupted processes of ours left: found, named and removed; those of a living one never."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mock2pg import backups, evidence, private, progress
from mock2pg.log import log
from mock2pg.runs import Run, all_runs, is_alive
from mock2pg.settings import Settings
from mock2pg.text import counted

_STAGED = (
    "staging.duckdb",
    "staging.duckdb.wal",
    "staging.duckdb.tmp",
    "arrays",
    "target_rows",
    "held",
)  # they hold the data itself
_PARTS = ("*.part", "steps/*.part", "notebooks/*.part", "notebooks/*.part.json")
_LINK = re.compile(r"\.latest-(\d+)")


def of_run(run: Run) -> list[Path]:
    """Return what a run may have in its folder only until it ends."""
    staged = [run.folder / name for name in _STAGED]
    return [place for place in staged if place.exists()] + [
        part for pattern in _PARTS for part in sorted(run.folder.glob(pattern))
    ]


def clear(run: Run) -> None:
    """Remove that, and how far its steps had come. Raises OSError for a file that cannot be removed."""
    for place in (*of_run(run), run.folder / progress.FOLDER):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)


def is_dead(run: Run) -> bool:
    """Return whether the run, or what is kept of it, did not complete and its process is gone."""
    record = run.record()
    unfinished = record.get("status") == "running" or (record and evidence.lacks_manifest(run))
    return bool(unfinished) and not is_alive(record) and not private.is_locked(run.folder)


def found(settings: Settings) -> list[str]:
    """The leftovers, in words."""
    told = [
        f"run {run.id} was killed" + (f" and left {', '.join(place.name for place in left)}" if left else "")
        for run in _dead(settings)
        for left in [of_run(run)]
    ]
    unfinished = backups.unfinished(settings.backups_dir)
    if unfinished:
        told.append(f"{counted(len(unfinished), 'unfinished backup')} in {settings.backups_dir.name}/")
    return told + [str(place) for place in (*_links(settings), *private.leftovers())]


def remove(settings: Settings) -> None:
    """Remove the leftovers of all dead processes; what cannot be removed is named in the log."""
    private.remove_leftovers()
    backups.remove_unfinished(settings.backups_dir)
    for run in _dead(settings):
        try:
            clear(run)
        except OSError as error:
            log.warning("A leftover of run %s cannot be removed: %s", run.id, error.strerror)
    for link in _links(settings):
        link.unlink(missing_ok=True)


def _dead(settings: Settings) -> list[Run]:
    return sorted(filter(is_dead, all_runs(settings)), key=lambda run: run.id)


def _links(settings: Settings) -> Iterator[Path]:
    """Links that were about to become runs/latest."""
    for link in sorted(settings.runs_dir.glob(".latest-*")):
        made = _LINK.fullmatch(link.name)
        if made and link.is_symlink() and int(made[1]) != os.getpid() and not is_alive({"pid": int(made[1])}):
            yield link
