"""The backups of a project as a person asks for them: rows, tables, and which run took each, before what."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mock2pg.backups import ending
from mock2pg.backups.listing import Listed, list_backups
from mock2pg.errors import UsageError
from mock2pg.runs import all_runs
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp, RolledBack


@dataclass(frozen=True)
class Taken:
    """The run that took a backup.

    command  what followed: migrate, rollback, or nothing (backup)
    rows     table -> rows; None when it is not known
    """

    run_id: str
    command: str
    rows: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Described:
    """A backup, not verified, with what its own file says and, where it says less, the folder of the run that took it.

    rows   table -> rows; None when neither says it
    taken  None when neither says it
    """

    listed: Listed
    rows: Mapping[str, int] | None
    taken: Taken | None

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.listed.as_dict(),
            "tables": None if self.rows is None else len(self.rows),
            "rows": None if self.rows is None else sum(self.rows.values()),
            "run_id": self.taken and self.taken.run_id,
            "command": self.taken and self.taken.command,
        }


def described(settings: Settings) -> list[Described]:
    """Return every backup, newest first. No file is read through, and none decrypted but for its header."""
    entries = [(entry, ending.rows(entry.file), _by(entry.header)) for entry in _listed(settings)]
    complete = all(rows is not None and taken for _, rows, taken in entries)
    runs = {} if complete else _by_runs(settings)
    found = []
    for entry, rows, taken in entries:
        known = runs.get(entry.id)
        found.append(Described(entry, known.rows if rows is None and known else rows, taken or known))
    return found


def _listed(settings: Settings) -> list[Listed]:
    return list_backups(settings.backups_dir, settings.identity)


def _by(header: Mapping[str, Any]) -> Taken | None:
    """Return the run that the header of a backup names; an earlier version wrote none."""
    with suppress(KeyError, TypeError):
        return Taken(str(header["taken_by"]["run_id"]), str(header["taken_by"]["command"]))
    return None


def _by_runs(settings: Settings) -> dict[str, Taken]:
    """Return backup -> what the folder of the run that took it says."""
    found = {}
    for run in all_runs(settings):
        with suppress(UsageError, OSError):  # a result that cannot be read
            if taken := run.find(BackedUp):
                command = "backup" if run.record().get("command") == "backup" else "migrate"
                found[taken.backup_id] = Taken(run.id, command, taken.tables)
            if (back := run.find(RolledBack)) and back.present_backup_id:
                found[back.present_backup_id] = Taken(run.id, "rollback")
    return found
