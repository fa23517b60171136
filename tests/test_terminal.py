"""The last lines of a run, and of the log: never more than what stayed."""

from __future__ import annotations

import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mock2pg import settings as settings_module
from mock2pg.backups.names import file_of
from mock2pg.errors import Mock2pgError, ValidationError, VerifyFailed
from mock2pg.evidence import verify
from mock2pg.foreign_errors import unusable
from mock2pg.report import log_messages
from mock2pg.report.history_lists import history_lines
from mock2pg.report.terminal import show, status_lines
from mock2pg.results import MigrationResult, PastRun, Status
from mock2pg.runs import new_run, open_run
from mock2pg.step_results import Published, StepResult, Verified
from tests.fix_results import result_of

ENTITY = {"read": 586, "refused": 0}
CHANGED = {"before": 0, "after": 2, "inserted": 2, "updated": 0, "deleted": 0, "unchanged": 0}
SAME = {"before": 2, "after": 2, "inserted": 0, "updated": 0, "deleted": 0, "unchanged": 2}
SUMMARY: dict[str, Any] = {
    "stage": {"tables": {"pets": {"rows": 586, "path": "pets", "entity": "pets"}}},
    "check": {"entities": {"pets": ENTITY}},
    "load": {"landed": {"pets": 586}, "added": {"users": 1}},
    "publish": {"tables": {"pets": CHANGED}},
}


def shown(error: Mock2pgError | None = None, *, errors: tuple[ValidationError, ...] = (), **summary: Any) -> str:
    """The output of a migration, colours included; None: the step did not run, "failed": it found nothing."""
    found = tuple(
        StepResult(step, "failed") if data == "failed" else result_of(step, data)
        for step, data in (SUMMARY | summary).items()
        if data is not None
    )
    result = MigrationResult(error is None, "The verdict.", found, errors, "a-run", Path("nowhere"), error)

    @click.command()
    def command() -> None:
        show(result, as_json=False)

    return CliRunner().invoke(command, color=True).output


def test_a_success_is_green_and_counts_add_up() -> None:
    """The row that no source has is named beside those that were read."""
    text = shown()
    assert "586 rows read = 586 loaded + 0 refused; 1 row that the model adds: users" in text
    assert "2 inserted, 0 updated, 0 deleted" in text
    assert "\x1b[32m✔ The verdict." in text


@pytest.mark.parametrize(
    "told",
    [
        {"check": {"entities": {"pets": {"read": 586, "refused": 202}}}},
        {"backup": {"cautions": ["No restore test."]}},
        {"errors": (ValidationError("pets", "1", "hat", "is not declared", severity="warning", row=1),)},
    ],
)
def test_a_success_with_something_to_tell_is_amber(told: dict[str, Any]) -> None:
    """202 refused rows of 586 are no plain success."""
    assert "\x1b[33m⚠ The verdict." in shown(**told)


def test_what_was_undone_is_not_shown_as_if_it_stayed() -> None:
    """No table of changes after a rollback: nothing changed. What may not have been undone is said to be."""
    undone = shown(VerifyFailed("1 row differs"), rollback={"tables": {"pets": SAME}})
    assert "0 rows changed" in undone
    assert "inserted" not in undone
    left = shown(VerifyFailed("1 row differs"), rollback="failed")
    assert "This run published, and may not have been undone:" in left
    assert "2 inserted" in left
    assert "inserted" not in shown(VerifyFailed("1 row differs"), publish="failed")


def test_a_plan_ends_with_the_line_that_publishes_it() -> None:
    """The source and the options are in it, quoted for a shell."""
    arguments = ["migrate", "my mocks", "--mode", "upsert", "--plan", "runs/x/plan.json"]
    text = shown(publish=None, plan={"tables": {"pets": CHANGED}, "arguments": arguments})
    assert re.search(r"mock2pg'? migrate 'my mocks' --mode upsert --plan runs/x/plan\.json", text)
    assert "2 to be inserted, 0 to be updated, 0 to be deleted" in text


