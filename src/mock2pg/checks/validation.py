"""Suites in, a `Validation` and Data Docs out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.data_context import EphemeralDataContext, set_context
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

from mock2pg.checks import docs as data_docs
from mock2pg.checks.engines import open_engine
from mock2pg.checks.records import Broken, Validation
from mock2pg.checks.source import GivenEngineDatasource
from mock2pg.checks.suites import load_suites
from mock2pg.checks.validation_results import BROKEN, FAILED, SKIPPED, WARNED, Judge, Verdict
from mock2pg.contracts import SourceTable
from mock2pg.errors import InternalError, ProjectError
from mock2pg.settings import LOCK_TIMEOUT
from mock2pg.step_results import RuleOutcome

_NO_TABLE = ("CatalogException", "UndefinedTable")  # of DuckDB, of PostgreSQL
_numbers = itertools.count(1)


def validate(
    url: str,
    suites: Path,
    *,
    index_columns: Sequence[str] | Mapping[str, Sequence[str]],
    docs: Path | None = None,
    title: str = "",
    limit: int = 100,
    schema: str | None = None,
    lock_timeout: str = LOCK_TIMEOUT,
    unread: Mapping[str, str] | None = None,
    partial: Collection[str] = (),
    lenient: Collection[str] = (),
    sources: Sequence[SourceTable] = (),
) -> Validation:
    """Validate as the package's `validate` promises."""
    loaded = load_suites(suites, sources)
    engine = open_engine(url, schema, lock_timeout)
    try:
        context = _Context()
        set_context(context)
        verdicts = {}
        with _source(context, engine) as source:
            for table, suite in loaded.items():
                try:
                    columns = index_columns[table] if isinstance(index_columns, Mapping) else index_columns
                    verdicts[table] = _verdicts(
                        source, Judge(engine, columns, limit, unread or {}, partial, lenient), table, suite
                    )
                except Exception as error:  # its text may quote values
                    kind = type(error).__name__
                    fault = ProjectError if _is_of_no_table(error) else InternalError
                    raise fault(f"suite {suite.name}: table {table} cannot be validated: {kind}") from None
    finally:
        engine.dispose()  # else DuckDB refuses a later connection that writes
    if docs is not None:
        data_docs.build(context, docs, title, verdicts)
    return _validation(list(itertools.chain(*verdicts.values())))


def _is_of_no_table(error: BaseException | None) -> bool:
    """Return whether a suite failed because there is no table of its name."""
    while error is not None:
        if isinstance(error, KeyError) or type(getattr(error, "orig", None)).__name__ in _NO_TABLE:
            return True
        error = error.__cause__ or error.__context__
    return False


class _Context(EphemeralDataContext):  # type: ignore[misc]
    """A context without files, whose stores are in memory."""

    def __init__(self) -> None:
        super().__init__(
            DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars={"globally": False},
            )
        )

    def _save_project_config(self) -> None:
        """Do nothing: all of it would be written as YAML twice for each table, into memory, and read by nobody."""


@contextmanager
def _source(context: Any, engine: sa.Engine) -> Iterator[Any]:
    name = f"database-{next(_numbers)}"
    GivenEngineDatasource.engines[name] = engine
    try:
        yield context.data_sources.add_given_engine(name=name)
    finally:
        del GivenEngineDatasource.engines[name]


def _verdicts(source: Any, judge: Judge, table: str, suite: Any) -> list[Verdict]:
    """The verdict on each rule of a suite, in its order."""
    batch = source.add_table_asset(table, table_name=table).add_batch_definition_whole_table("all").get_batch()
    judged = [rule for rule in suite.expectations if not judge.skips(table, rule)]
    passed = {
        result.expectation_config.id
        for result in batch.validate(_suite(suite.name, judged), result_format="BOOLEAN_ONLY").results
        if result.success
    }
    # Naming rows costs two queries more for each rule, so only the rules that need it are run again.
    others = _suite(suite.name, [rule for rule in judged if rule.id not in passed])
    results = {}
    if others.expectations:
        outcome = batch.validate(
            others,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": list(judge.index_columns),
                "partial_unexpected_count": judge.limit,
                "exclude_unexpected_values": True,
                "include_unexpected_rows": False,
                "return_unexpected_index_query": False,
            },
        )
        results = {result.expectation_config.id: result for result in outcome.results}
    return [judge.verdict(table, rule, results.get(rule.id)) for rule in suite.expectations]


def _suite(name: str, rules: Sequence[Any]) -> Any:
    suite = gx.ExpectationSuite(name)
    suite.expectations = list(rules)  # as they are: to be added one by one they would be given other ids
    return suite


def _validation(verdicts: Sequence[Verdict]) -> Validation:
    totals: dict[str, int] = {}
    for verdict in verdicts:
        for field, total in verdict.totals.items():
            name = f"{verdict.table}.{verdict.rule}.{field}"
            totals[name] = totals.get(name, 0) + total
    counts = {
        status: sum(verdict.status == status for verdict in verdicts) for status in (FAILED, WARNED, BROKEN, SKIPPED)
    }
    return Validation(
        success=not counts[FAILED] and not counts[BROKEN],
        failures=tuple(failure for verdict in verdicts for failure in verdict.failures),
        broken=tuple(
            Broken(verdict.table, verdict.rule, verdict.reason) for verdict in verdicts if verdict.status == BROKEN
        ),
        rules=len(verdicts),
        failed=counts[FAILED],
        warned=counts[WARNED],
        skipped=counts[SKIPPED],
        totals=totals,
        outcomes=tuple(
            RuleOutcome(
                verdict.table,
                verdict.rule,
                verdict.sentence,
                verdict.severity,
                verdict.status,
                sum(verdict.totals.values()),
                verdict.reason,
                verdict.declared,
            )
            for verdict in verdicts
        ),
    )
