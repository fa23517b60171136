"""Quarantine: rows that break a rule are left out with what depends on them, counted, and the rest is published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mock2pg import MigrationService, cli, postgres
from mock2pg import settings as settings_module
from mock2pg.postgres.server import Server
from mock2pg.results import MigrationResult
from mock2pg.settings import Settings
from tests.fix_postgres import new_database
from tests.fix_published import small_rows
from tests.fix_small import small_project
from tests.school.fix_school import Document, new_project, sample
from tests.school.test_forty_faults import Text, resolved, written

CANARY = "Canary-4711"

Place = tuple[str, int, int | None]  # path of the array, row from 1, index in the nested array
FITS, EXISTS = "expect_values_to_fit_their_types", "expect_column_values_to_exist_in_table"
UNIQUE, ONCE = "expect_column_values_to_be_unique", "expect_rows_to_be_unique_on"
WITH_ITS_ROW = "row_is_refused"


def like_first(entity: str, number: int, **changes: Any) -> dict[str, Any]:
    """A valid row like the sample's first of the entity, with an id of its own."""
    row: dict[str, Any] = {**sample()[entity][0], "id": f"extra {number}", **changes}
    return row


def faulty() -> tuple[Document, dict[Place, set[tuple[str, str, bool]]]]:
    """The sample with invalid rows, and every row to be refused: field, rule, and whether it only depends."""
    document = sample()
    refused: dict[Place, set[tuple[str, str, bool]]] = {}

    def add(entity: str, row: Any, *reasons: tuple[str, str, bool]) -> int:
        document[entity].append(row)
        number = len(document[entity])
        if reasons:
            refused[entity, number, None] = set(reasons)
        return number

    # a student who is left out, and what hangs on the student
    add(
        "students",
        like_first("students", 1, enrollmentDate="2026-02-30", email="1@x.example", name=CANARY),
        ("enrollmentDate", FITS, False),
    )
    document["classes"][0]["enrolledStudents"].append("extra 1")
    index = len(document["classes"][0]["enrolledStudents"]) - 1
    refused["classes[].enrolledStudents[]", 1, index] = {(f"enrolledStudents[{index}]", EXISTS, True)}
    document["attendanceRecords"][0]["attendanceData"].append({"studentId": "extra 1", "status": "late"})
    index = len(document["attendanceRecords"][0]["attendanceData"]) - 1
    of_student = (f"attendanceData[{index}].studentId", EXISTS, True)
    refused["attendanceRecords[].attendanceData[]", 1, index] = {of_student}
    add("testResults", like_first("testResults", 1, studentId="extra 1", feedback=CANARY), ("studentId", EXISTS, True))
    add("homeworkSubmissions", like_first("homeworkSubmissions", 1, studentId="extra 1"), ("studentId", EXISTS, True))

    # a class that is left out with its own enrolments, and three rounds of what hangs on it
    room = add(
        "classes",
        like_first("classes", 2, capacity=CANARY, enrolledStudents=["1", "2"]),
        ("capacity", FITS, False),
    )
    for index in (0, 1):
        refused["classes[].enrolledStudents[]", room, index] = {("", WITH_ITS_ROW, True)}
    of_class = ("classId", EXISTS, True)
    add("schedules", like_first("schedules", 2, classId="extra 2"), of_class)
    add("scheduleExceptions", like_first("scheduleExceptions", 2, scheduleId="extra 2"), ("scheduleId", EXISTS, True))
    add("classNotes", like_first("classNotes", 2, classId="extra 2", content=CANARY), of_class)
    add("tests", like_first("tests", 2, classId="extra 2"), of_class)
    add("testResults", like_first("testResults", 2, testId="extra 2"), ("testId", EXISTS, True))
    entries = [{"studentId": "1", "status": "late"}, {"studentId": "2", "status": "late"}]
    record = add(
        "attendanceRecords", like_first("attendanceRecords", 2, classId="extra 2", attendanceData=entries), of_class
    )
    for index in (0, 1):
        refused["attendanceRecords[].attendanceData[]", record, index] = {("", WITH_ITS_ROW, True)}

    # rows of one key go all of them, and what refers to the key
    for _ in range(2):
        add("homeworkAssignments", like_first("homeworkAssignments", 3), ("id", UNIQUE, False))
    of_assignment = ("assignmentId", EXISTS, True)
    add("homeworkSubmissions", like_first("homeworkSubmissions", 3, assignmentId="extra 3"), of_assignment)

    # elements at fault go alone
    document["classes"][1]["enrolledStudents"].append(document["classes"][1]["enrolledStudents"][0])
    for index in (0, len(document["classes"][1]["enrolledStudents"]) - 1):
        refused["classes[].enrolledStudents[]", 2, index] = {(f"enrolledStudents[{index}]", ONCE, False)}
    document["attendanceRecords"][1]["attendanceData"][0]["status"] = CANARY
    refused["attendanceRecords[].attendanceData[]", 2, 0] = {
        ("attendanceData[0].status", "expect_column_values_to_be_in_set", False)
    }

    # other shapes: an undeclared key, a row that is no object, two faults in one row
    add("meetings", like_first("meetings", 4, mood=CANARY), ("mood", "expect_only_declared_keys", False))
    add("meetings", CANARY, ("", FITS, False))
    add(
        "meetings",
        like_first("meetings", 5, status=CANARY, participants="1"),
        ("status", "expect_column_values_to_be_in_set", False),
        ("participants", FITS, False),
    )

    # a warning refuses nobody
    add("students", like_first("students", 6))
    return document, refused


