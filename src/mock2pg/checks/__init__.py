"""Great Expectations: runs declared rules and suites on a DuckDB file or on PostgreSQL, and writes Data Docs.

It is loaded by a process of its own, which takes as long as the steps before it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mock2pg import workers
from mock2pg.checks import declared
from mock2pg.checks.engines import duckdb_url
from mock2pg.checks.lazy_imports import import_expectation_type, import_great_expectations
from mock2pg.checks.records import Failure, RuleException, Validation

__all__ = ["Failure", "RuleException", "Validation", "duckdb_url", "validate", "warm"]

if TYPE_CHECKING:
    from mock2pg.checks.validation import validate
else:

    def validate(*arguments, **options):
        """Run `mock2pg.checks.validation.validate`, which says what it takes, in the process that judges rules."""
        return workers.call(workers.RULES, "mock2pg.checks.validation:validate", *arguments, **options)


def warm() -> None:
    """Import Great Expectations now, and what a validation of staged tables needs: what its process does first."""
    import_great_expectations()
    for module in ("validation", "duckdb_dialect"):
        import_module(f"mock2pg.checks.{module}")
    import_module("great_expectations.render.renderer.site_builder")  # which it imports when it builds Data Docs
    for kind in declared.IMPORTED:
        import_expectation_type(kind)
