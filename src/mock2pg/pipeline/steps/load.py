"""load: lands the staged tables, lets dbt build the target tables beside the real ones, and judges them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from mock2pg import build, checks, distributed_keys, files, postgres, private, progress, workers
from mock2pg.contracts import Table, contracts_sha256, derived_columns
from mock2pg.errors import LoadFailed, PreflightFailed
from mock2pg.publishing import built_tables, creation, preflight
from mock2pg.publishing.preflight import distributed_tables, distribution
from mock2pg.report.log_messages import of_added
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.staged_tables import SourceTable
from mock2pg.step_results import Checked, Loaded, Staged
from mock2pg.text import counted, identity

# A table's way of publishing, by the mode of the run and what its model says.
_PUBLISH = {
    ("replace", "merge"): "merge",
    ("replace", "ensure"): "ensure",
    ("upsert", "merge"): "upsert",
    ("upsert", "ensure"): "ensure",
}


def run(run: Run, purpose: str = "migrate") -> Loaded:
    """Build what is to be published; the target tables are not touched.

    purpose  "plan": what the target tables do not take is left to the preflight, which lists all conflicts at once

    Raises PreflightFailed before anything is built when the target tables cannot take it, and LoadFailed naming the
    model, contract, test or rule that fails.
    """
    settings = run.settings
    session = postgres.environment(settings.url, settings=True)
    project = build.DbtProject(
        settings.dbt_dir,
        run.path("dbt", "manifest.json").parent,
        build.profile(session, settings.target_schema),
        settings.cache_dir,
        mode=settings.mode,
    )
    contracts = build.tables(project)
    tables = [replace(table, publish=_PUBLISH[settings.mode, table.publish]) for table in contracts]
    sources = build.sources(settings.dbt_dir)
    database = run.folder / "staging.duckdb"
    with postgres.connect(settings.url, name=f"load {run.id}", lock_timeout=settings.lock_timeout) as connection:
        there, effective = _preflight(run, connection, tables, all_at_once=purpose == "plan")
        tables = list(effective.tables)
        postgres.scratch.recreate(connection)
        accounts = run.require(Checked).entities.values()
        progress.expect(sum(rows.read - rows.refused for rows in accounts))
        with staging.opened(database, read_only=True, threads=1) as staged:
            landed = {table.name: _land(run, connection, staged, table) for table in sources}
        run.write("contracts.json", [table.as_dict() for table in tables])
        workers.load(workers.RULES, "psycopg")  # with which it reads the built tables, while dbt builds them
        progress.expect(None, "dbt")
        built = build.build(project)
        postgres.schemas.refuse_meddled(connection, postgres.scratch.SCHEMAS)
        if settings.mode == "replace":  # part of the rows may refer to rows of the target tables
            with postgres.named(LoadFailed, "cannot make the foreign keys of a circle"):
                creation.prove(connection, postgres.scratch.NEXT, built.circular)
        with postgres.named(LoadFailed, "cannot read the built tables"):
            apart = tuple(distributed_tables.of_rows(connection, postgres.scratch.NEXT, tables))
            preflight.refuse(apart, settings.target_schema)
            counts = postgres.scratch.row_counts(connection, postgres.scratch.NEXT, [table.name for table in tables])
        rules = _judged(run, tables, counts, postgres.with_options(settings.url, session.get("PGOPTIONS", "")))
        with (
            postgres.named(LoadFailed, "cannot read the built tables"),
            staging.opened(database, read_only=True) as staged,
        ):
            progress.expect(sum(counts.values()))
            for table in tables:
                progress.detail(f"hashing {table.name}")
                rows = run.path("hashes", f"{files.named(table.name)}.csv")
                postgres.row_hashes.write(connection, postgres.scratch.NEXT, table, rows, built_only=True)
                hashes = run.path("hashes", f"{files.named(table.name)}.parquet")
                staging.write_hashes(staged, table, rows, hashes, private.secret(settings.secret_file))
                rows.unlink()
            unproven = [table.name for table in tables if not _as_its_model_says(run, connection, table, built)]
        with postgres.named(LoadFailed, "cannot distribute the built tables"):
            built_tables.distribute(
                connection, postgres.scratch.NEXT, settings.target_schema, tables, settings.lock_timeout
            )
    added = {table.name: counts[table.name] for table in tables if not table.source and counts[table.name]}
    number = counted(sum(counts.values()), "row") + (f" ({of_added(added)})" if added else "")
    return Loaded(
        summary=f"{number} in {counted(len(tables), 'table')}{_passed(built.tests, rules)}",
        cautions=tuple(
            f"{name}: its model gives other rows each time, so they are proven as built" for name in unproven
        ),
        notes=effective.notes,
        landed=landed,
        built=counts,
        target_oids=tuple(there),
        added=added,
        models=built.models,
        tests=built.tests,
        derived=derived_columns(tables),
        contracts_sha256=contracts_sha256(table.as_dict() for table in contracts),
        rules=rules,
        distributed=distributed_keys.distributed_tables(tables),
    )


def _passed(tests: int, rules: int) -> str:
    counts = [counted(number, noun) for number, noun in ((tests, "test"), (rules, "rule")) if number]
    return f", {' and '.join(counts)} passed" if counts else ""


def _preflight(
    run: Run, connection: postgres.Connection, tables: Sequence[Table], *, all_at_once: bool
) -> tuple[list[int], distribution.Effective]:
    """Stop before anything is built when contracts and catalogue already show that it could not be published.

    Returns the oids of the tables that are in the target schema, and the tables as the target distributes them.
    """
    settings = run.settings
    rows = {name: table.rows for name, table in run.require(Staged).tables.items()}
    with postgres.named(PreflightFailed, "cannot look at the target tables"), connection.transaction():
        effective = distribution.effective(connection, settings.target_schema, tables)
        found = preflight.before_build(
            connection, settings.target_schema, effective.tables, rows, alter=settings.alter, all_at_once=all_at_once
        )
        there = postgres.catalogue.oids(connection, settings.target_schema)
    preflight.refuse((*effective.findings, *found), settings.target_schema)
    return there, effective


def _land(run: Run, connection: postgres.Connection, staged: staging.Connection, table: SourceTable) -> int:
    rows = run.require(Checked).entities[table.path]
    with closing(staging.csv_blocks(staged, table)) as blocks:
        return postgres.scratch.land(connection, table, blocks, rows.read - rows.refused)


def _as_its_model_says(run: Run, connection: postgres.Connection, table: Table, built: build.Built) -> bool:
    """Compare a table that comes from no staged one with what its model's query gives now.

    Returns False when the query itself gives other rows each time. Raises LoadFailed when it does not, and the built
    rows are others.
    """
    if table.source is not None or table.name not in built.queries:
        return True
    recorded = staging.table_hash(run.folder / "hashes" / f"{files.named(table.name)}.parquet", "built")
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


def _judged(run: Run, tables: Sequence[Table], rows: Mapping[str, int], url: str) -> int:
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
        schema=postgres.scratch.NEXT,
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
