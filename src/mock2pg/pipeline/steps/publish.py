"""publish: merges the built rows into the target tables, and adds a row to the history, in one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mock2pg import files, history, postgres, progress
from mock2pg.backups import dump, exported_rows
from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed, UsageError
from mock2pg.log import log
from mock2pg.pipeline import nodes
from mock2pg.postgres import server
from mock2pg.publishing import alteration, deletion_limits, kept_keys, others_code, plan_fingerprint, writers
from mock2pg.publishing.merge import Merge, TableMerge, write_order
from mock2pg.runs import VERSION, Run, now
from mock2pg.source import staging
from mock2pg.step_results import BackedUp, Difference, Loaded, Preflighted, Published, Staged

# The fields of a plan beside the differences.
_WHAT = {
    "schema": "the schema",
    "mode": "the mode",
    "alter": "whether tables are altered",
    "input_sha256": "the input",
    "contracts_sha256": "the contracts",
}


def run(run: Run, plan: str = "") -> Published:
    """Publish the built tables. Raises PublishFailed; the transaction is then rolled back and the target is as it was.

    plan  the plan.json that was reviewed; what it says must still be so
    """
    settings = run.settings
    tables = run.tables()
    began = time.perf_counter()
    with postgres.named(PublishFailed, "cannot publish"):
        done = postgres.transact(
            settings.url,
            f"publish {run.id}",
            partial(_publish, run, tables, plan),
            committed=lambda connection: history.of(connection, run.id, "migrate") is not None,
            attempts=settings.publish_attempts,
            tell=_tell,
            lock_timeout=settings.lock_timeout,
            over_nodes=nodes.is_distributed(run),
        )
    redefined = _redefined(run, done)
    sums = {key: sum(getattr(each, key) for each in done.values()) for key in ("inserted", "updated", "deleted")}
    return Published(
        summary=", ".join(f"{number:,} {key}" for key, number in sums.items()),
        tables=done,
        seconds_in_transaction=round(time.perf_counter() - began, 3),
        published_at=now(),
        redefined=redefined,
        definitions_left=_definitions(run) if redefined else None,  # else they are those of the backup
    )


def _redefined(run: Run, done: Mapping[str, Difference]) -> bool:
    """Return True when tables were created or altered."""
    return run.settings.alter or any(difference.created for difference in done.values())


def _definitions(run: Run) -> str | None:
    """Return the fingerprint of the new definitions, for a rollback; None when it cannot be determined."""
    settings = run.settings
    with (
        suppress(Exception),  # it is committed: what cannot be found out now is left out
        postgres.connect(
            settings.url, name=f"definitions {run.id}", read_only=True, lock_timeout=settings.lock_timeout
        ) as connection,
    ):
        found = dump.definitions(
            connection,
            settings.url,
            settings.target_schema,
            server.binary("pg_dump"),
            lock_timeout=settings.lock_timeout,
        )
        return dump.definitions_fingerprint(found)
    return None


def _publish(run: Run, tables: Sequence[Table], plan: str, connection: postgres.Connection) -> dict[str, Difference]:
    """Publish inside the transaction; return the difference of each table."""
    settings, schema = run.settings, run.settings.target_schema
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [settings.statement_timeout])
    postgres.distribution.begin_for(connection, tables, settings.lock_timeout)
    staged, loaded, backup = run.require(Staged), run.require(Loaded), run.require(BackedUp)
    if loaded.built_by:
        return _publish_held(run, tables, connection)
    postgres.scratch.require_built(connection, loaded.built)
    postgres.scratch.create(connection, schema)
    _refuse_unlike_built(run, connection, tables)
    owned = history.owned(connection, schema)
    alterations = alteration.pending(connection, schema, tables, owned) if settings.alter else {}

    def compare() -> Merge:
        progress.expect(None, "comparing")
        others_code.refuse_planted(connection, schema, [table.name for table in tables], loaded.target_oids)
        kept_keys.keep(connection, postgres.scratch.NEXT, schema, tables, alterations)
        return Merge(connection, postgres.scratch.NEXT, schema, tables, alterations)

    writes = [(schema, name) for name in run.require(Preflighted).writes]
    merge = writers.compared(connection, compare, writes)
    if plan:
        fingerprints = plan_fingerprint.fingerprints(connection, schema, tables, merge.differences, alterations)
        _refuse_changed(reviewed_plan(Path(plan)), {"contracts_sha256": loaded.contracts_sha256}, fingerprints)
    limits = deletion_limits.DeletionLimits.of(settings, staged.tables)
    limits.refuse(tables, merge.differences)
    merge.refuse_referencing_rows(limits.allow_cascade)
    _refuse_written(connection, schema, merge.differences, backup)
    if alterations:
        for statement in (statement for each in alterations.values() for statement in each.first):
            connection.execute(statement)
        merge = Merge(connection, postgres.scratch.NEXT, schema, tables)
    hashes: dict[str, str] = {}

    def held(each: TableMerge) -> int | None:
        if alterations or not each.is_hashed_whole:
            return None
        found = postgres.row_hashes.table_hash(connection, each.target, each.table)
        if found != _staged_hash(run, each.table):
            return None
        hashes[each.table.name] = found
        return int(found.split(":")[0])

    done = merge.apply(held)
    for statement in (statement for each in alterations.values() for statement in each.last):
        connection.execute(statement)
    changed = [*alterations, *(name for name, difference in done.items() if difference.created)]
    # where nothing was written, a content other than the backup's is somebody else's doing, and no part of this run
    affected = {name for _, name in writers.written_by(connection, merge)}
    reached = changed or (affected and writers.set_off(connection, schema))
    known = {} if reached else {name: found for name, found in backup.hashes.items() if name not in affected}
    recorded = _recorded(run, connection, merge, done, known, hashes)
    _record(run, connection, tables, done, recorded, alteration.owned_now(connection, schema, tables, owned, changed))
    return done


def _publish_held(run: Run, tables: Sequence[Table], connection: postgres.Connection) -> dict[str, Difference]:
    """Publish what the target tables hold already: prove that they hold it, and write nothing but the history.

    Raises PublishFailed when a table no longer holds it.
    """
    schema, loaded, backup = run.settings.target_schema, run.require(Loaded), run.require(BackedUp)
    by_name = {table.name: table for table in tables}
    others_code.refuse_planted(connection, schema, [*by_name], loaded.target_oids)
    row = history.of(connection, loaded.built_by, "migrate")
    done, recorded, written = {}, {}, []
    progress.expect(sum(loaded.built.values()))
    for name in write_order(connection, schema, [*by_name]):
        progress.detail(f"hashing {name}")
        table = by_name[name]
        found = postgres.row_hashes.held_hash(connection, schema, table)
        if not (row and _holds(run, connection, table, found, row)):
            written.append(name)
        rows = int(found.split(":")[0])
        done[name] = Difference(rows, rows, 0, 0, 0)
        recorded[name] = {**asdict(done[name]), "hash": found, "content": backup.hashes[name]}
        progress.rows(rows)
    if written:
        raise _others_wrote(written)
    for table in tables:
        TableMerge(connection, schema, schema, table, created=False).advance_sequences()
    owned = history.owned(connection, schema)
    _record(run, connection, tables, done, recorded, alteration.owned_now(connection, schema, tables, owned, []))
    return done


def _holds(run: Run, connection: postgres.Connection, table: Table, found: str, row: history.HistoryRow) -> bool:
    """Return whether a target table of that hash holds what the run of the history row published.

    A table of which only some rows are ensured must have their keys, and may have others.
    """
    if table.publish == "ensure":
        return _has_keys(run, connection, table)
    if found != row.tables[table.name]["hash"]:
        return False
    return not table.derived or _staged_hash(run, table, "built") == postgres.row_hashes.built_hash(
        connection, run.settings.target_schema, table
    )


def _has_keys(run: Run, connection: postgres.Connection, table: Table) -> bool:
    """Return whether the target table has every key that was built."""
    settings, rows = run.settings, run.path("target_rows", f"{files.named(table.name)}.csv")
    try:
        postgres.row_hashes.write(connection, settings.target_schema, table, rows)
        found = staging.compare(
            _hashes(run, table),
            rows,
            publish=table.publish,
            key_columns=len(table.key),
            memory=settings.staging_memory,
        )
    finally:
        rows.unlink(missing_ok=True)
    return not found.missing


def _record(
    run: Run,
    connection: postgres.Connection,
    tables: Sequence[Table],
    done: Mapping[str, Difference],
    recorded: Mapping[str, Any],
    owned: Mapping[str, Any],
) -> None:
    """Add the run's row to the history."""
    settings, staged = run.settings, run.require(Staged)
    loaded, backup = run.require(Loaded), run.require(BackedUp)
    history.record(
        connection,
        run_id=run.id,
        command="migrate",
        operator=settings.operator,
        started_at=run.started_at,
        schema=settings.target_schema,
        published_run=run.id,
        mode=settings.mode,
        input_sha256=staged.sha256,
        contracts_sha256=loaded.contracts_sha256,
        backup_id=backup.backup_id,
        tables=recorded,
        owned=owned,
        version=VERSION,
        findings=history.Findings(
            hashes=backup.hashes,
            definitions_sha256=backup.definitions_sha256,
            redefined=_redefined(run, done),
            contracts=tuple(tables),
            kept_keys=run.require(Preflighted).kept_keys,
            transaction=nodes.transaction(run, connection),
            build=loaded.build,
        ),
    )


