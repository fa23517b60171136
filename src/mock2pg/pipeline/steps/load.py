"""load: lands the staged tables, lets dbt build the target tables beside the real ones, and judges them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from mock2pg import build, checks, distributed_keys, files, postgres, private, progress, workers
from mock2pg.contracts import REFERENCE, Table, contracts_sha256, derived_columns
from mock2pg.errors import InternalError, LoadFailed, PreflightFailed
from mock2pg.pipeline import known_build, sessions
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

    purpose  "plan": what the target tables do not take is left to the preflight, which lists all conflicts at once;
             "build": nothing that was built before is relied on

    Raises PreflightFailed before anything is built when the target tables cannot take it, and LoadFailed naming the
    model, contract, test or rule that fails.
    """
    settings = run.settings
    session = postgres.environment(settings.url, settings=True)
    if purpose == "migrate":
        with suppress(LoadFailed, InternalError):  # a build says why
            if loaded := _known(run, session):
                return loaded
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
    with sessions.session(run, "load") as connection:
        there, effective = _preflight(run, connection, tables, all_at_once=purpose == "plan")
        tables = list(effective.tables)
        postgres.scratch.recreate(connection)
        accounts = run.require(Checked).entities.values()
        progress.expect(sum(rows.read - rows.refused for rows in accounts))
        memory = settings.staging_memory
        with staging.opened(database, memory=memory, read_only=True, threads=1) as staged:
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
            apart = tuple(
                distributed_tables.of_rows(
                    connection, postgres.scratch.NEXT, settings.target_schema, tables, alter=settings.alter
                )
            )
            preflight.refuse(apart, settings.target_schema)
            counts = postgres.scratch.row_counts(connection, postgres.scratch.NEXT, [table.name for table in tables])
        rules = _judged(run, tables, counts, postgres.with_options(settings.url, session.get("PGOPTIONS", "")))
        _end_workers(counts)
        with (
            postgres.named(LoadFailed, "cannot read the built tables"),
            staging.opened(database, memory=memory, read_only=True) as staged,
        ):
            progress.expect(sum(counts.values()))
            for table in tables:
                _write_hashes(run, connection, staged, table)
            unproven = [table.name for table in tables if not _as_its_model_says(run, connection, table, built)]
        known = None if unproven else known_build.record(run, connection, built, tables, counts)
        with postgres.named(LoadFailed, "cannot distribute the built tables"):
            built_tables.distribute(
                connection, postgres.scratch.NEXT, settings.target_schema, tables, settings.lock_timeout
            )
    return Loaded(
        summary=_summary(tables, counts, built.tests, rules),
        cautions=tuple(
            f"{name}: its model gives other rows each time, so they are proven as built" for name in unproven
        ),
        notes=effective.notes,
        landed=landed,
        built=counts,
        target_oids=tuple(there),
        added=_added(tables, counts),
        models=built.models,
        tests=built.tests,
        derived=derived_columns(tables),
        contracts_sha256=contracts_sha256(table.as_dict() for table in contracts),
        rules=rules,
        distributed=distributed_keys.distributed_tables(tables),
        build=known,
    )


def _known(run: Run, session: Mapping[str, str]) -> Loaded | None:
    """Return what a build would find that would make the tables of a run that published them; None when it is needed.

    The rules about built tables are judged by the target tables, which hold the same rows unless others wrote into
    them. The row hashes are those of the staged rows and, where a model made more of these, of what that run built:
    others may have written into the target tables since the backup. Raises LoadFailed where a rule fails: a build will
    show whose doing that is.
    """
    settings = run.settings
    with (
        sessions.session(run, "load") as connection,
        postgres.named(LoadFailed, "cannot read the target tables"),
    ):
        row = known_build.of(run, connection)
        if row is None or row.findings is None or row.findings.build is None:
            return None
        workers.load(workers.RULES, "psycopg")
        record, tables, sources = row.findings.build, row.findings.contracts, build.sources(settings.dbt_dir)
        known_build.take_over(run, row)
        run.write("contracts.json", [table.as_dict() for table in tables])  # the backup begins: these were published
        there, effective = _preflight(run, connection, tables, all_at_once=False)
        accounts = run.require(Checked).entities
        landed = {table.name: accounts[table.path].read - accounts[table.path].refused for table in sources}
        url = postgres.with_options(settings.url, session.get("PGOPTIONS", ""))
        rules = _judged(run, tables, record.rows, url, settings.target_schema)
        _end_workers(record.rows)
        progress.expect(sum(record.rows.values()))
        with staging.opened(run.folder / "staging.duckdb", memory=settings.staging_memory, read_only=True) as staged:
            for table in tables:
                progress.detail(f"hashing {table.name}")
                built = _hashes(Run(row.run_id, settings), table) if table.derived else None
                staging.write_hashes(staged, table, built, _hashes(run, table), private.secret(settings.secret_file))
                if table.source and staging.table_hash(_hashes(run, table)) != row.tables[table.name]["hash"]:
                    return None
    return Loaded(
        summary=f"{_summary(tables, record.rows, record.tests, rules)};"
        f" not built again: unchanged since run {row.run_id}",
        notes=effective.notes,
        landed=landed,
        built=record.rows,
        target_oids=tuple(there),
        added=_added(tables, record.rows),
        models=record.models,
        tests=record.tests,
        derived=derived_columns(tables),
        contracts_sha256=contracts_sha256(table.as_dict() for table in tables),
        rules=rules,
        built_by=row.run_id,
        build=record,
    )


def _end_workers(rows: Mapping[str, int]) -> None:
    """End the workers that are done, where hashing and comparing the rows needs their memory."""
    if sum(rows.values()) > workers.MANY_ROWS:
        workers.end_waiting(workers.RULES, workers.DBT)


def _write_hashes(run: Run, connection: postgres.Connection, staged: staging.Connection, table: Table) -> None:
    """Write the row hashes of a table; those of its derived columns are read from what dbt built."""
    progress.detail(f"hashing {table.name}")
    rows = run.path("hashes", f"{files.named(table.name)}.csv")
    postgres.row_hashes.write(connection, postgres.scratch.NEXT, table, rows, built_only=True)
    staging.write_hashes(staged, table, rows, _hashes(run, table), private.secret(run.settings.secret_file))
    rows.unlink()


def _hashes(run: Run, table: Table) -> Path:
    return run.path("hashes", f"{files.named(table.name)}.parquet")


def _summary(tables: Sequence[Table], rows: Mapping[str, int], tests: int, rules: int) -> str:
    added = _added(tables, rows)
    number = counted(sum(rows.values()), "row") + (f" ({of_added(added)})" if added else "")
    return f"{number} in {counted(len(tables), 'table')}{_distributed(tables)}{_passed(tests, rules)}"


def _added(tables: Sequence[Table], rows: Mapping[str, int]) -> dict[str, int]:
    return {table.name: rows[table.name] for table in tables if not table.source and rows[table.name]}


def _distributed(tables: Sequence[Table]) -> str:
    there = [table for table in tables if table.distribution]
    kinds = Counter("distributed" if table.distribution_column else REFERENCE for table in there)
    return f" ({', '.join(f'{number:,} {kind}' for kind, number in sorted(kinds.items()))})" if kinds else ""


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
        effective = distribution.effective(connection, settings.target_schema, tables, alter=settings.alter)
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


def _judged(
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
