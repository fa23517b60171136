"""The suites in a folder: Great Expectations' own JSON, one file per table, edited by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from mock2pg.errors import ProjectError

SEVERITIES = ("critical", "warning")


_GIVEN = "expect_values_to_be_given"


def load_suites(folder: Path, required: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Each table's suite, by the name of the table: the file's `meta.table`, or else its stem.

    required  columns that must be given, by table: where a suite does not ask for one, a rule is added that does

    Raises ProjectError that names the file, and the entry, that is not understood.
    """
    suites: dict[str, Any] = {}
    for file in sorted(folder.glob("*.json")):
        content = _content(file)
        table = content.get("meta", {}).get("table", file.stem)
        if table in suites:
            raise ProjectError(f"{file}: another suite is about table {table}")
        # Handed over one by one: from a whole suite Great Expectations drops, with a line in its log, what it
        # does not know.
        expectations = [
            _expectation(entry, f"{file}: expectation {number}")
            for number, entry in enumerate(content["expectations"], start=1)
        ]
        asked = {name for rule in expectations if rule.expectation_type == _GIVEN for name in rule.columns}
        if missing := [name for name in (required or {}).get(table, ()) if name not in asked]:
            rule = {"type": _GIVEN, "kwargs": {"columns": missing}, "severity": "critical"}
            expectations.append(_expectation(rule, f"{file}: what the source declares as required"))
        suites[table] = suite = gx.ExpectationSuite(name=file.stem, expectations=expectations)
        for number, rule in enumerate(suite.expectations):
            rule.id = str(number)  # by which a result is known
    if not suites:
        raise ProjectError(f"{folder}: there is no suite")
    return suites


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProjectError(f"{file}: not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise ProjectError(f"{file}: not a suite: it has no list of expectations")
    if not content["expectations"]:
        raise ProjectError(f"{file}: the suite has no expectation")
    return content


def _expectation(entry: Any, place: str) -> Any:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(kind, str):
        raise ProjectError(f"{place}: it has no type")
    if entry.get("severity", "critical") not in SEVERITIES:
        raise ProjectError(f"{place} ({kind}): its severity is neither critical nor warning")
    try:
        return ExpectationConfiguration(**entry).to_domain_obj()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ProjectError(f"{place} ({kind}): {reason}") from None
