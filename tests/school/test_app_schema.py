"""A database that an application owns: the sample migrates into it, and not a line of its definitions changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from mock2pg import MigrationService, postgres
from mock2pg.settings import REPOSITORY, Settings
from tests.fix_merge import select
from tests.fix_restore import definitions
from tests.school.fix_school import Document

APP_SCHEMA = (REPOSITORY / "tests" / "school" / "data" / "app_schema.sql").read_text(encoding="utf-8")


@pytest.fixture
def application(connection: postgres.Connection) -> Iterator[postgres.Connection]:
    connection.execute(APP_SCHEMA)  # type: ignore[arg-type]
    yield connection
    connection.execute("DROP OWNED BY app_schema_reader; DROP ROLE app_schema_reader")


def entered(connection: postgres.Connection, document: Document) -> None:
    """Let somebody have entered a few rows by hand, as the source has them; an enrolment gets an id of its own."""
    second, room, lesson = document["students"][1], document["classes"][0], document["schedules"][0]
    assert (lesson["classId"], room["enrolledStudents"][1]) == (room["id"], second["id"])
    connection.execute(
        "INSERT INTO public.students (id, name, email, phone, grade, parent_contact, enrollment_date)"
        ' SELECT x.id, x.name, x.email, x.phone, x.grade, x."parentContact", x."enrollmentDate" FROM'
        ' json_to_record(%s) AS x(id text, name text, email text, phone text, grade text, "parentContact" text,'
        ' "enrollmentDate" text)',
        [json.dumps(second)],
    )
    connection.execute(
        "INSERT INTO public.classes VALUES (%(id)s, %(name)s, %(subject)s, %(description)s, %(room)s, %(capacity)s,"
        " %(createdDate)s, %(color)s)",
        room,
    )
    connection.execute(
        "INSERT INTO public.schedules VALUES (%(id)s, %(classId)s, %(dayOfWeek)s, %(startTime)s, %(endTime)s)", lesson
    )
    connection.execute(
        "WITH e AS (INSERT INTO public.class_enrollments VALUES (gen_random_uuid(), %s, %s, 'a teacher') RETURNING id)"
        " INSERT INTO public.seats SELECT id, 'front row' FROM e",
        [room["id"], second["id"]],
    )


def assert_arrived(connection: postgres.Connection, document: Document) -> None:
    """Every value of the source is in its table as the source spells it, but for what a model changes and says so."""
    for entity, rows in document.items():
        table = snake(entity)
        found = {row["id"]: row for (row,) in select(connection, f"SELECT to_jsonb(t) FROM public.{table} AS t")}
        assert len(found) == len(rows)
        for row in rows:
            for key, value in row.items():
                if key in ("enrolledStudents", "attendanceData"):
                    continue
                expected = value
                if entity == "meetings" and key in ("startTime", "endTime"):  # columns of type time
                    expected = f"{value}:00"
                if key == "meetingType":
                    expected = value.replace("-", "_")
                if key == "cancelled":  # a text column
                    expected = {True: "true", False: "false", None: "false"}[value]
                assert found[row["id"]][snake(key)] == expected, (entity, row["id"], key)
    query = "SELECT class_id, student_id FROM public.class_enrollments"
    assert sorted(select(connection, query)) == sorted(
        (each["id"], student) for each in document["classes"] for student in each["enrolledStudents"]
    )
    query = "SELECT attendance_record_id, student_id, status::text, notes FROM public.attendance_entries"
    entries = [
        (record["id"], each["studentId"], each["status"], each.get("notes"))
        for record in document["attendanceRecords"]
        for each in record["attendanceData"]
    ]
    assert sorted(select(connection, query), key=repr) == sorted(entries, key=repr)


def snake(name: str) -> str:
    return re.sub("(?<!^)([A-Z])", r"_\1", name).lower()


def test_the_sample_migrates_into_the_tables_of_an_application(
    application: postgres.Connection, settings: Settings, document: Document
) -> None:
    """Enum types, text dates and domains take their values; the dump of the schema is byte for byte what it was."""
    before = definitions(settings.url)
    entered(application, document)
    service = MigrationService(settings)
    first = service.migrate_all_data(document)
    assert first.success, first.message
    assert definitions(settings.url) == before
    assert first.summary["verify"]["kept_keys"] == {"class_enrollments": 1}
    assert first.summary["verify"]["matched_by"]["class_enrollments"] == ["class_id", "student_id"]
    row = document["students"][0]
    assert_arrived(application, document)
    counts = first.summary["publish"]["tables"]
    for name in ("students", "classes", "schedules", "class_enrollments"):
        assert (counts[name]["before"], counts[name]["updated"], counts[name]["unchanged"]) == (1, 0, 1), name
    assert first.summary["preflight"]["kept_keys"] == {"class_enrollments": 1}
    kept = "SELECT student_id, seat FROM public.seats AS s JOIN public.class_enrollments AS e ON e.id = s.enrollment_id"
    assert select(application, kept) == [(document["classes"][0]["enrolledStudents"][1], "front row")]
    sizes = {each["id"]: len(each["enrolledStudents"]) for each in document["classes"]}
    assert dict(select(application, "SELECT id, students FROM public.class_sizes")) == sizes
    assert select(application, "SELECT DISTINCT enrolled_by FROM public.class_enrollments ORDER BY 1") == [
        ("a teacher",),
        ("import",),
    ]
    assert select(application, "SELECT id FROM public.users ORDER BY 1") == [("admin-1",), ("default-teacher-1",)]
    students = len(document["students"])
    acts = "SELECT act, count(*) FROM public.audit_log GROUP BY 1 ORDER BY 1"
    assert select(application, acts) == [("INSERT", students)]

    application.execute("UPDATE public.students SET \"photoUrl\" = 'mine'")
    application.execute("TRUNCATE public.audit_log")
    row["phone"] = "changed"
    second = service.migrate_all_data(document)
    assert second.success, second.message
    assert select(application, acts) == [("UPDATE", 1)]
    assert select(application, 'SELECT DISTINCT "photoUrl" FROM public.students') == [("mine",)]
    assert definitions(settings.url) == before
