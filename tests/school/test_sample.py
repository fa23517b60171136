"""tools/sample.py, its recipes and the sample that is committed: both are held to the rules of the domain."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import UsageError
from mock2pg.settings import REPOSITORY
from mock2pg.source import sample

COMMITTED = REPOSITORY / "mock_data"
RECIPES = COMMITTED / "sample"

Row = dict[str, Any]
Document = dict[str, list[Row]]

# Entity -> key -> rule; `?` marks what may be absent or null, `>x` a row of x, `a|b` a closed set.
SHAPE: dict[str, dict[str, str]] = {
    "students": dict.fromkeys(["id", "name", "email", "phone", "grade", "parentContact"], "text")
    | {"enrollmentDate": "date"},
    "classes": dict.fromkeys(["id", "name", "subject", "room"], "text")
    | {
        "description": "any text",
        "capacity": "positive",
        "enrolledStudents": "ids",
        "createdDate": "date",
        "color": "color",
    },
    "schedules": {"id": "text", "classId": ">classes", "dayOfWeek": "weekday", "startTime": "time", "endTime": "time"},
    "scheduleExceptions": {"id": "text", "scheduleId": ">schedules", "date": "date", "startTime": "time"}
    | {"endTime": "time", "cancelled": "boolean?", "createdDate": "date"},
    "meetings": {"id": "text", "title": "text", "description": "text", "date": "date", "startTime": "time"}
    | {"endTime": "time", "participants": "texts", "participantType": "students|parents|teachers"}
    | {"location": "text", "meetingType": "in_person|in-person|virtual", "status": "scheduled|completed|cancelled"}
    | {"createdDate": "date", "notes": "text?"},
    "attendanceRecords": {"id": "text", "classId": ">classes", "date": "date", "attendanceData": "entries"}
    | {"createdDate": "date", "updatedDate": "date?"},
    "classNotes": {"id": "text", "classId": ">classes", "date": "date", "content": "text", "topics": "texts?"}
    | {"homework": "text?", "objectives": "text?", "createdDate": "date", "updatedDate": "date"},
    "tests": {"id": "text", "classId": ">classes", "title": "text", "description": "text", "testDate": "date"}
    | {"testTime": "time?", "totalPoints": "positive", "testType": "quiz|exam|assignment|project"}
    | {"fileName": "text?", "fileUrl": "text?", "files": "files?", "createdDate": "date", "updatedDate": "date"},
    "testResults": {"id": "text", "testId": ">tests", "studentId": ">students", "score": "score"}
    | {"maxScore": "positive", "percentage": "percentage", "grade": "text", "feedback": "text?"}
    | {"submittedDate": "date?", "gradedDate": "date", "submittedFiles": "submitted files?"}
    | {"createdDate": "date", "updatedDate": "date"},
    "homeworkAssignments": {"id": "text", "classId": ">classes", "title": "text", "description": "text"}
    | {"assignedDate": "date", "dueDate": "date", "totalPoints": "positive", "instructions": "text?"}
    | {"resources": "texts?", "createdDate": "date", "updatedDate": "date"},
    "homeworkSubmissions": {"id": "text", "assignmentId": ">homeworkAssignments", "studentId": ">students"}
    | {"submittedDate": "date?", "score": "score?", "maxScore": "positive", "grade": "text?", "feedback": "text?"}
    | {"status": "not_submitted|submitted|graded|late", "submissionNotes": "text?", "gradedDate": "date?"}
    | {"createdDate": "date", "updatedDate": "date"},
}
# The objects inside rows, by the rule of the key that holds them.
INNER: dict[str, dict[str, str]] = {
    "entries": {"studentId": ">students", "status": "present|absent|late|excused", "notes": "text?"},
    "files": {"name": "text", "url": "text?"},
    "submitted files": {"name": "text", "url": "text?", "type": "submission|graded"},
}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and time.fromisoformat(value).isoformat("minutes") == value
    except ValueError:
        return False


def _is_whole(value: object, low: int, high: int = 2**31 - 1) -> bool:
    return type(value) is int and low <= value <= high


PLAIN = {
    "text": _is_text,
    "any text": lambda value: isinstance(value, str),
    "date": _is_date,
    "time": _is_time,
    "boolean": lambda value: isinstance(value, bool),
    "positive": lambda value: _is_whole(value, 1),
    "weekday": lambda value: _is_whole(value, 0, 6),
    "score": lambda value: _is_whole(value, 0),
    "percentage": lambda value: type(value) in (int, float) and 0 <= value <= 100,
    "color": lambda value: isinstance(value, str) and bool(re.fullmatch("#[0-9A-Fa-f]{6}", value)),
    "ids": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "texts": lambda value: isinstance(value, list) and all(map(_is_text, value)),
}


def _fits(value: object, rule: str, ids: dict[str, set[str]]) -> bool:
    if rule.startswith(">"):
        return value in ids[rule[1:]]
    if "|" in rule:
        return value in rule.split("|")
    if rule in INNER:
        return isinstance(value, list) and not any(
            fault for row in value for fault in _row_faults(row, INNER[rule], ids)
        )
    return bool(PLAIN[rule](value))


def _row_faults(row: Row, shape: dict[str, str], ids: dict[str, set[str]]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in row.keys() - shape.keys())
    for key, rule in shape.items():
        if row.get(key) is None:
            if not rule.endswith("?"):
                yield f"{key} is missing"
        elif not _fits(row[key], rule.removesuffix("?"), ids):
            yield f"{key} is not {rule}"


def _faults(document: Document) -> list[str]:
    """Every rule of the domain, errors and warnings alike, that the document breaks."""
    ids = {entity: {row["id"] for row in rows} for entity, rows in document.items()}
    faults = [
        f"{entity} {row['id']}: {fault}"
        for entity, rows in document.items()
        for row in rows
        for fault in _row_faults(row, SHAPE[entity], ids)
    ]
    faults += [f"{entity}: an id twice" for entity, rows in document.items() if len(ids[entity]) < len(rows)]
    return faults or [*_order_faults(document), *_member_faults(document)]


def _order_faults(document: Document) -> Iterator[str]:
    for entity in ("schedules", "scheduleExceptions", "meetings"):
        yield from (
            f"{entity} {row['id']}: ends first" for row in document[entity] if row["endTime"] <= row["startTime"]
        )
    days = defaultdict(list)
    for row in document["schedules"]:
        days[row["classId"], row["dayOfWeek"]].append((row["startTime"], row["endTime"]))
    for day, times in days.items():
        ordered = sorted(times)
        yield from (f"schedules overlap: {day}" for one, two in pairwise(ordered) if two[0] < one[1])
    for row in document["homeworkAssignments"]:
        if row["dueDate"] < row["assignedDate"]:
            yield f"homeworkAssignments {row['id']}: due before it is assigned"
    due = {row["id"]: row["dueDate"] for row in document["homeworkAssignments"]}
    for row in document["homeworkSubmissions"]:
        if (row.get("submittedDate") or "") > due[row["assignmentId"]] and row["status"] != "late":
            yield f"homeworkSubmissions {row['id']}: late, and not called so"
    for entity in ("testResults", "homeworkSubmissions"):
        yield from (
            f"{entity} {row['id']}: score" for row in document[entity] if (row.get("score") or 0) > row["maxScore"]
        )
    for row in document["testResults"]:
        if abs(row["percentage"] - 100 * row["score"] / row["maxScore"]) > 1:
            yield f"testResults {row['id']}: percentage"


def _member_faults(document: Document) -> Iterator[str]:
    enrolled = {row["id"]: row["enrolledStudents"] for row in document["classes"]}
    students = {row["id"] for row in document["students"]}
    for row in document["classes"]:
        if len(set(row["enrolledStudents"])) < len(row["enrolledStudents"]) or not students >= set(
            row["enrolledStudents"]
        ):
            yield f"classes {row['id']}: enrolled twice, or unknown"
        if len(row["enrolledStudents"]) > row["capacity"]:
            yield f"classes {row['id']}: too full"
    for row in document["attendanceRecords"]:
        present = [entry["studentId"] for entry in row["attendanceData"]]
        if len(set(present)) < len(present) or not set(present) <= set(enrolled[row["classId"]]):
            yield f"attendanceRecords {row['id']}: a student twice, or of another class"
    for entity, key, parent in (
        ("testResults", "testId", "tests"),
        ("homeworkSubmissions", "assignmentId", "homeworkAssignments"),
    ):
        class_of = {row["id"]: row["classId"] for row in document[parent]}
        pairs = Counter((row[key], row["studentId"]) for row in document[entity])
        yield from (f"{entity}: {pair} twice" for pair, count in pairs.items() if count > 1)
        yield from (
            f"{entity}: {pair} of another class" for pair in pairs if pair[1] not in enrolled[class_of[pair[0]]]
        )
    if len({row["email"] for row in document["students"]}) < len(students):
        yield "students: an email twice"
    for row in document["meetings"]:
        if row["participantType"] == "students" and not students >= set(row["participants"]):
            yield f"meetings {row['id']}: a participant that is no student"


def _read(folder: Path) -> Document:
    return {entity: json.loads((folder / f"{entity}.json").read_text(encoding="utf-8")) for entity in SHAPE}


def _size(document: Document) -> int:
    """Rows, with the elements of nested arrays that become rows of their own."""
    nested = [row.get("enrolledStudents", row.get("attendanceData", [])) for rows in document.values() for row in rows]
    return sum(map(len, document.values())) + sum(map(len, nested))


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _states(rows: list[Row], shape: dict[str, str], into: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the states in which each optional key occurs: there, null, absent."""
    for row in rows:
        for key, rule in shape.items():
            if rule.endswith("?"):
                into[key].add("absent" if key not in row else "null" if row[key] is None else "there")
            if (inner := INNER.get(rule.removesuffix("?"))) is not None:
                _states(row.get(key) or [], inner, into)
    return into


