"""Notifications follow a run, and change nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mock2pg.errors import CheckFailed, UsageError
from mock2pg.notifications import Message
from mock2pg.pipeline import lifecycle, notices, prune_runs
from mock2pg.pipeline.work import Work
from mock2pg.report.history_lists import run_lines
from mock2pg.report.result import show
from mock2pg.results import MigrationResult
from mock2pg.runs import open_run
from mock2pg.settings import Settings, load
from mock2pg.watch import state
from tests.fix_results import result_of
from tests.fix_small import small_project


class Recorder:
    """A notifier that only notes what it is asked for."""

    sent: list[str]
    faults: Sequence[str] = ()

    def __init__(self, _: Settings) -> None:
        Recorder.sent = []

    def send(self, message: Message) -> None:
        self.sent.append(f"{message.title}\n{message.body}")

    def send_if_killed(self, message: Message) -> None:
        self.sent.append(f"({message.title})")

    def refuse_invalid(self) -> None:
        self.sent.append("refuse")

    def finish(self) -> Sequence[str]:
        self.sent.append("finish")
        return self.faults


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    monkeypatch.setattr(notices, "Notifier", Recorder)
    Recorder.sent = []
    return Recorder


def ran(folder: Path, name: str, command: Callable[[Work], None], urls: str | None = "json://h/secret") -> Any:
    project = small_project(folder / "project")
    return lifecycle.run(load(project=project, notify_urls=urls), name, command)


def titles(recorder: type[Recorder]) -> list[str]:
    return [sent.splitlines()[0] for sent in recorder.sent]


def fails(work: Work) -> None:
    work.refuse_invalid_notifications()
    raise CheckFailed("CANARY", hint="CANARY")


def test_a_run_that_fails_is_reported_without_the_reason(tmp_path: Path, recorder: type[Recorder]) -> None:
    """The start, what to send if it is killed, and the verdict, in that order; what was not sent is a warning."""
    recorder.faults = ["slack (URL 1) did not accept it"]
    result: MigrationResult = ran(tmp_path, "migrate", fails)
    recorder.faults = ()
    assert titles(recorder) == [
        "mock2pg migrate: started", "(mock2pg migrate: killed)", "refuse", "mock2pg migrate: failed", "finish",
    ]  # fmt: skip
    assert "Error: CheckFailed, exit code 4" in recorder.sent[3]
    assert f"Run: {result.run_id}\nDatabase: mock2pg\nSchema: public" in recorder.sent[3]
    assert "CANARY" not in "".join(recorder.sent)
    assert isinstance(result.error, CheckFailed)
    assert result.warnings == ("A notification was not sent: slack (URL 1) did not accept it",)


def warns(work: Work) -> None:
    work.run.save(result_of("backup", {"cautions": ["No restore test was made."]}))


ENDS: dict[str, tuple[Callable[[Work], None], str]] = {
    "succeeded": (lambda _: None, "✔"),
    "succeeded with warnings": (warns, "⚠"),
    "failed": (fails, "✘"),
}


@pytest.mark.parametrize("word", ENDS)
def test_a_run_has_one_outcome(word: str, tmp_path: Path, recorder: type[Recorder]) -> None:
    """Terminal, JSON, record, report, lists of runs, page of a run and notification have the same one."""
    command, mark = ENDS[word]
    result: MigrationResult = ran(tmp_path, "migrate", command)
    settings = load(project=tmp_path / "project")
    record = open_run(settings).record()
    outcome = {"status": word.partition(" ")[0], "warned": word.endswith("warnings")}
    assert outcome.items() <= record.items()
    assert outcome.items() <= result.as_dict().items()
    assert titles(recorder)[-2] == f"mock2pg migrate: {word}"
    assert f'<div class="word">{word.capitalize()}</div>' in result.report.read_text(encoding="utf-8")
    assert word.capitalize() in (settings.runs_dir / "index.html").read_text(encoding="utf-8")
    assert state.of_run(settings.runs_dir, result.run_id)["word"] == word.capitalize()
    (_, line) = run_lines(prune_runs.listed(settings), 200)
    assert f"  {word}  " in line
    shown = CliRunner().invoke(click.Command("show", callback=lambda: show(result, as_json=False))).output
    assert f"{mark} " in shown
    code = result.error.code if result.error else None
    assert (record["error"] or {}).get("code") == code


@pytest.mark.parametrize("name", ["check", "plan", "verify", "rollback --show"])
def test_only_what_changes_a_target_is_reported(name: str, tmp_path: Path, recorder: type[Recorder]) -> None:
    """Commands that only read send nothing."""
    ran(tmp_path, name, fails)
    assert recorder.sent == []


def test_without_the_setting_nothing_is_begun(tmp_path: Path, recorder: type[Recorder]) -> None:
    """No process is started, and nothing is sent."""
    ran(tmp_path, "migrate", lambda _: None, urls=None)
    assert recorder.sent == []


@pytest.mark.parametrize("method", ["__init__", "send", "finish"])
def test_a_failure_of_notifications_is_a_warning(
    method: str, tmp_path: Path, recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised, the run succeeds."""

    def raises(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(recorder, method, raises)
    result: MigrationResult = ran(tmp_path, "rollback", lambda _: None)
    assert result.success
    assert result.warnings
    assert "secret" not in "".join(result.warnings)


def test_an_invalid_url_is_refused_before_anything_is_written(
    tmp_path: Path, recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with a UsageError, whose exit code is that of an invalid setting."""

    def refuse(_: Recorder) -> None:
        raise UsageError("a setting is not valid: MIGRATION_NOTIFY_URLS")

    monkeypatch.setattr(recorder, "refuse_invalid", refuse)
    result: MigrationResult = ran(tmp_path, "migrate", fails)
    assert isinstance(result.error, UsageError)
    assert "Error: UsageError, exit code 2" in recorder.sent[-2]
