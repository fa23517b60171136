"""The formats of a check and of a verification: what a continuous integration server reads is what was found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock2pg.errors import (
    CheckFailed,
    InternalError,
    Mock2pgError,
    NothingPublished,
    ProjectError,
    SourceError,
    UsageError,
    ValidationError,
    VerifyFailed,
)
from mock2pg.report.reporters import verification
from mock2pg.report.reporters.check import github, junit
from mock2pg.results import MigrationResult
from tests.fix_results import result_of

HOSTILE = [
    "a\x00b\x1b[31m\x07",
    "]]><failure/>",
    "line\nbreak\r\nbreak",
    "::error::x",
    "%0A%25 100%",
    "a:b,c=d;e]f##[g]",
    "👩‍🏫 ünï ‮الف",
    "\ud800 half",
    "\ufffe\uffff\x85\u2028",
    "<&\"'>",
    "\t ",
]


def rule(
    name: str = "values_are_given", sentence: str = "Every row has a value for name.", **given: Any
) -> dict[str, Any]:
    """One of the `suites` of a check."""
    known = {"table": "orders", "entity": "orders", "path": "orders", "severity": "critical", "status": "passed"}
    return {**known, "rule": name, "sentence": sentence, "rows": 0, "reason": "", **given}


def fault(field: str = "name", name: str = "values_are_given", **given: Any) -> ValidationError:
    """A row that breaks a rule."""
    known = {"entity": "orders", "id": "7", "message": "is required", "rule": name, "row": 3}
    return ValidationError(**{**known, "field": field, **given})


def result(
    rules: Sequence[dict[str, Any]] | None = None,
    listed: Sequence[ValidationError] = (),
    error: Mock2pgError | None = None,
    **totals: int,
) -> MigrationResult:
    """The result of a check; refused when an error is critical. `totals` are the check's `errors` and `warnings`."""
    if error is None and any(found.severity == "critical" for found in listed):
        error = CheckFailed("rows break rules", listed)
    results = () if rules is None else (result_of("check", {"suites": list(rules), **totals}),)
    message = error.message if error else "The source can be migrated."
    return MigrationResult(error is None, message, results, tuple(listed), "run", Path("index.html"), error)


def suites(text: str) -> dict[str, ElementTree.Element]:
    """The testsuites by name, once their numbers are found to be right."""
    root = ElementTree.fromstring(text)
    for element in [root, *root]:
        cases = element.findall(".//testcase")
        assert element.get("tests") == str(len(cases))
        for attribute, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            number = sum(case.find(outcome) is not None for case in cases)
            assert element.get(attribute) == (None if element is root and attribute == "skipped" else str(number))
    return {str(suite.get("name")): suite for suite in root}


def outcomes(text: str) -> dict[tuple[str, str], str]:
    """(testsuite, testcase) -> how it came out."""
    return {
        (name, str(case.get("name"))): next((child.tag for child in case if child.tag != "system-out"), "passed")
        for name, suite in suites(text).items()
        for case in suite
    }


def lines(text: str, suite: str, case: str) -> list[str]:
    """The findings of a testcase."""
    (found,) = (element for element in suites(text)[suite] if element.get("name") == case)
    return str(found[0].text).split("\n")


class Command:
    """A workflow command as GitHub's runner takes a line apart."""

    def __init__(self, line: str) -> None:
        head, _, data = line.removeprefix("::").partition("::")
        self.level, _, given = head.partition(" ")
        pairs = (pair.split("=", 1) for pair in given.split(",") if pair)
        self.properties = {name: self.unescaped(value, ":,") for name, value in pairs}
        self.message = self.unescaped(data)

    @staticmethod
    def unescaped(text: str, more: str = "") -> str:
        for character in ("\r", "\n", *more, "%"):
            text = text.replace(f"%{ord(character):02X}", character)
        return text


def commands(text: str) -> list[Command]:
    """All of them; whatever is no command is a line of the log that nobody asked for."""
    found = re.split(r"\r\n|\r|\n", text)
    assert all(re.match(r"::(error|warning|notice) ", line) for line in found)
    return [Command(line) for line in found]


SOUND = "The source is strict JSON and holds the declared arrays."


