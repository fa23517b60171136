"""Whether what runs left is still what they left: files, manifests, the chain, and what the database knows of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mock2pg.errors import EvidenceBroken, UsageError, counted, printable
from mock2pg.evidence import manifest
from mock2pg.evidence.manifest import NAME, UNSEALED, Damaged, Manifest
from mock2pg.history.events import Sealed
from mock2pg.results import Evidence, Fault
from mock2pg.runs import is_alive
from mock2pg.settings import Settings


def judge(settings: Settings, run_id: str | None, *, every: bool, known: Sequence[Sealed] | str) -> Evidence:
    """Look at one run (the newest when none is named) or at every one.

    known  the manifests that the database knows, or why it could not be asked
    """
    chain = _Chain(settings, known)
    if run_id == "latest":  # the link that every run leaves
        run_id = (settings.runs_dir / run_id).resolve().name
    if not every and run_id not in (None, *chain.runs):
        raise UsageError(f"there is no run {run_id}", hint="The folders in runs/ are the runs there are.")
    if not chain.runs:
        raise UsageError("there is no run yet", hint="Run `make migrate` first.")
    runs = chain.runs if every else [run_id or chain.runs[-1]]
    faults = tuple(dict.fromkeys(fault for run in runs for fault in chain.faults(run)))
    error = None
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        error = EvidenceBroken(f"the evidence does not hold, in {counted(len(faults), 'place')}:\n{lines}")
    return Evidence(not faults, tuple(runs), faults, tuple(chain.notes(runs)), error)


class _Chain:
    """All manifests of a project, each after the one that was written before it."""

    def __init__(self, settings: Settings, known: Sequence[Sealed] | str) -> None:
        self._settings = settings
        self._folders = {
            folder.name: folder for folder in settings.runs_dir.glob("*") if folder.is_dir() and not folder.is_symlink()
        }
        self._manifests: dict[str, Manifest] = {}
        self._damaged: dict[str, str] = {}
        for run, folder in self._folders.items():
            with suppress(FileNotFoundError):
                try:
                    self._manifests[run] = manifest.read(folder)
                except Damaged as reason:
                    self._damaged[run] = str(reason)
        self._first = min(
            (run for run, each in self._manifests.items() if each.previous is None),
            key=lambda run: self._manifests[run].sealed_at,
            default=None,
        )
        self._unasked = known if isinstance(known, str) else ""
        self._known: dict[str, list[Sealed]] = {}
        if not isinstance(known, str):
            for sealed in known:
                self._known.setdefault(sealed.run_id, []).append(sealed)
        self._followers: dict[str, list[str]] = {}
        for run, each in self._manifests.items():
            if each.previous:
                self._followers.setdefault(each.previous[0], []).append(run)
        self.runs = sorted({*self._folders, *self._followers, *self._vouched()})

    def faults(self, run: str) -> Iterator[Fault]:
        """Everything in which the run is not what it was."""
        if run not in self._folders:
            yield Fault(run, "", f"is gone: {self._who_knows(run)}")
        elif run in self._damaged:
            yield Fault(run, NAME, self._damaged[run])
        elif run not in self._manifests:
            if self._who_knows(run) or self._was_sealed(run):
                yield Fault(run, NAME, "is missing")
        else:
            found = self._manifests[run]
            if found.run_id != run:
                yield Fault(run, NAME, f"is that of run {found.run_id}")
            yield from self._files(run, found)
            yield from self._links(run, found)
            yield from self._database(run, found)

    def notes(self, runs: Sequence[str]) -> Iterator[str]:
        """What cannot be told."""
        if self._unasked:
            yield f"the database was not asked whether it knows the manifests: {self._unasked}"
        else:
            held = self._held()
            unknown = [run for run in runs if run in self._manifests and run not in held]
            if unknown:
                yield f"this database knows neither the manifest nor one that follows it of {', '.join(unknown)}"
        for run in runs:
            if run in self._manifests:
                for file in self._manifests[run].content["backups"]:
                    if not (self._settings.backups_dir / file).exists():
                        yield f"{run} backups/{file} is not there any more"
            elif run in self._folders and not list(self.faults(run)):
                yield f"{run} has no manifest: it has no end yet, was killed, or ended before there were manifests"

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

    def _links(self, run: str, found: Manifest) -> Iterator[Fault]:
        """The manifest before, and those that follow: each quotes the hash of the one that it follows."""
        if found.previous is None:
            if run != self._first:
                yield Fault(run, NAME, "begins a chain of its own")
        else:
            before, sha256 = found.previous
            if before not in self._folders:
                yield Fault(before, "", f"is gone: {self._who_knows(before)}")
            elif before in self._manifests and self._manifests[before].sha256 != sha256:
                yield Fault(before, NAME, f"was rewritten: run {run} follows another")
        followers = self._followers.get(run, [])
        for after in followers:
            previous = self._manifests[after].previous
            if previous and previous[1] != found.sha256:
                yield Fault(run, NAME, f"was rewritten: run {after} follows another")
        if len(followers) > 1:
            yield Fault(run, NAME, f"is followed by more than one: {', '.join(sorted(followers))}")
        if self._first and found.chain != self._manifests[self._first].chain:
            yield Fault(run, NAME, "is of another chain")

    def _database(self, run: str, found: Manifest) -> Iterator[Fault]:
        known = self._known.get(run, [])
        if known and found.sha256 not in {each.sha256 for each in known}:
            yield Fault(run, NAME, "was rewritten: the database knows another")
        elif len({each.sha256 for each in known if each.chain == found.chain}) > 1:
            yield Fault(run, NAME, "was written more than once, as the database knows")

    def _vouched(self) -> Iterator[str]:
        """The runs of this chain that the database knows."""
        chains = {each.chain for each in self._manifests.values()}
        yield from (run for run, known in self._known.items() if any(each.chain in chains for each in known))

    def _held(self) -> set[str]:
        """The runs whose manifest the database knows, and those that these follow."""
        held: set[str] = set()
        for known in self._known:
            run: str | None = known
            while run in self._manifests and run not in held:
                held.add(run)
                previous = self._manifests[run].previous
                run = previous[0] if previous else None
        return held

    def _who_knows(self, run: str) -> str:
        """Who vouches that a manifest of the run was there."""
        if run in self._followers:
            return f"run {min(self._followers[run])} follows it"
        return "the database knows it" if run in set(self._vouched()) else ""

    def _was_sealed(self, run: str) -> bool:
        """Whether it came to its end when there was a chain already, and its process is no longer at that."""
        unsealed = (self._folders[run] / UNSEALED).exists()
        if unsealed or not self._manifests or (self._first and run < self._first):
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
