"""More than forty faults in one document: each is reported once, in one run, with its location."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import ValidationError
from mock2pg.results import MigrationResult
from mock2pg.source import documents
from mock2pg.source.documents import Query
from tests.fix_staging import of_arrays
from tests.school.fix_school import Document, new_project, sample

Steps = tuple[str | int, ...]
ENTITIES = list(sample())

FITS, GIVEN, DECLARED = (
    "expect_values_to_fit_their_types",
    "expect_values_to_be_given",
    "expect_only_declared_keys",
)
BLANK, REGEX, IN_SET = (
    "expect_values_not_to_be_blank",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_be_in_set",
)
BETWEEN, UNIQUE, UNIQUE_ON = (
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_unique",
    "expect_rows_to_be_unique_on",
)
EXISTS, PAIR, OBJECTS = (
    "expect_column_values_to_exist_in_table",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_json_lists_to_hold_objects",
)
ARRAYS = "declared_arrays"


# --- JSON text of our own making, which knows where everything in it stands ---------------------------------------


class Raw(str):
    """JSON text that is written as it is."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object in which a key may stand twice."""


@dataclass
class Text:
    """JSON text, and the offset of each key and value in it, by the steps that lead there; of two keys, the second.

    step  what one level is moved in by; None for a text without white space
    """

    step: str | None = "  "
    parts: list[str] = field(default_factory=list)
    length: int = 0
    values: dict[Steps, int] = field(default_factory=dict)
    keys: dict[Steps, int] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        return "".join(self.parts)

    def _add(self, part: str) -> None:
        self.parts.append(part)
        self.length += len(part)

    def write(self, value: Any, path: Steps = ()) -> None:
        self.values[path] = self.length
        if isinstance(value, Raw):
            self._add(value)
        elif isinstance(value, dict | Pairs):
            pairs = list(value.items()) if isinstance(value, dict) else value
            self._block("{}", [(key, item, (*path, key)) for key, item in pairs], len(path))
        elif isinstance(value, list):
            self._block("[]", [(None, item, (*path, index)) for index, item in enumerate(value)], len(path))
        else:
            self._add(json.dumps(value, ensure_ascii=False))

    def _block(self, brackets: str, members: list[tuple[str | None, Any, Steps]], depth: int) -> None:
        self._add(brackets[0])
        for number, (key, item, path) in enumerate(members):
            self._add("," if number else "")
            self._add("" if self.step is None else "\n" + self.step * (depth + 1))
            if key is not None:
                self.keys[path] = self.length
                self._add(json.dumps(key, ensure_ascii=False) + (":" if self.step is None else ": "))
            self.write(item, path)
        if members and self.step is not None:
            self._add("\n" + self.step * depth)
        self._add(brackets[1])

    def place(self, offset: int) -> tuple[int, int]:
        before = self.text[:offset]
        return before.count("\n") + 1, offset - before.rfind("\n")


def written(value: Any, step: str | None = "  ") -> Text:
    text = Text(step)
    text.write(value)
    return text


def resolved(document: Any, pointer: str) -> Any:
    """RFC 6901."""
    assert pointer == "" or pointer.startswith("/")
    for token in pointer.split("/")[1:]:
        step = token.replace("~1", "/").replace("~0", "~")
        document = document[int(step) if isinstance(document, list) else step]
    return document


