"""A run on a terminal: lines that are written anew while steps run, and that stay when they end."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from mock2pg import log as log_module
from mock2pg import progress
from mock2pg import settings as settings_module
from mock2pg.progress import StepProgress
from mock2pg.report import live, step_lines
from mock2pg.report.last_lines import LastLines
from mock2pg.report.live import Display
from mock2pg.runs import Run, now
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_results import result_of
from tests.fix_small import small_document, small_project
from tests.fix_terminal import Terminal

WARNING = "classes: a caution of " + "many words " * 12


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    os.close(made.ours)


def stream(terminal: Terminal, encoding: str = "utf-8") -> TextIO:
    return open(terminal.theirs, "w", encoding=encoding, errors="replace", closefd=False)


def test_lines_are_written_anew_in_their_place(terminal: Terminal) -> None:
    """Two steps have a line each; what is said comes above them; nothing but that is left in the end."""
    lines = LastLines(stream(terminal))
    lines.write([], [("⠋", "load"), ("⠋", "backup " + "x" * 200)])
    assert terminal.read(lambda screen: len(screen.shown) == 2) == ["⠋ load", f"⠋ backup {'x' * 70}"]
    lines.write([("⚠", WARNING, 0), ("✔", step_lines.ended("load", 1, WARNING), 20)], [("⠙", "backup")])
    shown = terminal.read(lambda screen: "⠙ backup" in screen.shown)
    assert [line[:2] for line in shown] == ["⚠ ", "  ", "✔ ", "  ", "  ", "⠙ "]
    assert shown[3].startswith(" " * 22)
    assert max(map(len, shown)) < 80
    lines.write([], [])
    assert terminal.read(lambda screen: "⠙ backup" not in screen.shown) == shown[:-1]
    assert (terminal.screen.row, terminal.screen.column) == (5, 0)  # where a prompt begins


@pytest.mark.parametrize("columns", [60, 41, 100])
def test_another_width_leaves_nothing_behind(terminal: Terminal, columns: int) -> None:
    """A terminal that is made narrower breaks the lines; all of them are taken away."""
    lines = LastLines(stream(terminal))
    lines.write([("", "migrate", 0)], [("⠋", "load " + "x" * 65), ("⠋", "backup " + "x" * 65)])
    terminal.read(lambda screen: len(screen.shown) == 3)
    terminal.resize(columns)
    lines.write([], [("⠙", "load " + "y" * 100), ("⠙", "backup")])
    shown = terminal.read(lambda screen: "⠙ backup" in screen.shown)
    assert [line.split()[:2] for line in shown[1:]] == [["⠙", "load"], ["⠙", "backup"]]
    assert max(map(len, shown)) < columns


def test_without_its_letters_a_terminal_gets_words(terminal: Terminal) -> None:
    """Marks, dots and spinners are ASCII where the encoding has no others."""
    lines = LastLines(stream(terminal, "ascii"))
    lines.write([("✔", "stage", 0), ("✘", "check · …", 0)], [(lines.spinner, "load")])
    shown = terminal.read(lambda screen: len(screen.shown) == 3)
    assert shown[:2] == ["ok stage", "FAILED check - ..."]
    assert shown[2].split() == [shown[2][0], "load"]
    assert "?" not in "".join(shown)


def test_a_step_is_shown_from_its_begin_to_its_end(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line is there while it runs, with rows and what it works on; then the one that stays."""
    run = Run("a-run", settings_module.load(project=tmp_path))
    run.folder.mkdir(parents=True)
    handler = log_module.Terminal(stream(terminal))
    monkeypatch.setattr(log_module.log, "handlers", [handler])
    with live.display(run.folder) as display:
        shown_from_begin_to_end(terminal, run, handler, display)
    shown = terminal.read(lambda screen: any("check" in line for line in screen.shown))
    assert handler.show is None
    handler.emit(logging.makeLogRecord({"levelno": logging.INFO, "msg": "words " * 30}))
    after = terminal.read(lambda screen: any(line.startswith("  words") for line in screen.shown))
    assert after[-3].startswith("words words")
    assert max(map(len, after)) <= 80
    assert shown[0] == r"⚠ Something else \x1b[2J\u202e."
    assert shown[-1] == "✘ check       0.50 s  2 rows break 1 rule"
    assert shown[-2].startswith("✔ stage        1.5 s")
    assert "\x1b[?25" not in terminal.raw  # the cursor is not touched


