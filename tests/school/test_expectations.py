"""Great Expectations, on staged tables that the test makes itself, and on a PostgreSQL of its own."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, time
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
import yaml

from mock2pg import checks
from mock2pg.build import sources
from mock2pg.checks import Failure, InvalidRow, Validation, declared, lazy_imports
from mock2pg.errors import DatabaseError, InternalError, ProjectError
from mock2pg.settings import REPOSITORY

SUITES = REPOSITORY / "expectations"
SOURCES = sources(REPOSITORY / "dbt_project")
INDEX = ["_row", "_root_row", "_id", "_index"]
MARKER = "CANARY"
SPEC = yaml.safe_load((REPOSITORY / "tests" / "school" / "data" / "broken_rules.yml").read_text(encoding="utf-8"))
TABLES = yaml.safe_load((REPOSITORY / "dbt_project/models/_sources.yml").read_text())["sources"][0]["tables"]


# --- the staged tables -----------------------------------------------------------------------------------------


def meta(declared: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = declared.get("config", {}).get("meta", {})
    return found


def place(column: dict[str, Any]) -> str:
    found: str = meta(column).get("path", column["name"])
    return found


def label(column: dict[str, Any]) -> str:
    """Return its name in messages: its key in the JSON, or its column name where it has none."""
    name: str = column["name"]
    return name if place(column) == "." else place(column)


def own(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns that are read from the staged element itself."""
    return [column for column in table["columns"] if "uuid5" not in meta(column) and "[]." not in place(column)]


def array(table: dict[str, Any]) -> tuple[str, str | None]:
    """The entity, and the key of the nested array or None: `classes[].enrolledStudents[]`."""
    entity, _, nested = place(table).removesuffix("[]").partition("[].")
    return entity, nested or None


