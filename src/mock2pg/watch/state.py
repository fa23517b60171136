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
from mock2pg.text import counted, duration, first_line, printable, size
from mock2pg.watch import memory

LISTED = 20  # runs
_RUN = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z")
_STATUS = {"running": ("…", ""), "passed": ("✔", "passed"), "failed": ("✘", "failed")}
_GONE = ("skipped", "Removed", "The folder of this run is no longer there.")
_KILLED = ("bad", "Interrupted", "The process was killed and left no verdict.")
_TO_DO = "mock2pg status reports which run the target tables hold. The next run removes the leftovers."
_UNREADABLE = ("skipped", "Unreadable", "record.json cannot be read.")
_DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # of a record, or of another version
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
        return _state(run_id, *(_UNREADABLE if folder.is_dir() else _GONE), ended=True)
    try:
        return _of_record(folder, record)
    except _DAMAGED:
        return _state(run_id, *_UNREADABLE, ended=True)


def _of_record(folder: Path, record: Mapping[str, Any]) -> State:
    steps = progress.read(folder)
    ended, alive = bool(record.get("finished_at")), is_alive(record)
    mood, word, message = _verdict(record, alive=alive)
    return _state(
        folder.name,
        mood,
        word,
        message,
        ended=ended or not alive,
        title=_title(record),
        error=_error(record),
        report=(folder / "index.html").exists(),
        steps=[_step(step, alive=alive and not ended) for step in steps],
        rules=_rules(folder),
        facts=_facts(record, alive=alive and not ended),
        warnings=[printable(str(warning)) for warning in record.get("warnings") or ()]
        + [_TO_DO] * (not ended and not alive),
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
    mood, word = outcome_of(record)
    return mood, word, printable(first_line(str(record.get("message", ""))))


def _title(record: Mapping[str, Any]) -> str:
    database = record.get("database") or {}
    source = f" {record['source']}" if record.get("source") else ""
    into = f" into {database.get('name')}.{database.get('schema')}" if database else ""
    return printable(f"{record.get('command', 'run')}{source}{into}")


def _error(record: Mapping[str, Any]) -> str:
    error = record.get("error") or {}
    return f"{error.get('name')}, exit code {error.get('code')}" if error else ""


def _facts(record: Mapping[str, Any], *, alive: bool) -> list[tuple[str, str]]:
    began = datetime.fromisoformat(str(record["started_at"])).timestamp()
    facts = [("Started", moment(record["started_at"]))]
    if alive:
        facts.append(("Time", duration(max(0.0, time.time() - began))))
    elif record.get("finished_at"):  # else nobody knows
        facts.append(("Time", duration(float(record["seconds"]))))
    now = memory.held_by(int(record.get("pid") or 0)) if alive else None
    if now is not None:
        facts.append(("Memory of all processes", size(now)))
    elif (peak := (record.get("metrics") or {}).get("peak_memory_bytes")) and record.get("finished_at"):
        facts.append(("Peak memory", size(int(peak))))
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
        "text": printable(first_line(step.detail if running else step.summary)),
    }


def _rules(folder: Path) -> list[State]:
    """Return the rules that rows break, as soon as the check has found them: no rows, and no values."""
    found = []
    with suppress(*_DAMAGED):
        for total in _data(folder, "stage").get("fault_totals") or ():
            found.append(_rule("", str(total["rule"]), str(total["severity"]), int(total["number"])))
        for rule in _data(folder, "check").get("suites") or ():
            if rule["status"] in ("failed", "warned", "broken"):
                found.append(_rule(str(rule["table"]), str(rule["sentence"]), str(rule["severity"]), int(rule["rows"])))
    return found


def _data(folder: Path, step: str) -> Mapping[str, Any]:
    return _json(folder / "steps" / f"{step}.json").get("data") or {}


def _rule(table: str, sentence: str, severity: str, number: int) -> State:
    kind, rows = "warned" if severity == "warning" else "failed", f"{number:,}" if number else "-"
    return {"kind": kind, "table": printable(table), "rule": printable(sentence), "rows": rows}


def _entry(folder: Path) -> State:
    record = _json(folder / "record.json")
    if record:
        with suppress(*_DAMAGED):
            return _of_entry(folder, record)
    return _of_entry(folder, {}) | {"mood": "skipped", "word": "Unreadable"}


def _of_entry(folder: Path, record: Mapping[str, Any]) -> State:
    mood, word, message = _verdict(record, alive=is_alive(record)) if record else ("", "", "")
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
