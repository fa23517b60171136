"""A check's output for continuous integration servers: JUnit XML, or the workflow commands of GitHub Actions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mock2pg.errors import CheckFailed, Mock2pgError, ProjectError, SourceError, ValidationError
from mock2pg.report.reporters.xml import Case, clean, document, ended
from mock2pg.results import MigrationResult
from mock2pg.step_results import Checked, RuleOutcome, find
from mock2pg.text import counted

_NAME = "mock2pg check"
_SOURCE = {  # the rules of the source itself, which are in no suite
    "readable_source": "The source can be read.",
    "strict_json": "Every file is strict JSON.",
    "declared_arrays": "The source holds the declared arrays and no other.",
}
# what GitHub's toolkit escapes in the message of a command, and in its properties
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def junit(result: MigrationResult) -> str:
    """JUnit XML: a testsuite for the source and for each staged table, with a testcase for each rule.

    A rule that only warns passes; what it found is the testcase's output.
    """
    return document(_NAME, _suites(result))


def github(result: MigrationResult, workspace: Path | None) -> str:
    """Workflow commands, one a line: an annotation for each error and warning, and at last one with the verdict.

    workspace  where the repository is checked out; GitHub knows a file by its path from there
    """
    rules = _Rules(result)
    files = {error.file: _seen_from(workspace, error.file) for error in result.errors if error.file}
    commands = []
    for error in result.errors:
        file = files.get(error.file or "")
        rule = rules.of(error)
        commands.append(
            _command(
                "error" if error.severity == "critical" else "warning",
                # with its place: the log shows the message alone, and only the first of them become annotations
                str(replace(error, file=file or error.file)),
                file=file,
                line=error.line if file else None,
                col=error.column if file else None,
                title=rule.sentence if rule else _SOURCE.get(error.rule),
            )
        )
    return "\n".join([*commands, _command("notice" if result.success else "error", _verdict(result), title=_NAME)])


class _Rules:
    """The rules that the check knows, and which of them an error is about."""

    def __init__(self, result: MigrationResult) -> None:
        checked = find(result.results, Checked)
        self.all: Sequence[RuleOutcome] = checked.suites if checked else ()
        self._named: dict[tuple[str, str], list[RuleOutcome]] = defaultdict(list)
        self._nested: dict[str, set[str]] = defaultdict(set)
        for rule in self.all:
            self._named[rule.entity, rule.rule].append(rule)
            self._nested[rule.entity].add(_nested(rule.path))

    def of(self, error: ValidationError) -> RuleOutcome | None:
        """The rule that an error breaks; None when it is in no suite.

        An entity may have several of one name: in a nested table, or for another field, which its sentence names.
        """
        found = self._named.get((error.entity, error.rule), [])
        keys = self._nested.get(error.entity, ())
        field = re.sub(r"\[\d+\]", "", error.field)
        inside = (key for key in keys if key and re.match(rf"{re.escape(key)}(\.|$)", field))
        nested = max(inside, key=len, default="")
        word = re.compile(rf"(?<![\w-]){re.escape(error.field.rpartition('.')[2])}(?![\w-])")
        marks: tuple[Callable[[RuleOutcome], bool], ...] = (
            lambda rule: rule.status in ("failed", "warned"),
            lambda rule: _nested(rule.path) == nested,
            lambda rule: rule.severity == error.severity,
            lambda rule: word.search(rule.sentence) is not None,
        )
        for mark in marks:
            found = [rule for rule in found if mark(rule)] or found
        return found[0] if found else None


def _nested(path: str) -> str:
    """The keys of the arrays inside each row: `items.sizes` of `orders[].items[].sizes[]`, nothing of `orders`."""
    inside = re.split(r"\[\]|\{\}", path, maxsplit=1)[1:]
    return re.sub(r"\[\]|\{\}", "", "".join(inside)).removeprefix(".")


def _suites(result: MigrationResult) -> dict[str, list[Case]]:
    """The testcases by testsuite: the source, the tables, and the command itself if it failed."""
    rules = _Rules(result)
    source: dict[str, list[ValidationError]] = defaultdict(list)
    tables: dict[int, list[ValidationError]] = defaultdict(list)
    others: dict[tuple[str, str], list[ValidationError]] = defaultdict(list)
    for error in result.errors:
        rule = rules.of(error)
        if rule is not None:
            tables[id(rule)].append(error)
        elif error.rule in _SOURCE:
            source[error.rule].append(error)
        else:
            others[error.entity, error.rule].append(error)
    suites: dict[str, list[Case]] = defaultdict(list)
    suites["source"] = _of_source(source, read=result.success or bool(rules.all))
    for rule in rules.all:
        suites[rule.table].append(_of_rule(rule, tables[id(rule)]))
    for (entity, name), errors in others.items():
        suites[entity].append(_found(name, errors, CheckFailed))
    refused = any(case.outcome in ("failure", "error") for cases in suites.values() for case in cases)
    if result.error and not (refused and isinstance(result.error, SourceError | CheckFailed)):
        suites["mock2pg"].append(ended("The check ran to its end.", result.error))
    return suites


def _of_source(faults: Mapping[str, Sequence[ValidationError]], *, read: bool) -> list[Case]:
    cases = [_found(sentence, faults[rule], SourceError) for rule, sentence in _SOURCE.items() if rule in faults]
    sound = "The source is strict JSON and holds the declared arrays."
    return cases or [Case(sound) if read else _not_judged(sound, "The source was not read.")]


def _of_rule(rule: RuleOutcome, errors: Sequence[ValidationError]) -> Case:
    if rule.status == "broken" and not errors:
        return Case(rule.sentence, "error", ProjectError.__name__, rule.reason, rule.reason)
    if rule.status == "skipped" and not errors:
        return _not_judged(rule.sentence, rule.reason)
    return _found(rule.sentence, errors, CheckFailed, rule.rows, failed=rule.status == "failed")


def _not_judged(name: str, reason: str) -> Case:
    return Case(name, "skipped", "not judged", reason, reason)


def _found(
    name: str, errors: Sequence[ValidationError], kind: type[Mock2pgError], rows: int = 0, *, failed: bool = False
) -> Case:
    """The testcase of a rule that `rows` rows break; as many of them are listed as there are errors."""
    lines = [_line(error) for error in errors]
    if rows > len(lines):
        lines.append(f"... and {rows - len(lines):,} more")
    text = "\n".join(lines)
    critical = sum(error.severity == "critical" for error in errors)
    if not failed and not critical:
        return Case(name, text=text)
    return Case(name, "failure", kind.__name__, counted(max(rows, critical), "error"), text)


def _line(error: ValidationError) -> str:
    line = str(error) if error.severity == "critical" else f"warning: {error}"
    return line.replace("\r", r"\r").replace("\n", r"\n")


def _command(level: str, message: str, **properties: str | int | None) -> str:
    given = ((name, value) for name, value in properties.items() if value is not None)
    named = ",".join(f"{name}={clean(str(value)).translate(_PROPERTY)}" for name, value in given)
    return f"::{level} {named}::{clean(message).translate(_DATA)}"


def _verdict(result: MigrationResult) -> str:
    if result.error and not isinstance(result.error, SourceError | CheckFailed):
        return "\n".join(filter(None, [result.message, result.error.hint]))
    checked = find(result.results, Checked)
    listed = Counter(error.severity == "critical" for error in result.errors)
    errors = counted(max(listed[True], checked.errors if checked else 0), "error")
    warnings = counted(max(listed[False], checked.warnings if checked else 0), "warning")
    return f"{result.message} ({errors}, {warnings})"


def _seen_from(workspace: Path | None, file: str) -> str | None:
    """The file's path as an annotation takes it; None when it is no file: standard input, or a folder."""
    path = Path(file)
    if not path.is_file():
        return None
    if workspace is None or not path.resolve().is_relative_to(workspace.resolve()):
        return file
    return path.resolve().relative_to(workspace.resolve()).as_posix()