def _refuse_unlike_built(run: Run, connection: postgres.Connection, tables: Sequence[Table]) -> None:
    """The built tables must hold what was built and nothing else: what no staged row vouches for is compared here."""
    postgres.schemas.refuse_meddled(connection, postgres.scratch.SCHEMAS)
    for table in (table for table in tables if table.derived):
        if postgres.row_hashes.built_hash(connection, postgres.scratch.NEXT, table) != _staged_hash(
            run, table, "built"
        ):
            raise PublishFailed(f"table {table.name}: the built rows are no longer those that the load step built")


def _refuse_written(
    connection: postgres.Connection,
    schema: str,
    differences: Mapping[str, Difference],
    backup: BackedUp,
) -> None:
    """Refuse to delete or overwrite rows written since the backup: no backup would hold them."""
    losing = [name for name, difference in differences.items() if difference.deleted or difference.updated]
    written = [
        name for name in losing if exported_rows.content_hash(connection, schema, name) != backup.hashes.get(name)
    ]
    if written:
        raise _others_wrote(written)


def _others_wrote(tables: Sequence[str]) -> PublishFailed:
    return PublishFailed(
        f"others changed the target tables after the backup was taken: {', '.join(tables)}",
        hint="Run the command again when nobody writes to these tables.",
    )