def test_a_sound_source_is_a_suite_per_table_of_passing_rules() -> None:
    """Each rule is a testcase named by its sentence, its class is the table, and the source has a testcase too."""
    items = {"table": "order_items", "path": "orders[].items[]"}
    text = junit(result([rule(), rule("unique", "No two rows have the same id."), rule(**items)]))
    assert outcomes(text) == {
        ("source", SOUND): "passed",
        ("orders", "Every row has a value for name."): "passed",
        ("orders", "No two rows have the same id."): "passed",
        ("order_items", "Every row has a value for name."): "passed",
    }
    assert all(case.get("classname") == name for name, suite in suites(text).items() for case in suite)
    assert not any(len(case) for suite in suites(text).values() for case in suite)
    assert outcomes(junit(result([]))) == {("source", SOUND): "passed"}


def test_a_broken_rule_fails_with_its_rows_and_their_exact_number() -> None:
    """A failure lists each error in a line and says how many more there are."""
    errors = [fault(id=str(number), file="mocks/orders.json", line=number, column=9) for number in (1, 2)]
    text = junit(result([rule(status="failed", rows=1204)], errors))
    (failure,) = ElementTree.fromstring(text).iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("CheckFailed", "1,204 errors")
    assert lines(text, "orders", "Every row has a value for name.") == [
        "mocks/orders.json:1:9 orders[2].name (id 1): is required",
        "mocks/orders.json:2:9 orders[2].name (id 2): is required",
        "... and 1,202 more",
    ]


def test_nothing_is_said_of_more_rows_when_all_are_listed() -> None:
    """One error of one row is that, and in the singular."""
    text = junit(result([rule(status="failed", rows=1)], [fault()]))
    (failure,) = ElementTree.fromstring(text).iter("failure")
    assert (failure.get("message"), failure.text) == ("1 error", "orders[2].name (id 7): is required")


def test_a_warning_passes_and_is_in_the_output() -> None:
    """A rule of severity warning fails no testcase; its rows stand in system-out, with the number of the others."""
    warned = rule(status="warned", severity="warning", rows=3)
    text = junit(result([warned], [fault(severity="warning")]))
    assert set(outcomes(text).values()) == {"passed"}
    (output,) = ElementTree.fromstring(text).iter("system-out")
    assert output.text == "warning: orders[2].name (id 7): is required\n... and 2 more"


def test_a_rule_that_was_not_judged_is_skipped_and_one_that_could_not_run_is_an_error() -> None:
    """Both give their reason; neither is a pass nor a failure of the data."""
    rules = [
        rule(sentence="a", status="skipped", reason="customers could not be read"),
        rule(sentence="b", status="broken", reason='column "nome" does not exist'),
    ]
    text = junit(result(rules, error=ProjectError("a rule could not run")))
    assert outcomes(text)["orders", "a"] == "skipped"
    assert outcomes(text)["orders", "b"] == "error"
    skipped, broken = suites(text)["orders"].findall("testcase/*")
    assert skipped.get("message") == skipped.text == "customers could not be read"
    assert (broken.get("type"), broken.text) == ("ProjectError", 'column "nome" does not exist')


def test_faults_of_the_source_are_in_its_own_suite() -> None:
    """A testcase for each way in which a source can be at fault, with all the faults of that way."""
    errors = [
        fault("", "declared_arrays", entity="orders", row=None, message="must be an array of rows"),
        fault("", "strict_json", entity="", row=None, message="has a trailing comma", file="a.json", line=4, column=1),
        fault("", "strict_json", entity="", row=None, message="is empty", file="b.json"),
        fault("", "readable_source", entity="", row=None, message="cannot be unpacked", file="c.json.gz"),
    ]
    text = junit(result(None, errors, SourceError("the source is refused", errors)))
    assert list(outcomes(text).items()) == [
        (("source", "The source can be read."), "failure"),
        (("source", "Every file is strict JSON."), "failure"),
        (("source", "The source holds the declared arrays and no other."), "failure"),
    ]
    assert lines(text, "source", "Every file is strict JSON.") == [
        "a.json:4:1: has a trailing comma",
        "b.json: is empty",
    ]
    assert {failure.get("type") for failure in ElementTree.fromstring(text).iter("failure")} == {"SourceError"}


def test_a_source_can_be_at_fault_beside_its_rows() -> None:
    """Everything that could be read was checked, and both are reported."""
    errors = [fault("", "strict_json", entity="items", row=None, message="is not JSON"), fault()]
    text = junit(result([rule(status="failed", rows=1)], errors, SourceError("the source is refused", errors)))
    assert outcomes(text) == {
        ("source", "Every file is strict JSON."): "failure",
        ("orders", "Every row has a value for name."): "failure",
    }