# --- the faults ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """The error that is expected of a row.

    field   as the error has it
    where   the steps from the row to what is pointed at
    at_key  the key is pointed at, not its value
    hidden  the key is not shown: the pointer ends before it
    """

    field: str
    rule: str
    message: str
    where: Steps
    at_key: bool = False
    hidden: bool = False
    severity: str = "critical"


@dataclass(frozen=True)
class Fault:
    """A row that is added to an array of the sample.

    changes  to a valid row; a callable makes the row anew, ABSENT leaves a key out
    twin     changes to another valid row beside it, of which the same is said
    known    whether the row's id can be told
    """

    what: str
    entity: str
    changes: Mapping[str, Any] | Callable[[dict[str, Any]], Any]
    said: tuple[Said, ...]
    twin: Mapping[str, Any] | None = None
    known: bool = True


ABSENT = object()


def value(name: str, rule: str, message: str, *where: str | int, severity: str = "critical") -> tuple[Said, ...]:
    return (Said(name, rule, message, where or (name,), severity=severity),)


def unfit(name: str, message: str, *where: str | int) -> tuple[Said, ...]:
    return value(name, FITS, message, *where)


def whole(message: str) -> tuple[Said, ...]:
    return (Said("", FITS, message, ()),)


TEXT, WHOLE = "must be text: a JSON string", "must be a whole JSON number (32 bits)"
DATE, TIME = "must be a date: a JSON string YYYY-MM-DD", "must be a time of day: a JSON string HH:MM"
TEXTS, AN_OBJECT = "must be a list of texts: a JSON array of strings", "must be a JSON object"
LOST, TWICE = "is not a declared key, so its value would be lost", "appears twice in one object, so it cannot be kept"
OF_STUDENTS, OF_CLASSES = "must be the id of a row of students", "must be the id of a row of classes"
NO_CHARACTER = "holds \\u0000 or a lone surrogate, so it cannot be kept"
QUOTED = "write it without quotes"
MISSING = "is required, but the key is missing"
DEEP: list[Any] = []
for _ in range(120):
    DEEP = [DEEP]


def twice(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: Pairs([*row.items(), (key, row[key])])


FAULTS = (
    # a key that is not there, or holds nothing
    Fault("a key is missing", "students", {"name": ABSENT}, (Said("name", GIVEN, MISSING, ()),)),
    Fault("null", "students", {"phone": None}, value("phone", GIVEN, "is required, but null")),
    Fault("no id", "meetings", {"id": ABSENT}, (Said("id", GIVEN, MISSING, ()),), known=False),
    Fault("a blank text", "students", {"grade": " \u00a0"}, value("grade", BLANK, "must not be blank")),
    Fault("an empty id", "meetings", {"id": ""}, value("id", BLANK, "must not be blank")),
    Fault(
        "a key missing in an element",
        "attendanceRecords",
        {"attendanceData": [{"studentId": "1", "status": "late"}, {"studentId": "2"}]},
        (Said("attendanceData[1].status", GIVEN, MISSING, ("attendanceData", 1)),),
    ),
    Fault(
        "null in a nested array",
        "classes",
        {"enrolledStudents": ["1", None]},
        value("enrolledStudents[1]", GIVEN, "is required, but null", "enrolledStudents", 1),
    ),
    # keys that are not declared, or stand twice
    Fault(
        "a mistyped key",
        "students",
        {"emial": "x"},
        (Said("emial", DECLARED, f"{LOST}; did you mean email?", ("emial",), at_key=True),),
    ),
    Fault(
        "a key that may be a name",
        "students",
        {"Zoë Ng": {"a": 1}},
        (
            Said(
                "",
                DECLARED,
                "has a key that is not declared, so its value would be lost",
                ("Zoë Ng",),
                at_key=True,
                hidden=True,
            ),
        ),
    ),
    Fault(
        "an undeclared key in an element",
        "attendanceRecords",
        {"attendanceData": [{"studentId": "1", "status": "late", "arrival": 5}]},
        (Said("attendanceData[0].arrival", DECLARED, LOST, ("attendanceData", 0, "arrival"), at_key=True),),
    ),
    Fault(
        "a key stands twice",
        "students",
        twice("name"),
        (Said("name", FITS, TWICE, ("name",), at_key=True),),
    ),
    Fault(
        "a key stands twice in an element",
        "attendanceRecords",
        {"attendanceData": [Pairs([("studentId", "1"), ("status", "late"), ("status", "absent")])]},
        (Said("attendanceData[0].status", FITS, TWICE, ("attendanceData", 0, "status"), at_key=True),),
    ),
    Fault(
        "a key stands twice in a file",
        "tests",
        {"files": [{"name": "a"}, Pairs([("name", "a"), ("name", "b")])]},
        (Said("files", FITS, TWICE, ("files", 1, "name"), at_key=True),),
    ),
    # values of another type
    Fault("a number for a text", "students", {"grade": 5}, unfit("grade", f"{TEXT}; found a whole number")),
    Fault("a boolean for a text", "students", {"name": True}, unfit("name", f"{TEXT}; found a boolean")),
    Fault("an array for a text", "students", {"phone": []}, unfit("phone", f"{TEXT}; found an array")),
    Fault("a number for an id", "meetings", {"id": 7}, unfit("id", f"{TEXT}; found a whole number")),
    Fault("a lone surrogate", "students", {"name": Raw('"Zoë \\ud83d"')}, unfit("name", NO_CHARACTER)),
    Fault("U+0000", "students", {"phone": Raw('"\\u0000"')}, unfit("phone", NO_CHARACTER)),
    Fault(
        "U+0000 in a file",
        "tests",
        {"files": [{"name": "a"}, {"name": Raw('"\\u0000"')}]},
        unfit("files", NO_CHARACTER, "files", 1, "name"),
    ),
    Fault("a number in quotes", "classes", {"capacity": "25"}, unfit("capacity", f"{WHOLE}; found a string: {QUOTED}")),
    Fault("a fraction", "classes", {"capacity": 25.5}, unfit("capacity", f"{WHOLE}; found a number with a fraction")),
    Fault(
        "an exponent",
        "classes",
        {"capacity": Raw("2.5e1")},
        unfit("capacity", f"{WHOLE}; found a number with an exponent"),
    ),
    Fault("33 bits", "classes", {"capacity": 2**31}, unfit("capacity", f"{WHOLE}; found a number beyond 32 bits")),
    Fault("65 bits", "classes", {"capacity": 2**64}, unfit("capacity", f"{WHOLE}; found a number beyond 32 bits")),
    Fault(
        "a percentage in quotes",
        "testResults",
        {"percentage": "85"},
        unfit("percentage", f"must be a JSON number; found a string: {QUOTED}"),
    ),
    Fault(
        "a number that no double holds",
        "testResults",
        {"percentage": Raw("1e400")},
        unfit("percentage", "must be a JSON number; found a number that double precision cannot keep exactly"),
    ),
    Fault(
        "a boolean in quotes",
        "scheduleExceptions",
        {"cancelled": "true"},
        unfit("cancelled", f"must be true or false; found a string: {QUOTED}"),
    ),
    Fault(
        "a number for a boolean",
        "scheduleExceptions",
        {"cancelled": 0},
        unfit("cancelled", "must be true or false; found a whole number"),
    ),
    Fault(
        "a day that no calendar has",
        "students",
        {"enrollmentDate": "2026-02-30"},
        unfit("enrollmentDate", f"{DATE}; found a string of another form"),
    ),
    Fault(
        "a date with a time",
        "students",
        {"enrollmentDate": "2026-09-01T00:00:00Z"},
        unfit("enrollmentDate", f"{DATE}; found a string of another form"),
    ),
    Fault(
        "a date as a number",
        "students",
        {"enrollmentDate": 20260901},
        unfit("enrollmentDate", f"{DATE}; found a whole number"),
    ),
    Fault("24:00", "schedules", {"endTime": "24:00"}, unfit("endTime", f"{TIME}; found a string of another form")),
    Fault("9:00", "schedules", {"startTime": "9:00"}, unfit("startTime", f"{TIME}; found a string of another form")),
    Fault("a text for a list", "meetings", {"participants": "1"}, unfit("participants", f"{TEXTS}; found a string")),
    Fault(
        "a number in a list",
        "meetings",
        {"participants": ["1", 2]},
        unfit("participants", f"{TEXTS}; found an array that holds something else"),
    ),
    Fault(
        "nested too deeply",
        "tests",
        {"files": DEEP},
        unfit("files", "is nested deeper than 100 levels, so it cannot be kept", "files", *([0] * 100)),
    ),
    # rows and nested arrays of another shape
    Fault("a row that is a text", "students", lambda _: "x", whole(f"{AN_OBJECT}; found a string"), known=False),
    Fault("a row that is null", "classes", lambda _: None, whole(f"{AN_OBJECT}; found null"), known=False),
    Fault("a row that is an array", "meetings", lambda _: [], whole(f"{AN_OBJECT}; found an array"), known=False),
    Fault(
        "no nested array",
        "classes",
        {"enrolledStudents": ABSENT},
        (Said("enrolledStudents", FITS, MISSING, ()),),
    ),
    Fault(
        "a nested array that is null",
        "classes",
        {"enrolledStudents": None},
        unfit("enrolledStudents", "must be a JSON array; found null"),
    ),
    Fault(
        "a nested array that is an object",
        "attendanceRecords",
        {"attendanceData": {}},
        unfit("attendanceData", "must be a JSON array; found an object"),
    ),
    Fault(
        "an element of another type",
        "classes",
        {"enrolledStudents": [1]},
        unfit("enrolledStudents[0]", f"{TEXT}; found a whole number", "enrolledStudents", 0),
    ),
    Fault(
        "an element that is no object",
        "attendanceRecords",
        {"attendanceData": [{"studentId": "1", "status": "late"}, "2"]},
        unfit("attendanceData[1]", f"{AN_OBJECT}; found a string", "attendanceData", 1),
    ),
    # rules
    Fault("no address", "students", {"email": "zoë at school"}, value("email", REGEX, "must be an e-mail address")),
    Fault("no color", "classes", {"color": "#12345"}, value("color", REGEX, "must be a color #rrggbb")),
    Fault(
        "room for nobody",
        "classes",
        {"capacity": 0, "enrolledStudents": []},
        value("capacity", BETWEEN, "must be at least 1"),
    ),
    Fault(
        "an eighth day",
        "schedules",
        {"dayOfWeek": 7},
        value("dayOfWeek", BETWEEN, "must be 0 (Sunday) to 6 (Saturday)"),
    ),
    Fault("101 per cent", "testResults", {"percentage": 100.5}, value("percentage", BETWEEN, "must be 0 to 100")),
    Fault(
        "an unknown status",
        "meetings",
        {"status": "perhaps"},
        value("status", IN_SET, "must be scheduled, completed or cancelled"),
    ),
    Fault(
        "an unknown status in an element",
        "attendanceRecords",
        {"attendanceData": [{"studentId": "1", "status": "Late"}]},
        value(
            "attendanceData[0].status",
            IN_SET,
            "must be present, absent, late or excused",
            "attendanceData",
            0,
            "status",
        ),
    ),
    Fault("an id stands twice", "meetings", {}, value("id", UNIQUE, "must be unique"), twin={"title": "Another"}),
    Fault(
        "a result stands twice",
        "testResults",
        {},
        value("studentId", UNIQUE_ON, "must be the only result of this student in this test"),
        twin={"id": "another"},
    ),
    Fault(
        "enrolled twice",
        "classes",
        {"enrolledStudents": ["1", "2", "1"]},
        tuple(
            Said(
                f"enrolledStudents[{index}]", UNIQUE_ON, "must be once in enrolledStudents", ("enrolledStudents", index)
            )
            for index in (0, 2)
        ),
    ),
    Fault(
        "enrolled, but not there",
        "classes",
        {"enrolledStudents": ["1", "nobody"]},
        value("enrolledStudents[1]", EXISTS, OF_STUDENTS, "enrolledStudents", 1),
    ),
    Fault(
        "an entry of nobody",
        "attendanceRecords",
        {"attendanceData": [{"studentId": "nobody", "status": "late"}]},
        value("attendanceData[0].studentId", EXISTS, OF_STUDENTS, "attendanceData", 0, "studentId"),
    ),
    Fault("no such class", "schedules", {"classId": "none"}, value("classId", EXISTS, OF_CLASSES)),
    Fault(
        "a full class",
        "classes",
        {"capacity": 1, "enrolledStudents": ["1", "2"]},
        value("enrolledStudents", "enrolled_within_capacity", "must not hold more students than capacity"),
    ),
    Fault(
        "an end before its start", "schedules", {"endTime": "00:00"}, value("endTime", PAIR, "must be after startTime")
    ),
    Fault(
        "due before assigned",
        "homeworkAssignments",
        {"dueDate": "2001-01-01"},
        value("dueDate", PAIR, "must not be before assignedDate"),
    ),
    Fault(
        "too high a score",
        "testResults",
        {"score": 10**6},
        value("score", "score_within_max_score", "must be 0 to maxScore"),
    ),
    Fault(
        "a file without a name",
        "tests",
        {"files": [{"name": "a"}, {"url": "/b"}]},
        value("files", OBJECTS, "must be a list of objects with name, optionally url, and no other key"),
    ),
    Fault(
        "files that are one file",
        "tests",
        {"files": {"name": "a"}},
        value("files", OBJECTS, "must be a list of objects with name, optionally url, and no other key"),
    ),
    # warnings
    Fault(
        "two students with one address",
        "students",
        {},
        value("email", UNIQUE, "is the email of another student too", severity="warning"),
        twin={"id": "another"},
    ),
)


@dataclass(frozen=True)
class Expected:
    """One error, with the steps from the top of the document to what it points at."""

    path: Steps
    entity: str
    id: str | None
    row: int | None
    said: Said


def extra(entity: str, number: int) -> dict[str, Any]:
    """A valid row like the sample's first, with keys of its own; the text before anything else takes several bytes."""
    row = {"id": f"é😀{number}", **{key: item for key, item in sample()[entity][0].items() if key != "id"}}
    if entity == "students":
        row["email"] = f"extra{number}@school.example"
    if entity == "schedules":
        minute = 2 * number
        row |= {"dayOfWeek": 0, "startTime": f"{minute // 60:02}:{minute % 60:02}"}
        row["endTime"] = row["startTime"][:-1] + str(int(row["startTime"][-1]) + 1)
    if entity == "testResults":
        row["testId"] = f"test {number}"
    return row


