"""What a notebook shows of a step's result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import VerifyFailed
from mock2pg.report import notebook_tables
from mock2pg.runs import Run, StepResult
from mock2pg.settings import Settings

CHANGES = {"inserted": 1, "updated": 2, "deleted": 3, "unchanged": 4000}
FIGURES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "backup": (
        {"tables": {"a": 1200, "b": 3}, "bytes": 1_234_567, "rehearsed": True, "restore_seconds": 0.5},
        ["1,203", "1.2 MB", "0.50 s"],
    ),
    "verify": (
        {
            "tables": {"a": {"missing": 1, "extra": 2, "different": 3}},
            "rows_compared": 5000,
            "foreign_keys": [{"orphans": 7}, {"orphans": 1}],
        },
        ["5,000", "6", "8"],
    ),
    "rollback": ({"tables": {"a": CHANGES, "b": CHANGES}, "dropped": ["c"]}, ["12", "8,000", "1"]),
}


@pytest.mark.parametrize("step", FIGURES)
def test_the_three_numbers_that_matter_stand_in_the_verdict(step: str) -> None:
    """A verdict that passed is green and holds the numbers of its step."""
    data, numbers = FIGURES[step]
    assert list(notebook_tables.figures(StepResult(step, data=data)).values()) == numbers
    box = notebook_tables.verdict(StepResult(step, data=data, summary="all is well"))
    assert f'class="m2p-verdict passed" role="status"><b class="word">Passed: {step}' in box
    assert "<p>all is well</p>" in box
    assert all(f"<b>{number}</b>" in box for number in numbers)


def test_a_verdict_that_failed_names_the_error_and_the_next_step() -> None:
    """A verdict that failed is red and says name, message and hint; markup in them is text."""
    error = VerifyFailed("2 rows differ in <b>\n  a: 1", hint="Look & see.").as_dict()
    box = notebook_tables.verdict(StepResult("verify", status="failed", error=error))
    assert 'class="m2p-verdict failed"' in box
    assert "<p>VerifyFailed: 2 rows differ in &lt;b&gt;</p><p>a: 1</p><p>Next: Look &amp; see.</p>" in box


def test_a_long_message_does_not_push_the_numbers_away() -> None:
    """Of a message with very many lines the first ones are shown, and how many follow."""
    error = VerifyFailed("\n".join(f"line {number}" for number in range(100))).as_dict()
    box = notebook_tables.verdict(StepResult("verify", status="failed", error=error))
    assert "line 15" in box
    assert "line 16" not in box
    assert "84 lines more" in box


def test_a_step_that_did_not_count_shows_no_numbers() -> None:
    """Numbers that nobody counted are not shown as 0."""
    assert notebook_tables.figures(StepResult("backup", status="failed", data={"peak_memory_bytes": 1})) == {}
    assert notebook_tables.figures(StepResult("load", data={"tables": {}})) == {}


def test_what_a_failed_step_left_is_shown(tmp_path: Path) -> None:
    """The outcome of a failed step is its own result, with what it had found out."""
    run = Run("a-run", Settings(project=tmp_path))
    error = VerifyFailed("1 row differs")
    left = StepResult("verify", status="failed", data={"tables": {"a": {}}}, error=error.as_dict())
    run.save(left)
    assert notebook_tables.outcome("verify", "a-run", str(tmp_path), error) == left


@pytest.mark.parametrize("left", [None, StepResult("verify", status="passed")])
def test_a_failure_is_never_shown_as_what_stood_there_before(tmp_path: Path, left: StepResult | None) -> None:
    """When the step did not get so far as to write its result, the error itself is the outcome."""
    if left:
        Run("a-run", Settings(project=tmp_path)).save(left)
    error = VerifyFailed("cannot read the live tables")
    outcome = notebook_tables.outcome("verify", "a-run", str(tmp_path), error)
    assert outcome == StepResult("verify", status="failed", error=error.as_dict())


def test_a_table_shows_rows_by_name_with_alarms() -> None:
    """Rows by table name get a first column; a number that should be 0 stands out; names are text."""
    rows = {"<i>": {"missing": 1200, "keys": ["1", "<b>"]}, "b": {"missing": 0, "keys": []}}
    html = notebook_tables.table("Rows", rows, ["table", "missing", "keys"], alarms=["missing"]).to_html()
    assert "&lt;i&gt;" in html
    assert "1, &lt;b&gt;" in html
    assert ">1,200<" in html
    assert html.count("bold") == 1
    assert html.count("<tr>") == 3


def test_a_bare_number_by_name_is_a_row() -> None:
    """A count per table is a table of two columns."""
    html = notebook_tables.table("Rows saved", {"a": 3}, ["table", "rows"]).to_html()
    assert ">a<" in html
    assert ">3<" in html


def test_an_empty_table_says_so() -> None:
    """Nothing to show is said in words."""
    html = notebook_tables.table("Foreign keys", [], ["name", "orphans"], alarms=["orphans"]).to_html()
    assert "Foreign keys: none" in html
    assert "</th>" not in html


def test_facts_are_shown_by_the_names_given() -> None:
    """Only what is known is shown, in the order of the names."""
    html = notebook_tables.facts(
        "The file", {"b": 2, "a": "x\x1b\u202e\n", "c": None}, {"a": "A is", "b": "B is", "c": "C is"}
    ).to_html()
    assert html.index("A is") < html.index(r"x\x1b\u202e\n") < html.index("B is")
    assert "C is" not in html


def test_a_table_is_the_same_every_time() -> None:
    """An executed notebook changes only where its numbers do."""
    assert notebook_tables.table("Rows", {"a": 1}, ["table", "rows"]).to_html() == (
        notebook_tables.table("Rows", {"a": 1}, ["table", "rows"]).to_html()
    )


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (5 * 10**12, "5,000.0 GB")],
)
def test_bytes_are_said_for_a_person(count: int, said: str) -> None:
    """A size has a unit and at most one digit after the point."""
    assert notebook_tables.size(count) == said
