"""The whole job, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from mock2pg import MigrationService, history, postgres
from mock2pg.errors import (
    BackupRefused,
    DatabaseError,
    InternalError,
    PublishFailed,
)
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_published import small_rows

Document = dict[str, Any]


def tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every target table with its rows in order."""
    with postgres.connect(settings.url, name="test") as connection:
        return {
            name: connection.execute(f'SELECT * FROM public."{name}" AS t ORDER BY t::text').fetchall()  # type: ignore[arg-type]
            for name in postgres.catalogue.tables(connection, "public")
        }


def changes(result: Any) -> tuple[int, int, int]:
    rows = result.summary["publish"]["tables"].values()
    return tuple(sum(table[key] for table in rows) for key in ("inserted", "updated", "deleted"))  # type: ignore[return-value]


def test_a_change_moves_only_what_changed(published_small: Settings) -> None:
    """One row more, one different and one gone is what the second run does, and what verify then proves."""
    document = small_rows()
    document["pets"][0]["legs"] = 3
    removed = document["pets"].pop()
    document["owners"].append({"id": "a new one", "name": "a new one"})
    result = MigrationService(published_small).migrate_all_data(document)
    assert result.success, result.message
    assert changes(result) == (1, 1, 1)
    assert all(row[0] != removed["id"] for row in tables(published_small)["pets"])


@pytest.mark.parametrize("step", [step.name for step in steps.MIGRATE])
def test_a_failure_at_any_step_leaves_the_target_as_it_was(
    step: str, published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails, and be it after publishing, the target holds what it held before the run."""
    settings, document = published_small, small_rows()
    before = tables(settings)
    document["pets"].pop()
    execute = steps.run_recorded

    def failing(what: steps.Step, run: Run, **parameters: str) -> StepResult:
        result = execute(what, run, **parameters)
        if what.name == step:
            raise InternalError(f"injected after {step}")
        return result

    monkeypatch.setattr(steps, "run_recorded", failing)
    result = MigrationService(settings).migrate_all_data(document)
    assert not result.success
    assert f"injected after {step}" in result.message
    record = Run(result.run_id, settings).read("record.json")
    assert record["status"] == ("rolled_back" if step in ("publish", "verify") else "failed")
    assert tables(settings) == before
    assert not list(settings.runs_dir.glob("*/staging.duckdb"))
    with postgres.connect(settings.url, name="test") as connection:
        assert not postgres.catalogue.schema_exists(connection, "mock2pg_next")
    assert result.report.is_file()


def test_a_rollback_that_fails_too_reports_both(published_small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed undo leaves both errors in the record, and the message says what the target holds."""
    settings, service, document = published_small, MigrationService(published_small), small_rows()
    document["pets"].pop()  # where nothing changes, there is nothing to undo
    execute = steps.run_recorded

    def failing(what: steps.Step, run: Run, **parameters: str) -> StepResult:
        if what.name in ("verify", "rollback"):
            raise InternalError(f"injected in {what.name}")
        return execute(what, run, **parameters)

    monkeypatch.setattr(steps, "run_recorded", failing)
    result = service.migrate_all_data(document)
    record = Run(result.run_id, settings).read("record.json")
    assert record["status"] == "rollback_failed"
    assert record["error"]["message"] == "injected in verify"
    assert record["undo_error"]["message"] == "injected in rollback"


def test_a_server_that_is_gone_when_asked_leaves_the_outcome_unknown(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says so when nobody can tell whether the transaction was committed."""
    settings, service = published_small, MigrationService(published_small)
    execute = steps.run_recorded

    def failing(what: steps.Step, run: Run, **parameters: str) -> StepResult:
        if what.name == "publish":
            monkeypatch.setattr(history, "of", lost)
            raise PublishFailed("the connection was lost")
        return execute(what, run, **parameters)

    def lost(*_: object) -> None:
        raise DatabaseError("cannot connect")

    monkeypatch.setattr(steps, "run_recorded", failing)
    monkeypatch.setattr(history, "of", history.of)
    result = service.migrate_all_data(small_rows())
    assert Run(result.run_id, settings).read("record.json")["status"] == "unknown"
    assert "the new rows or the old ones" in result.message
    assert result.report.is_file()


def test_a_damaged_or_misnamed_backup_is_refused(published_small: Settings) -> None:
    """One changed byte, a name with a path in it, or a name that does not exist: refused, and the target untouched."""
    settings, service = published_small, MigrationService(published_small)
    before = tables(settings)
    backup = service.backup()
    file = settings.backups_dir / f"{backup}.json.zst"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    for name in (backup, "../backups/" + backup, "backup-2020-01-01T00-00-00-000Z", ""):
        with pytest.raises(BackupRefused):
            service.rollback(name)
    assert tables(settings) == before