def changed(row: dict[str, Any], changes: Any) -> Any:
    if callable(changes):
        return changes(row)
    return {key: item for key, item in (row | dict(changes)).items() if item is not ABSENT}


def spoiled() -> tuple[Document, list[Expected]]:
    """The sample with every fault, and what is to be found in it."""
    document, expected = sample(), []
    for number, fault in enumerate(FAULTS):
        if fault.entity == "testResults":
            document["tests"].append({**sample()["tests"][0], "id": f"test {number}"})
        for changes in filter(lambda changes: changes is not None, (fault.changes, fault.twin)):
            row = changed(extra(fault.entity, number), changes)
            document[fault.entity].append(row)
            index = len(document[fault.entity]) - 1
            known = str(dict(row)["id"]) if fault.known else None
            for said in fault.said:
                expected.append(Expected((fault.entity, index, *said.where), fault.entity, known, index + 1, said))
    document["lessonPlans"] = [{"id": "1"}]
    document["classNotes"] = {"1": document["classNotes"][0]}
    lost = Said("", ARRAYS, "is not declared in _sources.yml, so it would be lost", (), at_key=True)
    expected.append(Expected(("lessonPlans",), "lessonPlans", None, None, lost))
    expected.append(
        Expected(("classNotes",), "classNotes", None, None, Said("", ARRAYS, "must be an array of rows", ()))
    )
    return document, expected


