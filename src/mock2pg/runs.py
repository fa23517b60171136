"""The run's folder, runs/<run_id>/: the contract between the processes that take part in a run."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mock2pg import files
from mock2pg.contracts import Table, tables_from
from mock2pg.errors import UsageError
from mock2pg.log import log, timestamp
from mock2pg.settings import Settings
from mock2pg.step_results import F, StepResult, find
from mock2pg.text import as_json, identity, printable

VERSION = version("mock2pg")


class Times(dict[str, float]):
    """Seconds by what they were spent on, as a step records them."""

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self[what] = round(self.get(what, 0.0) + time.perf_counter() - began, 3)


@dataclass(frozen=True)
class Run:
    """One run: its id, its folder and the settings it runs under.

    source  what a migration takes; only the process that began the run has it
    """

    id: str
    settings: Settings
    source: Path | Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def folder(self) -> Path:
        return self.settings.runs_dir / self.id

    @property
    def started_at(self) -> str:
        """Return when it began, as its id has it."""
        day, _, time = self.id.partition("T")
        return f"{day}T{re.sub('-', ':', time, count=2).replace('-', '.')}"

    @property
    def source_label(self) -> str | None:
        """Return a person's name for the source: a path, relative to the project's folder where it is inside."""
        if self.source is None or isinstance(self.source, Mapping):
            return None if self.source is None else "a Python dict"
        if self.source == Path("-"):
            return "standard input"
        inside = self.source.is_relative_to(self.settings.project)
        return printable(str(self.source.relative_to(self.settings.project) if inside else self.source))

    @property
    def has_ended(self) -> bool:
        """Return whether nobody works on it any more, because it ended or was interrupted."""
        record = self.read("record.json")
        return record["finished_at"] is not None or not is_alive(record)

    def path(self, *parts: str) -> Path:
        """A place inside the folder; the folders on the way are made."""
        place = self.folder.joinpath(*parts)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def row_hashes(self, table: str) -> Path:
        """Return the file of the row hashes of a table."""
        return self.folder / "hashes" / f"{files.named(table)}.parquet"

    def write(self, name: str, record: Any) -> Path:
        """Write a record as JSON; a reader sees all of it or nothing."""
        place = self.path(*name.split("/"))
        files.write(place, (as_json(record) + "\n").encode())
        return place

    def read(self, name: str) -> Any:
        """Read what `write` wrote. Raises FileNotFoundError."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def record(self) -> dict[str, Any]:
        """Read the run's own record; empty, with a warning, when that cannot be read, and when it is gone."""
        try:
            record = self.read("record.json")
        except FileNotFoundError:  # somebody has pruned it meanwhile
            return {}
        except ValueError:
            record = None
        if not isinstance(record, dict):
            log.warning("runs/%s/record.json cannot be read: the run is passed over", self.id)
            return {}
        return record

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that were built, by their contracts. Raises FileNotFoundError when none were."""
        return tables_from(self.read("contracts.json"))

    def save(self, result: StepResult) -> None:
        self.write(f"steps/{result.step}.json", result.as_dict())

    def forget(self, step: str) -> None:
        """Remove what a step left behind when it ran before."""
        (self.folder / "steps" / f"{step}.json").unlink(missing_ok=True)

    def result(self, step: str) -> StepResult | None:
        """Return what a step left behind, or None when it did not run. Raises UsageError for what cannot be read."""
        name = f"steps/{step}.json"
        try:
            return StepResult.from_dict(self.read(name), f"runs/{self.id}/{name}")
        except FileNotFoundError:
            return None

    def results(self) -> list[StepResult]:
        """Return the results of all steps that ran, in the order in which they started."""
        found = [self.result(file.stem) for file in (self.folder / "steps").glob("*.json")]
        return sorted(filter(None, found), key=lambda result: result.started_at)

    def require(self, kind: type[F]) -> F:
        """Return what a step that passed found. Raises InternalError when none of this run did."""
        return (self.result(kind.step) or StepResult(kind.step)).of(kind)

    def find(self, kind: type[F]) -> F | None:
        """Return what a step of this run, if it ran, found of the kind."""
        result = self.result(kind.step)
        return find([result] if result else [], kind)


def new_run(settings: Settings, source: Path | Mapping[str, Any] | None = None) -> Run:
    """A run with a folder of its own (0700). The id is the moment it began: `2026-11-22T10-30-00-000Z`."""
    settings.runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        run = Run(now().replace(":", "-").replace(".", "-"), settings, source)
        try:
            run.folder.mkdir(mode=0o700)
        except FileExistsError:  # another run began in the same millisecond
            time.sleep(0.002)
        else:
            return run


def open_run(settings: Settings, run_id: str | None = None) -> Run:
    """A run that exists: by id, or the newest. Raises UsageError."""
    found = {run.id: run for run in all_runs(settings)}
    if run_id == "latest":  # the link that every run leaves
        run_id = (settings.runs_dir / run_id).resolve().name
    if run_id is None and not found:
        raise UsageError("there is no run yet", hint="Run `mock2pg migrate` first.")
    if run_id is not None and run_id not in found:
        raise UsageError(f"there is no run {identity(run_id)}", hint="Name a folder in runs/.")
    return found[run_id or max(found)]


def newest_ended(settings: Settings) -> Run:
    """Return the newest run that has ended. Raises UsageError when there is none."""
    for run in sorted(all_runs(settings), key=lambda run: run.id, reverse=True):
        if run.record().get("finished_at"):
            return run
    raise UsageError("there is no run yet that has ended", hint="Run `mock2pg migrate` first.")


def all_runs(settings: Settings) -> Iterator[Run]:
    """Every run that left a record, in no order."""
    for record in settings.runs_dir.glob("*/record.json"):
        if not record.parent.is_symlink():
            yield Run(record.parent.name, settings)


def point_latest(run: Run) -> None:
    """Make runs/latest a link to the run's folder, in one step."""
    aside = run.settings.runs_dir / f".latest-{os.getpid()}"
    aside.unlink(missing_ok=True)
    aside.symlink_to(run.id, target_is_directory=True)
    aside.replace(run.settings.runs_dir / "latest")


def now() -> str:
    return timestamp(datetime.now(UTC))


def is_alive(record: Mapping[str, Any]) -> bool:
    """Return whether the process that wrote the record lives: its number and its start must match."""
    pid = int(record.get("pid") or 0)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(pid) and (record.get("pid_began") or began(pid)) == began(pid)


def began(pid: int) -> str | None:
    """Return when a process began, to tell it from a later one with its number; None where that is unknown."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return f"{boot} {ticks}"
