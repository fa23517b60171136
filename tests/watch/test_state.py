"""All that the page shows is read from a run's folder, whatever became of the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mock2pg.runs import began
from mock2pg.watch import memory, state

RUN = "2026-11-22T10-30-00-000Z"
RECORD = {
    "run_id": RUN, "command": "migrate", "status": "running", "message": "", "error": None, "warnings": [],
    "started_at": "2026-11-22T10:30:00.000Z", "finished_at": None, "seconds": 0.1, "operator": "a\x1btester",
    "source": "mock_data", "database": {"name": "shop", "schema": "app"}, "metrics": {"peak_memory_bytes": 3_000_000},
}  # fmt: skip
ENDED = {"finished_at": "2026-11-22T10:30:04.200Z", "seconds": 4.2, "pid": 0}
ERROR = {"name": "CheckFailed", "code": 4, "message": "2 rows break 1 rule", "hint": ""}


def dead() -> dict[str, Any]:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"pid": process.pid, "pid_began": "long ago"}


def write(folder: Path, name: str, record: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(record if isinstance(record, str) else json.dumps(record))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run that this process is working on."""
    folder = tmp_path / "runs" / RUN
    write(folder, "record.json", {**RECORD, "pid": os.getpid(), "pid_began": began(os.getpid())})
    return folder


def shown(folder: Path) -> state.State:
    return state.of_run(folder.parent, folder.name)