def mended() -> Document:
    """The sample with as many rows, none of which is at fault."""
    document = sample()
    for number, fault in enumerate(FAULTS):
        if fault.entity == "testResults":
            document["tests"].append({**sample()["tests"][0], "id": f"test {number}"})
        document[fault.entity].append(extra(fault.entity, number))
    return document


SPOILED, EXPECTED = spoiled()


def place(one: Expected, text: Text, top: int) -> tuple[int, int, str]:
    """Line, column and pointer of an error; `top` steps lead from the document to the top of the text."""
    path = one.path[top:]
    line, column = text.place((text.keys if one.said.at_key else text.values)[path])
    shown = path[:-1] if one.said.hidden else path
    return line, column, "".join(f"/{step}" for step in shown)


def error(one: Expected, file: str | None, line: int | None, column: int | None, pointer: str) -> ValidationError:
    said = one.said
    return ValidationError(
        one.entity, one.id, said.field, said.message, said.severity, said.rule, one.row, file, line, column, pointer
    )


# --- the same faults in every form of a source --------------------------------------------------------------------


Placed = dict[Expected, tuple[str, int, int, str]]  # file, line, column, pointer


def document(
    text: Text, encode: Callable[[str], bytes], name: str = "mock.json"
) -> Callable[[Path], tuple[Path, Placed]]:
    """One document in a file."""

    def make(folder: Path) -> tuple[Path, Placed]:
        file = folder / name
        file.write_bytes(encode(text.text))
        return file, {one: (str(file), *place(one, text, 0)) for one in EXPECTED}

    return make


