"""runs/index.html: every run, newest first; and the redirects to the run before and after each.

A run's folder is sealed when the run ends, so that what changes when another one ends is outside of it: in runs/.site/.
Neither is evidence: both can be removed, and are written anew from the records.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mock2pg.errors import UsageError
from mock2pg.pages.outcome import outcome_of
from mock2pg.pages.rendering import render
from mock2pg.pages.run_links import SITE, RunLinks
from mock2pg.private import locked
from mock2pg.runs import VERSION, Run, all_runs, is_alive, now
from mock2pg.settings import Settings
from mock2pg.step_results import Difference, StepResult, changes_of, is_redefined
from mock2pg.text import counted, first_line

_PATIENCE = 2.0  # seconds that a run waits for another one's list
_UNFINISHED = {
    "Running": "in progress when this page was written",
    "Interrupted": "the process was killed; the next run removes what it left",
}
_WORDS = {  # of what a command changes, or would
    "migrate": {"inserted": "inserted", "updated": "updated", "deleted": "deleted"},
    "plan": {"inserted": "to insert", "updated": "to update", "deleted": "to delete"},
    "rollback": {"inserted": "restored", "updated": "changed back", "deleted": "removed"},
}


@dataclass(frozen=True)
class Entry:
    """One run in the list.

    kind     of the outcome, for the filter: passed, warned, failed, or skipped of one that has not ended
    what     what changed, or why nothing did
    changed  the target tables were changed
    """

    id: str
    started_at: str
    command: str
    source: str
    target: str
    operator: str
    seconds: float | None
    kind: str
    word: str
    what: str
    changed: bool

    @property
    def day(self) -> str:
        return self.started_at[:10]

    @property
    def time(self) -> str:
        return self.started_at[11:19]


def write_run_list(settings: Settings, *, anew: bool = False) -> Path:
    """Write runs/index.html and what changed of the redirects; return the page. Raises OSError.

    To be called after a run has ended, and after runs were removed. Two processes may call it at once.

    anew  trust nothing that an earlier call left
    """
    site = settings.runs_dir / SITE
    site.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(site, patience=_PATIENCE):
        kept = {} if anew else _kept(site)
        stamps = dict[Run, list[int]]()
        for run in sorted(all_runs(settings), key=lambda run: run.id, reverse=True):
            with suppress(FileNotFoundError):  # somebody has pruned it meanwhile
                stamps[run] = _stamp(run)
        entries = {run: _entry(run, kept, stamp) for run, stamp in stamps.items()}
        with_page = [run.id for run in entries if (run.folder / "index.html").exists()]
        redirects = _redirects(with_page)
        _write_redirects(site, redirects, kept.get("redirects", {}))
        _write(settings.runs_dir / "index.html", _page(settings, list(entries.values()), set(with_page)))
        ended = {run.id: [stamps[run], asdict(entry)] for run, entry in entries.items() if entry.kind != "skipped"}
        _write(site / "list.json", json.dumps({"version": VERSION, "runs": ended, "redirects": redirects}))
    return settings.runs_dir / "index.html"


def _page(settings: Settings, entries: Sequence[Entry], with_page: set[str]) -> str:
    return render(
        "runs.html",
        project=settings.project.name,
        targets=sorted({entry.target for entry in entries if entry.target}),
        days=[(day, list(of_day)) for day, of_day in itertools.groupby(entries, lambda entry: entry.day)],
        newest=next((entry for entry in entries if entry.id in with_page), None),
        total=len(entries),
        changed=sum(entry.changed for entry in entries),
        doubtful=sum(entry.kind in ("failed", "warned") for entry in entries),
        with_page=with_page,
        now=now(),
    )


def _kept(site: Path) -> dict[str, Any]:
    """Read what the last call left; nothing of another version, whose words may be others."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept: dict[str, Any] = json.loads((site / "list.json").read_bytes())
        if kept["version"] == VERSION:
            return kept
    return {}


