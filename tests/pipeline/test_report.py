"""The report of a run: one self-contained page, for every command and every end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mock2pg.contracts import Column, ForeignKey, Table
from mock2pg.errors import (
    CheckFailed,
    DatabaseError,
    Mock2pgError,
    NotReady,
    RollbackFailed,
    SourceError,
    ValidationError,
    VerifyFailed,
)
from mock2pg.pipeline.steps import report
from mock2pg.report import accounts
from mock2pg.runs import Run
from mock2pg.settings import REPOSITORY, Settings
from mock2pg.step_results import StepResult, is_warned
from tests.fix_results import changed, result_of

BACKUP = "backup-2026-11-22T10-30-02-118Z"
HOSTILE = "<script>alert('x')</script>"

STAGED = {
    "parents": {"rows": 1200, "path": "parents", "entity": "parents"},
    "children": {"rows": 3000, "path": "parents[].kids[]", "entity": "parents"},
}
CHANGED = {"before": 1190, "after": 1200, "inserted": 15, "updated": 4, "deleted": 5, "unchanged": 1181}
COMPARED = {"staged": 1200, "target": 1200, "missing": 0, "extra": 0, "different": 0,
            "missing_keys": [], "extra_keys": [], "different_keys": []}  # fmt: skip
DERIVED = [{"table": "children", "column": "kind", "reason": "two spellings become one"}]
DISTRIBUTED = [
    {"table": "kinds", "distribution": "reference"},
    {"table": "children", "distribution": "tenant_id", "unenforced": [["id"], ["parent_id", "n"]]},
]
KEY = {
    "name": "children_parent_id_fkey",
    "table": "children",
    "columns": ["parent_id"],
    "parent": "parents",
    "orphans": 0,
}

STEPS: dict[str, StepResult] = {
    "stage": result_of(
        "stage", started_at="1", seconds=0.41, summary="4200 rows", data={"tables": STAGED, "bytes": 12_300_000}
    ),
    "check": result_of(
        "check",
        started_at="2",
        seconds=3.9,
        summary="12 rules hold",
        data={
            "rules": 12,
            "failed": 0,
            "errors": 0,
            "warnings": 0,
            "capped": {},
            "entities": {"parents": {"read": 1200, "refused": 0}, "parents[].kids[]": {"read": 3000, "refused": 0}},
        },
    ),
    "preflight": result_of("preflight", started_at="3", seconds=0.2),
    "backup": result_of(
        "backup", started_at="4", seconds=1.1, data={"backup_id": BACKUP, "bytes": 9, "tables": {"parents": 1190}}
    ),
    "load": result_of(
        "load", started_at="2b", seconds=5, data={"landed": {"parents": 1200, "children": 3000}, "derived": DERIVED}
    ),
    "publish": result_of(
        "publish",
        started_at="5",
        seconds=0.3,
        data={"tables": {"parents": {**CHANGED, "created": False}}, "seconds_in_transaction": 0.24},
    ),
    "verify": result_of(
        "verify",
        started_at="6",
        seconds=2,
        data={
            "published_run": "a-run",
            "tables": {"parents": COMPARED},
            "foreign_keys": [KEY],
            "derived": DERIVED,
            "distributed": DISTRIBUTED,
            "rows_compared": 4200,
            "columns_compared": 17,
        },
    ),
    "rollback": result_of(
        "rollback",
        started_at="7",
        seconds=1,
        data={"backup_id": BACKUP, "way": "merge", "tables": {"parents": CHANGED}, "dropped": ["a_later_table"]},
    ),
}
MIGRATED = ("stage", "check", "load", "preflight", "backup", "publish", "verify")

Build = Callable[..., str]


class Page(HTMLParser):
    """The text and the links of a page's content, and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.links, self.tags = "", list[str](), set[str]()
        self.feed(html[html.index("<main>") :])
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.text += " "
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with an empty folder."""
    return Run("2026-11-22T10-30-00-000Z", Settings(project=tmp_path))


@pytest.fixture
def build(run: Run) -> Build:
    """Write a run's folder and build its report: the page's HTML."""

    def make(command: str, status: str, *steps: str | StepResult, **changes: Any) -> str:
        record = {
            "run_id": run.id,
            "command": command,
            "status": status,
            "message": "The verdict in one line.",
            "started_at": "2026-11-22T10:30:00.000Z",
            "finished_at": None if status == "running" else "2026-11-22T10:30:17.000Z",
            "seconds": 17.3,
            "operator": "ada",
            "version": "1.2.3",
            "mode": "replace",
            "source": "mock_data" if command == "migrate" else None,
            "input_sha256": "9f86d0" if command == "migrate" else None,
            "database": {"name": "a_database", "schema": "a_schema", "server_version": "18.6"},
            "backup_id": None,
            "metrics": {"peak_memory_bytes": 388_000_000, "steps": {}},
            "error": None,
            "undo_error": None,
        }
        results = [STEPS[step] if isinstance(step, str) else step for step in steps]
        record["warned"] = is_warned(results, changes.get("warnings", ()))
        run.write("record.json", {**record, **changes})
        for result in results:
            run.save(result)
        reported = report.run(run)
        assert reported.index == f"runs/{run.id}/index.html"
        return (run.folder / "index.html").read_text(encoding="utf-8")

    return make


def test_the_report_of_a_migration_says_everything_that_an_auditor_asks(build: Build) -> None:
    """The page has the run, its input, operator and times; the account of every row; the changes; the proof."""
    text = Page(build("migrate", "succeeded", *MIGRATED, backup_id=BACKUP)).text
    for words in (
        "Succeeded The verdict in one line.",
        "exactly the input, row by row, except for the columns that are changed on purpose",
        "Command mock2pg migrate",
        "Operator ada",
        "Source mock_data (12.3 MB)",
        "SHA-256 of the source 9f86d0",
        "a_database, a_schema",
        "PostgreSQL 18.6",
        "Started 2026-11-22 10:30:00 UTC",
        "Ended 2026-11-22 10:30:17 UTC",
        "Peak memory 388.0 MB",
        "Version mock2pg 1.2.3",
        "4,200 rows read = 4,200 loaded + 0 refused.",
        "parents[].kids[] children 3,000 3,000 0",
        "parents 1,190 1,200 15 4 5 1,181",
        "4,200 rows were compared by their content, over 17 columns",
        "children_parent_id_fkey children (parent_id) parents 0",
        "children kind two spellings become one",
        f"make rollback ID={BACKUP}",
        "kept its transaction open for 0.24 s",
    ):
        assert words in text
    assert text.index("Succeeded The verdict") < text.index("What ran")
    assert "not loaded" not in text


def test_the_report_stands_on_its_own(build: Build, run: Run) -> None:
    """The page names no address, runs no script, and is written aside and renamed."""
    html = build("migrate", "succeeded", *MIGRATED)
    assert "://" not in html
    assert "<script" not in html
    assert html.count('class="chart"') == 2
    assert sorted(path.name for path in run.folder.iterdir()) == ["index.html", "record.json", "steps"]


def test_a_command_in_a_hint_is_code(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command in a hint is marked as code, and stays text; after make, it is that of make."""
    error = VerifyFailed("found", hint="Run `mock2pg plan mocks` <now>.").as_dict()
    html = build("migrate", "failed", "stage", error=error)
    assert "Run <code>mock2pg plan mocks</code> &lt;now&gt;." in html
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.chdir(REPOSITORY)
    html = build("migrate", "failed", "stage", error=error)
    assert "Run <code>make plan SOURCE=mocks</code> &lt;now&gt;." in html
    assert "<code>make status</code> reports which run" in build("migrate", "failed", "stage")


