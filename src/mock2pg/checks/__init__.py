"""Great Expectations: runs declared rules and suites on a DuckDB file or on PostgreSQL, and writes Data Docs.

It is loaded by a process of its own, which takes as long as the steps before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from mock2pg import workers
from mock2pg.checks.engines import duckdb_url
from mock2pg.checks.lazy_imports import import_great_expectations
from mock2pg.checks.records import Broken, Failure, Validation
from mock2pg.contracts import SourceTable
from mock2pg.settings import LOCK_TIMEOUT

__all__ = ["Broken", "Failure", "Validation", "duckdb_url", "validate", "warm"]


def warm() -> None:
    """Import Great Expectations now: what a process that is to judge rules does first."""
    import_great_expectations()
    import_module("mock2pg.checks.validation")


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
    """Run the declared rules and every suite in the folder `suites` on their tables; write Data Docs into `docs`.

    url            what `duckdb_url` gave, or a `postgresql://` URL
    index_columns  the columns that name a row: of every table, or by table
    limit          rows listed for each rule and field; the totals stay exact
    schema         where PostgreSQL looks the tables up
    lock_timeout   how long a rule waits for a lock in PostgreSQL
    unread         tables whose rows are not known, and why: their rules, and those that look into them, are not judged
    partial        tables of which there may be more rows elsewhere: rules of other tables do not look into them
    lenient        types of expectations that give a warning, whatever severity their suite says
    sources        the staged tables whose declared rules are judged, too; a suite is then about one of these

    Raises ProjectError for a suite that is not understood or whose table is not there, DatabaseError when the
    database cannot be reached.
    """
    found: Validation = workers.call(
        workers.RULES,
        "mock2pg.checks.validation:validate",
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
        sources=sources,
    )
    return found
