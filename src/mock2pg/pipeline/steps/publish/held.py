"""Publishing what the target tables hold already: it is proven that they do, and nothing is written but the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from mock2pg import files, history, postgres, progress
from mock2pg.backups import snapshot
from mock2pg.contracts import Table
from mock2pg.pipeline.steps.publish.history_row import add, staged_hash
from mock2pg.publishing import alteration, others_code, writers
from mock2pg.publishing.merge import TableMerge, write_order
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.step_results import BackedUp, Difference, Loaded


def publish(run: Run, tables: Sequence[Table], connection: postgres.Connection) -> dict[str, Difference]:
    """Publish what the target tables hold already: prove that they hold it, and write nothing but the history.

    Raises PublishFailed when a table no longer holds it.
    """
    schema, loaded, backup = run.settings.target_schema, run.require(Loaded), run.require(BackedUp)
    by_name = {table.name: table for table in tables}
    others_code.refuse_planted(connection, schema, [*by_name], loaded.target_oids)
    row = history.of(connection, loaded.built_by, "migrate")
    published = row.tables if row else {}
    unwritten = snapshot.unwritten_since(
        connection, schema, backup.horizon, {name: backup.tables[name] for name in by_name}
    )
    done, recorded, written = {}, {}, []
    progress.expect(sum(loaded.built.values()))
    for name in write_order(connection, schema, [*by_name]):
        progress.detail(f"hashing {name}")
        table, known = by_name[name], published.get(name, {})
        if name in unwritten and backup.hashes[name] == known.get("content"):
            found = known["hash"]
        else:
            found = postgres.row_hashes.held_hash(connection, schema, table)
            if not _holds(run, connection, table, found, known.get("hash")):
                written.append(name)
        rows = int(found.split(":")[0])
        done[name] = Difference(rows, rows, 0, 0, 0)
        recorded[name] = {**asdict(done[name]), "hash": found, "content": backup.hashes[name]}
        progress.rows(rows)
    if written:
        raise writers.others_wrote(written)
    there = postgres.catalogue.columns(connection, schema, *by_name)
    for table in tables:
        TableMerge(connection, schema, schema, table, created=False, there=there[table.name]).advance_sequences()
    owned = history.owned(connection, schema)
    add(run, connection, tables, recorded, alteration.owned_now(connection, schema, tables, owned, []))
    return done


def _holds(run: Run, connection: postgres.Connection, table: Table, found: str, published: str | None) -> bool:
    """Return whether a target table of that hash holds what the run that published it left.

    A table of which only some rows are ensured must have their keys, and may have others.
    """
    if table.publish == "ensure":
        return _has_keys(run, connection, table)
    if found != published:
        return False
    return not table.derived or staged_hash(run, table, "built") == postgres.row_hashes.built_hash(
        connection, run.settings.target_schema, table
    )


def _has_keys(run: Run, connection: postgres.Connection, table: Table) -> bool:
    """Return whether the target table has every key that was built."""
    settings, rows = run.settings, run.path("target_rows", f"{files.named(table.name)}.csv")
    try:
        postgres.row_hashes.write(connection, settings.target_schema, table, rows)
        found = staging.compare(
            run.row_hashes(table.name),
            rows,
            publish=table.publish,
            key_columns=len(table.key),
            memory=settings.staging_memory,
        )
    finally:
        rows.unlink(missing_ok=True)
    return not found.missing
