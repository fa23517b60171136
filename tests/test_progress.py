"""The progress of steps: counted by the step, written beside it, read by whoever shows it."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier, Literal

from mock2pg import MigrationService, progress, workers
from mock2pg.backups import json_rows
from mock2pg.postgres.statements import without_literals
from mock2pg.progress import Channel, Reporter, Statements, StepProgress
from mock2pg.runs import Run, now
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_published import small_rows

HERE = workers.Kind("is tried", (__name__,))


def told(folder: Path, of: Callable[[StepProgress], bool] = lambda _: True) -> StepProgress:
    """Return what is written of the only step, once it is so."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for step in progress.read(folder):
            if of(step):
                return step
        time.sleep(0.01)
    raise AssertionError(progress.read(folder))


def count(folder: Path) -> None:
    """Count in another process, which goes on until that is written."""
    progress.rows(3)
    progress.detail("pets")
    told(folder, lambda step: step.detail == "pets")


def test_a_step_reports_what_it_counts(tmp_path: Path) -> None:
    """Rows, total and what it works on are read while it runs; the next part of it counts from 0."""
    with progress.of_step(tmp_path, "backup", now()):
        progress.expect(100, "pets")
        for _ in range(3):
            progress.rows(4)
        found = told(tmp_path, lambda step: step.rows == 12)
        assert (found.step, found.status, found.total_rows, found.detail) == ("backup", "running", 100, "pets")
        progress.more(3)
        assert told(tmp_path, lambda step: step.total_rows != 100).total_rows == 103
        progress.rows(100)
        assert told(tmp_path, lambda step: step.rows == 112).total_rows == 112  # more than that are there
        progress.expect(None, "restore test")
        assert told(tmp_path, lambda step: step.rows is None).detail == "restore test"


def test_a_rate_is_of_the_part_that_is_counted(tmp_path: Path) -> None:
    """The time before a step counts does not lower its rate; without a total there is no remaining time."""
    long_ago = Channel(str(tmp_path / "progress" / "load.json"), "load", "2020-01-01T00:00:00.000Z")
    began = time.time() - 1577836800.0  # seconds since then
    reporter = Reporter(long_ago)
    reporter.expect(3000)
    reporter._after = began - 10
    reporter.rows(1000)
    found = told(tmp_path, lambda step: step.rows == 1000)
    reporter.end()
    assert found.rate is not None
    assert found.remaining is not None
    assert found.rate <= 100 < found.rate * 2  # a second, of 10 and as long as this test took
    assert found.remaining == pytest.approx(2000 / found.rate)


def test_outside_of_a_step_nothing_is_counted(tmp_path: Path) -> None:
    """Whoever calls a function of a step without a run writes nothing; a step that has ended writes no more."""
    progress.rows(1)
    progress.expect(2)
    progress.more(2)
    progress.detail("pets")
    assert progress.handed() is progress.reporter() is None
    with progress.of_step(tmp_path, "stage", now()):
        reporter = progress.reporter()
    assert reporter is not None
    before = sorted(tmp_path.rglob("*"))
    reporter.rows(5)
    reporter._report()
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_written_or_read_fails_nothing(tmp_path: Path) -> None:
    """A folder that takes no file stops no step; what is no progress is left out."""
    (tmp_path / "progress").write_text("in its place")
    with progress.of_step(tmp_path, "stage", now()):
        progress.rows(1)
        progress.counting._write(Channel(str(tmp_path / "progress" / "stage.json"), "stage", now()))
    assert progress.read(tmp_path) == progress.read(tmp_path / "nowhere") == ()
    (tmp_path / "steps").mkdir()
    for name, text in {"check": "[]", "load": "{", "stage": '{"step": "stage"}', "publish": "\xff"}.items():
        (tmp_path / "steps" / f"{name}.json").write_text(text, encoding="latin-1")
    assert progress.read(tmp_path) == ()


def test_a_step_that_ended_is_as_its_result_says(tmp_path: Path) -> None:
    """The result of a step counts, not its last report; the steps come in the order in which they began."""
    run = Run("2026-11-30T00-00-00-000Z", Settings(project=tmp_path))
    run.folder.mkdir(parents=True)
    with progress.of_step(run.folder, "publish", "2026-11-30T00:00:03.000Z"):
        progress.rows(7)
        told(run.folder)
    early, late = "2026-11-30T00:00:01.000Z", "2026-11-30T00:00:02.000Z"
    run.save(StepResult("stage", "passed", early, 2.0, "10 rows", rows=10))
    run.save(StepResult("check", "failed", late, 0.5, "no", error={"name": "CheckFailed"}))
    run.save(StepResult("publish", "passed", "2026-11-30T00:00:03.000Z", 4.0, "8 inserted", rows=8))
    stage, check, publish = progress.read(run.folder)
    assert stage == StepProgress("stage", "passed", early, 10, 10, 5.0, 2.0, summary="10 rows")
    assert check == StepProgress("check", "failed", late, elapsed=0.5, summary="no")
    assert (publish.rows, publish.rate, publish.status) == (8, 2.0, "passed")


@pytest.mark.usefixtures("executed_notebooks")
def test_a_worker_goes_on_with_the_step_that_calls_it(tmp_path: Path) -> None:
    """The rows of another process are added to those of its step."""
    with progress.of_step(tmp_path, "load", now()):
        progress.expect(9)
        progress.rows(2)
        workers.call(HERE, f"{__name__}:count", tmp_path)
        found = told(tmp_path, lambda step: step.detail == "pets")
    workers.end_all()
    assert (found.rows, found.total_rows) == (5, 9)


