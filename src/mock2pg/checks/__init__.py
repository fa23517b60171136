"""Great Expectations: runs the suites of a folder on a DuckDB file or on PostgreSQL, and writes Data Docs.

Importing this package costs nothing; Great Expectations itself is imported by `warm` or by the first `validate`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from mock2pg.checks.engines import duckdb_url
from mock2pg.checks.lazy_imports import import_great_expectations
from mock2pg.checks.records import Broken, Failure, Outcome, Validation
from mock2pg.settings import LOCK_TIMEOUT

__all__ = ["Broken", "Failure", "Outcome", "Validation", "duckdb_url", "rule_types", "validate", "warm"]


def warm() -> None:
    """Import Great Expectations now; meant for a thread that runs beside other work."""
    import_great_expectations()
    import_module("mock2pg.checks.validation")


def rule_types(suites: Path) -> dict[str, set[str]]:
    """The types of the expectations in the folder `suites`, by table. Raises ProjectError as `validate` does."""
    warm()
    from mock2pg.checks.suites import load_suites  # needs Great Expectations

    return {
        table: {rule.expectation_type for rule in suite.expectations} for table, suite in load_suites(suites).items()
    }


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
    required: Mapping[str, Sequence[str]] | None = None,
) -> Validation:
    """Run every suite in the folder `suites` on its table, and write Data Docs into the folder `docs`.

    url            what `duckdb_url` gave, or a `postgresql://` URL
    index_columns  the columns that name a row: of every table, or by table
    limit          rows listed for each rule and field; the totals stay exact
    schema         where PostgreSQL looks the tables up
    lock_timeout   how long a rule waits for a lock in PostgreSQL
    unread         tables whose rows are not known, and why: their rules, and those that look into them, are not judged
    partial        tables of which there may be more rows elsewhere: rules of other tables do not look into them
    lenient        types of expectations that give a warning, whatever severity their suite says
    required       columns that must be given, by table, whether or not the table's suite asks for them

    Raises ProjectError for a suite that is not understood or whose table is not there, DatabaseError when the
    database cannot be reached.
    """
    warm()
    from mock2pg.checks.validation import validate as run  # needs Great Expectations

    return run(
        url,
        suites,
        index_columns=index_columns,
        docs=docs,
        title=title,
        limit=limit,
        schema=schema,
        lock_timeout=lock_timeout,
        unread=unread,
        partial=partial,
        lenient=lenient,
        required=required,
    )