def test_what_is_only_noted_of_the_source_passes() -> None:
    """An array that is left out by leave is a warning, also in the testsuite of the source."""
    error = fault("", "declared_arrays", entity="drafts", row=None, severity="warning", message="is left out")
    text = junit(result([rule()], [error]))
    assert set(outcomes(text).values()) == {"passed"}
    assert lines(text, "source", "The source holds the declared arrays and no other.") == [
        "warning: drafts: is left out"
    ]


MANY = [
    rule("exists", "customerId is the id of a row of customers.", status="failed", rows=9),
    rule("exists", "workshopId is the id of a row of workshops.", status="failed", rows=8),
    rule("exists", "shopId is the id of a row of shops.", status="failed", rows=7),
    rule("exists", "itemsTotal is a total.", status="failed", rows=6),
    rule("exists", "customerId is one of ours.", status="warned", severity="warning", rows=5),
    rule("exists", "itemId is the id of a row of items.", status="failed", rows=4, table="i", path="orders[].items[]"),
    rule("exists", "shopId and itemsTotal are open.", status="failed", rows=3, table="i", path="orders[].items[]"),
    rule("exists", "tags are known.", status="failed", rows=2, table="t", path="orders[].itemsTags[]"),
    rule("exists", "itemId is for sale.", status="failed", rows=1, entity="items", table="j", path="items"),
    rule("exists", "itemId is taxed.", status="failed", rows=1, table="x", path="orders[].items[].taxes[]"),
    rule("exists", "itemId is a member.", status="failed", rows=1, entity="m", table="y", path="m{}.parts[]"),
]


@pytest.mark.parametrize(
    ("error", "suite", "case"),
    [
        (fault("customerId", "exists"), "orders", MANY[0]),
        (fault("shopId", "exists"), "orders", MANY[2]),
        (fault("itemsTotal", "exists"), "orders", MANY[3]),
        (fault("customerId", "exists", severity="warning"), "orders", MANY[4]),
        (fault("items[2].itemId", "exists"), "i", MANY[5]),
        (fault("items[2].shopId", "exists"), "i", MANY[6]),
        (fault("items.shopId", "exists"), "i", MANY[6]),
        (fault("items", "exists"), "i", MANY[5]),
        (fault("itemsTags[0]", "exists"), "t", MANY[7]),
        (fault("itemId", "exists", entity="items"), "j", MANY[8]),
        (fault("items[2].taxes[0].itemId", "exists"), "x", MANY[9]),
        (fault("parts[0].itemId", "exists", entity="m"), "y", MANY[10]),
    ],
)
def test_an_error_is_listed_by_its_own_rule(error: ValidationError, suite: str, case: dict[str, Any]) -> None:
    """Entity, nested table, severity and field tell rules of one name apart."""
    text = junit(result(MANY, [error]))
    assert str(error) in "\n".join(lines(text, suite, case["sentence"]))
    assert sum(str(error) in str(child.text) for child in ElementTree.fromstring(text).iter()) == 1
    assert commands(github(result(MANY, [error]), None))[0].properties == {"title": case["sentence"]}


def test_an_error_is_never_listed_by_a_rule_that_passed() -> None:
    """Of two rules of one name the one that was broken has it, whatever field its sentence names."""
    rules = [rule(sentence="name is given."), rule(sentence="All of it is given.", status="failed", rows=1)]
    text = junit(result(rules, [fault("name")]))
    assert outcomes(text)["orders", "name is given."] == "passed"
    assert lines(text, "orders", "All of it is given.") == ["orders[2].name (id 7): is required"]


@pytest.mark.parametrize("status", ["passed", "skipped", "broken"])
def test_an_error_fails_its_rule_whatever_else_is_said_of_it(status: str) -> None:
    """A row that is at fault is listed, also by a rule that is said to have passed or not to have been judged."""
    text = junit(result([rule(status=status, reason="it was in the way")], [fault()]))
    assert outcomes(text)["orders", "Every row has a value for name."] == "failure"
    assert lines(text, "orders", "Every row has a value for name.") == ["orders[2].name (id 7): is required"]


def test_a_rule_that_failed_fails_though_no_row_is_listed() -> None:
    """The number of rows is reported all the same."""
    text = junit(result([rule(status="failed", rows=5)], error=CheckFailed("rows break rules")))
    assert outcomes(text) == {("source", SOUND): "passed", ("orders", "Every row has a value for name."): "failure"}
    assert lines(text, "orders", "Every row has a value for name.") == ["... and 5 more"]