def test_what_is_in_the_way_stands_in_a_table(build: Build) -> None:
    """Each finding of a preflight with its table and what to do; a plan shows what a changed contract asks for."""
    finding = {"table": "parents", "what": "column x is missing", "to_do": "Add it"}
    way = result_of("preflight", {"findings": [finding]}, kind="Conflicts", status="failed", started_at="3")
    page = Page(build("migrate", "failed", "stage", "check", "load", way))
    assert "Conflicts that prevent publishing Table Conflict What to do parents column x is missing Add it" in page.text
    counts = {**CHANGED, "created": False, "lock": "", "keys": {}}
    data = {"tables": {"parents": counts}, "alter": True, "statements": {"parents": ["ALTER TABLE a", "ALTER TABLE b"]}}
    page = Page(build("plan", "succeeded", "stage", "check", result_of("plan", started_at="4", data=data)))
    assert "ALTER TABLE a; ALTER TABLE b;" in page.text


def test_only_what_there_is_is_linked(build: Build, run: Run) -> None:
    """Each link leads somewhere: to a place on the page, or to a file of the run."""
    html = build("migrate", "succeeded", *MIGRATED)
    assert Page(html).links == ["record.json"]
    for place in ("data_docs/staged/index.html", "data_docs/built/index.html", "contracts.json"):
        run.path(*place.split("/")).write_text("x")
    run.write("errors.json", {"errors": []})
    links = Page(build("migrate", "succeeded", *MIGRATED)).links
    assert len(links) == 5
    assert all((run.folder / link).exists() for link in links)


