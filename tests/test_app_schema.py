"""A database that an application owns: the sample migrates into it, and not a line of its definitions changes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from mock2pg import MigrationService
from mock2pg.errors import PreflightFailed
from mock2pg.settings import REPOSITORY, Settings
from mock2pg.tools import postgres
from mock2pg.tools.server import binary
from tests.fix_merge import select
from tests.fix_project import Document

APP_SCHEMA = (REPOSITORY / "tests" / "data" / "app_schema.sql").read_text(encoding="utf-8")


def definitions(url: str) -> bytes:
    command = [binary("pg_dump"), "--restrict-key=x", "--schema-only", "--schema=public", url]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture
def application(connection: postgres.Connection) -> Iterator[postgres.Connection]:
    connection.execute(APP_SCHEMA)  # type: ignore[arg-type]
    yield connection
    connection.execute("DROP OWNED BY app_schema_reader; DROP ROLE app_schema_reader")


def test_the_sample_migrates_into_the_tables_of_an_application(
    application: postgres.Connection, settings: Settings, document: Document
) -> None:
    """Enum types, text dates and domains take their values; the dump of the schema is byte for byte what it was."""
    before = definitions(settings.url)
    service = MigrationService(settings)
    first = service.migrate_all_data(document)
    assert first.success, first.message
    assert definitions(settings.url) == before
    assert service.validate_migration()
    row = document["students"][0]
    assert select(application, f"SELECT name, enrollment_date FROM public.students WHERE id = '{row['id']}'") == [
        (row["name"], row["enrollmentDate"])
    ]
    sizes = {each["id"]: len(each["enrolledStudents"]) for each in document["classes"]}
    assert dict(select(application, "SELECT id, students FROM public.class_sizes")) == sizes
    assert select(application, "SELECT DISTINCT enrolled_by FROM public.class_enrollments") == [("import",)]
    assert select(application, "SELECT id FROM public.users ORDER BY 1") == [("admin-1",), ("default-teacher-1",)]
    students = len(document["students"])
    acts = "SELECT act, count(*) FROM public.audit_log GROUP BY 1 ORDER BY 1"
    assert select(application, acts) == [("INSERT", students)]

    application.execute("INSERT INTO public.favourites VALUES ('admin-1', %s)", [row["id"]])
    application.execute("UPDATE public.students SET \"photoUrl\" = 'mine'")
    application.execute("TRUNCATE public.audit_log")
    row["phone"] = "changed"
    second = service.migrate_all_data(document)
    assert second.success, second.message
    assert select(application, acts) == [("UPDATE", 1)]
    assert select(application, 'SELECT DISTINCT "photoUrl" FROM public.students') == [("mine",)]
    assert definitions(settings.url) == before

    document["classes"] = [
        {**each, "enrolledStudents": [one for one in each["enrolledStudents"] if one != row["id"]]}
        for each in document["classes"]
    ]
    for name, key in (("testResults", "studentId"), ("homeworkSubmissions", "studentId")):
        document[name] = [each for each in document[name] if each[key] != row["id"]]
    for each in document["attendanceRecords"]:
        each["attendanceData"] = [one for one in each["attendanceData"] if one["studentId"] != row["id"]]
    document["students"] = document["students"][1:]
    refused = service.migrate_all_data(document)
    assert isinstance(refused.error, PreflightFailed)
    (finding,) = refused.summary["preflight"]["findings"]
    assert finding["what"] == (
        "1 row of public.favourites (favourites_student_id_fkey) refer to students and keep them from going"
    )
