"""Validates what was staged, joins the faults of the source itself, and says what comes of the run."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from mock2pg import build, checks
from mock2pg.errors import CheckFailed, Mock2pgError, ProjectError, SourceError, ValidationError
from mock2pg.pipeline.steps.check import quarantine, wording
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.staged_tables import SourceTable
from mock2pg.step_results import Account, Checked, FaultTotal, Staged, encode
from mock2pg.text import counted

_ALL = 2**31


def run(run: Run) -> Checked:
    """Check the source and its staged rows. Raises SourceError for a source that is not as declared, CheckFailed when
    rows break a rule of severity critical and are not refused, ProjectError when a rule cannot run."""
    try:
        return _run(run)
    finally:
        shutil.rmtree(run.folder / "arrays", ignore_errors=True)  # nothing points into the source any more


def _run(run: Run) -> Checked:
    settings = run.settings
    tables = {table.name: table for table in build.sources(settings.dbt_dir)}
    staged = run.require(Staged)
    faults = staged.faults
    read = {table.path: staged.tables[table.name].rows for table in tables.values()}
    broken_source = any(fault.severity == "critical" for fault in faults)
    quarantines = settings.on_error == "quarantine" and not broken_source
    unknown = _unknown_tables(staged, tables.values(), settings.mode)
    validation = _validated(run, tables, unknown, limit=None if quarantines else settings.max_errors_per_rule)
    listed = _listed(validation, settings.max_errors_per_rule)
    errors = wording.errors(run.folder / "arrays", itertools.chain(*listed), tables)
    _write_docs(run, validation, listed, errors)
    _refuse_broken(validation)
    found = [*faults, *wording.in_order(errors)]
    sums = _sums(staged.fault_totals, validation)
    totals = Counter(validation.totals)
    for fault in staged.fault_totals:
        totals[fault.rule] += fault.number
    capped = {rule: total for rule, total in totals.items() if total > settings.max_errors_per_rule}
    if found:
        worst_first = sorted(found, key=lambda error: error.severity != "critical")
        run.write("errors.json", {"errors": encode(worst_first), "totals": totals, "capped": capped})
    found_out = Checked(
        rules=validation.rules,
        failed=validation.failed,
        warned=validation.warned,
        skipped=validation.skipped,
        errors=sums["critical"],
        warnings=sums["warning"],
        capped=capped,
        suites=tuple(
            replace(outcome, entity=tables[outcome.table].entity, path=tables[outcome.table].path)
            for outcome in validation.outcomes
        ),
        entities={path: Account(rows, rows if sums["critical"] else 0) for path, rows in read.items()},
    )
    critical = [error for error in found if error.severity == "critical"]
    if quarantines and validation.failed:
        try:
            again = partial(_validated_again, run, tables, unknown)
            found_out = replace(found_out, entities=quarantine.run(run, tables, validation, read, again))
        except CheckFailed as refusal:
            refusal.errors, refusal.found = tuple(critical), found_out
            raise
    elif sums["critical"]:
        error = _refusal(staged.fault_totals, validation, sums["critical"], critical)
        error.found = found_out
        raise error
    return replace(found_out, summary=_summary(found_out))


def _validated(
    run: Run, tables: Mapping[str, SourceTable], unknown: dict[str, str], *, limit: int | None
) -> checks.Validation:
    settings = run.settings
    return checks.validate(
        checks.duckdb_url(run.folder / "staging.duckdb"),
        settings.expectations_dir,
        index_columns=list(staging.HIDDEN[:5]),
        limit=limit or _ALL,
        unknown_tables=unknown,
        partial=list(tables) if settings.mode == "upsert" else [],
        sources=list(tables.values()),
        memory=settings.staging_memory,
        as_warnings=[wording.DECLARED] if settings.unknown_fields == "warn" else [],
    )


def _validated_again(run: Run, tables: Mapping[str, SourceTable], unknown: dict[str, str]) -> checks.Validation:
    """Validate what is left of the staged tables. Raises ProjectError when a rule cannot run."""
    validation = _validated(run, tables, unknown, limit=None)
    _refuse_broken(validation)
    return validation


def _refuse_broken(validation: checks.Validation) -> None:
    if validation.broken:
        named = "; ".join(f"{rule.table}: {rule.rule}: {rule.reason}" for rule in validation.broken)
        raise ProjectError(f"a rule could not run: {named}", hint="Correct the suite in expectations/.")


def _write_docs(
    run: Run, validation: checks.Validation, listed: Iterable[list[checks.Failure]], errors: Iterable[ValidationError]
) -> None:
    """Write Data Docs of the staged tables; `errors` are those of the listed failures, in their order."""
    left = iter(errors)
    invalid = [
        [
            checks.InvalidRow(error.place, error.subject, error.message)
            for error in wording.in_order(error for failure, error in zip(of_rule, left, strict=False) if failure.keys)
        ]
        for of_rule in listed
    ]
    rows = {name: table.rows for name, table in run.require(Staged).tables.items()}
    checks.write_docs(run.folder / "data_docs" / "staged", "Staged data", validation, invalid, rows, run.id)


def _unknown_tables(staged: Staged, tables: Iterable[SourceTable], mode: str) -> dict[str, str]:
    """The tables whose rows are not known, and why; of an upsert an empty array says no more than an absent one."""
    empty = {table.entity for table in tables if not staged.tables[table.name].rows and not table.nested}
    why = {
        **dict.fromkeys(empty if mode == "upsert" else (), "has no row in the source"),
        **dict.fromkeys(staged.absent, "is not in the source"),
        **dict.fromkeys(staged.unread, "could not be read"),
    }
    return {table.name: why[table.entity] for table in tables if table.entity in why}


def _listed(validation: checks.Validation, limit: int) -> list[list[checks.Failure]]:
    """The failures of each result without those beyond the cap of each rule and field."""
    counts: Counter[tuple[str, str, str]] = Counter()
    listed = []
    for result in validation.results:
        listed.append(list[checks.Failure]())
        for failure in result.failures:
            rule = failure.table, failure.rule, failure.field
            counts[rule] += 1
            if counts[rule] <= limit:
                listed[-1].append(failure)
    return listed


def _sums(faults: Iterable[FaultTotal], validation: checks.Validation) -> Counter[str]:
    """Exact numbers of faults by severity; what is listed may be capped."""
    sums: Counter[str] = Counter()
    for total in faults:
        sums[total.severity] += total.number
    for outcome in validation.outcomes:
        sums[outcome.severity] += outcome.rows
    return sums


def _refusal(
    faults: Iterable[FaultTotal], validation: checks.Validation, total: int, listed: list[ValidationError]
) -> Mock2pgError:
    own = sum(fault.number for fault in faults if fault.severity == "critical")
    rules = counted(validation.failed, "rule")
    told = f"{counted(total, 'error')} by {rules}"
    if own:
        told = f"{counted(total, 'error')} in the source itself"
        if validation.failed:
            told = f"{counted(total, 'error')}: {own} in the source itself and {total - own} by {rules}"
    if validation.skipped:
        told += f"; {counted(validation.skipped, 'rule')} could not be judged"
    if len(listed) < total:
        told += f"; {len(listed)} are listed"
    return SourceError(told, listed) if own else CheckFailed(told, listed)


def _summary(checked: Checked) -> str:
    said = counted(checked.rules - checked.skipped, "rule")
    said += f", {counted(checked.refused, 'row')} refused" if checked.refused else " passed"
    said += f", {checked.skipped} are not judged here" if checked.skipped else ""
    return said + (f", {counted(checked.warnings, 'warning')}" if checked.warnings else "")
