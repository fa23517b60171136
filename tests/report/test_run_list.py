"""The list of all runs, and the way from one to the next: runs/index.html and runs/.site/."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mock2pg import pages
from mock2pg.errors import CheckFailed
from mock2pg.private import locked
from mock2pg.runs import Run, began
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult, is_warned
from tests.fix_results import changed, result_of

TABLES = {
    "owners": {"before": 0, "after": 12, "inserted": 1_200, "updated": 0, "deleted": 0, "unchanged": 0},
    "pets": {"before": 5, "after": 5, "inserted": 0, "updated": 4, "deleted": 3, "unchanged": 1},
    "same": {"before": 5, "after": 5, "inserted": 0, "updated": 0, "deleted": 0, "unchanged": 5},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(project=tmp_path / "shop")


def ended(settings: Settings, number: int, command: str = "migrate", *steps: StepResult, **changes: Any) -> Run:
    """A run of the day of this number, as it left its folder."""
    run = Run(f"2026-11-{number:02}T10-30-00-000Z", settings)
    record = {
        "command": command, "status": "succeeded", "message": "Done.", "started_at": run.started_at,
        "finished_at": "later", "seconds": 4.2, "operator": "ada", "source": None, "error": None,
        "database": {"name": "shop", "schema": "public"}, "pid": os.getpid(), "pid_began": began(os.getpid()),
    }  # fmt: skip
    for step in steps:
        run.save(step)
    record["warned"] = is_warned(steps, ())
    run.write("record.json", {**record, **changes})
    if record["status"] != "running" and "finished_at" not in changes:
        run.path("index.html").write_text("a report")
    return run


def entries(settings: Settings) -> list[str]:
    """The text of each line of the list, newest first."""
    html = pages.write_run_list(settings).read_text()
    lines = re.findall(r'<tr class="(?!day)[^"]*">(.*?)</tr>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", line).split()) for line in lines]


def leads_to(run: Run, which: str) -> str | None:
    """Return the folder's name that the redirect of a run leads to."""
    html = (run.settings.runs_dir / ".site" / f"{run.id}-{which}.html").read_text()
    found = re.search(r'content="0; url=\.\./([^/]*)/index\.html"', html)
    return found[1] if found else None


def test_every_run_has_a_line_that_says_what_became_of_it(settings: Settings) -> None:
    """Outcome in words, time, command, source, what changed by kind and tables, operator; the newest run is first."""
    data = {"tables": TABLES}
    published = result_of("publish", started_at="5", data=data)
    rollback = result_of("rollback", started_at="5", data={**data, "backup_id": "b", "way": "merge"})
    plan = result_of("plan", started_at="5", data=data)
    verify = result_of("verify", started_at="5", summary="593 rows are as published")
    same = result_of("publish", started_at="5", data={"tables": {"same": TABLES["same"]}})
    error = CheckFailed("2 rows break 1 rule\nand more").as_dict()
    ended(settings, 1, "migrate", published, source="mock_data")
    ended(settings, 2, "migrate", same)
    ended(settings, 3, "plan", plan)
    ended(settings, 4, "rollback", rollback)
    ended(settings, 5, "verify", verify)
    ended(settings, 6, "check", status="failed", error=error, message=error["message"], database=None)
    ended(settings, 7, "migrate", published, status="rolled_back", error=error, message="Rolled back to b: why")
    would = {"changes": {"pets": {"restored": 0, "removed": 2, "changed": 0}}}
    shown = result_of("rollback", would, kind="RollbackPreview", started_at="5", summary="A rollback to b would …")
    ended(settings, 9, "rollback --show", shown)
    ended(settings, 8, "backup", changed(result_of("backup"), cautions=["no restore test"]))
    assert entries(settings) == [
        "✓ Succeeded 10:30:00 rollback --show A rollback to b would … ada 4.2 s",
        "⚠ Succeeded with warnings 10:30:00 backup ada 4.2 s",
        "⚠ Rolled back 10:30:00 migrate Rolled back to b: why ada 4.2 s",
        "✗ Failed 10:30:00 check 2 rows break 1 rule ada 4.2 s",
        "✓ Succeeded 10:30:00 verify 593 rows are as published ada 4.2 s",
        "✓ Succeeded 10:30:00 rollback 1,200 restored, 4 changed back, 3 removed in 2 tables ada 4.2 s",
        "✓ Succeeded 10:30:00 plan 1,200 to insert, 4 to update, 3 to delete in 2 tables ada 4.2 s",
        "✓ Succeeded 10:30:00 migrate nothing changed ada 4.2 s",
        "✓ Succeeded 10:30:00 migrate mock_data 1,200 inserted, 4 updated, 3 deleted in 2 tables ada 4.2 s",
    ]
    html = (settings.runs_dir / "index.html").read_text()
    assert "Changed the tables (2)" in html
    assert "Failed or with warnings (3)" in html
    assert "Target: shop.public" in html