def test_the_target_tables_are_drawn_and_have_a_page(build: Build, run: Run) -> None:
    """The report shows the built tables as a picture whose boxes link to the columns, without any other host."""
    tables = [
        Table("parents", (Column("id", "text", True, "id", None),), ("id",), source="parents"),
        Table(
            "children",
            (Column("parent_id", "text", False, "parent_id", HOSTILE),),
            ("parent_id",),
            checks=(("children_check", HOSTILE),),
            foreign_keys=(ForeignKey(("parent_id",), "parents", ("id",)),),
            source="children",
        ),
    ]
    run.write("contracts.json", [table.as_dict() for table in tables])
    report = Page(build("migrate", "succeeded", *MIGRATED))
    html = (run.folder / "tables.html").read_text(encoding="utf-8")
    page = Page(html)
    assert set(report.links) >= {"tables.html", "tables.html#table-parents", "tables.html#table-children"}
    assert {"contracts.json", "#table-parents", "#table-children"} == set(page.links)
    assert all(f'id="{link.removeprefix("#")}"' in html for link in page.links if link.startswith("#"))
    assert "Rows from parents[].kids[] of the JSON" in page.text
    assert f"Check children_check: {HOSTILE}" in page.text
    assert html.count("<th>Description</th>") == 1  # parents have none
    assert not {"script", "img", "link"} & page.tags | report.tags & {"script"}


def test_executed_notebooks_are_shown_as_pages(build: Build, run: Run) -> None:
    """Each executed notebook becomes a page once; the report links both; a damaged one does not stop it."""
    notebook = json.loads((REPOSITORY / "notebooks" / "verify.ipynb").read_text())
    run.path("notebooks", "verify.ipynb").write_text(json.dumps(notebook))
    run.path("notebooks", "backup.ipynb").write_text("{")
    assert Page(build("verify", "succeeded", "verify")).links == [
        "notebooks/verify.html",
        "notebooks/verify.ipynb",
        "record.json",
    ]
    page = run.folder / "notebooks" / "verify.html"
    assert "Verify of run 2026-11-22T10-30-00-000Z" in page.read_text()
    written = page.stat().st_mtime_ns
    build("verify", "succeeded", "verify")
    assert page.stat().st_mtime_ns == written


def errors_of(field: str, count: int, **changes: Any) -> list[dict[str, Any]]:
    error = {"entity": "parents", "field": field, "message": "is required", "severity": "critical", "rule": "a_rule"}
    return [{**error, "id": f"p{row}", "row": row, **changes} for row in range(1, count + 1)]