def test_no_count_and_no_total_falls_while_a_part_runs(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A total that is not known is not guessed, and a table that turns out to need more work adds to it. Only the next
    part of a step counts from 0."""
    told: dict[Reporter, list[list[Channel]]] = defaultdict(lambda: [[]])
    one_at_a_time = threading.Lock()

    def noting(name: str, change: Any) -> Callable[..., None]:
        def changed(self: Reporter, *given: Any) -> None:
            with one_at_a_time:
                if name == "expect":
                    told[self].append([])
                change(self, *given)
                told[self][-1].append(self.channel())

        return changed

    for name in ("expect", "more", "rows", "detail"):
        monkeypatch.setattr(Reporter, name, noting(name, getattr(Reporter, name)))
    made: Any = json_rows.made
    monkeypatch.setattr(json_rows, "made", lambda *given: (made(*given)[0], False))  # so all is restored again
    service, rows = MigrationService(published_small), small_rows()
    for row in rows["pets"]:
        row["legs"] = 3
    for row in rows["owners"]:
        row["name"] += "x" * 400  # few large rows in the smaller file
    result = service.migrate_all_data(rows)
    assert result.success, result.message
    assert service.rollback(result.summary["backup"]["backup_id"]).success
    parts = [part for of_step in told.values() for part in of_step if part]
    assert {part[0].step for part in parts} >= {"stage", "load", "backup", "publish", "verify", "rollback"}
    for part in parts:
        assert [each.rows for each in part] == sorted(each.rows for each in part), part[0].step
        totals = [max(each.total_rows or 0, each.rows) for each in part]
        assert totals == sorted(totals), part[0].step
    grown = {
        (part[0].step, *dict.fromkeys(each.total_rows for each in part))
        for part in parts
        if part[-1].rows and len({each.total_rows for each in part}) > 1
    }
    # each table is restored twice; each has rows to restore and rows to remove
    assert grown == {("backup", 144, 156, 288), ("rollback", 0, 12, 24, 156, 288)}
    assert [part[-1] for part in parts if part[-1].total_rows not in (None, part[-1].rows)] == []


def test_every_step_that_moves_rows_counts_them_all(published_small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of a step that knows its total reaches it; nothing of that is kept as evidence."""
    parts: list[tuple[str, int, int | None]] = []
    begin: Any = Reporter.expect

    def ended(reporter: Reporter) -> None:
        now = reporter.channel()
        parts.append((now.step, now.rows, now.total_rows))

    def expect(self: Reporter, total: int | None, detail: str = "") -> None:
        ended(self)
        begin(self, total, detail)

    monkeypatch.setattr(Reporter, "expect", expect)
    monkeypatch.setattr(Reporter, "end", ended)
    service, rows = MigrationService(published_small), small_rows()
    for row in rows["pets"][:100]:
        row["legs"] = 3
    result = service.migrate_all_data(rows)
    assert result.success, result.message
    assert service.rollback(result.summary["backup"]["backup_id"]).success
    counted = [part for part in parts if part[1]]
    assert {step for step, _, _ in counted} == {"stage", "load", "backup", "publish", "verify", "rollback"}
    assert {part[0] for part in counted if part[2] is None} == {"stage"}  # which does not know before it has read all
    assert [part for part in counted if part[2] not in (part[1], None)] == []
    assert {part for part in counted if part[0] == "publish"} == {("publish", 100, 100), ("publish", 144, 144)}
    assert [part[1] for part in counted if part[0] == "backup"] == [144, 144]  # written, and restored
    assert {each.step: each.rows for each in result.results}["publish"] == 100
    assert not (result.report.parent / progress.FOLDER).exists()
    assert json.loads((result.report.parent / "steps" / "verify.json").read_text())["rows"] == 144


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT 'a ''value''',\n  12, -1.5e-3, x2 FROM \"it's 5\"", 'SELECT ?, ?, -?, x2 FROM "it\'s 5"'),
        ("SELECT E'a\\'b', $$x'y$$, $t$z$t$, $1, %s", "SELECT ?, ?, ?, $1, %s"),
        ("SELECT 1 -- a value\n, /* and 'more */ 2", "SELECT ? , ?"),
        ("COMMENT ON TABLE t IS 'never ended", "COMMENT ON TABLE t IS ?"),
        (SQL("SELECT {} FROM {}").format(Literal("secret"), Identifier("a b")), 'SELECT ? FROM "a b"'),
        (b"SELECT " + b"x, " * 100, "SELECT " + "x, " * 50 + "x,…"),
    ],
)
def test_a_statement_is_recorded_without_its_literals(statement: Any, text: str) -> None:
    """Texts, numbers and comments may be values; names are what the catalogue has."""
    assert without_literals(statement) == text


def test_only_slow_statements_are_read() -> None:
    """The slowest are kept, those of other processes too; the text of a fast one is not made."""
    here, there, asked = Statements(), Statements(), list[int]()

    def text(number: int) -> str:
        asked.append(number)
        return f"statement {number}"

    for number in range(20, 0, -1):
        here.add(number / 10, partial(text, number))
    there.add(9.0, lambda: "elsewhere")
    here.merge(there)
    here.add(9.0, lambda: "" + 1)  # type: ignore[operator]  # no text, and no failure
    assert asked == [20, 19, 18, 17, 16]
    assert here.slowest[:2] == [(9.0, "elsewhere"), (2.0, "statement 20")]
    assert (here.number, len(here.slowest), round(here.seconds, 1)) == (22, Statements.LISTED, 39.0)
