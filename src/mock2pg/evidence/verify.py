"""Verify that the folders of runs are unchanged: their files, their manifests, and the hashes in the database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mock2pg.errors import EvidenceBroken, UsageError
from mock2pg.evidence import manifest
from mock2pg.evidence.manifest import NAME, UNSEALED, Damaged, Manifest
from mock2pg.history.events import RecordedManifest
from mock2pg.log import timestamp
from mock2pg.results import Evidence, Fault
from mock2pg.runs import is_alive
from mock2pg.settings import Settings
from mock2pg.text import counted, identity, printable


def verify(settings: Settings, run_id: str | None, *, every: bool, known: Sequence[RecordedManifest] | str) -> Evidence:
    """Verify one run (the newest when none is named) or every run.

    known  the manifests in the database, or the reason why they could not be read
    """
    kept = _Runs(settings, known)
    if run_id == "latest":  # the link that every run leaves
        run_id = (settings.runs_dir / run_id).resolve().name
    if not every and run_id is not None and run_id not in kept.runs:
        raise UsageError(f"there is no run {identity(run_id)}", hint="Name a folder in runs/.")
    if not kept.runs:
        raise UsageError("there is no run yet", hint="Run `mock2pg migrate` first.")
    runs = kept.runs if every else [run_id or kept.runs[-1]]
    faults = tuple(dict.fromkeys(fault for run in runs for fault in kept.faults(run)))
    error = None
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        error = EvidenceBroken(f"the evidence is not intact, in {counted(len(faults), 'place')}:\n{lines}")
    return Evidence(not faults, tuple(runs), faults, tuple(kept.notes(runs)), error)


class _Runs:
    """The runs of a project, with their manifests and the entries of the database."""

    def __init__(self, settings: Settings, known: Sequence[RecordedManifest] | str) -> None:
        self._settings = settings
        self._folders = {
            folder.name: folder
            for folder in settings.runs_dir.glob("*")
            if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
        }
        self._manifests: dict[str, Manifest] = {}
        self._damaged: dict[str, str] = {}
        for run, folder in self._folders.items():
            with suppress(FileNotFoundError):
                try:
                    self._manifests[run] = manifest.read(folder)
                except Damaged as reason:
                    self._damaged[run] = str(reason)
        ids = {each.runs_folder for each in self._manifests.values()}
        self._unasked = known if isinstance(known, str) else ""
        self._known: dict[str, list[RecordedManifest]] = {}
        for sealed in () if isinstance(known, str) else known:
            if sealed.run_id in self._folders or sealed.runs_folder in ids:
                self._known.setdefault(sealed.run_id, []).append(sealed)
        self.runs = sorted(self._folders.keys() | self._known.keys())

    def faults(self, run: str) -> Iterator[Fault]:
        """Yield every difference between the run's folder and its manifest, and between that and the database."""
        if run not in self._folders:
            if not (removed := self._removed(run)):
                yield Fault(run, "", "is missing: the database lists it")
            elif removed.removed_sha256 != removed.sha256:
                yield Fault(run, NAME, "was rewritten before the run was removed: the database has another hash")
        elif run in self._damaged:
            yield Fault(run, NAME, self._damaged[run])
        elif run not in self._manifests:
            if run in self._known or self._was_sealed(run):
                yield Fault(run, NAME, "is missing")
        else:
            found = self._manifests[run]
            if found.run_id != run:
                yield Fault(run, NAME, f"is that of run {found.run_id}")
            yield from self._files(run, found)
            yield from self._database(run, found)

    def notes(self, runs: Sequence[str]) -> Iterator[str]:
        """Yield, in words, what cannot be verified."""
        if self._unasked:
            yield f"the manifests were not compared with the database: {self._unasked}"
        elif unknown := [run for run in runs if run not in self._known and self._told_a_database(run)]:
            yield f"this database does not list the manifest of {', '.join(unknown)}"
        for run in runs:
            if run not in self._folders and (removed := self._removed(run)) and removed.removed_at:
                yield f"{run} was removed by retention at {timestamp(removed.removed_at)}, by {removed.removed_by}"
            elif run in self._manifests:
                for file in self._manifests[run].content["backups"]:
                    if not (self._settings.backups_dir / file).exists():
                        yield f"{run} backups/{file} no longer exists"
            elif run in self._folders and not list(self.faults(run)):
                yield f"{run} has no manifest: it is unfinished or was interrupted"

    def _files(self, run: str, found: Manifest) -> Iterator[Fault]:
        folder, sealed = self._folders[run], found.content["files"]
        there = set(manifest.files(folder))
        for name in sorted(there | sealed.keys()):
            shown = printable(name)
            if name not in there:
                yield Fault(run, shown, "is missing")
            elif name not in sealed:
                yield Fault(run, shown, "was added")
            elif fault := _changed(folder / name, sealed[name]):
                yield Fault(run, shown, fault)
        for name, was in found.content["backups"].items():
            file = self._settings.backups_dir / name
            if file.exists() and (fault := _changed(file, was)):
                yield Fault(run, f"backups/{name}", fault)

    def _database(self, run: str, found: Manifest) -> Iterator[Fault]:
        known = self._known.get(run, [])
        if known and found.sha256 not in {each.sha256 for each in known}:
            yield Fault(run, NAME, "was rewritten: the database has another hash")
        elif len({each.sha256 for each in known if each.runs_folder == found.runs_folder}) > 1:
            yield Fault(run, NAME, "was written more than once: the database has several hashes")

    def _removed(self, run: str) -> RecordedManifest | None:
        """Return the newest manifest of a run whose folder retention removed, as the database says; else None."""
        newest = self._known[run][-1]
        return newest if newest.removed_at else None

    def _told_a_database(self, run: str) -> bool:
        """Return whether the run has a manifest and is of a command that reaches a database."""
        return run in self._manifests and self._manifests[run].content.get("command") != "check"

    def _was_sealed(self, run: str) -> bool:
        """Return whether the run ended, so that it once had a manifest."""
        if (self._folders[run] / UNSEALED).exists() or not self._manifests:
            return False
        try:
            record = json.loads((self._folders[run] / "record.json").read_bytes())
            return record["status"] != "running" and (record["pid"] == os.getpid() or not is_alive(record))
        except (OSError, ValueError, KeyError, TypeError):
            return True


def _changed(file: Path, was: Mapping[str, object]) -> str:
    try:
        return "" if manifest.digest(file) == was else "was changed"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