def _values(document: Document, entity: str, key: str) -> set[Any]:
    return {row.get(key) for row in document[entity]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "made"
    sample.generate(RECIPES, out, rows=2_000, seed=7)
    return out


@pytest.fixture(scope="module", params=["committed", "made"])
def document(request: pytest.FixtureRequest, made: Path) -> Document:
    return _read(COMMITTED if request.param == "committed" else made)


def test_no_rule_of_the_domain_is_broken(document: Document) -> None:
    """The committed sample and a made one keep every rule, and give no cause for a warning."""
    assert _faults(document) == []


def test_the_checker_sees_faults(made: Path) -> None:
    """The checker that these tests rely on reports a broken reference, a wrong type and a late submission."""
    document = _read(made)
    document["tests"][0]["classId"] = "no such class"
    document["classes"][0]["capacity"] = "25"
    assert len(_faults(document)) == 2
    document = _read(made)
    document["classes"][0]["capacity"] = 1
    late = next(row for row in document["homeworkSubmissions"] if row["status"] == "late")
    late["status"] = "graded"
    document["testResults"][1] |= {key: document["testResults"][0][key] for key in ("testId", "studentId")}
    assert len(_faults(document)) == 3


def test_every_optional_key_is_there_null_and_absent(document: Document) -> None:
    """Whatever is optional occurs with a value, as null and not at all."""
    for entity, shape in SHAPE.items():
        for key, states in _states(document[entity], shape, defaultdict(set)).items():
            assert states == {"there", "null", "absent"}, f"{entity}.{key}"


def test_every_closed_set_is_used_up(document: Document) -> None:
    """Every value of a closed set occurs, with both spellings of meeting in person."""
    for entity, shape in SHAPE.items():
        for key, rule in shape.items():
            if "|" in rule:
                assert _values(document, entity, key) == set(rule.split("|")), f"{entity}.{key}"
    assert {True, False} <= _values(document, "scheduleExceptions", "cancelled")
    entries = [entry for row in document["attendanceRecords"] for entry in row["attendanceData"]]
    assert {entry["status"] for entry in entries} == set(INNER["entries"]["status"].split("|"))
    files = [file for row in document["testResults"] for file in row.get("submittedFiles") or []]
    assert {file["type"] for file in files} == {"submission", "graded"}


def test_names_are_written_in_many_scripts(document: Document) -> None:
    """Students have names in Greek, Cyrillic, Arabic, Han, kana, hangul and with accents."""
    names = " ".join(row["name"] for row in document["students"])
    for script in ("[Α-ώ]", "[А-я]", "[ا-ي]", "[一-鿿]", "[ァ-ヶぁ-ん]", "[가-힣]", "[À-ÿ]", "[Ā-ž]"):
        assert re.search(script, names), script


def test_nobody_can_be_reached(document: Document) -> None:
    """E-mail addresses are in domains reserved for examples, telephone numbers in the range kept for fiction."""
    for row in document["students"]:
        assert re.search(r"@([a-z]+\.)*(example|example\.org)$", row["email"])
        assert re.search(r"555-01\d\d$", row["phone"])


def test_the_committed_sample_is_a_small_school() -> None:
    """The committed sample has 400 to 750 rows, an empty description, empty lists, an apostrophe and an emoji."""
    document = _read(COMMITTED)
    assert 400 <= _size(document) <= 750
    assert "" in _values(document, "classes", "description")
    assert any("'" in row["name"] for row in document["students"])
    assert any("🦀" in row["content"] for row in document["classNotes"])
    for entity, key in (
        ("classes", "enrolledStudents"),
        ("meetings", "participants"),
        ("attendanceRecords", "attendanceData"),
        ("classNotes", "topics"),
        ("tests", "files"),
        ("testResults", "submittedFiles"),
        ("homeworkAssignments", "resources"),
    ):
        assert {bool(row[key]) for row in document[entity] if row.get(key) is not None} == {True, False}, entity
    assert any(row["percentage"] % 1 for row in document["testResults"])


def test_the_committed_files_are_easy_to_read() -> None:
    """A committed file is indented by two spaces and written in UTF-8, not in escapes."""
    for entity, rows in _read(COMMITTED).items():
        text = (COMMITTED / f"{entity}.json").read_text(encoding="utf-8")
        assert text == json.dumps(rows, ensure_ascii=False, indent=2) + "\n", entity


@pytest.mark.parametrize("rows", [50, 51, 64, 100, 160, 333, 1_001, 10_000])
def test_as_many_rows_as_asked_for(tmp_path: Path, rows: int) -> None:
    """A sample has the rows that were asked for, those of nested arrays included, and breaks no rule."""
    counts = sample.generate(RECIPES, tmp_path, rows=rows, seed=rows)
    document = _read(tmp_path)
    assert counts == {entity: len(array) for entity, array in document.items()}
    assert _size(document) == rows
    assert _faults(document) == []


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    """Two samples of the same rows and seed are byte for byte equal."""
    sample.generate(RECIPES, tmp_path / "again", rows=2_000, seed=7)
    assert _digests(tmp_path / "again") == _digests(made)


def test_another_seed_gives_another_sample(made: Path, tmp_path: Path) -> None:
    """A sample of another seed differs in every file."""
    sample.generate(RECIPES, tmp_path / "other", rows=2_000, seed=8)
    assert not set(_digests(tmp_path / "other").items()) & set(_digests(made).items())


def test_a_row_is_a_line(made: Path) -> None:
    """A made file is one JSON array with each row on a line of its own, in the order of their ids."""
    lines = (made / "testResults.json").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("[", "]")
    ids = [json.loads(line.removesuffix(","))["id"] for line in lines[1:-1]]
    assert ids == [str(number) for number in range(1, len(ids) + 1)]


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """Fewer rows than a whole document needs are a mistake in the command; nothing is written."""
    with pytest.raises(UsageError, match="50 is the least"):
        sample.generate(RECIPES, tmp_path / "out", rows=49, seed=1)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """A folder that is not empty, or a file, is refused and left as it is; an empty folder is filled."""
    (tmp_path / "mine.txt").write_text("mine")
    for taken in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="is not an empty folder"):
            sample.generate(RECIPES, taken, rows=50, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A path below a file is a mistake in the command."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write a sample"):
        sample.generate(RECIPES, tmp_path / "file" / "out", rows=50, seed=1)
