"""What a run must not leave behind, however it ended, and what one that was killed did."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress

from mock2pg import evidence, plan
from mock2pg.errors import Mock2pgError, counted
from mock2pg.log import log
from mock2pg.runs import Run, StepResult, all_runs, is_alive
from mock2pg.settings import Settings
from mock2pg.tools import backups, postgres

_LEFT = ("staging.duckdb", "staging.duckdb.wal", "staging.duckdb.tmp", "arrays", "live")  # they hold the data itself


def clear(run: Run) -> None:
    """Remove what the run staged."""
    for name in _LEFT:
        place = run.folder / name
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)


def after_killed(run: Run, url: str) -> None:
    """Clear up after runs whose process was killed. Only under the lock: then nobody but `run` is at work."""
    backups.tidy(run.settings.backups_dir)
    with postgres.connect(url, name=f"tidy {run.id}", lock_timeout=run.settings.lock_timeout) as connection:
        with suppress(Mock2pgError):  # a schema of another role: whoever needs it will say so
            postgres.scratch.drop(connection)
        for other in _killed(run.settings, connection):
            if other.id != run.id:
                _recover(other, connection)
                _close(other, url)


def after_killed_checks(run: Run) -> None:
    """The same for checks alone, which take no lock and leave nothing but their own folder."""
    for other in _killed(run.settings):
        if other.id != run.id and other.record().get("command") == "check":
            _close(other, None)


def left(settings: Settings, connection: postgres.Connection) -> list[str]:
    """What killed runs left, in words; the next run that changes or reads live under the lock removes it."""
    found = []
    for run in _killed(settings, connection):
        places = [name for name in _LEFT if (run.folder / name).exists()]
        found.append(f"run {run.id} was killed" + (f" and left {', '.join(places)}" if places else ""))
    unfinished = backups.unfinished(settings.backups_dir)
    if unfinished:
        found.append(f"{counted(len(unfinished), 'backup')} in {settings.backups_dir.name}/ that came to no end")
    return found + [f"the schema {name}" for name in postgres.scratch.present(connection)]


def _killed(settings: Settings, connection: postgres.Connection | None = None) -> list[Run]:
    """Runs that say they are at work, and whose process is gone; not those that reached another database than this."""
    here = _place(postgres.describe_database(connection)) if connection else None
    found = []
    for run in all_runs(settings):
        record = run.record()
        if record.get("status") != "running" or is_alive(record):
            continue
        if not record.get("database") or _place(record["database"]) == here:
            found.append(run)
    return sorted(found, key=lambda run: run.id)


def _place(database: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(map(database.get, ("name", "system_identifier")))


def _recover(run: Run, connection: postgres.Connection) -> None:
    """What a run had committed when it was killed before it could write that down: the history has it."""
    with postgres.named(Mock2pgError, "cannot read the history"):
        published = postgres.history.of(connection, run.id, "migrate")
    if published and run.result("publish") is None:
        run.save(
            StepResult(
                step="publish",
                started_at=published.published_at.isoformat(),
                summary="committed, as the history says, before the process was killed",
                data={"tables": dict(published.tables)},
            )
        )


def _close(run: Run, url: str | None) -> None:
    clear(run)
    record = run.read("record.json")
    run.write("record.json", {**record, "status": "failed", "message": "The process was killed."})
    with suppress(Mock2pgError, OSError):
        plan.perform("report", run)
    if not evidence.is_sealed(run):  # or somebody made it look like one that was killed
        evidence.close(run, url)
    log.info("🧹 Tidied up after run %s, which was killed", run.id)
