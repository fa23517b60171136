"""publish: merges the built rows into the target tables, and adds a row to the history, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from mock2pg import history, postgres
from mock2pg.backups import dump
from mock2pg.backups.written_content import WrittenContent
from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.log import log
from mock2pg.pipeline import nodes, reviewed_plan
from mock2pg.pipeline.sessions import session
from mock2pg.pipeline.steps.publish import comparison, held, history_row, proof
from mock2pg.postgres import server
from mock2pg.publishing import alteration, deletion_limits, plan_fingerprint, writers
from mock2pg.publishing.merge import Merge
from mock2pg.runs import Run, now
from mock2pg.step_results import BackedUp, Difference, Loaded, Published, Staged


def run(run: Run, plan: str = "") -> Published:
    """Publish the built tables. Raises PublishFailed; the transaction is then rolled back and the target is as it was.

    plan  the plan.json that was reviewed; what it says must still be so
    """
    settings = run.settings
    tables = run.tables()
    began = time.perf_counter()
    with postgres.named(PublishFailed, "cannot publish"):
        done, redefined = postgres.transact(
            settings.url,
            f"publish {run.id}",
            partial(_publish, run, tables, plan),
            committed=lambda connection: history.of(connection, run.id, "migrate") is not None,
            attempts=settings.publish_attempts,
            tell=_tell,
            lock_timeout=settings.lock_timeout,
            over_nodes=nodes.is_distributed(run),
        )
    sums = {key: sum(getattr(each, key) for each in done.values()) for key in ("inserted", "updated", "deleted")}
    return Published(
        summary=", ".join(f"{number:,} {key}" for key, number in sums.items()),
        tables=done,
        seconds_in_transaction=round(time.perf_counter() - began, 3),
        published_at=now(),
        redefined=redefined,
        definitions_left=_definitions(run) if redefined else None,  # else they are those of the backup
    )


def _definitions(run: Run) -> str | None:
    """Return the fingerprint of the new definitions, for a rollback; None when it cannot be determined."""
    settings = run.settings
    # it is committed: what cannot be found out now is left out
    with suppress(Exception), session(run, "definitions", read_only=True) as connection:
        found = dump.definitions(
            connection,
            settings.url,
            settings.target_schema,
            server.binary("pg_dump"),
            lock_timeout=settings.lock_timeout,
        )
        return dump.definitions_fingerprint(found)
    return None


def _publish(
    run: Run, tables: Sequence[Table], plan: str, connection: postgres.Connection
) -> tuple[dict[str, Difference], bool]:
    """Publish inside the transaction; return the difference of each table, and whether one was created or altered."""
    settings, schema = run.settings, run.settings.target_schema
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [settings.statement_timeout])
    postgres.distribution.begin_for(connection, tables, settings.lock_timeout)
    staged, loaded, backup = run.require(Staged), run.require(Loaded), run.require(BackedUp)
    if loaded.built_by:
        return held.publish(run, tables, connection), False
    postgres.scratch.require_built(connection, loaded.built)
    postgres.scratch.create(connection, schema)
    _refuse_unlike_built(run, connection, tables)
    owned = history.owned(connection, schema)
    alterations = alteration.pending(connection, schema, tables, owned) if settings.alter else {}
    merge = comparison.compare(run, connection, tables, alterations)
    if plan:
        fingerprints = plan_fingerprint.fingerprints(connection, schema, tables, merge.differences, alterations)
        reviewed_plan.refuse_changed(
            reviewed_plan.read(Path(plan)), {"contracts_sha256": loaded.contracts_sha256}, fingerprints
        )
    limits = deletion_limits.DeletionLimits.of(settings, staged.tables)
    limits.refuse(tables, merge.differences)
    merge.refuse_referencing_rows(limits.allow_cascade)
    unwritten = comparison.refuse_written(connection, schema, merge, backup)
    hashes = {
        name: backup.hashes[name]
        for name, each in merge.differences.items()
        if name in (backup.hashes if not each.changed else unwritten)
    }
    published = proof.published_hashes(connection, schema, tables, hashes)
    content = WrittenContent(connection, schema, merge, backup.horizon, hashes, published)
    proven = proof.Proof(run, connection, content, altered=bool(alterations))
    if alterations:
        for statement in (statement for each in alterations.values() for statement in each.first):
            connection.execute(statement)
        merge = Merge(connection, postgres.scratch.NEXT, schema, tables)
    done = merge.apply(proven.of)
    for statement in (statement for each in alterations.values() for statement in each.last):
        connection.execute(statement)
    changed = [*alterations, *(name for name, difference in done.items() if difference.created)]
    # where nothing was written, a content other than the backup's is somebody else's doing, and no part of this run
    affected = writers.written_by(connection, merge)
    reached = changed or (affected and writers.set_off(connection, schema, affected))
    known = {} if reached else {name: each for name, each in backup.hashes.items() if (schema, name) not in affected}
    recorded = history_row.tables(run, connection, merge, done, {**proven.contents, **known}, proven.hashes)
    owned = alteration.owned_now(connection, schema, tables, owned, changed)
    history_row.add(run, connection, tables, recorded, owned, redefined=bool(changed))
    return done, bool(changed)


def _refuse_unlike_built(run: Run, connection: postgres.Connection, tables: Sequence[Table]) -> None:
    """The built tables must hold what was built and nothing else: what no staged row vouches for is compared here."""
    postgres.schemas.refuse_meddled(connection, postgres.scratch.SCHEMAS)
    for table in (table for table in tables if table.derived):
        if postgres.row_hashes.built_hash(connection, postgres.scratch.NEXT, table) != history_row.staged_hash(
            run, table, "built"
        ):
            raise PublishFailed(f"table {table.name}: the built rows are no longer those that the load step built")


def _tell(attempt: int, reason: str) -> None:
    log.warning("Attempt %d to publish stopped by %s; trying again", attempt, reason)
