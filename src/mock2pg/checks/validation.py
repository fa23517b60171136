"""Suites in, a `Validation` out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.data_context import set_context

from mock2pg.checks.context import Context
from mock2pg.checks.engines import open_engine, refuse_shortage
from mock2pg.checks.records import BROKEN, FAILED, SKIPPED, WARNED, RuleException, RuleResult, Validation
from mock2pg.checks.source import GivenEngineDatasource
from mock2pg.checks.suites import load_suites
from mock2pg.checks.validation_results import ResultReader
from mock2pg.errors import InternalError, ProjectError
from mock2pg.foreign_errors import causes
from mock2pg.settings import LOCK_TIMEOUT, STAGING_MEMORY
from mock2pg.staged_tables import SourceTable

_NO_TABLE = ("CatalogException", "UndefinedTable")  # of DuckDB, of PostgreSQL
_numbers = itertools.count(1)


def validate(
    url: str,
    suites: Path,
    *,
    index_columns: Sequence[str] | Mapping[str, Sequence[str]],
    limit: int = 100,
    schema: str | None = None,
    lock_timeout: str = LOCK_TIMEOUT,
    unknown_tables: Mapping[str, str] | None = None,
    partial: Collection[str] = (),
    as_warnings: Collection[str] = (),
    sources: Sequence[SourceTable] = (),
    memory: str = STAGING_MEMORY,
) -> Validation:
    """Run the declared rules and every suite in the folder `suites` on their tables.

    url            what `duckdb_url` gave, or a `postgresql://` URL
    index_columns  the columns that name a row: of every table, or by table
    limit          rows listed for each rule and field; the totals stay exact
    schema         where PostgreSQL looks the tables up
    lock_timeout   how long a rule waits for a lock in PostgreSQL
    unknown_tables tables whose rows are not known, and why: their rules, and those that look into them, are skipped
    partial        tables of which there may be more rows elsewhere: rules of other tables do not look into them
    as_warnings    types of expectations that give a warning, whatever severity their suite says
    sources        the staged tables whose declared rules are judged, too; a suite is then about one of these

    memory         the limit for that of DuckDB

    Raises ProjectError for a suite that is not understood or whose table is not there, DatabaseError when the
    database cannot be reached, StagingFailed when DuckDB has not enough memory or disk space.
    """
    loaded = load_suites(suites, sources)
    engine = open_engine(url, schema, lock_timeout, memory)
    try:
        context = Context()
        set_context(context)
        results = {}
        with _source(context, engine) as source:
            for table, suite in loaded.items():
                try:
                    columns = index_columns[table] if isinstance(index_columns, Mapping) else index_columns
                    reader = ResultReader(engine, columns, limit, unknown_tables or {}, partial, as_warnings)
                    results[table] = _results(source, reader, table, suite)
                except Exception as error:  # its text may quote values
                    refuse_shortage(engine)
                    kind = type(error).__name__
                    fault = ProjectError if _is_of_no_table(error) else InternalError
                    raise fault(f"suite {suite.name}: table {table} cannot be validated: {kind}") from None
                refuse_shortage(engine)  # else its rule would be called one that cannot run
    finally:
        engine.dispose()  # else DuckDB refuses a later connection that writes
    return _validation(list(itertools.chain(*results.values())))


def _is_of_no_table(error: BaseException | None) -> bool:
    """Return whether a suite failed because there is no table of its name."""
    return any(
        isinstance(each, KeyError) or type(getattr(each, "orig", None)).__name__ in _NO_TABLE for each in causes(error)
    )


@contextmanager
def _source(context: Any, engine: sa.Engine) -> Iterator[Any]:
    name = f"database-{next(_numbers)}"
    GivenEngineDatasource.engines[name] = engine
    try:
        yield context.data_sources.add_given_engine(name=name)
    finally:
        del GivenEngineDatasource.engines[name]


def _results(source: Any, reader: ResultReader, table: str, suite: Any) -> list[RuleResult]:
    """The result of each rule of a suite, in its order."""
    named = sa.sql.quoted_name(table, quote=True)
    batch = source.add_table_asset(table, table_name=named).add_batch_definition_whole_table("all").get_batch()
    judged = [rule for rule in suite.expectations if not reader.skips(table, rule)]
    passed = {
        result.expectation_config.id
        for result in batch.validate(_suite(suite.name, judged), result_format="BOOLEAN_ONLY").results
        if result.success
    }
    # Naming rows costs two queries more for each rule, so only the rules that need it are run again.
    others = _suite(suite.name, [rule for rule in judged if rule.id not in passed])
    found = {}
    if others.expectations:
        outcome = batch.validate(
            others,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": list(reader.index_columns),
                "partial_unexpected_count": reader.limit,
                "exclude_unexpected_values": True,
                "include_unexpected_rows": False,
                "return_unexpected_index_query": False,
            },
        )
        found = {result.expectation_config.id: result for result in outcome.results}
    return [reader.result(table, rule, found.get(rule.id)) for rule in suite.expectations]


def _suite(name: str, rules: Sequence[Any]) -> Any:
    suite = gx.ExpectationSuite(name)
    suite.expectations = list(rules)  # as they are: to be added one by one they would be given other ids
    return suite


def _validation(results: Sequence[RuleResult]) -> Validation:
    outcomes = [result.outcome for result in results]
    totals: Counter[str] = Counter()
    for result in results:
        for field, total in result.totals.items():
            totals[f"{result.outcome.table}.{result.outcome.rule}.{field}"] += total
    counts = Counter(outcome.status for outcome in outcomes)
    return Validation(
        success=not counts[FAILED] and not counts[BROKEN],
        failures=tuple(failure for result in results for failure in result.failures),
        broken=tuple(
            RuleException(outcome.table, outcome.rule, outcome.reason)
            for outcome in outcomes
            if outcome.status == BROKEN
        ),
        rules=len(outcomes),
        failed=counts[FAILED],
        warned=counts[WARNED],
        skipped=counts[SKIPPED],
        totals=dict(totals),
        outcomes=tuple(outcomes),
        results=tuple(results),
    )