def test_two_rules_of_one_sentence_are_two_testcases() -> None:
    """No two testcases of a suite have one name: a reader would leave one of them out."""
    rules = [rule("a", "It holds."), rule("b", "It holds.", status="failed", rows=1), rule("c", "It holds.", table="x")]
    assert outcomes(junit(result(rules, [fault(name="b")]))) == {
        ("source", SOUND): "passed",
        ("orders", "It holds."): "passed",
        ("orders", "It holds. (2)"): "failure",
        ("x", "It holds."): "passed",
    }


def test_an_error_of_no_known_rule_is_not_lost() -> None:
    """It fails a testcase of its own, under its entity."""
    text = junit(result([rule()], [fault(name="unheard_of")]))
    assert outcomes(text)["orders", "unheard_of"] == "failure"
    assert lines(text, "orders", "unheard_of") == ["orders[2].name (id 7): is required"]


def test_a_check_that_could_not_run_is_an_error_and_its_source_is_not_judged() -> None:
    """A failure that is not the input's is an error with its hint, and no rule passes unseen."""
    text = junit(result(None, error=UsageError("there is no source at mocks", hint="Name a folder.")))
    assert outcomes(text) == {("source", SOUND): "skipped", ("mock2pg", "The check ran to its end."): "error"}
    (error,) = ElementTree.fromstring(text).iter("error")
    assert (error.get("type"), error.get("message")) == ("UsageError", "there is no source at mocks")
    assert error.text == "there is no source at mocks\nName a folder."


@pytest.mark.parametrize("refused", [SourceError("refused"), CheckFailed("refused")])
@pytest.mark.parametrize("rules", [None, [], [rule()]])
def test_a_refused_source_is_never_green(refused: Mock2pgError, rules: list[dict[str, Any]] | None) -> None:
    """The refusal itself is the failure when no row is listed."""
    assert "error" in outcomes(junit(result(rules, error=refused))).values()
    assert commands(github(result(rules, error=refused), None))[-1].level == "error"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_the_input_breaks_the_xml(text: str) -> None:
    """Control characters, markup, line breaks and halves of characters come back readable, one line an error."""
    errors = [
        fault(id=text),
        fault(field=text),
        fault(file=text),
        fault(entity=text),
        fault("", "declared_arrays", entity=text, row=None, message=text),
    ]
    report = junit(result([rule(status="failed", rows=3)], errors))
    assert report.isascii()
    assert len(lines(report, "orders", "Every row has a value for name.")) == 3
    everything = "".join(ElementTree.fromstring(report).itertext())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\ud800-\udfff\ufffe\uffff]", everything)
    assert len(ElementTree.fromstring(report).findall(".//failure")) == 3


def test_what_xml_can_hold_comes_back_as_it_was() -> None:
    """Markup, emoji and right-to-left writing are not changed on the way."""
    message = ']]> <b> & "ä" 👩‍🏫 الف \u202e %0A ::'
    text = junit(result([rule(status="failed", rows=1, sentence=message)], [fault(message=message)]))
    assert lines(text, "orders", message) == [f"orders[2].name (id 7): {message}"]


ANY = st.text(st.characters())  # halves of surrogate pairs among them