def test_errors_are_grouped_by_rule_and_stand_before_the_rest(build: Build, run: Run) -> None:
    """A check that failed lists each rule with its rows, the first ones of many, and warnings apart."""
    errors = [
        *errors_of("kids[3].name", 1),
        *errors_of("name", 50),
        *errors_of("age", 1, id=None),
        *errors_of("", 1, id=None, row=None, message="has no rows"),
        *errors_of("hat", 2, severity="warning", rule="another_rule"),
    ]
    run.write("errors.json", {"errors": errors, "totals": {}, "capped": {}})
    refused = {"parents": {"read": 1200, "refused": 1200}, "parents[].kids[]": {"read": 3000, "refused": 3000}}
    failed = CheckFailed("53 errors by 4 rules", [ValidationError(**errors[0])])
    data = {
        "rules": 12,
        "failed": 4,
        "errors": 53,
        "warnings": 900,
        "entities": refused,
        "capped": {"parents.r.f": 899},
    }
    check = result_of(
        "check", data, kind="Checked", status="failed", started_at="2", seconds=3.9, summary=failed.message,
        error=failed.as_dict(),
    )  # fmt: skip
    text = Page(build("migrate", "failed", "stage", check, message=failed.message, error=failed.as_dict())).text
    for words in (
        "Failed 53 errors by 4 rules The target tables were not changed.",
        "53 errors",
        failed.hint,
        "(CheckFailed, exit code 4)",
        "4 of 12 rules are broken.",
        "parents.kids[].name · 1 listed a_rule parents[0].kids[3].name (id p1): is required",
        "parents.name · 50 listed",
        "parents[19].name (id p20): is required and 30 more in errors.json",
        "parents[0].age: is required",
        "parents: has no rows",
        "4,200 rows read = 0 loaded + 4,200 not loaded: the target tables hold nothing of this run.",
        "Errors: they stopped the run",
        "parents.r.f 899",
    ):
        assert words in text
    assert "parents[20].name" not in text
    assert text.index("parents[0].name") < text.index("What ran") < text.index("parents[0].hat (id p1): is required")


def test_a_run_that_was_rolled_back_shows_both_ways(build: Build) -> None:
    """Published, found wrong, undone: the page says that the target is as before, what differed, and what it took."""
    error = VerifyFailed("the target tables are not what was published:\n  parents: 1 missing").as_dict()
    found = {**COMPARED, "missing": 1, "missing_keys": ["p7"], "different": 21, "different_keys": ["p8"]}
    wrong = changed(STEPS["verify"], tables={"parents": found})
    verify = replace(wrong, status="failed", summary="the target tables are not what was published:", error=error)
    steps = (*MIGRATED[:5], verify, "rollback")
    html = build("migrate", "rolled_back", *steps, message=f"Rolled back: {error['message']}", error=error)
    text = Page(html).text
    for words in (
        "Rolled back Rolled back: the target tables are not what was published: parents: 1 missing",
        "The target tables are as they were before this run, restored from its backup. 0 rows changed.",
        "4,200 rows read = 0 loaded + 0 refused + 4,200 not loaded: the target tables hold nothing of this run.",
        "24 rows rolled back",
        "parents 1,200 1,200 1 0 21 missing p7; different p8 …",
        "Rows restored, removed and changed back",
        "Dropped, because they are not in the backup: a_later_table.",
    ):
        assert words in text
    assert "Proof" not in text
    assert "What the verification found Before the run was undone:" in text
    assert "Tables before and after Table" not in text  # of what is gone
    assert '<td class="n alarm">1</td>' in html


def test_a_run_of_unknown_outcome_accounts_for_no_row_as_not_loaded(build: Build) -> None:
    """The server could not be asked whether they were published."""
    text = Page(build("migrate", "unknown", *MIGRATED[:5], error=VerifyFailed("lost").as_dict())).text
    assert "4,200 of which it is not known whether they were published" in text
    assert "not loaded" not in text


def test_what_held_and_was_undone_all_the_same_is_no_proof(build: Build) -> None:
    """The tables that were compared are gone."""
    text = Page(build("migrate", "rolled_back", *MIGRATED, error=VerifyFailed("stopped").as_dict())).text
    assert "were compared by their content" not in text


@pytest.mark.parametrize(
    ("command", "passed", "account"),
    [
        ("check", True, "0 refused + 4,200 valid."),
        ("plan", True, "0 refused + 4,200 valid."),
        ("check", False, "0 loaded + 4,200 not loaded:"),
        ("migrate", True, "0 loaded + 0 refused + 4,200 not loaded:"),
        ("migrate", False, "0 loaded + 4,200 not loaded:"),
    ],
)
def test_rows_of_a_run_that_did_not_complete_are_valid_only_after_a_check(
    build: Build, command: str, passed: bool, account: str
) -> None:
    """Until a check has passed no row is called valid or refused: it is not loaded."""
    steps = ("stage", "check") if passed else ("stage",)
    assert f"4,200 rows read = {account}" in Page(build(command, "failed", *steps)).text