def folder_of_arrays(
    step: str | None, encode: Callable[[str], bytes], ending: str
) -> Callable[[Path], tuple[Path, Placed]]:
    """A folder with one array in each file."""

    def make(folder: Path) -> tuple[Path, Placed]:
        texts = {entity: written(rows, step) for entity, rows in SPOILED.items()}
        for entity, text in texts.items():
            (folder / f"{entity}{ending}").write_bytes(encode(text.text))
        return folder, {one: in_array(one, f"{folder}/{one.entity}{ending}", texts[one.entity]) for one in EXPECTED}

    return make


def in_array(one: Expected, file: str, text: Text) -> Any:
    """Of a file whose name is not declared nothing is read, so there is no line."""
    return (file, None, None, "") if one.entity not in ENTITIES else (file, *place(one, text, 1))


def folder_of_lines(
    before: str, after: str, encode: Callable[[str], bytes], ending: str
) -> Callable[[Path], tuple[Path, Placed]]:
    """A folder with one row in each line; the two that are no rows are JSON."""

    def make(folder: Path) -> tuple[Path, Placed]:
        placed: Any = {}
        for entity, rows in SPOILED.items():
            of_entity = [one for one in EXPECTED if one.entity == entity]
            if of_entity and of_entity[0].row is None:
                (folder / f"{entity}.json").write_text(written(rows).text, encoding="utf-8")
                placed |= {one: in_array(one, f"{folder}/{entity}.json", written(rows)) for one in of_entity}
                continue
            texts = [written(row, None) for row in rows]
            content = "".join(f"{before}{text.text}{after}" for text in texts)
            (folder / f"{entity}{ending}").write_bytes(encode(content))
            for one in of_entity:
                _, column, pointer = place(one, texts[one.path[1]], 2)  # type: ignore[index]
                head = "".join(f"{before}{text.text}{after}" for text in texts[: one.row - 1]) + before  # type: ignore[operator]
                line, column = head.count("\n") + 1, column + len(head) - head.rfind("\n") - 1
                placed[one] = f"{folder}/{entity}{ending}", line, column, pointer
        return folder, placed

    return make