def shown_from_begin_to_end(terminal: Terminal, run: Run, handler: log_module.Terminal, display: Display) -> None:
    with progress.of_step(run.folder, "stage", now()):
        progress.expect(100, "pets")
        progress.rows(12_345)
        terminal.read(lambda screen: any("12,345 of 12,345 rows" in line and "· pets" in line for line in screen.shown))
        assert handler.show
        handler.show("Something else \x1b[2J\u202e.", "⚠")
        terminal.read(lambda screen: r"⚠ Something else \x1b[2J\u202e." in screen.shown)

        def answered(question: str) -> str:
            os.write(terminal.theirs, question.encode())
            return terminal.read(lambda screen: screen.shown[-1:] == [question])[-1]

        assert display.asking(answered)("Its name?") == "Its name?"
    staged = result_of("stage", {"tables": {"pets": {"rows": 2, "path": "pets", "entity": "pets"}}})
    run.save(StepResult("stage", "passed", now(), 1.5, found=staged.found))
    assert staged.found
    display.passed(staged.found)
    run.save(StepResult("check", "failed", now(), 0.5))
    display.failed("check", "2 rows break 1 rule\nand more")


def on_a_terminal(terminal: Terminal, settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    return terminal.run([sys.executable, "-m", "mock2pg", *arguments], LANG="C.UTF-8", **settings.environment())


def test_a_migration_on_a_terminal_leaves_one_line_a_step(terminal: Terminal, tmp_path: Path, database: str) -> None:
    """While it runs each running step is shown, two side by side; what remains are the steps and the result."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database)
    source = tmp_path / "source.json"
    source.write_text(json.dumps(small_document("Rex", "Tom")))
    process = on_a_terminal(terminal, settings, "migrate", str(source))
    terminal.read(lambda screen: screen.shown[1:] != [] and screen.shown[-1].split()[1:2] == ["load"])
    shown = terminal.read()
    assert process.wait() == 0
    marked = [line.split()[:2] for line in shown[1:9]]
    steps = ["connect", "stage", "check", "load", "preflight", "backup", "publish", "verify"]
    assert [step for mark, step in marked if mark == "✔"] == steps
    assert shown[9] == ""  # the result is apart from the steps
    assert shown[0].startswith("migrate ")
    assert not any(line[:1] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" for line in shown if line)
    assert max(map(len, shown[1:9])) < 80
    assert terminal.screen.column == 0
    log = settings.log_file.read_text(encoding="utf-8")
    assert "Connected to" in log  # the file has the lines of the log
    assert "Connected to" not in terminal.raw


def test_a_check_that_fails_or_is_stopped_leaves_a_clean_terminal(terminal: Terminal, tmp_path: Path) -> None:
    """The step that failed says why in its line; Ctrl-C is answered like that, too."""
    settings = settings_module.load(project=small_project(tmp_path))
    source = tmp_path / "source.json"
    source.write_text(json.dumps(small_document("Rex", "Rex")))
    process = on_a_terminal(terminal, settings, "check", str(source))
    shown = terminal.read()
    assert process.wait() == 4
    assert shown[1].startswith("✔ stage")
    assert shown[2].startswith("✘ check")
    assert not any(line[:1] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" for line in shown if line)
    other = Terminal()
    process = on_a_terminal(other, settings, "check", str(source))
    other.read(lambda screen: any("check  " in line for line in screen.shown))
    other.type("\x03")
    shown = other.read()
    assert process.wait() == 130
    assert any(line.startswith("✘ check") for line in shown)
    assert not any(line[:1] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" for line in shown if line)
    os.close(other.ours)


@pytest.mark.parametrize(
    ("step", "data", "kind", "text"),
    [
        ("connect", {"database": {"name": "app", "schema": "public", "server_version": "18.6", "system_identifier": "1",
                                  "host": "db.example"}}, None, "app on db.example, PostgreSQL 18.6"),
        ("stage", {"summary": "2 rows of 1 array from a very long path", "unread": ["owners"]}, None,
         "2 rows of 1 array, 1 could not be read"),
        ("load", {"built": {"pets": 1, "owners": 1_000}}, None, "1,001 rows in 2 tables"),
        ("load", {"built": {"pets": 1}, "built_by": "2026-01-01T00-00-00-000Z"}, None,
         "1 row in 1 table, not built again"),
        ("backup", {"tables": {"pets": 1}, "restore_tested": True}, None, "1 row of 1 table, restore test passed"),
        ("backup", {"tables": {"pets": 1}, "restore_tested": True, "taken_by": "r"}, None,
         "1 row of 1 table, as in an earlier backup"),
        ("publish", {"tables": {"pets": {"before": 1, "after": 3, "inserted": 2, "updated": 0, "deleted": 0}}}, None,
         "2 inserted; not verified yet"),
        ("publish", {}, None, "no rows changed; not verified yet"),
        ("plan", {"tables": {"pets": {"before": 1, "after": 3, "inserted": 2, "updated": 0, "deleted": 0}}}, None,
         "2 to insert"),
        ("plan", {}, None, "nothing to change"),
        ("verify", {"rows_compared": 1}, None, "1 row and 0 foreign keys as published"),
        ("rollback", {"changes": {"pets": {"restored": 1, "removed": 0, "changed": 2}}}, "RollbackPreview",
         "would restore 1 row, change back 2 rows"),
        ("rollback", {"tables": {"pets": {"before": 1, "after": 1, "inserted": 0, "updated": 0, "deleted": 0}}}, None,
         "1 table as in backup-1"),
        ("rollback", {"tables": {"pets": {"before": 1, "after": 0, "inserted": 0, "updated": 0, "deleted": 1}},
                      "dropped": ["pets"]}, None, "0 tables as in backup-1, 1 table dropped"),
    ],
)  # fmt: skip
def test_the_line_of_a_step_is_short(step: str, data: dict[str, Any], kind: str | None, text: str) -> None:
    """The summary fits beside the name of the step; what was published is not called done."""
    found = dict(data)
    summary = found.pop("summary", "")
    if step == "connect":
        result = StepResult.from_dict({"step": step, "status": "passed", "data": found}, step)
    else:
        result = result_of(step, found, kind=kind, summary=summary)
    assert result.found
    assert step_lines.of(result.found) == text


@pytest.mark.parametrize(
    ("rows", "total", "rate", "left", "width", "text"),
    [
        (12_345, 100_000, 40_120.4, 2.2, 78,
         "backup       1.2 s  12,345 of 100,000 rows · 40,120 rows/s · 2.2 s left · pets"),
        (12_345, 100_000, 40_120.4, 2.2, 72, "backup       1.2 s  12,345 of 100,000 rows · 40,120 rows/s · 2.2 s left"),
        (12_345, 100_000, 40_120.4, 2.2, 30, "backup       1.2 s  12,345 of 100,000 rows"),
        (1, None, None, None, 77, "backup       1.2 s  1 row · pets"),
        (None, 100, None, None, 77, "backup       1.2 s  pets"),
    ],
)  # fmt: skip
def test_a_running_step_says_as_much_as_fits(
    rows: int | None, total: int | None, rate: float | None, left: float | None, width: int, text: str
) -> None:
    """Rows come first, then the rate, the time that is left, and what it works on."""
    step = StepProgress("backup", "running", "", rows, total, rate, 1.2, left, "pets")
    assert step_lines.running(step, width) == text
