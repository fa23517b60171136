"""check: runs the staged suites; every row that breaks a rule comes back in one run, without its values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mock2pg.contracts import SourceTable
from mock2pg.errors import CheckFailed, InternalError, ValidationError
from mock2pg.runs import Run, StepResult
from mock2pg.tools import dbt_project, expectations, staging


def run(run: Run) -> StepResult:
    """Raises CheckFailed when a rule of severity critical fails, InternalError when a rule cannot run."""
    settings = run.settings
    tables = {table.name: table for table in dbt_project.sources(settings.dbt_dir)}
    _refuse_gaps(expectations.rule_types(settings.suites_dir / "staged"), tables)
    validation = expectations.validate(
        expectations.duckdb_url(run.folder / "staging.duckdb"),
        settings.suites_dir / "staged",
        index_columns=list(staging.HIDDEN[:4]),
        docs=run.folder / "data_docs" / "staged",
        title=f"Staged data of run {run.id}",
        limit=settings.max_errors_per_rule,
    )
    if validation.broken:
        named = "; ".join(f"{rule.table}: {rule.rule}: {rule.reason}" for rule in validation.broken)
        raise InternalError(f"a rule could not run: {named}", hint="Mend the suite in expectations/suites/staged/.")
    found = [_error(failure, tables) for failure in validation.failures]
    critical = [error for error in found if error.severity == "critical"]
    warnings = [error for error in found if error.severity != "critical"]
    totals = _totals(validation.failures, validation.totals)
    capped = {rule: total for rule, total in validation.totals.items() if total > settings.max_errors_per_rule}
    if found:
        run.write(
            "errors.json",
            {"errors": [asdict(error) for error in critical + warnings], "totals": validation.totals, "capped": capped},
        )
    staged = run.result("stage")
    read = {table.path: staged.data["tables"][table.name]["rows"] if staged else 0 for table in tables.values()}
    data = {
        "rules": validation.rules,
        "failed": validation.failed,
        "warned": validation.warned,
        "errors": totals["critical"],
        "warnings": totals["warning"],
        "capped": capped,
        "entities": {path: {"read": rows, "refused": rows if critical else 0} for path, rows in read.items()},
    }
    if critical:
        more = totals["critical"] - len(critical)
        note = f", the first {settings.max_errors_per_rule} of each rule are listed" if more else ""
        error = CheckFailed(f"{totals['critical']} errors by {validation.failed} rules{note}", critical)
        error.data = data
        raise error
    warned = f", {totals['warning']} warnings" if warnings else ""
    return StepResult(step="check", summary=f"{validation.rules} rules hold{warned}", data=data)


def _refuse_gaps(rules: dict[str, set[str]], tables: dict[str, SourceTable]) -> None:
    """Without these two rules a value of another type, or under another key, would be left out unnoticed."""
    needed = {"expect_values_to_fit_their_types", "expect_only_declared_keys"}
    for name, table in tables.items():
        scalar = any(column.place == "." for column in table.columns)
        lacking = needed - rules.get(name, set()) - ({"expect_only_declared_keys"} if scalar else set())
        if lacking:
            raise InternalError(
                f"expectations/suites/staged has no {' and no '.join(sorted(lacking))} for {name}",
                hint="Add it to the table's suite: what it finds would otherwise be lost without a word.",
            )


def _error(failure: expectations.Failure, tables: dict[str, SourceTable]) -> ValidationError:
    table, keys = tables[failure.table], failure.keys
    return ValidationError(
        entity=table.entity,
        id=keys.get("_id"),
        field=_place(table, failure.field, keys),
        message=failure.message,
        severity=failure.severity,
        rule=failure.rule,
        row=keys.get("_root_row"),
    )


def _place(table: SourceTable, field: str, keys: dict[str, Any]) -> str:
    """The field as the JSON has it, from the row of the entity: `attendanceData[2].status`."""
    if not table.nested:
        return "the row" if field == "." else field
    if field == "":
        return table.nested
    element = table.nested if keys.get("_index") is None else f"{table.nested}[{keys['_index']}]"
    itself = field == "." or any(column.place == "." and column.name == field for column in table.columns)
    return element if itself else f"{element}.{field}"


def _totals(failures: Iterable[expectations.Failure], totals: dict[str, int]) -> dict[str, int]:
    """Exact numbers of failing rows by severity; `failures` alone are capped."""
    severities = {f"{failure.table}.{failure.rule}.{failure.field}": failure.severity for failure in failures}
    sums = {"critical": 0, "warning": 0}
    for rule, total in totals.items():
        sums["warning" if severities.get(rule) == "warning" else "critical"] += total
    return sums
