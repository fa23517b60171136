"""A notification says what happened, and never why."""

from __future__ import annotations

import pytest

from mock2pg.errors import CheckFailed, Mock2pgError, RollbackFailed, VerifyFailed
from mock2pg.notifications import Message, Subject, of_end, of_loss, of_start, of_test
from mock2pg.pages.outcome import outcome_of
from mock2pg.step_results import Difference, Found, Published, RolledBack

SUBJECT = Subject("migrate", "2026-11-22T10-30-00-000Z", "shop", "app\x1b[2J")
ABOUT = ["Run: 2026-11-22T10-30-00-000Z", "Database: shop", "Schema: app\\x1b[2J"]
REPORT = "Report: mock2pg open 2026-11-22T10-30-00-000Z"
PUBLISHED = Published(
    tables={"a": Difference(0, 1_000, 1_000, 0, 0, created=True), "b": Difference(5, 4, 0, 2, 1)},
    published_at="2026-11-22T10:30:00.000Z",
)
ROLLED_BACK = RolledBack(backup_id="b", tables={"a": Difference(9, 8, 1, 3, 2), "b": Difference(0, 1, 1, 0, 0)})
STATE = "The target tables were not changed."
ENDS: dict[str, tuple[str, Mock2pgError | None, list[Found | None], str, str, list[str]]] = {
    "success": (
        "succeeded", None, [None, PUBLISHED], "succeeded", "success",
        ["Verdict: Succeeded", f"Data: {STATE}", "Rows: 1,000 inserted, 2 updated, 1 deleted"],
    ),
    "success with warnings": (
        "warned", None, [], "succeeded with warnings", "warning",
        ["Verdict: Succeeded with warnings", f"Data: {STATE}"],
    ),
    "success of a rollback": (
        "succeeded", None, [ROLLED_BACK], "succeeded", "success",
        ["Verdict: Succeeded", f"Data: {STATE}", "Rows: 2 restored, 3 changed back, 2 removed"],
    ),
    "failure": (
        "failed", CheckFailed("CANARY", hint="CANARY"), [], "failed", "failure",
        ["Verdict: Failed", f"Data: {STATE}", "Error: CheckFailed, exit code 4"],
    ),
    "a failure that was undone": (
        "rolled_back", VerifyFailed("CANARY"), [PUBLISHED], "rolled back", "warning",
        ["Verdict: Rolled back", f"Data: {STATE}", "Error: VerifyFailed, exit code 10"],
    ),
    "a failure that was not undone": (
        "rollback_failed", RollbackFailed("CANARY"), [PUBLISHED], "rollback failed", "failure",
        ["Verdict: Rollback failed", f"Data: {STATE}", "Error: RollbackFailed, exit code 11"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_has_verdict_rows_duration_and_the_name_of_the_error(
    end: tuple[str, Mock2pgError | None, list[Found | None], str, str, list[str]],
) -> None:
    """Rows are those that changed in a run that succeeded; the reason of a failure is in the report alone."""
    status, error, found, title, kind, lines = end
    text = "\n".join([*ABOUT, *lines, "Duration: 4.2 s", REPORT])
    outcome = outcome_of({"status": "succeeded", "warned": True} if status == "warned" else {"status": status})
    assert of_end(SUBJECT, outcome, STATE, error, 4.2, found) == Message(f"mock2pg migrate: {title}", text, kind)


def test_the_other_messages() -> None:
    """A start, a test, and the end of a process that left no verdict."""
    assert of_start(SUBJECT) == Message("mock2pg migrate: started", "\n".join(ABOUT), "info")
    assert of_test("shop", "app").body == "Database: shop\nSchema: app\nThis is a test. Nothing was migrated."
    killed = of_loss(SUBJECT)
    assert (killed.title, killed.kind) == ("mock2pg migrate: killed", "failure")
    assert killed.body.endswith("\nVerdict: None: the process was killed.\nNext: mock2pg status")