def plain(text: str) -> bytes:
    return text.encode()


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def marked(text: str) -> bytes:
    return b"\xef\xbb\xbf" + text.encode()


def gzipped(text: str) -> bytes:
    """In two members, as `cat a.gz b.gz` makes them, cut in the middle of a character."""
    content = text.encode()
    cut = content.index("😀".encode()) + 2
    return gzip.compress(content[:cut]) + gzip.compress(content[cut:])


def zipped(text: str) -> bytes:
    return zstandard.compress(text.encode())


PRETTY = written(SPOILED)
FORMS: dict[str, Callable[[Path], tuple[Path, Placed]]] = {
    "pretty-printed": document(PRETTY, plain),
    "with CRLF": document(PRETTY, crlf),
    "with a byte order mark": document(PRETTY, marked),
    "indented by tabs": document(written(SPOILED, "\t"), plain),
    "minified": document(written(SPOILED, None), plain),
    "minified, with a byte order mark": document(written(SPOILED, None), marked),
    "gzip": document(PRETTY, gzipped, "mock.json.gz"),
    "zstd": document(written(SPOILED, None), zipped, "mock.json.zst"),
    "a folder": folder_of_arrays("  ", plain, ".json"),
    "a folder, minified, with a byte order mark": folder_of_arrays(None, marked, ".json"),
    "a folder with CRLF, packed": folder_of_arrays("  ", lambda text: zstandard.compress(crlf(text)), ".json.zst"),
    "NDJSON": folder_of_lines("", "\n", plain, ".ndjson"),
    "NDJSON with a byte order mark": folder_of_lines("", "\n", marked, ".ndjson"),
    "NDJSON with CRLF and empty lines": folder_of_lines(" \t", " \n \n\n", crlf, ".jsonl"),
    "NDJSON, packed": folder_of_lines("", "\n", lambda text: gzip.compress(text.encode()), ".ndjson.gz"),
}


