"""The rules of each table: what its declaration says, and the suites in a folder.

A suite is Great Expectations' own JSON, one file per table, edited by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.registry import get_expectation_impl

from mock2pg.checks import declared
from mock2pg.checks.lazy_imports import import_expectation_type
from mock2pg.checks.rules import ExpectNoRows
from mock2pg.errors import ProjectError
from mock2pg.staged_tables import SourceTable

SEVERITIES = ("critical", "warning")


def load_suites(folder: Path, sources: Sequence[SourceTable] = ()) -> dict[str, Any]:
    """Each table's suite, by the name of the table: the file's `meta.table`, or else its stem.

    sources  the declared tables: each has the rules that follow from its declaration, and those of a suite that it has

    Raises ProjectError that names the file, and the entry, that is not understood.
    """
    if (folder / "suites").is_dir():
        raise ProjectError(
            f"{folder.name}/suites/ is not read any more: business rules are in {folder.name}/<table>.json, by SQL"
            f" names, rules about target tables in {folder.name}/tables/; all else follows from _sources.yml",
            hint="Move the rules as the last chapter of docs/adding-an-entity.md says, and remove the folder.",
        )
    tables = {table.name: table for table in sources}
    rules = {name: [_expectation(entry, name, table) for entry in declared.entries(table, tables)]
             for name, table in tables.items()}  # fmt: skip
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.json")):
        content = _content(file)
        table = content.get("meta", {}).get("table", file.stem)
        if table in files:
            raise ProjectError(f"{file}: another suite is about table {table}")
        if sources and table not in tables:
            raise ProjectError(f"{file}: {table} is not a table of _sources.yml")
        files[table] = file
        # Handed over one by one: from a whole suite Great Expectations drops, with a line in its log, what it
        # does not know.
        rules.setdefault(table, []).extend(
            _expectation(entry, f"{file}: expectation {number}", tables.get(table))
            for number, entry in enumerate(content["expectations"], start=1)
        )
    if not rules:
        raise ProjectError(f"{folder}: there is no suite")
    return {table: _suite(files[table].stem if table in files else table, rules[table]) for table in sorted(rules)}


def _suite(name: str, rules: list[Any]) -> Any:
    suite = gx.ExpectationSuite(name=name, expectations=rules)
    for number, rule in enumerate(suite.expectations):
        rule.id = str(number)  # by which a result is known
    return suite


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


def _expectation(entry: Any, place: str, table: SourceTable | None) -> Any:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(kind, str):
        raise ProjectError(f"{place}: it has no type")
    import_expectation_type(kind)
    if entry.get("severity", "critical") not in SEVERITIES:
        raise ProjectError(f"{place} ({kind}): its severity is neither critical nor warning")
    try:
        return ExpectationConfiguration(**(_named(entry, kind, table.labels) if table else entry)).to_domain_obj()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ProjectError(f"{place} ({kind}): {reason}") from None


def _named(entry: dict[str, Any], kind: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The entry with the source's names of the columns in place of SQL's, for what it says."""
    kwargs, meta = dict(entry.get("kwargs") or {}), dict(entry.get("meta") or {})
    if issubclass(get_expectation_impl(kind), ExpectNoRows):
        named = {kwargs.get("column"), *kwargs.get("columns", ())}
        kwargs["names"] = {column: label for column, label in labels.items() if column in named and column != label}
    field = meta.get("field") or kwargs.get("column") or kwargs.get("column_A")
    if isinstance(field, str) and field in labels:
        meta["field"] = labels[field]
    return {**entry, "kwargs": kwargs, "meta": meta}
