"""The whole job, against a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationResult, MigrationService, history, postgres
from mock2pg.errors import (
    BackupRefused,
    CheckFailed,
    DatabaseError,
    InternalError,
    NothingPublished,
    PublishFailed,
    SourceError,
    VerifyFailed,
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


@pytest.mark.usefixtures("executed_notebooks")
def test_migrate_again_verify_and_roll_back(migrated: MigrationResult, published: Settings, document: Document) -> None:
    """From nothing to the sample, again without a change, proven, and back to nothing."""
    settings, service = published, MigrationService(published)
    expected = sum(len(rows) for rows in document.values())
    expected += sum(len(row["enrolledStudents"]) for row in document["classes"])
    expected += sum(len(row["attendanceData"]) for row in document["attendanceRecords"])
    assert changes(migrated) == (expected + 1, 0, 0)  # and the default system user
    assert migrated.report.is_file()
    assert (settings.runs_dir / "latest" / "index.html").is_file()

    before = tables(settings)
    again = service.migrate_all_data()
    assert again.success, again.message
    assert changes(again) == (0, 0, 0)
    assert tables(settings) == before
    assert service.validate_migration()

    gone = service.rollback(migrated.summary["backup"]["backup_id"])
    assert gone.success, gone.message
    assert tables(settings) == {}
    emptied = gone.summary["rollback"]["tables"]
    assert sum(table["deleted"] for table in emptied.values()) == expected + 1
    assert "Nothing to change" not in gone.report.read_text()
    assert isinstance(service.verify().error, NothingPublished)

    back = service.rollback(again.summary["backup"]["backup_id"])
    assert back.success, back.message
    assert tables(settings) == before
    assert service.validate_migration()


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


def test_verify_names_the_keys_that_differ(published: Settings) -> None:
    """Rows changed, removed and added by hand are each named by their key, and no value is."""
    with postgres.connect(published.url, name="test") as connection:
        connection.execute("UPDATE public.students SET phone = 'secret' WHERE id = '2'")
        connection.execute("DELETE FROM public.class_notes WHERE id = '3'")
        connection.execute(
            "INSERT INTO public.meetings SELECT 'extra', title, description, date, start_time, end_time,"
            " participants, participant_type, location, meeting_type, status, created_date, notes"
            " FROM public.meetings WHERE id = '1'"
        )
    result = MigrationService(published).verify()
    assert isinstance(result.error, VerifyFailed)
    found = result.summary["verify"]["tables"]
    assert found["students"]["different_keys"] == ["2"]
    assert found["class_notes"]["missing_keys"] == ["3"]
    assert found["meetings"]["extra_keys"] == ["extra"]
    for line in ("  students: 1 different (2)", "  class_notes: 1 missing (3)", "  meetings: 1 extra (extra)"):
        assert line in result.error.message.split("\n")
    assert "secret" not in str(result.as_dict())


def test_bad_rows_come_back_all_at_once(service: MigrationService, settings: Settings, document: Document) -> None:
    """Every row that breaks a rule is named in one run, and the database was never written to."""
    document["students"][0]["email"] = "nobody"
    document["classes"][1]["capacity"] = "25"
    document["attendanceRecords"][0]["attendanceData"][1]["status"] = "asleep"
    document["tests"][0]["classId"] = "no such class"
    result = service.migrate_all_data(document)
    assert isinstance(result.error, CheckFailed)
    said = [str(error) for error in result.errors if error.severity == "critical"]
    ids = {entity: rows[0]["id"] for entity, rows in document.items()}
    assert len(said) == 4
    assert any(line.startswith(f"students[{ids['students']}].email: ") for line in said)
    assert any(line.startswith(f"classes[{document['classes'][1]['id']}].capacity: ") for line in said)
    assert any(
        line.startswith(f"attendanceRecords[{ids['attendanceRecords']}].attendanceData[1].status: ") for line in said
    )
    assert any(line.startswith(f"tests[{ids['tests']}].classId: ") for line in said)
    assert tables(settings) == {}
    assert (result.report.parent / "data_docs" / "staged" / "index.html").is_file()
    with postgres.connect(settings.url, name="test") as connection:
        assert not any(postgres.catalogue.schema_exists(connection, name) for name in ("mock2pg", "mock2pg_landing"))


def test_what_is_not_the_declared_shape_is_refused(service: MigrationService, tmp_path: Path) -> None:
    """Text that is not JSON, a missing and an unknown entity are named; no traceback, and the run leaves its folder."""
    file = tmp_path / "data.json"
    file.write_text('{"students": [],}')
    result = service.migrate_all_data(file)
    assert isinstance(result.error, SourceError)
    (error,) = result.errors
    assert (error.line, error.column, error.rule) == (1, 17, "strict_json")
    result = service.migrate_all_data({"students": [], "pupils": []})
    assert isinstance(result.error, SourceError)
    said = [str(error) for error in result.errors]
    assert "classes: is missing; an empty array [] says that there are none" in said
    assert "pupils: is not declared in _sources.yml, so it would be lost" in said
    assert result.report.is_file()


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
    settings, service = published_small, MigrationService(published_small)
    execute = steps.run_recorded

    def failing(what: steps.Step, run: Run, **parameters: str) -> StepResult:
        if what.name in ("verify", "rollback"):
            raise InternalError(f"injected in {what.name}")
        return execute(what, run, **parameters)

    monkeypatch.setattr(steps, "run_recorded", failing)
    result = service.migrate_all_data(small_rows())
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
