"""The result of a build that need not be made: see `pipeline.known_build`."""

from __future__ import annotations

from collections.abc import Mapping

from mock2pg import build, postgres, progress, workers
from mock2pg.contracts import contracts_sha256, derived_columns
from mock2pg.errors import LoadFailed
from mock2pg.pipeline import known_build, sessions
from mock2pg.pipeline.steps.load import hashing, judging, summary
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.step_results import Checked, Loaded


def of(run: Run, session: Mapping[str, str]) -> Loaded | None:
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
        accounts = run.require(Checked).entities
        landed = {table.name: accounts[table.path].read - accounts[table.path].refused for table in sources}
        url = postgres.with_options(settings.url, session.get("PGOPTIONS", ""))
        with (
            staging.opened(run.folder / "staging.duckdb", memory=settings.staging_memory, read_only=True) as staged,
            hashing.beside(run, staged, tables, Run(row.run_id, settings)),
        ):
            there, effective = judging.refuse_before_build(run, connection, tables, all_at_once=False)
            rules = judging.judged(run, tables, record.rows, url, settings.target_schema)
            hashing.make_room(record.rows)
            progress.expect(None, "hashing")
        for table in (table for table in tables if table.source):
            if staging.table_hash(hashing.place(run, table)) != row.tables[table.name]["hash"]:
                return None
    return Loaded(
        summary=f"{summary.of(tables, record.rows, record.tests, rules)};"
        f" not built again: unchanged since run {row.run_id}",
        notes=effective.notes,
        landed=landed,
        built=record.rows,
        target_oids=tuple(there),
        added=summary.added(tables, record.rows),
        models=record.models,
        tests=record.tests,
        derived=derived_columns(tables),
        contracts_sha256=contracts_sha256(table.as_dict() for table in tables),
        rules=rules,
        built_by=row.run_id,
        build=record,
    )