def _recorded(
    run: Run,
    connection: postgres.Connection,
    merge: Merge,
    done: Mapping[str, Difference],
    known: Mapping[str, str],
    hashes: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Return what the history keeps of each table: its difference, and its hashes as published.

    known   table -> the hash of its content, where that is known already
    hashes  table -> the hash of its rows, where that is known already
    """
    found = {}
    progress.expect(sum(difference.after for difference in done.values()))
    for each in merge.merges:
        name = each.table.name
        progress.detail(f"hashing {name}")
        found[name] = {
            **asdict(done[name]),
            "hash": hashes.get(name) or _hash(run, connection, each),
            "content": known.get(name) or exported_rows.content_hash(connection, run.settings.target_schema, name),
        }
        progress.rows(done[name].after)
    return found


def _hash(run: Run, connection: postgres.Connection, merge: TableMerge) -> str:
    """Return the hash of the table as published; of an upsert that of the built rows.

    Raises PublishFailed when it is not that of the staged rows.
    """
    table = merge.table
    rows = merge.of_built if table.publish == "upsert" else merge.target
    found = postgres.row_hashes.table_hash(connection, rows, table)
    if table.source and table.publish != "ensure" and found != _staged_hash(run, table):
        raise PublishFailed(f"table {table.name}: the rows to publish are not those that were staged")
    return found


def _staged_hash(run: Run, table: Table, column: str = "hash") -> str:
    return staging.table_hash(_hashes(run, table), column)


def _hashes(run: Run, table: Table) -> Path:
    return run.folder / "hashes" / f"{files.named(table.name)}.parquet"


def _tell(attempt: int, error: BaseException) -> None:
    blocked = f": {postgres.described(error)}" if isinstance(error, postgres.LockNotAvailable) else ""
    log.warning("Attempt %d to publish stopped by %s%s; trying again", attempt, type(error).__name__, blocked)


def refuse_other_input(plan: Path, run: Run) -> None:
    """Raise PublishFailed when the plan is of another input: that is known before the database is reached."""
    _refuse_changed(
        reviewed_plan(plan),
        {
            "schema": run.settings.target_schema,
            "mode": run.settings.mode,
            "alter": run.settings.alter,
            "input_sha256": run.require(Staged).sha256,
        },
        {},
    )


def _refuse_changed(reviewed: Mapping[str, Any], found: Mapping[str, Any], fingerprints: Mapping[str, str]) -> None:
    """Refuse a difference other than the one that the reviewer approved."""
    changed = [_WHAT[what] for what, value in found.items() if reviewed[what] != value]
    changed += sorted(
        f"table {name}" for name, found_now in fingerprints.items() if reviewed["fingerprints"].get(name) != found_now
    )
    if changed:
        raise PublishFailed(
            f"the difference is no longer the one that was reviewed in run {reviewed['run_id']}: "
            f"{', '.join(changed)} changed",
            hint="Run `mock2pg plan` again and review that.",
        )


def reviewed_plan(file: Path) -> dict[str, Any]:
    """Read the plan that the step `plan` wrote. Raises UsageError."""
    try:
        plan: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if {"run_id", "fingerprints", *_WHAT} <= plan.keys():
            return plan
    except (OSError, ValueError, AttributeError):
        pass
    raise UsageError(f"{file} is not a plan", hint="Run `mock2pg plan`: it writes plan.json into its run's folder.")