@settings(max_examples=200, deadline=None)
@given(identity=st.none() | ANY, message=ANY, entity=ANY, field=ANY, file=st.none() | ANY, sentence=ANY, reason=ANY)
def test_both_formats_stay_whole_whatever_they_are_told(sentence: str, reason: str, **texts: Any) -> None:
    """Any text leaves the XML well-formed and each error one command, which a UTF-8 terminal can show."""
    error = fault(texts.pop("field"), id=texts.pop("identity"), **texts)
    rules = [
        rule(sentence=sentence, status="failed", rows=1, entity=error.entity, table=error.entity, path=error.entity),
        rule(sentence=sentence, status="skipped", reason=reason),
    ]
    given = result(rules, [error], InternalError(reason, hint=sentence))
    assert sorted(outcomes(junit(given)).values()) == ["error", "failure", "passed", "skipped"]
    first, last = commands(github(given, Path("/workspace")))
    assert (first.level, last.level) == ("error", "error")
    assert set(first.properties) <= {"title", "file"}
    github(given, None).encode("utf-8")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a source in it; the current directory is a folder of it."""
    folder = tmp_path / "work space"
    (folder / "src" / "mocks").mkdir(parents=True)
    (folder / "src" / "mocks" / "orders.json").write_text("[]")
    (folder / "mock2pg").mkdir()
    (tmp_path / "elsewhere.json").write_text("[]")
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder / "mock2pg")
    return folder


def test_an_annotation_points_into_the_file(workspace: Path) -> None:
    """Path from the workspace, line and column; the title is the rule, and the message says the place again."""
    error = fault(file="../src/mocks/orders.json", line=41, column=17)
    (found, _) = commands(github(result([rule(status="failed", rows=1)], [error]), workspace))
    assert found.level == "error"
    assert found.properties == {
        "file": "src/mocks/orders.json",
        "line": "41",
        "col": "17",
        "title": "Every row has a value for name.",
    }
    assert found.message == "src/mocks/orders.json:41:17 orders[2].name (id 7): is required"


@pytest.mark.parametrize(
    ("seen_from", "file", "shown"),
    [
        (".", "./src/../src/mocks/orders.json", "src/mocks/orders.json"),
        (".", "{top}/work space/src/mocks/orders.json", "src/mocks/orders.json"),
        ("..", "{top}/work space/src/mocks/orders.json", "work space/src/mocks/orders.json"),
        ("{top}/link", "src/mocks/orders.json", "src/mocks/orders.json"),
        (".", "{top}/link/src/mocks/orders.json", "src/mocks/orders.json"),
        (".", "../elsewhere.json", "../elsewhere.json"),
        (".", "{top}/elsewhere.json", "{top}/elsewhere.json"),
        (None, "src/mocks/orders.json", "src/mocks/orders.json"),
    ],
)
def test_a_path_is_shown_from_the_workspace_when_it_lies_inside(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, seen_from: str | None, file: str, shown: str
) -> None:
    """Relative to the current directory, absolute, or through a link: it is the same file; another is as named."""
    monkeypatch.chdir(workspace)
    top = str(workspace.parent)
    folder = seen_from and Path(seen_from.format(top=top))
    error = fault(file=file.format(top=top), line=1, column=1)
    (found, _) = commands(github(result([rule(status="failed")], [error]), folder or None))
    assert found.properties["file"] == shown.format(top=top)


@pytest.mark.parametrize("file", ["standard input", "..", "gone.json", None])
def test_what_is_no_file_has_no_annotation_in_one(workspace: Path, file: str | None) -> None:
    """Standard input and a folder have no line that GitHub could show; the message says the place all the same."""
    error = fault(file=file, line=2, column=3)
    (found, _) = commands(github(result([rule(status="failed")], [error]), workspace))
    assert set(found.properties) == {"title"}
    assert found.message == str(error)


def test_a_file_name_cannot_forge_a_property(workspace: Path) -> None:
    """Commas, colons, per cent signs and line breaks in a name come back as they were."""
    name = "a,line=1::x%2C\r\n.json"
    (workspace / name).write_text("[]")
    error = fault(file=str(workspace / name), line=5, column=6)
    (found, _) = commands(github(result([rule(status="failed")], [error]), workspace))
    assert (found.properties["file"], found.properties["line"]) == (name, "5")


def test_warnings_are_warnings_and_each_error_is_one_command() -> None:
    """All errors are commands, in their order, however many of them GitHub shows."""
    errors = [fault(id=str(number)) for number in range(30)] + [fault(id="30", severity="warning")]
    found = commands(github(result([rule(status="failed", rows=30)], errors), None))
    assert [command.level for command in found] == ["error"] * 30 + ["warning"] + ["error"]
    assert [command.message for command in found[:-1]] == [str(error) for error in errors]


def test_a_fault_of_the_source_has_its_title_too() -> None:
    """The title says what the source should be; an error of no known rule has none."""
    errors = [fault("", "strict_json", entity="", row=None, message="is empty"), fault(name="unheard_of")]
    first, second, _ = commands(github(result(None, errors, SourceError("refused", errors)), None))
    assert (first.properties, first.message) == ({"title": "Every file is strict JSON."}, "is empty")
    assert second.properties == {}


@pytest.mark.parametrize(
    "text", [text for text in HOSTILE if text.isascii() and not re.search(r"[\x00\x07\x1b]", text)]
)
def test_github_reads_back_what_was_written(text: str) -> None:
    """Whatever is escaped in a command comes out of the runner as it went in."""
    rules = [rule(sentence=f"x{text}", status="failed", rows=1)]
    found, last = commands(github(result(rules, [fault(message=text)], CheckFailed(text)), None))
    assert found.message == f"orders[2].name (id 7): {text}"
    assert found.properties["title"] == f"x{text}"
    assert last.message == f"{text} (1 error, 0 warnings)"


@pytest.mark.parametrize(
    ("given", "level", "message"),
    [
        (result([rule()]), "notice", "The source can be migrated. (0 errors, 0 warnings)"),
        (
            result([rule(status="warned")], [fault(severity="warning")]),
            "notice",
            "The source can be migrated. (0 errors, 1 warning)",
        ),
        (
            result([rule(status="failed"), rule(status="skipped")], [fault(), fault(severity="warning")]),
            "error",
            "rows break rules (1 error, 1 warning)",
        ),
        (
            result(None, [fault("", "strict_json")], SourceError("not JSON")),
            "error",
            "not JSON (1 error, 0 warnings)",
        ),
        (
            result(None, error=UsageError("no source", hint="Name one.")),
            "error",
            "no source\nName one.",
        ),
    ],
)
def test_the_last_command_is_the_verdict(given: MigrationResult, level: str, message: str) -> None:
    """A notice when the source is sound, an error when not, with how many there are; other errors say what to do."""
    last = commands(github(given, None))[-1]
    assert (last.level, last.message, last.properties) == (level, message, {"title": "mock2pg check"})


def test_the_verdict_counts_the_rows_that_are_not_listed() -> None:
    """The check's exact totals stand in the verdict, not the number of lines."""
    given = result([rule(status="failed", rows=1204)], [fault()], errors=1204, warnings=1)
    assert commands(github(given, None))[-1].message == "rows break rules (1,204 errors, 1 warning)"


