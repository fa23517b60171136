"""The contents of the page: a run in words, read from its folder."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mock2pg import progress
from mock2pg.pages import moment
from mock2pg.pages.outcome import outcome_of
from mock2pg.progress import StepProgress
from mock2pg.runs import is_alive
from mock2pg.text import counted, duration, printable, size
from mock2pg.watch import memory

LISTED = 20  # runs
_RUN = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z")
_STATUS = {"running": ("…", ""), "passed": ("✔", "passed"), "failed": ("✘", "failed")}
_GONE = ("skipped", "Removed", "The folder of this run is no longer there.")
_KILLED = (
    "bad",
    "Killed",
    "Its process is gone, and left no verdict. `mock2pg status` reports which run the target tables hold; the next run"
    " removes the leftovers.",
)
_UNSEEN = "The page cannot tell more: record.json cannot be read."
State = dict[str, Any]


def newest(runs: Path) -> str | None:
    """Return the id of the newest run that has a record; ids are in the order of time."""
    return next((run_id for run_id in _ids(runs) if (runs / run_id / "record.json").exists()), None)


def run_of(runs: Path, pid: int, process_began: str | None) -> Iterator[str]:
    """Yield the id of the run that a process began, of the newest few."""
    for run_id in _ids(runs)[:LISTED]:
        record = _json(runs / run_id / "record.json")
        if (record.get("pid"), record.get("pid_began")) == (pid, process_began):
            yield run_id


def of_run(runs: Path, run_id: str | None) -> State:
    """Return everything that the page shows of a run; of none, that there is none yet."""
    if run_id is None:
        return _state("", "skipped", "Waiting", "There is no run yet. The page shows the next one as it begins.")
    folder = runs / run_id
    record = _json(folder / "record.json")
    if not record:
        return _state(run_id, *(_GONE if not folder.is_dir() else ("skipped", "Unreadable", _UNSEEN)), ended=True)
    steps = progress.read(folder)
    ended, alive = bool(record.get("finished_at")), is_alive(record)
    mood, word, message = _verdict(record, alive=alive)
    return _state(
        run_id,
        mood,
        word,
        message,
        ended=ended or not alive,
        title=_title(record),
        error=_error(record),
        report=(folder / "index.html").exists(),
        steps=[_step(step, alive=alive and not ended) for step in steps],
        rules=list(_rules(folder)),
        facts=_facts(record, alive=alive and not ended),
        warnings=[printable(str(warning)) for warning in record.get("warnings") or ()],
    )


def listed(runs: Path) -> State:
    """Return the newest runs, and how many there are."""
    ids = _ids(runs)
    return {
        "runs": [_entry(runs / run_id) for run_id in ids[:LISTED]],
        "total": counted(len(ids), "run"),
        "all": (runs / "index.html").exists(),
    }


def _state(run_id: str, mood: str, word: str, message: str, *, ended: bool = False, **more: Any) -> State:
    none: State = {"title": "", "error": "", "report": False, "steps": [], "rules": [], "facts": [], "warnings": []}
    return none | {"id": run_id, "mood": mood, "word": word, "message": message, "ended": ended} | more


def _ids(runs: Path) -> Sequence[str]:
    """Return the ids of runs, newest first."""
    with suppress(OSError):
        return _names(str(runs), runs.stat().st_mtime_ns)
    return []


@lru_cache(maxsize=4)
def _names(runs: str, _changed: int) -> Sequence[str]:
    return sorted((each.name for each in Path(runs).iterdir() if _RUN.fullmatch(each.name)), reverse=True)


def _json(file: Path) -> Mapping[str, Any]:
    """Read a record; empty for what is not there, or not to be read."""
    with suppress(OSError, ValueError):
        found = file.stat()
        return _parsed(str(file), found.st_mtime_ns, found.st_size)
    return {}


@lru_cache(maxsize=256)
def _parsed(file: str, _changed: int, _size: int) -> Mapping[str, Any]:
    record = json.loads(Path(file).read_text(encoding="utf-8"))
    return record if isinstance(record, dict) else {}


def _verdict(record: Mapping[str, Any], *, alive: bool) -> tuple[str, str, str]:
    if not record.get("finished_at"):
        return ("running", "Running", "") if alive else _KILLED
    with suppress(LookupError):
        mood, word = outcome_of(record, warned=bool(record.get("warnings")))
        return mood, word, printable(str(record.get("message", "")).split("\n", 1)[0])
    return "skipped", "Unreadable", _UNSEEN


def _title(record: Mapping[str, Any]) -> str:
    database = record.get("database") or {}
    source = f" {record['source']}" if record.get("source") else ""
    into = f" into {database.get('name')}.{database.get('schema')}" if database else ""
    return printable(f"{record.get('command', 'run')}{source}{into}")


def _error(record: Mapping[str, Any]) -> str:
    error = record.get("error") or {}
    return f"{error.get('name')}, exit code {error.get('code')}" if error else ""


def _facts(record: Mapping[str, Any], *, alive: bool) -> list[tuple[str, str]]:
    facts = [("Started", moment(record.get("started_at")))]
    with suppress(ValueError, TypeError):
        began = datetime.fromisoformat(str(record["started_at"])).timestamp()
        facts.append(("Time", duration(max(0.0, time.time() - began) if alive else float(record["seconds"]))))
    now = memory.held_by(int(record.get("pid") or 0)) if alive else None
    if now is not None:
        facts.append(("Memory of all processes", size(now)))
    elif record.get("peak_memory_bytes") and not alive:
        facts.append(("Most memory", size(int(record["peak_memory_bytes"]))))
    facts.append(("Operator", printable(str(record.get("operator") or "-"))))
    return facts


def _step(step: StepProgress, *, alive: bool) -> State:
    """Return a step in words. One that has no result when the run has ended was interrupted."""
    running = step.status == "running"
    mark, kind = _STATUS.get(step.status, _STATUS["running"]) if alive or not running else ("✘", "failed")
    rows = "" if step.rows is None else f"{step.rows:,}"
    if rows and running and step.total_rows is not None:
        rows += f" of {step.total_rows:,}"
    return {
        "mark": mark,
        "kind": kind,
        "name": step.step,
        "time": duration(step.elapsed) if alive or not running else "",
        "rows": rows,
        "rate": f"{step.rate:,.0f} rows/s" if step.rate else "",
        "left": f"{duration(step.remaining)} left" if running and alive and step.remaining is not None else "",
        "share": step.rows / step.total_rows if running and step.rows and step.total_rows else None,
        "text": printable((step.detail if running else step.summary).split("\n", 1)[0]),
    }


def _rules(folder: Path) -> Iterator[State]:
    """Yield the rules that rows break, as soon as the check has found them: no rows, and no values."""
    staged, checked = (_json(folder / "steps" / f"{name}.json").get("data") or {} for name in ("stage", "check"))
    for total in staged.get("fault_totals") or ():
        yield _rule("", str(total.get("rule")), str(total.get("severity")), total.get("number"))
    for rule in checked.get("suites") or ():
        if rule.get("status") in ("failed", "warned", "broken"):
            yield _rule(str(rule.get("table")), str(rule.get("sentence")), str(rule.get("severity")), rule.get("rows"))


def _rule(table: str, sentence: str, severity: str, rows: Any) -> State:
    number = int(rows or 0)
    kind = "warned" if severity == "warning" else "failed"
    return {
        "kind": kind,
        "table": printable(table),
        "rule": printable(sentence),
        "rows": f"{number:,}" if number else "-",
    }


def _entry(folder: Path) -> State:
    record = _json(folder / "record.json")
    mood, word, message = _verdict(record, alive=is_alive(record)) if record else ("skipped", "Unreadable", "")
    return {
        "id": folder.name,
        "started": moment(record.get("started_at")),
        "command": printable(str(record.get("command", ""))),
        "mood": mood,
        "word": word,
        "message": message,
        "time": duration(float(record["seconds"])) if record.get("finished_at") else "",
        "report": (folder / "index.html").exists(),
    }
