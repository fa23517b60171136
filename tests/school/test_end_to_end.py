"""The whole job, of the whole sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from mock2pg import MigrationResult, MigrationService, postgres
from mock2pg.errors import (
    CheckFailed,
    NothingPublished,
    SourceError,
    VerifyFailed,
)
from mock2pg.settings import Settings
from tests.school.fix_school import Document
from tests.test_end_to_end import changes, tables


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
    for line in (
        "  students: 1 different (key 2) in phone (1 row)",
        "  class_notes: 1 missing (key 3)",
        "  meetings: 1 extra (key extra)",
    ):
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
    assert sorted(line.partition(": ")[0] for line in said) == [
        f"attendanceRecords[0].attendanceData[1].status (id {ids['attendanceRecords']})",
        f"classes[1].capacity (id {document['classes'][1]['id']})",
        f"students[0].email (id {ids['students']})",
        f"tests[0].classId (id {ids['tests']})",
    ]
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
