"""check: every rule through the whole step, caps, what is left out or not judged, broken rules, and odd sources."""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import ProjectError, ValidationError
from mock2pg.results import MigrationResult
from mock2pg.runs import new_run
from mock2pg.source import documents
from mock2pg.source.documents import spool
from tests.fix_small import small_document, small_project
from tests.fix_staging import of_arrays
from tests.school.fix_school import Document, new_project, sample
from tests.school.test_expectations import ANY, CASES, TABLES, all_cases, array, entries

ENTITIES = list(sample())
FITS, DECLARED = "expect_values_to_fit_their_types", "expect_only_declared_keys"
IN_SET = "expect_column_values_to_be_in_set"
READABLE, ARRAYS, STRICT = "readable_source", "declared_arrays", "strict_json"


@pytest.fixture(scope="module")
def own_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("check"))


def checked(project: Path, source: Any, **overrides: object) -> MigrationResult:
    return MigrationService(settings_module.load(project=project, **overrides)).check(source)


def folder_of(place: Path, document: Document) -> Path:
    """One pretty-printed file per entity."""
    place.mkdir(exist_ok=True)
    for entity, rows in document.items():
        (place / f"{entity}.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return place


# --- every rule, through the whole step ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Whole:
    """One check of the rows of every case, each case's errors under its number; None: of no case."""

    result: MigrationResult
    errors: dict[int | None, list[tuple[int, ValidationError]]]
    rows: int


@pytest.fixture(scope="module")
def whole(own_project: Path) -> Whole:
    document, owners = all_cases()
    result = checked(own_project, document, max_errors_per_rule=10_000)
    errors: dict[int | None, list[tuple[int, ValidationError]]] = {}
    for error in result.errors:
        owner, place = owners.get((error.entity, error.row or 0), (None, 0))
        errors.setdefault(owner, []).append((place, error))
    return Whole(result, errors, sum(map(len, document.values())))


def named(table: str, index: int | None, column: str) -> str:
    """The field as the JSON has it."""
    declared = next(one for one in TABLES if one["name"] == table)
    nested = array(declared)[1]
    scalar = any(one.get("config", {}).get("meta", {}).get("path") == "." for one in declared["columns"])
    inside = "" if column in (".", "?", "") or (nested and scalar) else column
    if nested is None:
        return inside
    return ".".join(filter(None, [nested if index is None else f"{nested}[{index}]", inside]))


def test_a_rule_that_is_broken_gives_just_its_error(whole: Whole) -> None:
    """A row that breaks a rule comes back once, with its entity, field, rule and severity; what is allowed does not."""
    entities = {table["name"]: array(table)[0] for table in TABLES}
    for number, case in enumerate(CASES, start=1):
        expected = [
            (row, entities[table], named(table, index, column), rule, severity)
            for row, table, index, column, rule, severity in case.expect
        ]
        any_rule = any(rule == ANY for *_, rule, _ in expected)
        found = [
            (row, error.entity, error.field, ANY if any_rule else error.rule, error.severity)
            for row, error in whole.errors.get(number, [])
        ]
        assert Counter(found) == Counter(expected), case.name


def test_rows_without_a_fault_are_not_named(whole: Whole) -> None:
    """Beside the invalid rows nothing is said, and the numbers in the verdict are exact."""
    assert whole.errors.get(None) is None
    severities = Counter(error.severity for error in whole.result.errors)
    data = whole.result.summary["check"]
    assert (data["errors"], data["warnings"]) == (severities["critical"], severities["warning"])
    assert whole.result.message.startswith(f"{severities['critical']:,} errors by {data['failed']} rules")


def test_every_error_is_in_words(whole: Whole) -> None:
    """A message is one short clause that ends in a word; a pointer leads to the row."""
    for error in whole.result.errors:
        assert error.message == error.message.strip()
        assert 0 < len(error.message) < 160
        assert not error.message.endswith((":", ";", ",", "found"))
        assert error.pointer.startswith(f"/{error.entity}/{(error.row or 0) - 1}")


# --- broken rules -------------------------------------------------------------------------------------------------


def entry(kind: str, kwargs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": "critical", **more}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (entry("expect_column_values_to_match_regex", {"column": "name", "regex": "("}), "match_regex"),
        (entry("expect_column_values_to_match_regex", {"column": "name", "regex": "(?=x)"}), "match_regex"),
        (entry("expect_column_values_to_be_in_set", {"column": "nmae", "value_set": ["a"]}), "be_in_set"),
        (entry("expect_column_values_to_exist_in_table", {"column": "name", "parent": "names"}), "exist_in_table"),
        (
            entry(
                "unexpected_rows_expectation",
                {"unexpected_rows_query": "SELECT * FROM {batch} WHERE name::INTEGER > 5"},
                meta={"rule": "name_is_high", "field": "name"},
            ),
            "name_is_high",
        ),
        (entry("expect_pets_to_be_nice", {}), "expect_pets_to_be_nice"),
        (entry("expect_rows_to_be_unique_on", {"column": "name"}), "expect_rows_to_be_unique_on"),
        (entry("expect_rows_to_be_unique_on", {"columns": ["name"]}, severity="fatal"), "expect_rows_to_be_unique_on"),
    ],
    ids=["regex", "regex of another dialect", "column", "parent", "cast", "type", "argument", "severity"],
)
def test_a_broken_rule_is_the_projects_fault_and_named(broken: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Its suite and rule are named, no row is blamed, and nothing passes: also when a row is at fault besides."""
    project = small_project(tmp_path / "project")
    (project / "expectations" / "pets.json").write_text(json.dumps({"expectations": [broken]}))
    document = small_document("Rex")
    document["pets"][0]["legs"] = "four"
    found = checked(project, document)
    assert type(found.error) is ProjectError
    assert "pets" in found.error.message
    assert said in found.error.message
    assert "Rex" not in found.error.message


# --- keys that are not declared -----------------------------------------------------------------------------------


def test_what_is_not_declared_is_left_out_when_told_so(own_project: Path, tmp_path: Path) -> None:
    """With `warn` every undeclared array and key is a warning with its place and, of an array, its number of rows."""
    document = sample()
    document["lessonPlans"] = [{"id": "1"}, {"id": "2"}]
    document["theme"] = "dark"
    for row in document["students"][:3]:
        row["nickname"] = "Zoë"
    document["attendanceRecords"][1]["attendanceData"][2]["minutes"] = 5
    document["attendanceRecords"][1]["attendanceData"][0]["id"] = "x"  # the table has a column of that name
    file = tmp_path / "mock.json"
    file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    found = checked(own_project, file, unknown_fields="warn")
    assert found.success
    assert {error.severity for error in found.errors} == {"warning"}
    lines = file.read_text(encoding="utf-8").split("\n")
    said = [(error.entity, error.field, error.message.split(";")[0]) for error in found.errors]
    assert Counter(said) == Counter(
        [
            ("lessonPlans", "", "is not declared in _sources.yml: left out with its 2 rows"),
            ("theme", "", "is not declared in _sources.yml: left out"),
            *[("students", "nickname", "is not a declared key: left out")] * 3,
            ("attendanceRecords", "attendanceData[2].minutes", "is not a declared key: left out"),
            ("attendanceRecords", "attendanceData[0].id", "is not a declared key: left out"),
        ]
    )
    for error in found.errors:
        assert f'"{error.pointer.rsplit("/", 1)[1]}":' in lines[(error.line or 0) - 1]
    assert found.summary["check"]["warnings"] == 7
    refused = checked(own_project, file)
    assert refused.error is not None
    assert refused.error.code == 3
    assert {(error.pointer, error.line) for error in refused.errors} == {(e.pointer, e.line) for e in found.errors}
    assert {error.severity for error in refused.errors} == {"critical"}


def test_below_a_key_that_is_left_out_json_is_strict_all_the_same(own_project: Path, tmp_path: Path) -> None:
    r"""A duplicate key, `\u0000` and a lone surrogate are refused below an undeclared key too, once each."""
    text = json.dumps(sample(), indent=1)
    spoiled = ['{"a": 1, "a": 2}', '["\\u0000"]', '{"b": "\\ud800"}']
    for number, value in enumerate(spoiled, start=1):
        text = text.replace(f'"id": "{number}",\n   "name"', f'"extra": {value},\n   "id": "{number}",\n   "name"')
    file = tmp_path / "mock.json"
    file.write_text(text, encoding="utf-8")
    assert text.count('"extra"') >= 3
    found = checked(own_project, file, unknown_fields="warn")
    lines = [number for number, line in enumerate(text.split("\n"), start=1) if '"extra"' in line]
    critical = [error for error in found.errors if error.severity == "critical"]
    assert sorted(error.line or 0 for error in critical) == lines
    assert {error.rule for error in critical} == {FITS}
    assert found.error is not None
    assert found.error.code == 4


def test_a_fault_is_told_once_beside_an_undeclared_key(own_project: Path) -> None:
    r"""A row with an undeclared key and a `\u0000` in a declared one has two faults. The given dict stays."""
    document = sample()
    document["meetings"][0] |= {"mood": "good", "location": "a\0b"}
    document["classes"][0]["mood"] = "good"
    document["classes"][0]["enrolledStudents"].append("a\0b")
    last = len(document["classes"][0]["enrolledStudents"]) - 1
    document["tests"][0]["mood"] = {"deep": "a\0b"}
    given = copy.deepcopy(document)
    found = checked(own_project, document)
    assert document == given
    assert Counter(error.pointer for error in found.errors if error.entity != "tests") == Counter(
        ["/meetings/0/mood", "/meetings/0/location", "/classes/0/mood", f"/classes/0/enrolledStudents/{last}"]
    )


def test_two_keys_that_may_not_be_shown_have_a_place_each(tmp_path: Path) -> None:
    """Two undeclared keys of one row that may be names are two errors in two lines."""
    document = small_document("Rex")
    document["pets"][0] |= {"Zoë Ng": 1, "Ann Lee": 2}
    file = tmp_path / "mock.json"
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    lines = file.read_text(encoding="utf-8").split("\n")
    expected = [number for number, line in enumerate(lines, start=1) if "Zoë Ng" in line or "Ann Lee" in line]
    project = small_project(tmp_path / "project")
    assert sorted(error.line or 0 for error in checked(project, file).errors) == expected


def test_keys_beyond_those_that_are_named_have_a_place_each(tmp_path: Path) -> None:
    """A hundred undeclared keys are named; what is listed of the others is in lines of its own."""
    document = small_document("Rex")
    document["pets"][0] |= {f"key_{number:03}": 1 for number in range(103)}
    file = tmp_path / "mock.json"
    file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    expected = [number for number, line in enumerate(file.read_text().split("\n"), start=1) if '"key_' in line]
    project = small_project(tmp_path / "project")
    errors = checked(project, file).errors
    assert [error.line for error in errors] == expected
    assert [error.field for error in errors].count("") == 3


# --- caps ---------------------------------------------------------------------------------------------------------


def test_what_is_listed_is_capped_and_totals_are_exact(own_project: Path, tmp_path: Path) -> None:
    """So many rows are listed for each rule and field; the totals in verdict, errors.json and report are exact.

    Data Docs list the same rows with their places in the source.
    """
    document = sample()
    for row in document["homeworkSubmissions"][:40]:
        row["status"] = "lost"
    for row in document["homeworkSubmissions"][40:60]:
        row["maxScore"] = "10"
    document["students"][0]["phone"] = None
    found = checked(own_project, folder_of(tmp_path / "mocks", document), max_errors_per_rule=5)
    rule = f"homework_submissions.{IN_SET}.status"
    listed = Counter((error.field, error.rule) for error in found.errors if error.severity == "critical")
    assert listed["status", IN_SET] == 5
    assert listed["maxScore", FITS] == 5
    assert listed["phone", "expect_values_to_be_given"] == 1
    shown = [error.row for error in found.errors if error.rule == IN_SET]
    assert shown == [1, 2, 3, 4, 5]
    data = found.summary["check"]
    assert data["errors"] == 61
    assert data["capped"][rule] == 40
    assert found.message.startswith("61 errors by 3 rules")
    assert "11 are listed" in found.message
    written = json.loads((own_project / "runs" / found.run_id / "errors.json").read_text(encoding="utf-8"))
    assert written["totals"][rule] == 40
    assert written["capped"] == data["capped"]
    assert "61" in found.report.read_text(encoding="utf-8")
    assert len(found.errors) == len(written["errors"])
    (docs,) = found.report.parent.joinpath("data_docs", "staged", "validations", "homework_submissions").rglob("*.html")
    [listed_there] = re.findall(r"<summary>5 rows to correct.*?</ul>", docs.read_text(encoding="utf-8"), re.DOTALL)[:1]
    assert re.findall(r"<li><kbd>(.*?)</kbd> <code>(.*?)</code>: (.*?)</li>", unescape(listed_there)) == [
        (error.place, error.subject, error.message)
        for error in found.errors
        if (error.field, error.rule) == ("maxScore", FITS)
    ]
    assert "<li>and 15 more</li>" in listed_there
    assert "40 of 132 rows" in docs.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["ndjson", "dict"])
def test_faults_of_the_source_are_counted_exactly_too(form: str, tmp_path: Path) -> None:
    """Lines that are not JSON, or rows that JSON cannot say, are listed up to the cap and counted all."""
    source: Any = small_document() | {"owners": [{"id": object()} for _ in range(250)]}
    if form == "ndjson":
        source = folder_of(tmp_path / "source", small_document())
        (source / "owners.json").unlink()
        (source / "owners.ndjson").write_text("{x\n" * 250)
    found = checked(small_project(tmp_path / "project"), source, max_errors_per_rule=5)
    listed = [error for error in found.errors if error.rule == STRICT and (error.row or error.line)]
    assert len(listed) == 5
    assert found.message.startswith("250 errors in the source itself")


# --- what could not be read ---------------------------------------------------------------------------------------


def needs_students() -> set[tuple[str, str, str]]:
    """Table, rule and field of every entry that reads students: its own, and those that refer to it."""
    found = set()
    for table, rule in entries():
        kwargs = rule["kwargs"]
        asked = kwargs.get("parent"), *kwargs.get("unexpected_rows_query", "").split()
        if table == "students" or "students" in asked:
            found.add((table, rule.get("meta", {}).get("rule", rule["type"]), kwargs.get("column", "")))
    return found


def test_only_the_rules_that_need_an_array_that_could_not_be_read_are_not_judged(
    own_project: Path, tmp_path: Path
) -> None:
    """They are said to be not judged; all the others are judged, and their faults told in the same run."""
    document = sample()
    document["classes"][0]["color"] = "red"
    document["schedules"][0]["classId"] = "none"
    document["testResults"][0]["testId"] = "none"
    source = folder_of(tmp_path / "source", document)
    (source / "students.json").write_text('[\n {"id": "1",}\n]')
    found = checked(own_project, source)
    assert found.error is not None
    assert found.error.code == 3
    said = {(error.entity, error.field, error.rule) for error in found.errors if error.severity == "critical"}
    assert said == {
        ("students", "", STRICT),
        ("classes", "color", "expect_column_values_to_match_regex"),
        ("schedules", "classId", "expect_column_values_to_exist_in_table"),
        ("testResults", "testId", "expect_column_values_to_exist_in_table"),
    }
    skipped = [one for one in found.summary["check"]["suites"] if one["status"] == "skipped"]
    assert Counter((one["table"], one["rule"]) for one in skipped) == Counter(
        (table, rule) for table, rule, _ in needs_students()
    )
    assert all("students could not be read" in one["reason"] for one in skipped)
    assert f"{len(skipped)} rules could not be judged" in found.message


# --- odd sources --------------------------------------------------------------------------------------------------


def faults(source: Path, into: Path) -> list[tuple[str, str, str, str]]:
    """Rule, entity, the file's name and the message of every fault of a source."""
    read = documents.read(source, of_arrays(ENTITIES), into)
    return [(fault.rule, fault.entity, Path(fault.file or "").name, fault.message) for fault in read.faults]


def touched(file: Path) -> None:
    os.utime(file, ns=(0, 0))


def longer(file: Path) -> None:
    with file.open("a") as out:
        out.write(" ")


def replaced(file: Path) -> None:
    aside = file.with_name("aside")
    shutil.copy2(file, aside)
    aside.replace(file)


Meanwhile = Callable[[str, Callable[[Path], None]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Has something happen when a file of that name has just been copied."""
    copied = spool.copy

    def arrange(name: str, act: Callable[[Path], None]) -> None:
        def copy_and_act(source: Path, to: Path, *more: Any, **options: Any) -> spool.Copied:
            done = copied(source, to, *more, **options)
            if source.name == name:
                act(source)
            return done

        monkeypatch.setattr(spool, "copy", copy_and_act)

    return arrange


CHANGED = "changed while it was read; run again when nobody writes to it"


@pytest.mark.parametrize("change", [touched, longer, replaced])
@pytest.mark.parametrize("form", ["folder", "document"])
def test_a_source_that_changes_while_it_is_read_is_noticed(
    form: str, change: Callable[[Path], None], meanwhile: Meanwhile, tmp_path: Path
) -> None:
    """A file that is written or replaced under our eyes is a fault, even when what was read is sound."""
    source, name = folder_of(tmp_path / "source", sample()), "classes.json"
    if form == "document":
        source, name = tmp_path / "mock.json", "mock.json"
        source.write_text(json.dumps(sample()), encoding="utf-8")
    meanwhile(name, change)
    assert faults(source, tmp_path / "arrays") == [(READABLE, "", name, CHANGED)]


def appears(file: Path) -> None:
    file.with_name("later.json").write_text("[]")


def goes(file: Path) -> None:
    file.with_name("classNotes.json").rename(file.with_name("gone"))


def goes_afterwards(file: Path) -> None:
    file.with_name("attendanceRecords.json").unlink()


@pytest.mark.parametrize("change", [appears, goes, goes_afterwards])
def test_files_that_come_or_go_meanwhile_are_noticed(
    change: Callable[[Path], None], meanwhile: Meanwhile, tmp_path: Path
) -> None:
    """A folder that is being written is a fault, whether its files were read already or not."""
    source = folder_of(tmp_path / "source", sample())
    meanwhile("attendanceRecords.json", change)
    assert (READABLE, "", "source", CHANGED) in faults(source, tmp_path / "arrays")


@pytest.mark.parametrize("form", ["document", "folder"])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "another", "more"])
def test_a_packed_file_that_is_damaged_is_named(damage: str, packing: str, form: str, tmp_path: Path) -> None:
    """A file that cannot be unpacked to its end is one fault; nothing half-read is taken for the whole."""
    text = json.dumps(sample()["students"] if form == "folder" else sample()).encode()
    compress: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.compress}
    packed = compress[packing](text)
    middle = len(packed) // 2
    damaged = {
        "cut": packed[:-5],
        "empty": b"",
        "flipped": packed[:middle]
        + bytes(byte ^ 0xFF for byte in packed[middle : middle + 64])
        + packed[middle + 64 :],
        "another": compress[".zst" if packing == ".gz" else ".gz"](text),
        "more": packed + b"more",
    }[damage]
    source = tmp_path / f"mock.json{packing}"
    if form == "folder":
        source = folder_of(tmp_path / "source", sample())
        (source / "students.json").unlink()
        (source / f"students.json{packing}").write_bytes(damaged)
    else:
        source.write_bytes(damaged)
    found = faults(source, tmp_path / "arrays")
    assert len([fault for fault in found if fault[1] in ("", "students")]) == 1
    rule, _, name, message = found[0]
    if damage == "flipped" and rule == STRICT:  # it was unpacked, to other bytes
        return
    assert rule == READABLE
    assert name.endswith(f".json{packing}")
    assert message.startswith("cannot be unpacked: it")


def test_two_files_of_one_entity_are_refused(tmp_path: Path) -> None:
    """Neither is preferred in silence, whatever their forms."""
    source = folder_of(tmp_path / "source", sample())
    (source / "students.ndjson").write_text("")
    (source / "classes.json.gz").write_bytes(gzip.compress(b"[]"))
    assert faults(source, tmp_path / "arrays") == [
        (ARRAYS, "classes", "classes.json.gz", "has two files; keep one"),
        (ARRAYS, "students", "students.ndjson", "has two files; keep one"),
    ]


@pytest.mark.parametrize("others", [[], ["README.md", "students.csv", ".students.json"]])
def test_a_folder_without_an_array_is_a_usage_error(others: list[str], own_project: Path, tmp_path: Path) -> None:
    """The error names the file that the folder lacks; exit code 2."""
    source = folder_of(tmp_path / "source", {})
    for name in others:
        (source / name).write_text("[]")
    found = checked(own_project, source)
    assert found.error is not None
    assert found.error.code == 2
    assert "students.json" in found.error.hint


def test_a_folder_of_the_name_of_a_file_is_named(tmp_path: Path) -> None:
    """The other files are read."""
    source = folder_of(tmp_path / "source", sample())
    (source / "students.json").unlink()
    (source / "students.json").mkdir()
    assert faults(source, tmp_path / "arrays") == [(READABLE, "students", "students.json", "is a folder, not a file")]


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    """It is a file of the source that cannot be read."""
    source = folder_of(tmp_path / "source", sample())
    (source / "students.json").unlink()
    (source / "students.json").symlink_to(tmp_path / "nowhere")
    assert faults(source, tmp_path / "arrays") == [
        (READABLE, "students", "students.json", "cannot be read: No such file or directory")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """The operating system's reason is told."""
    source = folder_of(tmp_path / "source", sample())
    (source / "students.json").chmod(0)
    assert faults(source, tmp_path / "arrays") == [
        (READABLE, "students", "students.json", "cannot be read: Permission denied")
    ]


def test_a_check_that_was_killed_leaves_no_data_behind(tmp_path: Path) -> None:
    """The next check removes what the first had staged, whether or not a database is ever reached."""
    service = MigrationService(settings_module.load(project=new_project(tmp_path)))
    killed = new_run(service.settings, {})
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    killed.write("record.json", {"command": "check", "status": "running", "pid": ended.pid})
    others = new_run(service.settings, {})
    others.write("record.json", {"command": "migrate", "status": "running", "pid": ended.pid})
    for run in (killed, others):
        run.path("arrays", "students.json").write_text("[]")
        run.path("staging.duckdb").write_text("x")
    service.check({})
    assert not {path.name for path in killed.folder.iterdir()} & {"arrays", "staging.duckdb"}
    assert killed.read("record.json")["status"] == "failed"
    assert not {path.name for path in others.folder.iterdir()} & {"arrays", "staging.duckdb"}
    assert others.read("record.json")["status"] == "running"  # that is for a run that holds the lock to judge