def test_errors_of_refused_rows_did_not_stop_the_run_that_fails_later(build: Build, run: Run) -> None:
    """After quarantine refused the rows, another failure stopped the run; a check that was killed did neither."""
    run.write("errors.json", {"errors": errors_of("name", 1), "totals": {}, "capped": {}})
    assert "Errors An error names" in Page(build("migrate", "running", "stage")).text
    assert "Errors: their rows are refused" in Page(build("migrate", "failed", "stage", "check")).text


def test_a_success_that_has_something_to_tell_is_amber(build: Build) -> None:
    """Rows that were refused, warnings of the check and cautions of a step are no plain success."""
    entities = {"parents": {"read": 1200, "refused": 202}, "parents[].kids[]": {"read": 3000, "refused": 0}}
    check = changed(STEPS["check"], entities=entities)
    html = build("migrate", "succeeded", "stage", check, *MIGRATED[2:])
    assert "Succeeded with warnings" in Page(html).text
    assert 'class="verdict care"' in html
    backup = changed(STEPS["backup"], cautions=["no restore test"])
    assert "Succeeded with warnings" in build("backup", "succeeded", backup)
    late = Page(build("backup", "succeeded", "backup", warnings=["The link to the newest run could not be made"])).text
    assert "Succeeded with warnings" in late
    assert "Warning: The link to the newest run could not be made" in late


def test_a_failure_has_its_line_among_the_steps(build: Build) -> None:
    """A step with its error, and what failed outside of every step under the command's name."""
    error = RollbackFailed("no answer").as_dict()
    text = Page(build("migrate", "failed", "stage", error=error)).text
    assert "migrate ✗ failed RollbackFailed: no answer" in text
    error = VerifyFailed("1 row differs").as_dict()
    verify = StepResult("verify", "failed", "6", 2, "1 row differs", error=error)
    text = Page(build("verify", "failed", verify, error=error)).text
    assert "verify ✗ failed 2.0 s VerifyFailed: 1 row differs" in text


def test_what_the_model_adds_is_named_where_rows_are_counted(build: Build) -> None:
    """More rows in the target than in the source need a reason."""
    load = changed(STEPS["load"], added={"users": 1})
    text = Page(build("migrate", "succeeded", *MIGRATED[:2], load, *MIGRATED[3:])).text
    assert "4,200 rows read = 4,200 loaded + 0 refused. Beside them, 1 row added by a model: users." in text
    assert "the columns that are changed on purpose, and 1 row added by a model: users." in text


def test_an_undo_that_failed_shows_both_errors(build: Build) -> None:
    """After a rollback that failed too, the page says in which state the target tables are, and how to go back."""
    errors = {"error": VerifyFailed("1 row differs").as_dict(), "undo_error": RollbackFailed("a lock").as_dict()}
    verify = StepResult("verify", "failed", "6", 2, "1 row differs", error=errors["error"])
    text = Page(build("migrate", "rollback_failed", *MIGRATED[:6], verify, backup_id=BACKUP, **errors)).text
    assert "which did not pass verification." in text
    assert f"VerifyFailed: {VerifyFailed.hint}".replace("`", "") in text
    assert f"RollbackFailed: {RollbackFailed.hint}".replace("`", "") in text
    assert f"make rollback ID={BACKUP}" in text


@pytest.mark.parametrize(
    ("steps", "target_state"),
    [
        ((), "The target tables were not changed."),
        (("stage", "check"), "The target tables were not changed."),
        (MIGRATED[:4], "as before, or exactly as this run built them"),
        (MIGRATED[:6], "The target tables hold what this run published, which was not verified."),
    ],
)
def test_a_run_that_was_killed_says_how_far_it_came(build: Build, steps: tuple[str, ...], target_state: str) -> None:
    """A run without an end is reported as unfinished, with the states the target can be in."""
    text = Page(build("migrate", "running", *steps, message="", database=None)).text
    assert "Unfinished This run is unfinished." in text
    assert target_state in text
    assert "not ended" in text
    assert "it was killed" in text


def test_a_run_that_failed_at_once_has_a_report(build: Build) -> None:
    """A source that is no JSON leaves one step and no counts; the page says what to correct."""
    error = SourceError("line 3, column 7: not JSON")
    stage = StepResult("stage", "failed", "1", 0.1, error.message, error=error.as_dict())
    text = Page(build("migrate", "failed", stage, message=error.message, database=None, error=error.as_dict())).text
    assert "Failed line 3, column 7: not JSON The target tables were not changed." in text
    assert error.hint in text
    assert "Database not reached" in text
    assert "rows read" not in text