def listed(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


SQL = {"integer": "INTEGER", "double precision": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "time": "TIME",
       "text[]": "VARCHAR[]"}  # fmt: skip
READ: dict[str, Callable[[Any], Any]] = {
    "text": lambda value: value if isinstance(value, str) else None,
    "integer": lambda value: value if type(value) is int else None,
    "double precision": lambda value: value if type(value) in (int, float) else None,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "text[]": listed,
    "jsonb": json.dumps,
}


def read(kind: str, value: Any) -> Any:
    """The value as staged; None when it is missing or not of the type."""
    try:
        return None if value is None else READ[kind](value)
    except (TypeError, ValueError):
        return None


def staged_row(table: dict[str, Any], element: Any, parent: Any, hidden: list[Any], known: set[str]) -> list[Any]:
    columns, scalar = own(table), any(place(column) == "." for column in table["columns"])
    values: dict[str, Any] = {"." if scalar else "": element}
    if isinstance(element, dict) and not scalar:
        values = element
    given = {column["name"]: values.get(place(column)) for column in columns}
    typed = {column["name"]: read(column["data_type"], given[column["name"]]) for column in columns}
    unfit = [label(c) for c in columns if given[c["name"]] is not None and typed[c["name"]] is None]
    if not scalar and not isinstance(element, dict):
        unfit = ["."]
    for column in table["columns"]:
        if "[]." in place(column):
            typed[column["name"]] = read(column["data_type"], parent.get(place(column).split("[].")[1]))
    unknown = [] if scalar or not isinstance(element, dict) else [key for key in element if key not in known]
    return [*(typed.get(column["name"]) for column in table["columns"]), *hidden, unfit, unknown]


def staged_rows(table: dict[str, Any], document: dict[str, Any]) -> Iterator[list[Any]]:
    entity, nested = array(table)
    known = {place(column) for column in own(table)}
    if nested is None:
        known |= {inner for other in TABLES if array(other)[0] == entity and (inner := array(other)[1])}
    number = 0
    for root_row, row in enumerate(document[entity], start=1):
        parent = row if isinstance(row, dict) else {}
        identity = parent["id"] if isinstance(parent.get("id"), str) else None
        if nested is None:
            yield staged_row(table, row, parent, [root_row, root_row, identity, None], known)
        elif not isinstance(row, dict):
            continue
        elif not isinstance(row.get(nested), list):
            number += 1
            yield [*(None for _ in table["columns"]), number, root_row, identity, None, [""], []]
        else:
            for index, element in enumerate(row[nested]):
                number += 1
                yield staged_row(table, element, parent, [number, root_row, identity, index], known)


def stage(file: Path, document: dict[str, Any]) -> Path:
    """A staging database of the document, as the stage step makes it."""
    hidden = "_row BIGINT, _root_row BIGINT, _id VARCHAR, _index BIGINT, _unfit VARCHAR[], _unknown VARCHAR[]"
    with duckdb.connect(str(file)) as connection:
        connection.begin()
        for table in TABLES:
            columns = ", ".join(f'"{c["name"]}" {SQL.get(c["data_type"], "VARCHAR")}' for c in table["columns"])
            connection.execute(f"CREATE TABLE {table['name']} ({columns}, {hidden})")
            for row in staged_rows(table, document):
                marks = ", ".join("?" for _ in row)
                connection.execute(f"INSERT INTO {table['name']} VALUES ({marks})", row)
        connection.commit()
    return file


def judged(file: Path, **options: Any) -> Validation:
    """By the project's own declarations and rules."""
    return checked(file, SUITES, sources=SOURCES, **options)


def checked(
    file: Path, suites: Path, docs: Path | None = None, title: str = "Staged data", rows: int = 20, **options: Any
) -> Validation:
    """Validate; with Data Docs of tables of so many rows, in which each invalid row is at the line of its number."""
    validation = checks.validate(checks.duckdb_url(file), suites, **{"index_columns": INDEX} | options)
    if docs:
        listed = [
            [InvalidRow(f"{f.table}.json:{number}:1", f"{f.table}[{number}].{f.field}", f.message)
             for number, f in enumerate(result.failures) if f.keys]
            for result in validation.results
        ]  # fmt: skip
        tables = {result.outcome.table for result in validation.results}
        checks.write_docs(docs, title, validation, listed, dict.fromkeys(tables, rows))
    return validation


# --- the rules of the domain -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """Rows to add, and what is to be said of them: (row among them, table, index, field, rule, severity)."""

    name: str
    rows: list[tuple[str, Any]]
    expect: list[tuple[int, str, int | None, str, str, str]] = field(default_factory=list)


def filled(value: Any, number: int) -> Any:
    """The value with the case's number, and its own minute of the day, in the texts."""
    if isinstance(value, dict):
        return {key: filled(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, number) for item in value]
    if isinstance(value, str):
        clock = {name: f"{minute // 60:02}:{minute % 60:02}" for name, minute in
                 (("start", 2 * number), ("end", 2 * number + 1))}  # fmt: skip
        return re.sub(r"\{(n|start|end)\}", lambda match: str({"n": number, **clock}[match[1]]), value)
    return value


def valid_row(entity: str, number: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = filled(copy.deepcopy(SPEC["valid"][entity]) | changes, number)
    return row


def written_cases() -> Iterator[Case]:
    for number, case in enumerate(SPEC["cases"], start=1):
        rows = [(entity, valid_row(entity, number, **change)) for row in case["rows"] for entity, change in row.items()]
        expect = []
        for said in case["expect"]:
            options = {"row": 0, "index": None, "severity": "critical"} | said
            (place_, rule), *_ = said.items()
            table, column = place_.split(".")
            expect.append((options["row"], table, options["index"], column, rule, options["severity"]))
        yield Case(case["case"], rows, expect)


WRONG = {"text": 1, "integer": "1", "double precision": "1", "boolean": "true", "date": "2026-02-30", "time": "24:00",
         "text[]": ["a", 1]}  # fmt: skip
TYPES, GIVEN = "expect_values_to_fit_their_types", "expect_values_to_be_given"
BLANK = "expect_values_not_to_be_blank"
ANY = "*any rule*"
MAY_BE_EMPTY = ("classes", "description")
ABSENT = object()


def derived_cases(first: int) -> Iterator[Case]:
    """Yield cases for every declared column: its type, whether it is required, that it is not blank; and the shape."""
    faults: list[tuple[dict[str, Any], str, str, Any, str | None]] = []  # table, what, key or ".", value, rule
    for table in TABLES:
        name, nested = table["name"], array(table)[1]
        scalar = [place(column) for column in own(table)] == ["."]
        for column in own(table):
            required, key, what = meta(column).get("required"), place(column), f"{name}.{label(column)}"
            if column["data_type"] in WRONG:
                faults.append((table, f"{what} is of another type", key, WRONG[column["data_type"]], TYPES))
            faults.append((table, f"{what} is null", key, None, GIVEN if required else None))
            if not scalar:
                faults.append((table, f"{what} is absent", key, ABSENT, GIVEN if required else None))
            if column["data_type"] == "text" and required:
                rule = None if (name, label(column)) == MAY_BE_EMPTY else ANY
                # ids differ from what refers to them, which would otherwise find its row
                blanks = ("\u2028", "\u205f\ufeff") if key == "id" else ("", " \u00a0\u3000\u200b\t")
                faults += [(table, f"{what} is blank: {blank!a}", key, blank, rule) for blank in blanks]
        if not scalar:
            faults.append((table, f"{name} has an unknown key", "nickname", 1, "expect_only_declared_keys"))
            faults.append((table, f"{name} has a key that may be a name", "Zoë Ng", 1, "expect_only_declared_keys"))
            faults.append((table, f"{name} holds what is no object", ".", 1, TYPES))
        if nested:
            faults.append((table, f"{name}: the array is no array", "", {}, TYPES))
            faults.append((table, f"{name}: the array is absent", "", ABSENT, TYPES))
    for number, (table, what, key, value, rule) in enumerate(faults, start=first):
        entity, nested = array(table)
        row: Any = valid_row(entity, number)
        index = 0 if nested and key != "" else None
        if key == "":
            change(row, nested or "", value)
        elif nested and (key == "." or place(own(table)[0]) == "."):
            row[nested] = [value]
        elif key == ".":
            row = value
        else:
            change(row[nested][0] if nested else row, key, value)
        names = {place(column): label(column) for column in own(table)}
        column = names.get(key, "?" if key == "Zoë Ng" else key)
        yield Case(what, [(entity, row)], [(0, table["name"], index, column, rule, "critical")] if rule else [])


def change(row: dict[str, Any], key: str, value: Any) -> None:
    row.pop(key, None)
    if value is not ABSENT:
        row[key] = value


WRITTEN = list(written_cases())
CASES = WRITTEN + list(derived_cases(len(WRITTEN) + 1))


def base() -> dict[str, Any]:
    return {entity: [valid_row(entity, 0)] for entity in SPEC["valid"]}


def all_cases() -> tuple[dict[str, Any], dict[tuple[str, int], tuple[int | None, int]]]:
    """One document with the rows of all cases; and of each entity and row the case, and the number of the row in it."""
    document = base()
    owners: dict[tuple[str, int], tuple[int | None, int]] = {}
    for number, case in enumerate(CASES, start=1):
        for place, (entity, row) in enumerate(case.rows):
            document[entity].append(row)
            owners[entity, len(document[entity])] = number, place
        for entity, companion in SPEC["companions"].items():
            row = valid_row(companion, number)
            there = [other.get("id") for name, other in case.rows if name == companion and isinstance(other, dict)]
            if entity in {name for name, _ in case.rows} and row["id"] not in there:
                document[companion].append(row)
    return document, owners


@dataclass(frozen=True)
class Outcome:
    """The result of one validation of every case's rows, each case's failures under its number; None: of no case."""

    validation: Validation
    failures: dict[int | None, list[tuple[int, Failure]]]
    document: dict[str, Any]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    document, owners = all_cases()
    folder = tmp_path_factory.mktemp("cases")
    validation = judged(stage(folder / "staging.duckdb", document), docs=folder / "docs")
    entities = {table["name"]: array(table)[0] for table in TABLES}
    failures: dict[int | None, list[tuple[int, Failure]]] = {}
    for failure in validation.failures:
        owner, place_ = owners.get((entities[failure.table], failure.keys["_root_row"]), (None, 0))
        failures.setdefault(owner, []).append((place_, failure))
    return Outcome(validation, failures, document)


def test_each_case_shows_its_faults_and_no_other(outcome: Outcome) -> None:
    """A row that breaks a rule is named once, with its field, rule and severity; whatever is allowed is not."""
    assert len(CASES) > 500
    for number, case in enumerate(CASES, start=1):
        found = outcome.failures.get(number, [])
        said = {(row, f.table, f.keys["_index"], f.field, f.rule, f.severity) for row, f in found}
        if case.expect and case.expect[0][4] == ANY:
            said = {(*fault[:4], ANY, fault[5]) for fault in said}
        assert said == set(case.expect), case.name
        assert len(found) == len(case.expect), case.name


def test_no_failure_is_on_a_row_without_a_fault(outcome: Outcome) -> None:
    """The valid rows beside the faulty ones stay unnamed, and every rule could run."""
    assert outcome.failures.get(None) is None
    assert outcome.validation.broken == ()
    assert not outcome.validation.success


def entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each declared rule and each entry of each suite, with its table."""
    tables = {table.name: table for table in SOURCES}
    for table in SOURCES:
        yield from ((table.name, one) for one in declared.entries(table, tables))
    for file in sorted(SUITES.glob("*.json")):
        for one in json.loads(file.read_text())["expectations"]:
            yield file.stem, one


ABOUT_THE_TABLE = "expect_table_row_count_to_be_between"  # an empty document breaks it, in a test of its own
OBJECTS = {
    "tests": "a list of objects with name, optionally url, and no other key",
    "test_results": "a list of objects with name and type (submission or graded), optionally url, and no other key",
}


def promised(table: str, one: dict[str, Any]) -> dict[str, str]:
    """The fields that an entry is about, each with the message that its breach gives."""
    kind, kwargs, said = one["type"], one["kwargs"], one.get("meta", {})
    if kind == TYPES:
        jsonb = {label(c) for t in TABLES if t["name"] == table for c in t["columns"] if c["data_type"] == "jsonb"}
        # JSON of every kind fits jsonb; what does not is not told by the suites
        return {name: f"must be {words}" for name, words in kwargs["types"].items() if name not in jsonb}
    labels = {c["name"]: label(c) for t in TABLES if t["name"] == table for c in t["columns"]}
    if kind in (GIVEN, BLANK):
        message = "is required" if kind == GIVEN else "must not be blank"
        return {labels[name]: message for name in kwargs["columns"]}
    if kind == "expect_only_declared_keys":
        return dict.fromkeys(("nickname", "?"), "is not a declared key, so its value would be lost")
    columns = [kwargs[name] for name in ("column", "column_A") if name in kwargs] or kwargs.get("columns", [""])[-1:]
    message = {
        "expect_json_lists_to_hold_objects": f"must be {OBJECTS.get(table)}",
    }.get(kind, "")
    name = said.get("field", columns[0])
    return {labels.get(name, name): said.get("message", message)}


ENTRIES = [(table, one) for table, one in entries() if one["type"] != ABOUT_THE_TABLE]


@pytest.mark.parametrize(
    ("table", "one"), ENTRIES, ids=[f"{table}-{'-'.join(promised(table, one))[:60]}" for table, one in ENTRIES]
)
def test_every_entry_has_a_case(outcome: Outcome, table: str, one: dict[str, Any]) -> None:
    """Each entry of each suite is broken by some case in each of its fields, and says what it is to say."""
    rule = one.get("meta", {}).get("rule", one["type"])
    messages: dict[str, set[str]] = {}
    for failure in outcome.validation.failures:
        if (failure.table, failure.rule) == (table, rule):
            messages.setdefault(failure.field, set()).add(failure.message)
    for name, message in promised(table, one).items():
        assert message
        assert message in messages[name], name


def test_entries_about_a_table_are_known() -> None:
    """The two that no row can break are about students and classes, which must not be empty."""
    assert [table for table, one in entries() if one["type"] == ABOUT_THE_TABLE] == ["students", "classes"]


def test_a_row_is_named_by_its_place_and_its_id(outcome: Outcome) -> None:
    """The keys lead back to the row of the document and the element of its nested array."""
    for table in TABLES:
        entity, nested = array(table)
        for failure in outcome.validation.failures:
            if failure.table == table["name"]:
                row = outcome.document[entity][failure.keys["_root_row"] - 1]
                assert failure.keys["_id"] == (read("text", row.get("id")) if isinstance(row, dict) else None)
                assert (failure.keys["_index"] is None) == (nested is None or failure.field == "")


def test_a_message_says_what_is_expected(outcome: Outcome) -> None:
    """A type fault names the JSON type and the format; messages are short and hold no value."""
    messages = {(f.table, f.field, f.rule): f.message for f in outcome.validation.failures}
    assert messages["students", "enrollmentDate", TYPES] == "must be a date: a JSON string YYYY-MM-DD"
    assert messages["schedules", "startTime", TYPES] == "must be a time of day: a JSON string HH:MM"
    assert messages["classes", "capacity", TYPES] == "must be a whole JSON number (32 bits)"
    assert messages["class_enrollments", "", TYPES] == "must be a JSON array"
    assert messages["attendance_entries", ".", TYPES] == "must be a JSON object"
    assert messages["class_enrollments", "student_id", "expect_column_values_to_exist_in_table"] == (
        "must be the id of a row of students"
    )
    assert all(0 < len(message) < 120 for message in messages.values())


def test_a_valid_document_passes_without_a_warning(tmp_path: Path) -> None:
    """The smallest whole document breaks nothing."""
    validation = judged(stage(tmp_path / "staging.duckdb", base()))
    assert (validation.failures, validation.broken, validation.totals) == ((), (), {})
    assert validation.success
    assert (validation.failed, validation.warned) == (0, 0)
    assert validation.rules == len(list(entries()))
    told = sum("declared" in one.get("meta", {}) for _, one in entries())
    assert sum(outcome.declared for outcome in validation.outcomes) == told > 0


def test_students_and_classes_are_not_empty(tmp_path: Path) -> None:
    """An empty document breaks two rules, each about a whole table."""
    validation = judged(stage(tmp_path / "staging.duckdb", {entity: [] for entity in base()}))
    assert {(f.table, f.field, f.severity, f.message) for f in validation.failures} == {
        ("students", "*", "critical", "must have at least one row"),
        ("classes", "*", "critical", "must have at least one row"),
    }
    assert [failure.keys for failure in validation.failures] == [{}, {}]
    assert validation.totals == {f"{f.table}.expect_table_row_count_to_be_between.*": 1 for f in validation.failures}


def test_warnings_alone_do_not_fail(tmp_path: Path) -> None:
    """A document that only breaks warnings is a success, and they are told."""
    document = base()
    document["students"].append(valid_row("students", 0, id="twin"))
    validation = judged(stage(tmp_path / "staging.duckdb", document))
    assert validation.success
    assert (validation.failed, validation.warned) == (0, 1)
    assert {failure.severity for failure in validation.failures} == {"warning"}


def test_keys_that_are_data_are_not_named(tmp_path: Path) -> None:
    """Of very many unknown keys a hundred are named: the rest may be names of people."""
    document = base()
    document["students"][0] |= {f"key{number}": number for number in range(150)}
    validation = judged(stage(tmp_path / "staging.duckdb", document))
    rule = "students.expect_only_declared_keys"
    assert validation.totals == {f"{rule}.{f.field}": 50 if f.field == "?" else 1 for f in validation.failures}
    assert len(validation.totals) == 101
    assert validation.totals[f"{rule}.?"] == 50


# --- the tool --------------------------------------------------------------------------------------------------


def entry(kind: str, kwargs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, **more}


def rows_of(query: str, **more: Any) -> dict[str, Any]:
    return entry("unexpected_rows_expectation", {"unexpected_rows_query": query}, **more)


@pytest.fixture
def suites(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of suites: the entries of each, by the name of its table."""

    def make(**tables: list[Any]) -> Path:
        folder = tmp_path / "suites"
        folder.mkdir(exist_ok=True)
        for table, entries in tables.items():
            (folder / f"{table}.json").write_text(json.dumps({"name": table, "expectations": entries}))
        return folder

    return make


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """A database of one table with 300 rows: 12 have no good name, 300 no good size."""
    file = tmp_path / "things.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TABLE things AS SELECT i AS id, CASE WHEN i <= 12 THEN ' ' ELSE 'n' || i END AS name,"
            f" ['{MARKER}'] AS tags, '{MARKER}' || i AS \"someText\", -i AS size FROM range(1, 301) AS r(i)"
        )
    return file


def test_rows_are_capped_and_totals_exact(things: Path, suites: Callable[..., Path]) -> None:
    """Each rule lists up to the limit of rows for each field, in order, and counts all of them."""
    folder = suites(
        things=[
            entry("expect_column_values_to_match_regex", {"column": "name", "regex": "^n"}),
            entry("expect_values_not_to_be_blank", {"columns": ["name", "someText"]}),
            rows_of("SELECT *, 'name' AS _field FROM {batch} WHERE id <= 12", meta={"rule": "named"}),
            rows_of(
                "SELECT id FROM {batch} WHERE size < 0", severity="warning", meta={"rule": "sized", "field": "size"}
            ),
        ]
    )
    few, many = (checked(things, folder, index_columns=["id"], limit=limit) for limit in (5, 250))
    for validation, limit in ((few, 5), (many, 250)):
        assert validation.totals == {
            "things.expect_column_values_to_match_regex.name": 12,
            "things.expect_values_not_to_be_blank.name": 12,
            "things.named.name": 12,
            "things.sized.size": 300,
        }
        for rule in ("expect_column_values_to_match_regex", "expect_values_not_to_be_blank", "named"):
            found = [failure for failure in validation.failures if failure.rule == rule]
            assert [failure.keys for failure in found] == [{"id": n} for n in range(1, min(limit, 12) + 1)]
        assert sum(failure.rule == "sized" for failure in validation.failures) == limit
        assert (validation.rules, validation.failed, validation.warned) == (4, 3, 1)


def test_a_rule_that_holds_is_one_query(things: Path, suites: Callable[..., Path]) -> None:
    """Great Expectations' own type of it would ask for the rows, too, before they are counted."""
    folder = suites(things=[rows_of("SELECT * FROM {batch} WHERE size > 0"), entry(BLANK, {"columns": ["someText"]})])
    asked = list[str]()

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    try:
        validate = import_module("mock2pg.checks.validation").validate  # in this process
        assert validate(checks.duckdb_url(things), folder, index_columns=["id"]).success
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert [sum(part in statement for statement in asked) for part in ("size > 0", "trim(")] == [1, 1]


def test_a_rule_that_cannot_run_is_broken(things: Path, suites: Callable[..., Path], tmp_path: Path) -> None:
    """It is no fault of the data and no success; the rules beside it run; its reason holds no value."""
    folder = suites(
        things=[
            entry("expect_column_values_to_be_between", {"column": "size", "max_value": 0}),
            entry("expect_column_values_to_be_between", {"column": "length", "max_value": 0}),
            entry("expect_column_values_to_match_regex", {"column": "name", "regex": "(?=n)"}),
            entry("expect_column_values_to_exist_in_table", {"column": "name", "parent": "missing"}),
            rows_of('SELECT * FROM {batch} WHERE CAST("someText" AS INTEGER) > 0', meta={"rule": "cast"}),
            rows_of("SELECT name FROM {batch}", meta={"rule": "keyless"}),
        ]
    )
    validation = checked(things, folder, index_columns=["id"], docs=tmp_path / "docs")
    reasons = {(broken.rule, broken.reason.split(":")[0]) for broken in validation.broken}
    assert reasons == {
        ("expect_column_values_to_be_between", 'column "length" does not exist'),
        ("expect_column_values_to_match_regex", "InvalidInputException"),
        ("expect_column_values_to_exist_in_table", "CatalogException"),
        ("cast", "ConversionException"),
        ("keyless", "BinderException"),
    }
    assert (validation.success, validation.failures, validation.failed) == (False, (), 0)
    assert MARKER not in repr(validation)
    page = next((tmp_path / "docs").rglob("rules.html")).read_text()
    assert page.count("could not run</td>") == 5
    assert MARKER not in page


DECLARED = entry("expect_only_declared_keys", {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "no list of expectations"),
        ({"expectations": []}, "no expectation"),
        ({"expectations": [{"kwargs": {}}]}, "expectation 1: it has no type"),
        ({"expectations": [DECLARED, entry("expect_a_miracle", {})]}, "expectation 2 (expect_a_miracle)"),
        ({"expectations": [DECLARED | {"severity": "info"}]}, "1 (expect_only_declared_keys): its severity"),
        ({"expectations": [DECLARED | {"severty": "critical"}]}, "1 (expect_only_declared_keys)"),
        ({"expectations": [DECLARED | {"kwargs": {"colum": "a"}}]}, "1 (expect_only_declared_keys)"),
        ({"expectations": [entry("expect_values_to_be_given", {})]}, "1 (expect_values_to_be_given)"),
        ({"expectations": [entry("expect_no_rows", {})]}, "1 (expect_no_rows)"),
        ({"meta": {"table": "elsewhere"}, "expectations": [DECLARED]}, "table elsewhere"),
    ],
)
def test_a_suite_that_is_not_understood_is_refused(tmp_path: Path, things: Path, content: Any, said: str) -> None:
    """Nothing is dropped in silence: the error names the file and the entry."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "things.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ProjectError) as refused:
        checked(things, tmp_path / "suites", index_columns=["id"])
    assert "things" in refused.value.message
    assert said in refused.value.message


def test_rules_in_the_old_place_are_not_overlooked(things: Path, suites: Callable[..., Path]) -> None:
    """A project with expectations/suites/ is told where its rules belong now; a rule about no declared table, too."""
    folder = suites(things=[DECLARED])
    with pytest.raises(ProjectError, match=r"things\.json: things is not a table of _sources\.yml"):
        checked(things, folder, sources=SOURCES)
    (folder / "suites").mkdir()
    with pytest.raises(ProjectError, match=r"suites/suites/ is not read any more: business rules are in"):
        checked(things, folder, index_columns=["id"])


def test_a_folder_without_suites_is_refused(tmp_path: Path, things: Path, suites: Callable[..., Path]) -> None:
    """As is a second suite for one table: no rule goes unseen."""
    with pytest.raises(ProjectError, match="there is no suite"):
        checked(things, tmp_path / "nowhere", index_columns=["id"])
    folder = suites(things=[DECLARED])
    twin = {"meta": {"table": "things"}, "expectations": [DECLARED]}
    (folder / "twin.json").write_text(json.dumps(twin))
    with pytest.raises(ProjectError, match=r"twin\.json: another suite"):
        checked(things, folder, index_columns=["id"])


def test_the_file_is_let_go(things: Path, suites: Callable[..., Path]) -> None:
    """After a validation, and after one that fails, the DuckDB file can be opened for writing."""
    with pytest.raises(ProjectError):
        checked(things, suites(nothing=[DECLARED]), index_columns=["id"])
    duckdb.connect(str(things)).close()
    folder = suites(nothing=[entry("expect_table_row_count_to_be_between", {"min_value": 1})])
    (folder / "nothing.json").rename(folder / "things.json")
    assert checked(things, folder, index_columns=["id"]).success
    duckdb.connect(str(things)).close()


def test_a_file_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    """Without a staging database there is nothing to check, and none is made."""
    with pytest.raises(InternalError, match="cannot be opened"):
        judged(tmp_path / "staging.duckdb")
    assert not (tmp_path / "staging.duckdb").exists()


def test_no_value_reaches_a_result_a_log_or_data_docs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Every text but the ids is a marker, in rows that break rules of every kind; it is found nowhere."""
    document = base()
    for rows in document.values():
        spoil(rows[0])
        rows[0][f"{MARKER} Doe"] = MARKER
    docs = tmp_path / "docs"
    validation = judged(stage(tmp_path / "staging.duckdb", document), docs=docs, title="Run 1")
    assert len(validation.failures) > 50
    assert MARKER not in repr(validation)
    written = [file for file in docs.rglob("*") if file.is_file()]
    assert len(written) == len(TABLES) + 1
    assert not [file for file in written if MARKER.encode() in file.read_bytes()]
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