def steps(name: str) -> Steps:
    """`items[2].amount` as the steps that lead there."""
    return tuple(int(found) if found.isdigit() else found for found in re.findall(r"[^.\[\]]+", name))


def sought(one: Expected) -> Query:
    """The query by which the check locates an error about a row."""
    declared = frozenset(sample()[one.entity][0]) if one.said.hidden else None
    at_key = one.said.rule == DECLARED
    return Query(one.entity, one.row or 0, steps(one.said.field), declared, at_key=at_key)


def assert_found(source: Path, into: Path, placed: Placed, label: str = "") -> None:
    """Every fault of the source is found at its place, and every row's fault is located there."""
    read = documents.read(source, of_arrays(ENTITIES), into, label=label)
    of_source = [one for one in placed if one.row is None]
    assert Counter(read.faults) == Counter(error(one, *placed[one]) for one in of_source)
    looked_for = {sought(one): one for one in placed if one.row is not None}
    spots = documents.locate(into, looked_for)
    found = {one: spots[key] for key, one in looked_for.items()}
    assert {one: (spot.file, spot.line, spot.column, spot.pointer) for one, spot in found.items()} == {
        one: at for one, at in placed.items() if one.row is not None
    }


@pytest.mark.parametrize("form", FORMS)
def test_places_are_right_in_every_form_of_a_source(form: str, tmp_path: Path) -> None:
    """File, line, column and pointer are those of the source as it was given, in characters, counted from one."""
    (folder := tmp_path / "source").mkdir()
    source, placed = FORMS[form](folder)
    assert_found(source, tmp_path / "arrays", placed)


@pytest.mark.parametrize("packing", [plain, gzipped, zipped])
def test_places_are_right_in_what_comes_through_a_named_pipe(packing: Callable[[str], bytes], tmp_path: Path) -> None:
    """A pipe's first bytes tell how it is packed; lines are counted as in a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pipe.write_bytes, args=(packing(PRETTY.text),), daemon=True)
    feeder.start()
    placed = {one: (str(pipe), *place(one, PRETTY, 0)) for one in EXPECTED}
    assert_found(pipe, tmp_path / "arrays", placed)
    feeder.join()


class Input:
    """Standard input."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)

    def isatty(self) -> bool:
        return False