@pytest.mark.parametrize(
    ("command", "target_state", "number"),
    [
        ("verify", "The target tables were only read.", "4,200 rows compared"),
        ("backup", "The target tables were only read.", "1,190 rows saved"),
        ("rollback", "The target tables are as in the backup.", "rows changed back"),
    ],
)
def test_every_command_has_a_report(build: Build, command: str, target_state: str, number: str) -> None:
    """A run of one step is shown with its own numbers."""
    text = Page(build(command, "succeeded", command, backup_id=BACKUP)).text
    assert target_state in text
    assert number in text


def test_a_preview_that_finds_no_difference_says_so(build: Build) -> None:
    """It has no table of zeros, and says once that the target tables were only read."""
    same = {"changes": {"parents": {"restored": 0, "removed": 0, "changed": 0}}}
    shown = result_of("rollback", same, kind="RollbackPreview", started_at="5")
    message = "Compared in 1.3 s: the target tables were only read."
    text = Page(build("rollback --show", "succeeded", shown, message=message)).text
    assert "None: the target tables and their definitions are as in the backup." in text
    assert "to change back" not in text.partition("Differences from the backup")[2]
    assert text.count("he target tables were only read.") == 1


def test_a_preview_ends_with_the_rollback_that_is_not_refused(build: Build) -> None:
    """It has --discard-changes if others have written since."""
    changes = {"parents": {"restored": 0, "removed": 1, "changed": 0}}
    for written, options in ({}, ""), ({"parents": "1 row (1 extra)"}, " ARGS=--discard-changes"):
        data = {"backup_id": BACKUP, "changes": changes, "written_since": written}
        shown = result_of("rollback", data, kind="RollbackPreview", started_at="5")
        text = Page(build("rollback --show", "succeeded", shown)).text
        assert f"When you agree: make rollback ID={BACKUP}{options} " in text


def test_a_rollback_that_changed_nothing_leads_to_the_backups_of_earlier_runs(build: Build) -> None:
    """The page does as the terminal; a rollback with changes can be undone."""
    same = {"parents": {**CHANGED, "inserted": 0, "updated": 0, "deleted": 0}}
    data = {"backup_id": BACKUP, "way": "merge", "tables": same, "dropped": []}
    text = Page(build("rollback", "succeeded", result_of("rollback", data), backup_id=BACKUP)).text
    assert "Find what each run changed, and the backup that undoes it: make history" in text
    assert "Nothing is left to do" not in text
    data |= {"tables": {"parents": CHANGED}, "present_backup_id": "backup-2"}
    text = Page(build("rollback", "succeeded", result_of("rollback", data), backup_id=BACKUP)).text
    assert ("make history" in text, "make rollback ID=backup-2" in text) == (False, True)