def test_a_run_that_did_not_end_is_in_the_list_without_a_link(settings: Settings) -> None:
    """One whose process works is running; one whose process is gone was killed; a damaged record stops nothing."""
    unfinished: dict[str, Any] = {"status": "running", "finished_at": None, "seconds": 0.0}
    ended(settings, 1, **unfinished)
    ended(settings, 2, **unfinished, pid_began="long ago")
    ended(settings, 3).path("record.json").write_text("{")
    assert entries(settings) == [
        "✗ Unreadable 10:30:00 record.json",
        "✗ Interrupted 10:30:00 migrate the process was killed; the next run removes what it left ada",
        "… Running 10:30:00 migrate in progress when this page was written ada",
    ]
    html = (settings.runs_dir / "index.html").read_text()
    assert re.findall(r'href="\./([^/]*)', html) == ["2026-11-03T10-30-00-000Z"] * 2
    run = Run("2026-11-02T10-30-00-000Z", settings)
    ended(settings, 2, status="failed", message="The process was killed.", finished_at=None)
    run.path("index.html").write_text("a report")
    assert "migrate Done." not in entries(settings)[1]
    assert entries(settings)[1].startswith("✗ Failed")


def test_no_run_yet_says_what_to_type(settings: Settings) -> None:
    """The list exists before the first run does."""
    html = pages.write_run_list(settings).read_text()
    assert "No run yet." in html
    assert "mock2pg migrate" in html


def test_older_and_newer_lead_to_the_neighbours(settings: Settings) -> None:
    """Of those that have a page; when runs are added or removed, the redirects follow, and the sealed pages stay."""
    first, third = ended(settings, 1), ended(settings, 3)
    ended(settings, 2, status="running", finished_at=None)
    pages.write_run_list(settings)
    assert [leads_to(first, "newer"), leads_to(third, "older")] == [third.id, first.id]
    assert [leads_to(first, "older"), leads_to(third, "newer")] == [None, None]
    assert "There is no older run" in (settings.runs_dir / ".site" / f"{first.id}-older.html").read_text()
    second = ended(settings, 2)
    pages.write_run_list(settings)
    assert [leads_to(first, "newer"), leads_to(third, "older")] == [second.id, second.id]
    shutil.rmtree(second.folder)
    pages.write_run_list(settings)
    assert [leads_to(first, "newer"), leads_to(third, "older")] == [third.id, first.id]
    assert not list((settings.runs_dir / ".site").glob(f"{second.id}*"))


def test_what_is_known_is_not_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 runs only the new one is read, and only the redirects beside it are written; `anew` trusts nothing."""
    for number in range(300):
        run = Run(f"2026-10-01T10-30-00-{number:03}Z", settings)
        shutil.copytree(ended(settings, 1).folder, run.folder)
    shutil.rmtree(ended(settings, 1).folder)
    pages.write_run_list(settings)
    new = ended(settings, 2)
    read, written = list[str](), list[str]()
    original, replacing = Run.read, os.replace
    monkeypatch.setattr(Run, "read", lambda run, name: read.append(run.id) or original(run, name))  # type: ignore[func-returns-value]
    monkeypatch.setattr(os, "replace", lambda one, to: written.append(Path(to).name) or replacing(one, to))  # type: ignore[func-returns-value]
    assert len(entries(settings)) == 301
    assert set(read) == {new.id}
    newest_before = "2026-10-01T10-30-00-299Z"
    names = {f"{newest_before}-newer.html", f"{new.id}-older.html", f"{new.id}-newer.html"}
    assert set(written) == {"index.html", "list.json", *names}
    (settings.runs_dir / ".site" / f"{new.id}-older.html").unlink()
    pages.write_run_list(settings, anew=True)
    assert leads_to(new, "older") == newest_before


@pytest.mark.parametrize("text", ["", "[]", '{"version": 0}', '{"runs": 1}'])
def test_a_damaged_memory_of_the_list_is_no_fault(settings: Settings, text: str) -> None:
    """The cache of an earlier call changes nothing in the list."""
    ended(settings, 1)
    before = entries(settings)
    (settings.runs_dir / ".site" / "list.json").write_text(text)
    assert entries(settings) == before


def test_two_runs_that_end_at_once_are_both_in_the_list(settings: Settings) -> None:
    """The second waits for the first, so that the list that is there in the end knows both."""
    ended(settings, 1)
    pages.write_run_list(settings)
    with locked(settings.runs_dir / ".site"):
        waiting = threading.Thread(target=pages.write_run_list, args=(settings,))
        waiting.start()
        time.sleep(0.05)
        ended(settings, 2)  # after the other began, before it may read
        assert "2026-11-02" not in (settings.runs_dir / "index.html").read_text()
    waiting.join()
    assert "2026-11-02" in (settings.runs_dir / "index.html").read_text()
    assert not list(settings.runs_dir.rglob("*.part"))


def test_names_are_text(settings: Settings) -> None:
    """Nothing that a record holds becomes markup or an address."""
    hostile = "<script>alert(1)</script>"
    run = ended(
        settings, 1, source=hostile, operator=hostile, message=hostile, database={"name": hostile, "schema": ""}
    )
    run.folder.rename(run.folder.with_name("javascript:x"))
    html = pages.write_run_list(settings).read_text()
    assert "<script" not in html
    assert 'href="./javascript:x/index.html"' in html
