"""The judgement of built tables: that they may be published, follow their rules, and are as their models give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mock2pg import build, checks, postgres
from mock2pg.contracts import Table
from mock2pg.errors import LoadFailed, PreflightFailed
from mock2pg.publishing import preflight
from mock2pg.publishing.preflight import distribution
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.step_results import Staged
from mock2pg.text import identity


def refuse_before_build(
    run: Run, connection: postgres.Connection, tables: Sequence[Table], *, all_at_once: bool
) -> tuple[list[int], distribution.Effective]:
    """Stop before anything is built when contracts and catalogue already show that it could not be published.

    Returns the oids of the tables that are in the target schema, and the tables as the target distributes them.
    """
    settings = run.settings
    rows = {name: table.rows for name, table in run.require(Staged).tables.items()}
    with postgres.named(PreflightFailed, "cannot look at the target tables"), connection.transaction():
        effective = distribution.effective(connection, settings.target_schema, tables, alter=settings.alter)
        found = preflight.before_build(
            connection, settings.target_schema, effective.tables, rows, alter=settings.alter, all_at_once=all_at_once
        )
        there = postgres.catalogue.oids(connection, settings.target_schema)
    preflight.refuse((*effective.findings, *found), settings.target_schema)
    return there, effective


def is_as_its_model_says(run: Run, connection: postgres.Connection, table: Table, built: build.Built) -> bool:
    """Compare a table that comes from no staged one with what its model's query gives now.

    Returns False when the query itself gives other rows each time. Raises LoadFailed when it does not, and the built
    rows are others.
    """
    if table.source is not None or table.name not in built.queries:
        return True
    recorded = staging.table_hash(run.row_hashes(table.name), "built")
    hashes = []
    for _ in range(2):
        with connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            query = built.queries[table.name]
            hashes.append(postgres.row_hashes.built_hash(connection, postgres.scratch.NEXT, table, query))
        if hashes[-1] == recorded:
            return True
    if hashes[0] == hashes[1]:
        raise LoadFailed(f"{table.name}: the built rows are not those that its model gives")
    return False


def judged(
    run: Run, tables: Sequence[Table], rows: Mapping[str, int], url: str, schema: str = postgres.scratch.NEXT
) -> int:
    """Judge the rules about the built tables, if there are any; returns how many passed. Raises LoadFailed.

    rows  how many each table has
    """
    folder = run.settings.expectations_dir / "tables"
    if not any(folder.glob("*.json")):
        return 0
    partial, empty = [], {}
    if run.settings.mode == "upsert":  # other rows may be in the target tables
        partial = [table.name for table in tables]
        staged = run.require(Staged).tables
        names = [table.name for table in tables if table.source and not staged[table.source].rows]
        empty = dict.fromkeys(names, "has no row in the source")
    validation = checks.validate(
        url,
        folder,
        index_columns={table.name: table.primary_key for table in tables},
        limit=run.settings.max_errors_per_rule,
        schema=schema,
        lock_timeout=run.settings.lock_timeout,
        unknown_tables=empty,
        partial=partial,
    )
    invalid = [
        [checks.InvalidRow("", f"{f.table}.{f.field}{_row(f)}", f.message) for f in result.failures if f.keys]
        for result in validation.results
    ]
    checks.write_docs(run.folder / "data_docs" / "built", "Built tables", validation, invalid, rows, run.id)
    if not validation.success:
        failed = [
            f"  {f.table}.{f.field}: {f.message}{_row(f)}" for f in validation.failures if f.severity == "critical"
        ]
        broken = [f"  {b.table}: {b.rule} could not run: {b.reason}" for b in validation.broken]
        raise LoadFailed("\n".join(["the built tables break their rules:", *failed[:20], *broken]))
    return validation.rules - validation.skipped


def _row(failure: checks.Failure) -> str:
    """The row that is invalid, by its primary key."""
    return "".join(f" ({key} {identity(str(value))})" for key, value in failure.keys.items())