def test_places_are_right_in_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is named as the caller calls it."""
    text = written(SPOILED, None)
    monkeypatch.setattr(sys, "stdin", Input(marked(text.text)))
    placed = {one: ("standard input", *place(one, text, 0)) for one in EXPECTED}
    assert_found(Path("-"), tmp_path / "arrays", placed, label="standard input")


# --- the whole check ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """The errors of `check` about the pretty-printed document, and the expected ones."""

    result: MigrationResult
    expected: list[ValidationError]
    file: Path


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> MigrationService:
    return MigrationService(settings_module.load(project=new_project(tmp_path_factory.mktemp("faults"))))


@pytest.fixture(scope="module")
def checked(checker: MigrationService, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    file, placed = FORMS["pretty-printed"](tmp_path_factory.mktemp("source"))
    return Checked(checker.check(file), [error(one, *at) for one, at in placed.items()], file)


def test_forty_faults_give_forty_errors_in_one_run(checked: Checked) -> None:
    """Each fault comes back once, with its place, its row, its field, its rule and its message; nothing else does."""
    assert len(FAULTS) >= 40
    assert len({(one.rule, one.message) for one in checked.expected}) >= 40
    assert Counter(checked.result.errors) == Counter(checked.expected)


def test_each_error_points_at_its_line(checked: Checked) -> None:
    """The line and column that an error names is where its value begins."""
    lines = checked.file.read_text(encoding="utf-8").split("\n")
    for found in checked.result.errors:
        assert found.line is not None
        assert found.column is not None
        before, rest = lines[found.line - 1][: found.column - 1], lines[found.line - 1][found.column - 1 :]
        key = found.pointer.rsplit("/", 1)[-1]
        assert rest[0] in '"{[-0123456789tfn'
        assert before.lstrip(" ") in ("", f'"{key}": ')


def test_a_pointer_leads_to_what_an_error_is_about(checked: Checked) -> None:
    """By RFC 6901 it leads to the value, or to the object around a key that is missing or not shown."""
    parsed = json.loads(PRETTY.text)
    for one, found in zip(EXPECTED, checked.expected, strict=True):
        wanted = parsed
        for step in one.path[:-1] if one.said.hidden else one.path:
            wanted = wanted[step]
        assert found in checked.result.errors
        assert resolved(parsed, found.pointer) is wanted


def test_the_totals_are_those_of_the_faults(checked: Checked) -> None:
    """The verdict counts what is of severity critical, and names what could not be judged."""
    critical = [one for one in checked.expected if one.severity == "critical"]
    of_rows = len(critical) - 2
    assert checked.result.error is not None
    assert checked.result.error.code == 3
    assert checked.result.message.startswith(f"{len(critical)} errors: 2 in the source itself and {of_rows} by ")
    assert checked.result.message.endswith("; 6 rules could not be judged")
    data = checked.result.summary["check"]
    assert (data["errors"], data["warnings"]) == (len(critical), len(checked.expected) - len(critical))


def test_a_folder_of_ndjson_is_checked_alike(checker: MigrationService, tmp_path: Path) -> None:
    """NDJSON with these faults gives the same errors in other places."""
    source, placed = FORMS["NDJSON with CRLF and empty lines"](tmp_path)
    assert Counter(checker.check(source).errors) == Counter(error(one, *at) for one, at in placed.items())


def test_a_dict_is_checked_alike(checker: MigrationService) -> None:
    """A Python dict has pointers, but neither file nor line; what only JSON's text can say is not in it."""
    parsed = json.loads(PRETTY.text)
    parsed["testResults"] = [row for row in parsed["testResults"] if row["percentage"] != float("inf")]
    expected = [
        error(one, None, None, None, place(one, PRETTY, 0)[2])
        for one in EXPECTED
        if "appears twice in one" not in one.said.message and one.entity != "testResults"
    ]
    found = [one for one in checker.check(parsed).errors if one.entity != "testResults"]
    exponent, fraction = (f"{WHOLE}; found a number with {what}" for what in ("an exponent", "a fraction"))
    assert Counter(found) == Counter(
        replace(one, message=fraction) if one.message == exponent else one for one in expected
    )


def test_the_corrected_document_passes(service: MigrationService, tmp_path: Path) -> None:
    """Once every fault is corrected nothing is reported, and every row is counted."""
    file = tmp_path / "mock.json"
    file.write_text(written(mended()).text, encoding="utf-8")
    result = service.check(file)
    assert result.success, result.message
    assert result.errors == ()
    read = result.summary["stage"]["tables"]
    assert read["students"]["rows"] == len(mended()["students"])