def spoil(row: dict[str, Any]) -> None:
    for key, value in row.items():
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    spoil(item)
            row[key] = [MARKER if isinstance(item, str) else item for item in value]
        elif isinstance(value, str) and key != "id":
            row[key] = MARKER


class Page(HTMLParser):
    """The links of a page, and what it loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src", "action", "data", "poster", "srcset"):
                (self.links if (tag, name) == ("a", "href") else self.loads).append(value or "")


def test_data_docs_are_whole_without_a_network(tmp_path: Path) -> None:
    """Every page is one file that loads nothing; links lead to pages that are there; rules are sentences."""
    document = base()
    document["classes"][0]["capacity"] = "2"
    document["students"].append(valid_row("students", 1, email=valid_row("students", 0)["email"]))
    docs = tmp_path / "$HOME ${x}" / "docs"
    judged(stage(tmp_path / "staging.duckdb", document), docs=docs, title="Run <1> & $HOME")
    files = sorted(docs.rglob("*"))
    pages = [file for file in files if file.is_file()]
    assert {page.suffix for page in pages} == {".html"}
    for page in pages:
        text = page.read_text()
        assert "Run &lt;1&gt; &amp; $HOME" in text
        assert re.findall(r"https?:|//|@import|url\(|<script", text) == []
        assert str(tmp_path) not in text
        assert 'id="failed-only"' in text
        read_ = Page(page)
        assert read_.loads == []
        assert read_.links
        assert [link for link in read_.links if not (page.parent / link).is_file()] == []
    index = (docs / "index.html").read_text()
    assert "1 failed, 1 gives a warning" in index
    classes = next((docs / "validations" / "classes").rglob("*.html")).read_text()
    assert classes.index("✗ failed") < classes.index("✓ passed")
    assert 'capacity is at least 1. <span class="tag">critical</span>' in classes  # a rule of the suite
    assert "<dt>at least</dt><dd>1</dd>" in classes
    assert 'Every value is of its declared type. <span class="tag">declared</span>' in classes
    assert "<li><kbd>classes.json:0:1</kbd> <code>classes[0].capacity</code>: must be a whole" in classes
    assert "1 of 20 rows" in classes
    students = next((docs / "validations" / "students").rglob("*.html")).read_text()
    assert "⚠ warning" in students
    assert "No two students have the same email." in students


IMPORTS = """
import gc, sys, threading, warnings
from mock2pg import checks
from mock2pg.build import sources
heavy = {"great_expectations", "pandas", "sqlalchemy", "duckdb", "psycopg"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
shown = warnings.showwarning
threads = [threading.Thread(target=checks.warm) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert {"duckdb", "great_expectations.render.renderer.site_builder"} <= set(sys.modules), "a validation waits for it"
assert "great_expectations" in sys.modules and gc.isenabled() and warnings.showwarning is shown
assert not {"scipy", "altair", "jsonschema", "psycopg2", "mistune"} & set(sys.modules), "loaded before anybody asked"
from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as statistical
assert statistical.stats.norm.cdf(0) == 0.5  # the stand-in leads to the real module
import scipy.stats
assert scipy.stats.norm.cdf(0) == 0.5 and scipy.__version__
from mock2pg.checks import lazy_imports
known = {name: module for name, module in sys.modules.items() if name.startswith("great_expectations")}
left = [(name, key) for name, module in known.items() for key, value in vars(module).items()
        if isinstance(value, lazy_imports._Postponed)]
assert not left, left  # nothing but the packages that lead on imports what is postponed
print(len(known), len(lazy_imports._import()))
import great_expectations as gx, great_expectations.datasource.fluent as fluent, great_expectations.metrics
from great_expectations.datasource.fluent import PandasDatasource, SparkS3Datasource
assert fluent.pandas_datasource.PandasDatasource is PandasDatasource and PandasDatasource.asset_types
rule = gx.expectations.ExpectColumnMaxToBeBetween
assert rule is gx.expectations.core.ExpectColumnMaxToBeBetween and rule(column="a", max_value=1).column == "a"
assert not hasattr(fluent, "NoSuchDatasource")
assert issubclass(gx.metrics.ColumnMean, gx.metrics.Metric)
"""


def test_importing_is_cheap_and_warming_leaves_no_trace() -> None:
    """The package loads nothing heavy; `warm` loads what is used of Great Expectations, the rest comes on demand."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", IMPORTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    modules, postponed = map(int, done.stdout.split())
    assert modules < 345, "Great Expectations imports modules that can be postponed"
    assert postponed > 100, "Great Expectations has its modules in other places"


def test_a_kept_configuration_is_what_great_expectations_would_make(
    things: Path, suites: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows every change, what is done to an answer stays there, and it is asked for often enough to be kept."""
    checks.warm()
    from great_expectations.expectations.expectation import Expectation

    from mock2pg.checks import suites as loading
    from mock2pg.checks import validation

    kept = Expectation.configuration
    rules = [rule for suite in loading.load_suites(SUITES, SOURCES).values() for rule in suite.expectations]
    for rule in rules:
        for number in ("1", "2"):
            rule.id = number
            answer, made = rule.configuration, kept.fget.__wrapped__(rule)
            assert (vars(answer), answer.to_json_dict()) == (vars(made), made.to_json_dict())
            answer.kwargs["batch_id"], answer.id = "spoiled", "spoiled"
    asked = []
    monkeypatch.setattr(Expectation, "configuration", property(lambda self: asked.append(self) or kept.fget(self)))
    validation.validate(checks.duckdb_url(things), suites(things=[DECLARED]), index_columns=["id"])
    assert len(asked) > 20, "mock2pg.patches.remember_configurations has become idle"


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def test_the_same_rules_hold_in_postgresql(database: str, suites: Callable[..., Path]) -> None:
    """Tables of any schema, keys by table, camelCase columns, and the socket of a plain URL; nothing is written."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """
            CREATE SCHEMA "next One";
            SET search_path TO "next One";
            CREATE TABLE parents (id text, "emailAddress" text);
            INSERT INTO parents VALUES ('a', 'a@b.example'), ('b', E'\\u00a0'), ('c', 'c@b.example');
            CREATE TABLE children (a int, b int, "parentId" text, name text);
            INSERT INTO children VALUES (1, 1, 'a', 'x'), (1, 2, 'z', 'x'), (2, 1, NULL, 'y'), (2, 2, 'c', NULL),
                (3, 1, 'c', 'z');
            """
        )
    folder = suites(
        parents=[
            entry("expect_values_not_to_be_blank", {"columns": ["emailAddress"]}),
            entry("expect_column_values_to_match_regex", {"column": "emailAddress", "regex": "^[^@\\s]+@"}),
        ],
        children=[
            entry("expect_column_values_to_exist_in_table", {"column": "parentId", "parent": "parents"}),
            entry("expect_rows_to_be_unique_on", {"columns": ["parentId", "name"]}),
            entry("expect_rows_to_be_unique_on", {"columns": ["name"]}),
            entry("expect_compound_columns_to_be_unique", {"column_list": ["a", "name"]}, meta={"field": "*"}),
            rows_of("SELECT * FROM {batch} WHERE name LIKE 'y%' OR b::text ~ '^2$'", meta={"rule": "sql"}),
            rows_of("SELECT nothing FROM {batch}", meta={"rule": "broken"}),
        ],
    )
    validation = checks.validate(
        database, folder, index_columns={"parents": ["id"], "children": ["a", "b"]}, schema="next One"
    )  # fmt: skip
    found = {(f.table, f.rule, f.field, tuple(f.keys.values())) for f in validation.failures}
    unique, parent = "expect_rows_to_be_unique_on", "expect_column_values_to_exist_in_table"
    assert found == {
        ("parents", "expect_values_not_to_be_blank", "emailAddress", ("b",)),
        ("parents", "expect_column_values_to_match_regex", "emailAddress", ("b",)),
        ("children", parent, "parentId", (1, 2)),
        ("children", unique, "name", (1, 1)),
        ("children", unique, "name", (1, 2)),
        ("children", "expect_compound_columns_to_be_unique", "*", ()),
        ("children", "sql", "*", (1, 2)),
        ("children", "sql", "*", (2, 1)),
        ("children", "sql", "*", (2, 2)),
    }
    assert validation.totals["children.expect_compound_columns_to_be_unique.*"] == 2
    assert [(broken.rule, broken.reason.split(":")[0]) for broken in validation.broken] == [
        ("broken", "UndefinedColumn")
    ]


def test_a_database_that_cannot_be_reached_is_an_error_without_its_password(suites: Callable[..., Path]) -> None:
    """The error says so in one line that holds neither password nor query."""
    folder = suites(things=[entry("expect_table_row_count_to_be_between", {"min_value": 1})])
    url = f"postgresql://user:{MARKER}@/db?host=/nowhere&port=1"
    with pytest.raises(DatabaseError) as refused:
        checks.validate(url, folder, index_columns=["id"])
    assert "cannot connect" in refused.value.message
    assert MARKER not in refused.value.message
    assert "\n" not in refused.value.message


def test_plain_great_expectations_reads_every_suite() -> None:
    """The lines of expectations/README.md do it, and no rule is dropped; ours knows every type that it knows."""
    (lines,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "expectations" / "README.md").read_text(), re.DOTALL)
    registry = "great_expectations.expectations.registry"
    lines += f"\nfrom {registry} import list_registered_expectation_implementations\n"
    lines += "print(*list_registered_expectation_implementations())"
    done = subprocess.run([sys.executable, "-c", lines], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    suites = len(list((REPOSITORY / "expectations").rglob("*.json")))
    assert (done.returncode, done.stdout.splitlines()[-2:-1]) == (0, [f"{suites} suites"]), done.stderr
    checks.warm()
    for kind in done.stdout.splitlines()[-1].split():
        lazy_imports.import_expectation_type(kind)
        assert import_module(registry).get_expectation_impl(kind).expectation_type == kind
