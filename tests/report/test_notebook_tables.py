"""A notebook's tables of a step's result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from mock2pg import text
from mock2pg.errors import VerifyFailed
from mock2pg.pipeline import notebook
from mock2pg.pipeline.notebook import run_or_read
from mock2pg.report import notebook_tables
from mock2pg.report.notebook_tables import Outcome
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_results import result_of

RUN = Run("a-run", Settings(project=Path("no project")))
CHANGES = {"before": 4005, "after": 4003, "inserted": 1, "updated": 2, "deleted": 3}
KEY = {"name": "k", "table": "a", "columns": ["b"], "parent": "c"}
FIGURES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "backup": (
        {"tables": {"a": 1200, "b": 3}, "bytes": 1_234_567, "restore_tested": True, "restore_seconds": 0.5},
        ["1,203", "1.2 MB", "0.50 s"],
    ),
    "verify": (
        {
            "tables": {"a": {"staged": 9, "target": 9, "missing": 1, "extra": 2, "different": 3}},
            "rows_compared": 5000,
            "foreign_keys": [{**KEY, "orphans": 7}, {**KEY, "orphans": 1}],
        },
        ["5,000", "6", "8"],
    ),
    "rollback": ({"tables": {"a": CHANGES, "b": CHANGES}, "dropped": ["c"]}, ["2", "6", "4"]),
}


PASSED = {"backup": "Backed up", "verify": "Verified", "rollback": "Rolled back"}


def ended(folder: Path, result: StepResult, run_id: str = "a-run") -> None:
    """Make it so that this run of the project in this folder has ended, and left this result."""
    run = Run(run_id, Settings(project=folder))
    run.write("record.json", {"run_id": run_id, "command": result.step, "pid": os.getpid(), "finished_at": "now"})
    run.save(result)


@pytest.mark.parametrize("step", FIGURES)
def test_the_three_numbers_that_matter_stand_in_the_verdict(step: str) -> None:
    """A verdict that passed is green and holds the numbers of its step."""
    data, numbers = FIGURES[step]
    assert list(notebook_tables.figures(result_of(step, data)).values()) == numbers
    box = notebook_tables.verdict(Outcome(result_of(step, data, summary="all is well"), RUN))
    lines = repr(box).splitlines()
    assert lines[:2] == [PASSED[step], "all is well"]
    assert all(line.startswith(f"{number} ") for line, number in zip(lines[2:], numbers, strict=True))
    assert "#1a8a50" in box
    warned = notebook_tables.verdict(Outcome(result_of(step, {**data, "cautions": ["look <here>"]}), RUN))
    assert repr(warned).splitlines()[:2] == [f"{PASSED[step]}, with warnings", "look <here>"]


def test_a_verdict_that_failed_names_the_error_and_the_next_step() -> None:
    """A verdict that failed is red and says name, message and hint; markup in them is text."""
    error = VerifyFailed("2 rows differ in <b>:\n  a: 1", hint="Look & see.").as_dict()
    box = notebook_tables.verdict(Outcome(StepResult("verify", status="failed", error=error), RUN))
    assert repr(box) == (
        f"Verification failed\n2 rows differ in <b> (VerifyFailed)\na: 1\n{VerifyFailed.state}\nNext: Look & see."
    )
    assert "#d6402f" in box
    assert "differ in &lt;b&gt;" in box


def test_what_a_rollback_did_is_told_in_its_own_words() -> None:
    """Restored, removed and changed back, of the tables that changed; of the others, how many they are."""
    same = {"before": 3, "after": 3, "inserted": 0, "updated": 0, "deleted": 0}
    done = notebook_tables.rows_rolled_back(Outcome(result_of("rollback", {"tables": {"a": CHANGES, "b": same}}), RUN))
    assert repr(done).splitlines() == [
        "Rows restored, removed and changed back (1 table as in the backup)",
        "table before restored removed changed back after",
        "a 4,005 1 3 2 4,003",
    ]
    changes = {"a": {"restored": 1, "removed": 0, "changed": 2}}
    preview = result_of("rollback", {"changes": changes}, kind="RollbackPreview")
    figures = {"rows to restore": "1", "rows to remove": "0", "rows to change back": "2"}
    assert notebook_tables.figures(preview) == figures
    would = notebook_tables.rows_rolled_back(
        Outcome(result_of("rollback", {"changes": changes}, kind="RollbackComparison"), RUN)
    )
    assert repr(would).splitlines()[1:] == ["table to restore to remove to change back", "a 1 0 2"]


def test_definitions_are_grouped() -> None:
    """A hundred constraints of a recreated schema are a line, with the first of their names."""
    changed = {f"FK CONSTRAINT t{n} k{n}": "removed" for n in range(100)} | {"TABLE a": "added", "VIEW b": "removed"}
    groups = notebook_tables.by_kind(changed)
    assert groups is not None
    assert [(group["kind"], group["what"]) for group in groups] == [
        ("FK CONSTRAINT", "100 removed"), ("TABLE", "1 added"), ("VIEW", "1 removed")
    ]  # fmt: skip
    assert groups[0]["names"].endswith("t11 k11 and 88 more")
    assert [group["many"] for group in groups] == [True, False, False]  # what is folded on the page
    assert notebook_tables.by_kind(None) is None


def test_a_long_message_does_not_push_the_numbers_away() -> None:
    """Of a message with very many lines the first ones are shown, and how many follow."""
    error = VerifyFailed("\n".join(f"line {number}" for number in range(100))).as_dict()
    box = notebook_tables.verdict(Outcome(StepResult("verify", status="failed", error=error), RUN))
    assert "line 15" in box
    assert "line 16" not in box
    assert "84 lines more" in box


def test_a_step_that_did_not_count_shows_no_numbers() -> None:
    """Numbers that nobody counted are not shown as 0."""
    assert notebook_tables.figures(StepResult("backup", status="failed")) == {}
    assert notebook_tables.figures(result_of("load")) == {}


def test_what_a_failed_step_left_is_shown(tmp_path: Path) -> None:
    """The outcome of a failed step is its own result, with what it had found out."""
    left = result_of("verify", kind="Verified", status="failed", error=VerifyFailed("1 row").as_dict())
    ended(tmp_path, left)
    outcome = run_or_read("verify", "a-run", str(tmp_path))
    assert (outcome.result, type(outcome.failure)) == (left, VerifyFailed)
    assert outcome.found("tables") == {}


@pytest.mark.parametrize("left", [None, result_of("verify")])
def test_a_failure_is_never_shown_as_what_stood_there_before(
    tmp_path: Path, left: StepResult | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the step failed before it wrote its result, the error itself is the outcome."""
    error = VerifyFailed("cannot read the target tables")
    if left:
        ended(tmp_path, left)
    monkeypatch.setattr(notebook, "run_step", Mock(side_effect=error))
    outcome = run_or_read("verify", "a-run", str(tmp_path))
    assert outcome.result == StepResult("verify", status="failed", error=error.as_dict())
    assert outcome.failure is error