def _stamp(run: Run) -> list[int]:
    """Return what tells whether a record is the one that was read."""
    found = (run.folder / "record.json").stat()
    return [found.st_mtime_ns, found.st_size]


def _entry(run: Run, kept: Mapping[str, Any], stamp: list[int]) -> Entry:
    with suppress(KeyError, TypeError):
        was, entry = kept["runs"][run.id]
        if was == stamp:
            return Entry(**entry)
    return _read(run)


def _read(run: Run) -> Entry:
    """Read the record of a run and its results; an unreadable record is an entry of its own."""
    record, results = _record(run), _results(run)
    if not record:
        return Entry(run.id, run.started_at, "", "", "", "", None, "failed", "Unreadable", "record.json", False)
    database = record.get("database") or {}
    ended = record["status"] != "running"
    kind, word = _outcome(record)
    changed = changes_of(record, results.values())
    return Entry(
        id=run.id,
        started_at=record["started_at"],
        command=record["command"],
        source=record.get("source") or "",
        target=f"{database['name']}.{database['schema']}" if database else "",
        operator=record.get("operator") or "",
        seconds=record["seconds"] if record["finished_at"] else None,
        kind=kind,
        word=word,
        what=_what(record, results, changed) if ended else _UNFINISHED[word],
        changed=record["command"] != "plan" and bool(changed or is_redefined(record, results.values())),
    )


def _record(run: Run) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        record = run.read("record.json")
        if isinstance(record, dict) and record.get("status"):
            return record
    return {}


def _results(run: Run) -> dict[str, StepResult]:
    with suppress(OSError, ValueError, UsageError):
        return {result.step: result for result in run.results()}
    return {}


def _outcome(record: Mapping[str, Any]) -> tuple[str, str]:
    if record["status"] == "running":
        return ("skipped", "Running") if is_alive(record) else ("failed", "Interrupted")
    mood, word = outcome_of(record)
    return {"good": "passed", "care": "warned", "bad": "failed"}[mood], word


def _what(record: Mapping[str, Any], results: Mapping[str, StepResult], changed: Mapping[str, Difference]) -> str:
    """Return what a run that has ended changed or found out, in one line."""
    if record["status"] != "succeeded":
        return first_line(str(record["message"]))
    if words := _WORDS.get(record["command"]):
        counts = {word: sum(getattr(table, kind) for table in changed.values()) for kind, word in words.items()}
        rows = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "no rows"
        if changed:
            return f"{rows} in {counted(len(changed), 'table')}"
        what = "definitions" if is_redefined(record, results.values()) else "nothing"
        return f"{what} to change" if record["command"] == "plan" else f"{what} changed"
    result = results.get(record["command"].partition(" ")[0])
    return result.summary if result else str(record["message"])


def _redirects(ids: Sequence[str]) -> dict[str, str]:
    """Return where each redirect leads: to the run before or after, of those that have a page; nowhere at the ends."""
    found: dict[str, str] = {}
    for newer, run, older in zip(["", *ids], ids, [*ids[1:], ""], strict=False):
        found |= {RunLinks(run).newer_name: newer, RunLinks(run).older_name: older}
    return found


def _write_redirects(site: Path, redirects: Mapping[str, str], written: Mapping[str, str]) -> None:
    """Write the redirects that lead elsewhere than before, and remove those of runs that are gone."""
    for name, to in redirects.items():
        if written.get(name) != to:
            run_id, _, which = name.removesuffix(".html").rpartition("-")
            _write(site / name, render("redirect.html", to=to, run_id=run_id, which=which))
    there = written.keys() if written else {file.name for file in site.glob("*.html")}
    for name in there - redirects.keys():
        (site / name).unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    """Write a file that can be written anew: whole or not at all, but not waited for until it is on the disk."""
    aside = file.with_name(f".{file.name}.part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, file)