def verified(error: Mock2pgError | None = None, *, orphans: int = 0, key: str = "7", **counts: int) -> MigrationResult:
    """The result of a verification of a table with rows of these kinds, one without, and one foreign key."""
    tables = {
        name: {
            "staged": 30,
            "target": 30,
            **{kind: found.get(kind, 0) for kind in ("missing", "extra", "different")},
            **{f"{kind}_keys": [key] * min(found.get(kind, 0), 2) for kind in ("missing", "extra", "different")},
        }
        for name, found in (("orders", counts), ("items", {}))
    }
    parent = {"name": "orders_shop_fkey", "table": "orders", "columns": ["shop"], "parent": "shops", "orphans": orphans}
    found = {"tables": tables, "foreign_keys": [parent]}
    results = () if isinstance(error, NothingPublished) else (result_of("verify", found),)
    return MigrationResult(error is None, "", results, (), "run", Path("index.html"), error)


TABLE, ITEMS, KEY = ("tables", "orders"), ("tables", "items"), ("foreign keys", "orders.orders_shop_fkey")


def test_a_verification_has_a_testcase_for_each_table_and_each_foreign_key() -> None:
    """All pass when the target is what was published, under the same names in every run."""
    assert outcomes(verification.junit(verified())) == dict.fromkeys((TABLE, ITEMS, KEY), "passed")


def test_a_table_that_differs_names_its_keys() -> None:
    """Missing, extra and different rows by their keys, and how many more there are; a foreign key says how many."""
    text = verification.junit(verified(VerifyFailed("the target differs"), orphans=3, missing=1, different=5))
    assert outcomes(text) == {TABLE: "failure", ITEMS: "passed", KEY: "failure"}
    assert lines(text, *TABLE) == ["missing: 7", "different: 7", "different: 7", "different: ... and 3 more"]
    assert lines(text, *KEY) == ["3 rows of orders (shop) without shops"]
    found = [failure.get("message") for failure in ElementTree.fromstring(text).iter("failure")]
    assert found == ["1 missing, 0 extra, 5 different", "3 rows of orders (shop) without shops"]


@pytest.mark.parametrize("error", [NothingPublished("nothing"), VerifyFailed("no folder"), InternalError("no report")])
def test_a_verification_that_proved_nothing_is_never_green(error: Mock2pgError) -> None:
    """A failure that is not a difference of rows is an error of its own."""
    found = outcomes(verification.junit(verified(error)))
    assert found["mock2pg", "The verification ran to its end."] == "error"


@pytest.mark.parametrize("key", HOSTILE)
def test_no_key_breaks_the_xml(key: str) -> None:
    """Whatever a key holds, it is one line of a report that can be read."""
    text = verification.junit(verified(VerifyFailed("the target differs"), key=key, extra=1))
    (line,) = lines(text, *TABLE)
    assert line.startswith("extra: ")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\ud800-\udfff\ufffe\uffff]", line)
