"""Builds what is to be published, unless it is known what that would make."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace

from mock2pg import build, distributed_keys, postgres, progress, workers
from mock2pg.contracts import contracts_sha256, derived_columns
from mock2pg.errors import InternalError, LoadFailed
from mock2pg.pipeline import known_build, sessions
from mock2pg.pipeline.steps.load import hashing, judging, known, summary
from mock2pg.publishing import built_tables, creation, preflight
from mock2pg.publishing.preflight import distributed_tables
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.staged_tables import SourceTable
from mock2pg.step_results import Checked, Loaded

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
            if loaded := known.of(run, session):
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
    with sessions.session(run, "load") as connection, hashing.unless_failed(run):
        there, effective = judging.refuse_before_build(run, connection, tables, all_at_once=purpose == "plan")
        tables = list(effective.tables)
        postgres.scratch.recreate(connection)
        accounts = run.require(Checked).entities.values()
        progress.expect(sum(rows.read - rows.refused for rows in accounts))
        memory = settings.staging_memory
        with (
            staging.opened(database, memory=memory, read_only=True, threads=1) as staged,
            hashing.beside(run, staged, tables),
        ):
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
        url = postgres.with_options(settings.url, session.get("PGOPTIONS", ""))
        rules = judging.judged(run, tables, counts, url)
        hashing.make_room(counts)
        with (
            postgres.named(LoadFailed, "cannot read the built tables"),
            staging.opened(database, memory=memory, read_only=True) as staged,
        ):
            progress.expect(sum(counts.values()))
            hashing.complete(run, connection, staged, tables)
            unproven = [each.name for each in tables if not judging.is_as_its_model_says(run, connection, each, built)]
        record = None if unproven else known_build.record(run, connection, built, tables, counts)
        with postgres.named(LoadFailed, "cannot distribute the built tables"):
            built_tables.distribute(
                connection, postgres.scratch.NEXT, settings.target_schema, tables, settings.lock_timeout
            )
    return Loaded(
        summary=summary.of(tables, counts, built.tests, rules),
        cautions=tuple(
            f"{name}: its model gives other rows each time, so they are proven as built" for name in unproven
        ),
        notes=effective.notes,
        landed=landed,
        built=counts,
        target_oids=tuple(there),
        added=summary.added(tables, counts),
        models=built.models,
        tests=built.tests,
        derived=derived_columns(tables),
        contracts_sha256=contracts_sha256(table.as_dict() for table in contracts),
        rules=rules,
        distributed=distributed_keys.distributed_tables(tables),
        build=record,
    )


def _land(run: Run, connection: postgres.Connection, staged: staging.Connection, table: SourceTable) -> int:
    rows = run.require(Checked).entities[table.path]
    with closing(staging.csv_blocks(staged, table)) as blocks:
        return postgres.scratch.land(connection, table, blocks, rows.read - rows.refused)