DOCUMENT, REFUSED = faulty()
COUNTS = Counter(path for path, _, _ in REFUSED)
ROWS = sum(map(len, DOCUMENT.values())) + sum(
    len(row.get(nested, ()))
    for entity, nested in (("classes", "enrolledStudents"), ("attendanceRecords", "attendanceData"))
    for row in DOCUMENT[entity]
)


@dataclass(frozen=True)
class Quarantined:
    """A migration with quarantine: what it printed, what refused.jsonl says, and the ids in the target tables."""

    result: MigrationResult
    printed: str
    lines: list[dict[str, Any]]
    folder: Path
    text: Text
    ids: dict[str, Counter[str]]


def service_of(project: Path, **overrides: object) -> MigrationService:
    return MigrationService(
        settings_module.load(project=project, on_error="quarantine", **{"max_refused": "50%"} | overrides)
    )


@pytest.fixture(scope="module")
def own_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("quarantine"))


@pytest.fixture(scope="module")
def quarantined(own_project: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Quarantined:
    text = written(DOCUMENT)
    file = tmp_path_factory.mktemp("source") / "mock.json"
    file.write_text(text.text, encoding="utf-8")
    results: list[MigrationResult] = []
    migrate = MigrationService.migrate_all_data

    def kept(*arguments: Any, **named: Any) -> MigrationResult:
        results.append(migrate(*arguments, **named))
        return results[-1]

    with new_database(server) as url, pytest.MonkeyPatch.context() as patch:
        settings = settings_module.load(project=own_project, database_url=url)
        patch.setattr(MigrationService, "migrate_all_data", kept)
        most = str(len(REFUSED))  # not one more than are there
        code, said = mock2pg(settings, "migrate", str(file), "--on-error", "quarantine", "--max-refused", most)
        assert code == 0, said
        published = {table: ids(settings, table) for table in (*SOUND_IDS, "class_enrollments")}
    folder = own_project / "runs" / results[0].run_id
    lines = [json.loads(line) for line in (folder / "refused.jsonl").read_text(encoding="utf-8").splitlines()]
    return Quarantined(results[0], said, lines, folder, text, published)


def test_what_is_at_fault_goes_with_what_depends_on_it_and_nothing_else(quarantined: Quarantined) -> None:
    """Children go with their parents, over several rounds, and elements with their row; a warning refuses nobody."""
    said = Counter((line["path"], line["row"], line["index"]) for line in quarantined.lines)
    assert said == Counter(REFUSED.keys())


def test_each_refused_row_has_its_reasons(quarantined: Quarantined) -> None:
    """A line names every field and rule at fault, and whether the row was sound until others were left out."""
    reasons = {
        (line["path"], line["row"], line["index"]): {(r["field"], r["rule"], r["depends"]) for r in line["reasons"]}
        for line in quarantined.lines
    }
    assert reasons == REFUSED
    assert all(reason["message"] for line in quarantined.lines for reason in line["reasons"])


def test_each_refused_row_has_its_place(quarantined: Quarantined) -> None:
    """File, line, column and pointer lead to the row, or to the element of its nested array."""
    parsed = json.loads(quarantined.text.text)
    nested = {"classes": "enrolledStudents", "attendanceRecords": "attendanceData"}
    for line in quarantined.lines:
        path: tuple[str | int, ...] = (line["entity"], line["row"] - 1)
        if line["index"] is not None:
            path += (nested[line["entity"]], line["index"])
        assert line["pointer"] == "".join(f"/{step}" for step in path)
        assert (line["line"], line["column"]) == quarantined.text.place(quarantined.text.values[path])
        assert Path(line["file"]).name == "mock.json"
        row = parsed[line["entity"]][line["row"] - 1]
        assert line["id"] == (row["id"] if isinstance(row, dict) else None)
        resolved(parsed, line["pointer"])


def test_refused_rows_leave_no_value_behind(quarantined: Quarantined) -> None:
    """Neither refused.jsonl nor anything else in the run's folder holds a value."""
    files = [file for file in quarantined.folder.rglob("*") if file.is_file()]
    assert quarantined.folder / "refused.jsonl" in files
    assert [file.name for file in files if CANARY.encode() in file.read_bytes()] == []


def test_the_account_of_every_array_holds(quarantined: Quarantined) -> None:
    """Of each array it is told how many rows were read and how many refused; no other row is counted."""
    accounts: Mapping[str, Mapping[str, int]] = quarantined.result.summary["check"]["entities"]
    assert {path: account["refused"] for path, account in accounts.items() if account["refused"]} == dict(COUNTS)
    assert {path: account["read"] for path, account in accounts.items() if "[]" not in path} == {
        entity: len(rows) for entity, rows in DOCUMENT.items()
    }


def test_what_was_found_is_told_all_the_same(quarantined: Quarantined) -> None:
    """The rows that were at fault from the beginning are listed among the errors, as is the warning."""
    first = {(path, row) for (path, row, _), reasons in REFUSED.items() if not all(reason[2] for reason in reasons)}
    found = {(error.entity, error.row) for error in quarantined.result.errors if error.severity == "critical"}
    assert found == {(path.split("[]")[0], row) for path, row in first}
    assert "expect_column_values_to_be_unique" in {
        error.rule for error in quarantined.result.errors if error.severity == "warning"
    }


def test_not_one_row_more_may_go_than_is_allowed(own_project: Path) -> None:
    """The limit is of rows of every array, nested ones too, and counts those that only depend; per cent are of what
    was read."""
    allowed = 100 * (len(REFUSED) - 1) // ROWS
    most = ROWS * allowed // 100
    assert most < len(REFUSED)
    found = service_of(own_project, max_refused=f"{allowed}%").check(DOCUMENT)
    assert found.error is not None
    assert found.error.code == 4
    assert f"rows would be refused, and no more than {most} may be" in found.message
    assert found.errors
    assert not (own_project / "runs" / found.run_id / "refused.jsonl").exists()


def test_a_nested_array_that_is_missing_is_no_row(own_project: Path) -> None:
    """The row that lacks it is refused; of the nested array nothing was read, so nothing of it is refused."""
    document = sample()
    del document["attendanceRecords"][0]["attendanceData"]
    found = service_of(own_project).check(document)
    accounts = found.summary["check"]["entities"]
    assert accounts["attendanceRecords"] == {"read": len(document["attendanceRecords"]), "refused": 1}
    entries = sum(len(row.get("attendanceData", ())) for row in document["attendanceRecords"])
    assert accounts["attendanceRecords[].attendanceData[]"] == {"read": entries, "refused": 0}
    refused = (own_project / "runs" / found.run_id / "refused.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(refused) == 1


def test_a_rule_about_a_whole_table_cannot_be_mended_by_leaving_rows_out(own_project: Path) -> None:
    """An array that must not be empty, and would be when its rows are refused, stops the run."""
    document = sample()
    for row in document["students"]:
        row["enrollmentDate"] = CANARY
    found = service_of(own_project, max_refused="100%").check(document)
    assert found.error is not None
    assert found.error.code == 4
    assert "no row can be refused to correct this: students: must have at least one row" in found.message


@pytest.mark.parametrize("text", ['{"students": [', '{"students": [{"id": 1},]}', ""])
def test_what_is_not_json_is_refused_in_quarantine_too(text: str, own_project: Path, tmp_path: Path) -> None:
    """No row can be left out of what cannot be read."""
    file = tmp_path / "mock.json"
    file.write_text(text)
    found = service_of(own_project, max_refused="100%").check(file)
    assert found.error is not None
    assert found.error.code == 3


def test_an_array_that_is_not_declared_is_refused_in_quarantine_too(tmp_path: Path) -> None:
    """It is no row, and would be lost: the faults of the source itself are not to be left out."""
    found = service_of(small_project(tmp_path), max_refused="100%").check(small_rows() | {"lessonPlans": []})
    assert found.error is not None
    assert found.error.code == 3
    assert found.summary["check"]["entities"]["pets"]["refused"] == len(small_rows()["pets"])


def mock2pg(settings: Settings, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.command, arguments, env=settings.environment())
    return done.exit_code, done.stdout


def ids(settings: Settings, table: str) -> Counter[str]:
    with postgres.connect(settings.url, name="test") as connection:
        return Counter(row[0] for row in connection.execute(f"SELECT id FROM public.{table}").fetchall())


SOUND_IDS = {
    table: Counter(
        row["id"] for number, row in enumerate(DOCUMENT[entity], start=1) if (entity, number, None) not in REFUSED
    )
    for table, entity in {
        "students": "students", "classes": "classes", "schedules": "schedules", "meetings": "meetings",
        "schedule_exceptions": "scheduleExceptions", "attendance_records": "attendanceRecords", "tests": "tests",
        "class_notes": "classNotes", "test_results": "testResults", "homework_assignments": "homeworkAssignments",
        "homework_submissions": "homeworkSubmissions",
    }.items()
}  # fmt: skip


def test_the_sound_rows_are_published_and_proven(quarantined: Quarantined) -> None:
    """Exactly the valid rows are published and proven, and every row is accounted for."""
    said = quarantined.printed
    assert {table: quarantined.ids[table] for table in SOUND_IDS} == SOUND_IDS
    enrolled = sum(len(row["enrolledStudents"]) for row in DOCUMENT["classes"]) - COUNTS["classes[].enrolledStudents[]"]
    assert quarantined.ids["class_enrollments"].total() == enrolled
    table = {words[0]: words[1:] for words in map(str.split, said.splitlines()) if len(words) == 4}
    assert table["Array"] == ["Read", "Loaded", "Refused"]
    for entity, rows in DOCUMENT.items():
        assert (entity in table) is bool(COUNTS[entity])
        assert not COUNTS[entity] or table[entity] == [
            str(len(rows)),
            str(len(rows) - COUNTS[entity]),
            str(COUNTS[entity]),
        ]
    assert f"{ROWS} rows read = {ROWS - len(REFUSED)} loaded + {len(REFUSED)} refused" in said


def test_with_quarantine_too_a_second_run_changes_nothing(published_small: Settings, tmp_path: Path) -> None:
    """Over the limit nothing is published; within it the rows that were published before are left as they are."""
    document, file = small_rows(), tmp_path / "mock.json"
    document["pets"].append({**document["pets"][0], "id": "wrong", "name": "wrong", "legs": CANARY})
    file.write_text(json.dumps(document), encoding="utf-8")
    quarantine = ("migrate", str(file), "--on-error", "quarantine", "--max-refused")
    code, _ = mock2pg(published_small, *quarantine, "0")
    assert code == 4
    with postgres.connect(published_small.url, name="test") as connection:
        assert connection.execute("SELECT count(*) FROM mock2pg.runs").fetchone() == (1,)
    code, said = mock2pg(published_small, *quarantine, "1")
    assert code == 0, said
    assert "nothing changed: the target tables hold" in said
