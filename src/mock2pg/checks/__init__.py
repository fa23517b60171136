"""Great Expectations: runs declared rules and suites on a DuckDB file or on PostgreSQL, and writes Data Docs.

It is loaded by a process of its own, which takes as long as the steps before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mock2pg import workers
from mock2pg.checks import declared
from mock2pg.checks.engines import duckdb_url
from mock2pg.checks.lazy_imports import import_expectation_type, import_great_expectations
from mock2pg.checks.records import DocumentedRule, Failure, InvalidRow, RuleException, Validation

__all__ = ["Failure", "InvalidRow", "RuleException", "Validation", "duckdb_url", "validate", "warm", "write_docs"]

if TYPE_CHECKING:
    from mock2pg.checks.validation import validate
else:

    def validate(*arguments, **options):
        """Run `mock2pg.checks.validation.validate`, which says what it takes, in the process that judges rules."""
        return workers.call(workers.RULES, "mock2pg.checks.validation:validate", *arguments, **options)


def write_docs(
    folder: Path,
    title: str,
    validation: Validation,
    listed: Sequence[Sequence[InvalidRow]],
    rows: Mapping[str, int],
    run_id: str | None = None,
) -> None:
    """Write Data Docs of a validation into the folder, in the process that judges rules.

    listed  the rows to list, for each of the validation's results
    rows    how many each table has
    run_id  the run in whose data_docs/ the folder is
    """
    rules = [
        DocumentedRule(result.outcome, result.parameters, result.totals, tuple(invalid))
        for result, invalid in zip(validation.results, listed, strict=True)
    ]
    workers.call(workers.RULES, "mock2pg.checks.docs:write", folder, title, rules, rows, run_id)


def warm() -> None:
    """Import Great Expectations now, and what a validation of staged tables needs: what its process does first."""
    import_great_expectations()
    for module in ("validation", "docs", "duckdb_dialect"):
        import_module(f"mock2pg.checks.{module}")
    import_module("great_expectations.render.renderer.site_builder")  # which it imports when it builds Data Docs
    for kind in declared.IMPORTED:
        import_expectation_type(kind)