def test_a_plan_without_a_difference_has_nothing_to_publish() -> None:
    """A statement of --alter is a difference; rows that are as they should be are none."""
    plan = {"tables": {"pets": SAME}, "arguments": ["migrate", "--plan", "plan.json"]}
    assert "To publish just this" not in shown(publish=None, plan=plan)
    assert "To publish just this" in shown(publish=None, plan={**plan, "statements": {"pets": ["ALTER TABLE pets"]}})


def test_the_line_of_a_plan_can_be_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Called through make, the program is in no folder of PATH, and is named by its path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    text = shown(publish=None, plan={"tables": {"pets": CHANGED}, "arguments": ["migrate"]})
    assert f"To publish just this: {shlex.quote(str(Path(sys.executable).with_name('mock2pg')))} migrate" in text


def test_a_migration_that_changed_nothing_is_not_called_migrated() -> None:
    """Its verdict says that it is proven, and that nothing changed."""
    same = log_messages.verdict("migrate", "succeeded", None, "backup-1", None, unchanged=True)
    assert same == "Proven, and nothing changed: the target tables already held this input."


def test_the_log_says_migrated_only_of_what_was_verified_and_changed() -> None:
    """Publishing is not yet a migration, and an unchanged table was not migrated."""

    def published(**tables: dict[str, Any]) -> Published:
        return result_of("publish", {"tables": tables}, summary="2 inserted").of(Published)

    publish = published(pets=CHANGED, owners=SAME)
    verify = result_of("verify", summary="4 rows").of(Verified)
    assert log_messages.of_step(publish, publish) == ["📤 Published, not verified yet: 2 inserted"]
    lines = ["🧾 Verified: 4 rows", "✅ Migrated pets: 2 inserted", "✅ owners: unchanged"]
    assert log_messages.of_step(verify, publish) == lines
    assert "Nothing to change, proven by hash" in log_messages.of_step(verify, published(owners=SAME))[1]
    made = published(owners={**SAME, "created": True})
    assert log_messages.of_step(verify, made)[1] == "✅ Migrated owners: created, without rows"
    assert log_messages.of_step(verify) == lines[:1]


def test_a_run_ends_with_a_duration() -> None:
    """In units that a person reads."""
    assert log_messages.of_end("migrate", 72_400, None) == "✅ Data migration completed in 1 min 12 s"
    assert log_messages.of_end("plan", 4_210, VerifyFailed("x")) == "❌ Plan failed after 4.2 s"


def test_a_name_cannot_make_a_line_of_its_own() -> None:
    """A line break in the name of a database, a role or a file is escaped, or the rest of it is indented."""
    name = "a\n✔ Migrated and proven."
    status = Status(name, name, None, "now", "migrate", name, name, False, (name,), refused=name)
    run = PastRun(datetime.now(UTC), name, name, name, name, name, 1, name, name, name, name)
    texts = [status_lines(status), history_lines([run], 200), shown(VerifyFailed(f"it fails: {name}", hint=name))]
    for text in texts:
        assert "Migrated and proven." in text
        assert not any(line.startswith("✔") for line in text.splitlines())


def test_an_id_that_is_given_is_cut(tmp_path: Path) -> None:
    """Of a run, a backup and a path, however long."""
    settings = settings_module.load(project=tmp_path)
    new_run(settings).write("record.json", {})
    endless = "\x1b[31m" + "x" * 10_000
    for refused in (
        lambda: open_run(settings, endless),
        lambda: file_of(tmp_path, endless),
        lambda: verify(settings, endless, every=False, known=()),
    ):
        with pytest.raises(Mock2pgError) as caught:
            refused()
        assert len(caught.value.message) < 300
        assert r"\x1b[31mxxx" in caught.value.message
    assert len(unusable(OSError(36, "File name too long", endless), "stage").message) < 300