def test_the_latest_run_is_the_newest_that_has_ended_and_has_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a parameter a notebook only reads: never a run that is running, never one without its step."""
    monkeypatch.setenv("MIGRATION_PROJECT", str(tmp_path))
    assert "there is no run yet" in repr(notebook_tables.verdict(run_or_read("rollback", "latest")))
    for number, step in enumerate(("backup", "verify", "verify", "check")):
        ended(tmp_path, result_of(step, summary=str(number)), run_id=f"run-{number}")
    lock_holder = Run("run-5", Settings(project=tmp_path))
    lock_holder.write("record.json", {"pid": os.getpid(), "finished_at": None})
    lock_holder.save(result_of("verify", summary="at work"))
    outcome = run_or_read("verify", "latest")
    assert (outcome.run and outcome.run.id, outcome.result.summary) == ("run-2", "2")
    none = run_or_read("rollback", "latest", backup_id="b")
    assert (none.run, none.failure, none.found("tables")) == (None, None, None)
    assert repr(notebook_tables.verdict(none)).splitlines() == [
        "Nothing to show yet",
        "no run has come to rollback yet",
        "Next: Run `mock2pg backups`, which lists the ids, then `mock2pg rollback ID`.",
    ]


def test_a_table_shows_rows_by_name_with_alarms() -> None:
    """Rows by table name get a first column; a number that should be 0 is marked; names are text."""
    rows = {"<i>": {"missing": 1200, "keys": ["1", "<b>"], "sure": True}, "b": {"missing": 0, "keys": []}}
    columns = {"table": "table", "missing": "not there", "keys": "keys", "sure": "sure"}
    html = notebook_tables.table("Rows", rows, columns, alarms=["missing"])
    assert repr(html) == "Rows\ntable not there keys sure\n<i> 1,200 1, <b> yes\nb 0"
    assert "&lt;i&gt;" in html
    assert html.count("<b>1,200</b>") == html.count("<b>") == html.count('class="n alarm"') == 1
    assert html.count("text-align: right") == 3


def test_a_bare_value_by_name_is_a_row() -> None:
    """A count per table is a table of two columns, and a table may have one."""
    columns = {"table": "table", "rows": "rows"}
    assert "a 3" in repr(notebook_tables.table("Rows saved", {"a": 3}, columns))
    assert "a" in repr(notebook_tables.table("Dropped", [{"table": "a"}], {"table": "table"}))


@pytest.mark.parametrize(("rows", "said"), [([], "none"), ({}, "none"), (None, "not known")])
def test_an_empty_table_says_so(rows: Any, said: str) -> None:
    """Nothing to show is said in words, and so is that nobody counted: the two are not the same."""
    html = notebook_tables.table("Foreign keys", rows, {"name": "name", "orphans": "orphans"}, alarms=["orphans"])
    assert repr(html) == f"Foreign keys: {said}"
    assert "</th>" not in html


def test_facts_are_shown_by_the_names_given() -> None:
    """Only what is known is shown, in the order of the names."""
    outcome = Outcome(result_of("backup", {"bytes": 2, "file": "x\x1b\u202e\n", "definitions": None}), RUN)
    names = {"file": "A is", "bytes": "B is", "definitions": "C is", "cautions": "D is"}
    html = notebook_tables.facts("The file", outcome, names)
    assert repr(html).split() == ["The", "file", "A", "is", r"x\x1b\u202e\n", "B", "is", "2"]
    assert "</th>" not in html


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (5 * 10**12, "5,000.0 GB")],
)
def test_bytes_are_said_for_a_person(count: int, said: str) -> None:
    """A size has a unit and at most one digit after the point."""
    assert text.size(count) == said