CASES: dict[str, tuple[dict[str, Any], tuple[str, str, str, bool]]] = {
    "running": ({"pid": os.getpid(), "pid_began": began(os.getpid())}, ("running", "Running", "", False)),
    "killed": (dead(), ("bad", "Interrupted", "The process was killed and left no verdict.", True)),
    "succeeded": ({**ENDED, "status": "succeeded", "message": "Migrated."}, ("good", "Succeeded", "Migrated.", True)),
    "with warnings": (
        {**ENDED, "status": "succeeded", "message": "Migrated.", "warnings": ["a warning"], "warned": True},
        ("care", "Succeeded with warnings", "Migrated.", True),
    ),
    "failed": (
        {**ENDED, "status": "failed", "error": ERROR, "message": "2 rows break 1 rule\nmore"},
        ("bad", "Failed", "2 rows break 1 rule", True),
    ),
    "rolled back": (
        {**ENDED, "status": "rolled_back", "error": ERROR, "message": "Rolled back"},
        ("care", "Rolled back", "Rolled back", True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_run_has_a_word_whatever_became_of_it(
    case: tuple[dict[str, Any], tuple[str, str, str, bool]], folder: Path
) -> None:
    """Running, killed, or the verdict of its record; its steps without a result were interrupted."""
    change, expected = case
    write(folder, "record.json", RECORD | change)
    channel = {"step": "stage", "started_at": "2026-11-22T10:30:01.000Z", "rows": 10, "total_rows": 40,
               "detail": "pets", "counted_after": 0.0}  # fmt: skip
    write(folder, "progress/stage.json", channel)
    found = shown(folder)
    assert (found["mood"], found["word"], found["message"], found["ended"]) == expected
    assert found["title"] == "migrate mock_data into shop.app"
    (step,) = found["steps"]
    assert (step["name"], step["rows"], step["text"]) == ("stage", "10 of 40", "pets")
    assert (step["kind"], bool(step["time"])) == (("failed", False) if found["ended"] else ("", True))
    facts = dict(found["facts"])
    assert facts["Started"] == "2026-11-22 10:30:00 UTC"
    assert facts["Operator"] == "a\\x1btester"
    assert ("Memory of all processes" in facts, facts.get("Peak memory")) == (
        (found["word"] == "Running", "3.0 MB" if "seconds" in change else None)
    )
    assert ("Time" in facts) == (found["word"] != "Interrupted")
    assert found["warnings"] == change.get("warnings", [state._TO_DO] if found["word"] == "Interrupted" else [])
    assert found["error"] == ("CheckFailed, exit code 4" if "error" in change else "")


def test_what_is_not_there_or_not_to_be_read_is_said(folder: Path) -> None:
    """No run yet, a damaged record, and a folder that was removed while the page was open."""
    assert state.of_run(folder.parent / "nowhere", None)["word"] == "Waiting"
    assert state.newest(folder.parent / "nowhere") is None
    for damaged in ("{", "[]", ""):
        write(folder, "record.json", damaged)
        assert shown(folder)["word"] == "Unreadable"
        assert state.listed(folder.parent)["runs"][0]["word"] == "Unreadable"
    shutil.rmtree(folder)
    assert (shown(folder)["word"], shown(folder)["ended"]) == ("Removed", True)


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [5], {"name": 5}, float("inf")], ids=str)
def test_a_record_of_any_content_is_shown_or_unreadable(value: Any, folder: Path) -> None:
    """A record of another version, or one that somebody edited, does not end the page."""
    channel = {"step": "stage", "started_at": "2026-11-22T10:30:01.000Z", "rows": 10, "total_rows": 40,
               "detail": "pets", "counted_after": 0.0}  # fmt: skip
    rules = {"rule": "r", "severity": "warning", "number": 2}
    for name in (*RECORD, "pid", "pid_began"):
        write(folder, "record.json", RECORD | ENDED | {"status": "succeeded", name: value})
        write(folder, "steps/stage.json", {"data": {"fault_totals": [rules | {"number": value}]}, "step": value})
        write(folder, "steps/check.json", {"data": value})
        write(folder, "progress/load.json", channel | {"rows": value})
        assert shown(folder)["word"]
        assert state.listed(folder.parent)["runs"][0]["word"]


def test_broken_rules_are_shown_as_soon_as_they_are_known(folder: Path) -> None:
    """Each with its table, its sentence and the number of rows; those that hold are not."""
    assert shown(folder)["rules"] == []
    write(folder, "steps/stage.json", {"data": {"fault_totals": [{"rule": "r", "severity": "warning", "number": 2}]}})
    rules = [
        {"table": "pets", "rule": "x", "sentence": "legs is 0 or more", "severity": "critical", "status": status,
         "rows": rows}
        for status, rows in (("failed", 1_234), ("passed", 0), ("broken", 0))
    ]  # fmt: skip
    write(folder, "steps/check.json", {"data": {"suites": rules}})
    assert [tuple(rule.values()) for rule in shown(folder)["rules"]] == [
        ("warned", "", "r", "2"),
        ("failed", "pets", "legs is 0 or more", "1,234"),
        ("failed", "pets", "legs is 0 or more", "-"),
    ]


def test_the_newest_of_many_runs_are_listed(folder: Path) -> None:
    """The newest first, a limited number of them, and how many there are; other folders and links are none."""
    for number in range(40):
        other = folder.with_name(f"2026-11-22T11-00-00-{number:03}Z")
        write(other, "record.json", RECORD | ENDED | {"status": "succeeded", "message": "Migrated."})
    (folder.parent / "latest").symlink_to(other.name)
    write(folder.parent / ".site", "record.json", RECORD)
    (other / "index.html").touch()
    found = state.listed(folder.parent)
    assert (found["total"], len(found["runs"]), found["all"]) == ("41 runs", state.LISTED, False)
    first, second = found["runs"][:2]
    assert (first["id"], first["report"], second["report"]) == (other.name, True, False)
    assert (first["word"], first["time"], first["message"]) == ("Succeeded", "4.2 s", "Migrated.")
    assert state.newest(folder.parent) == other.name
    assert list(state.run_of(folder.parent, os.getpid(), began(os.getpid()))) == []  # it is not among the newest
    for number in range(40):
        shutil.rmtree(folder.with_name(f"2026-11-22T11-00-00-{number:03}Z"))
    assert list(state.run_of(folder.parent, os.getpid(), began(os.getpid()))) == [RUN]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_memory_is_that_of_a_process_and_all_that_it_started() -> None:
    """A grandchild counts, and a process that is gone has none."""
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', \"print(flush=True); input()\"])"
    with subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        (child,) = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        both, inner = memory.held_by(process.pid), memory.held_by(child)
        process.communicate(b"\n")
    assert both
    assert inner
    assert both > inner
    assert memory.held_by(process.pid) is None