def test_a_plan_is_published_by_what_was_typed(build: Build, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After make, `mock2pg` need not be on the PATH; the line is that of the terminal."""
    arguments = ["migrate", str(run.settings.project / "my mocks"), "--plan", str(run.path("plan.json"))]
    counts = {**CHANGED, "created": False, "lock": "", "keys": {}}
    planned = result_of("plan", {"tables": {"parents": counts}, "arguments": arguments}, started_at="5")
    assert (
        f"mock2pg migrate 'my mocks' --plan runs/{run.id}/plan.json" in Page(build("plan", "succeeded", planned)).text
    )
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.chdir(REPOSITORY)
    text = Page(build("plan", "succeeded", planned)).text
    assert f"make migrate 'SOURCE=my mocks' 'ARGS=--plan runs/{run.id}/plan.json'" in text


@pytest.mark.parametrize("command", ["load", "plan", "verify", "backup", "rollback --show"])
def test_tables_that_were_not_reached_were_not_read(build: Build, command: str) -> None:
    """A command that only reads says so if it came further than connect, or is not there yet."""
    error = DatabaseError("cannot connect").as_dict()
    connect = StepResult("connect", "failed", "1", 0.1, "cannot connect", error=error)
    text = Page(build(command, "failed", connect, message="cannot connect", error=error)).text
    assert "The target tables were neither read nor changed." in text
    assert "only read" not in text


@pytest.mark.parametrize(
    ("error", "database"), [(DatabaseError("x"), "not reached"), (NotReady("x"), "reached, and refused")]
)
def test_a_database_that_was_refused_was_reached(build: Build, error: Mock2pgError, database: str) -> None:
    """One without a privilege, for instance; its name is in the error."""
    connect = StepResult("connect", "failed", "1", 0.1, "x", error=error.as_dict())
    text = Page(build("migrate", "failed", connect, database=None, error=error.as_dict())).text
    assert f"Database {database} Started" in text


@pytest.mark.parametrize("status", ["failed", "running"])
@pytest.mark.parametrize("command", ["verify", "backup", "rollback"])
def test_every_command_that_ended_before_its_step_has_a_report(build: Build, command: str, status: str) -> None:
    """Nothing that is missing stops the report."""
    text = Page(build(command, status)).text
    assert "No step completed." in text


def test_a_second_run_of_the_same_input_says_that_nothing_changed(build: Build) -> None:
    """The page says in words that nothing was inserted, updated or deleted."""
    same = {"before": 5, "after": 5, "inserted": 0, "updated": 0, "deleted": 0, "unchanged": 5, "created": False}
    publish = result_of("publish", started_at="5", data={"tables": {"parents": same}})
    text = Page(build("migrate", "succeeded", "stage", "load", publish)).text
    assert "Nothing to change, proven by hash: the target tables held these rows already." in text
    assert "0 rows changed" in text


def test_what_the_database_does_not_enforce_is_listed(build: Build) -> None:
    """By table, with the keys and what proved them; the page of a verification has it, too, and others do not."""
    text = Page(build("verify", "succeeded", "verify")).text
    assert "were proven for all rows of the input before the rows were distributed" in text
    assert "kinds reference table children by tenant_id (id), (parent_id, n)" in text
    assert "Distributed tables" not in Page(build("migrate", "succeeded", *MIGRATED[:-1])).text


def test_a_hostile_name_is_text(build: Build, run: Run) -> None:
    """Names of tables, keys, sources, operators and files cannot become markup."""
    tables = {HOSTILE: {"rows": 1, "path": HOSTILE, "entity": HOSTILE}}
    stage = result_of("stage", started_at="1", summary=HOSTILE, data={"tables": tables, "bytes": 1})
    publish = result_of("publish", started_at="5", data={"tables": {HOSTILE: {**CHANGED, "created": True}}})
    verify = result_of(
        "verify",
        started_at="6",
        data={
            "published_run": HOSTILE,
            "tables": {HOSTILE: {**COMPARED, "different": 1, "different_keys": [HOSTILE]}},
            "foreign_keys": [{**KEY, "name": HOSTILE}],
            "derived": [{"table": HOSTILE, "column": HOSTILE, "reason": HOSTILE}],
            "distributed": [{"table": HOSTILE, "distribution": HOSTILE, "unenforced": [[HOSTILE]]}],
        },
    )
    errors = [
        *errors_of(HOSTILE, 1, entity=HOSTILE, id=HOSTILE, message=HOSTILE, rule=HOSTILE),
        *errors_of(HOSTILE, 1, severity="warning"),
    ]
    run.write("errors.json", {"errors": errors})
    html = build(
        "migrate",
        "failed",
        stage,
        publish,
        verify,
        message=f"{HOSTILE}\n{HOSTILE}",
        operator=HOSTILE,
        source=HOSTILE,
        database={"name": HOSTILE, "schema": HOSTILE, "server_version": HOSTILE},
        error=SourceError(HOSTILE, hint=HOSTILE).as_dict(),
    )
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert html.count("&lt;script&gt;") > 20


def test_nested_rows_are_below_those_that_they_are_in() -> None:
    """Declarations have parents before children, and other parents between; the page shows what is in what."""
    paths = ["users{}", "a", "b", "a[].x[]", "b[].y[]", "users{}.p[]", "b[].y[].z[]", "far.c[].d[]", "a[].one"]
    found = [row["path"] for row in accounts.below_parents([{"path": path} for path in paths])]
    assert found == ["users{}", "users{}.p[]", "a", "a[].x[]", "a[].one", "b", "b[].y[]", "b[].y[].z[]", "far.c[].d[]"]
