"""The row that publishing adds to the history: what each table holds afterwards, and what was found before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mock2pg import history, postgres, progress
from mock2pg.backups import exported_rows
from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.pipeline import nodes
from mock2pg.publishing.merge import Merge, TableMerge
from mock2pg.runs import VERSION, Run
from mock2pg.source import staging
from mock2pg.step_results import BackedUp, Difference, Loaded, Preflighted, Staged


def add(
    run: Run,
    connection: postgres.Connection,
    tables: Sequence[Table],
    recorded: Mapping[str, Any],
    owned: Mapping[str, Any],
    *,
    redefined: bool = False,
) -> None:
    """Add the run's row to the history; `redefined` says that it created or altered tables."""
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
            redefined=redefined,
            contracts=tuple(tables),
            kept_keys=run.require(Preflighted).kept_keys,
            transaction=nodes.transaction(run, connection),
            build=loaded.build,
        ),
    )


def tables(
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
    schema, found = run.settings.target_schema, {}
    progress.expect(sum(difference.after for difference in done.values()))
    for each in merge.merges:
        name = each.table.name
        progress.detail(f"hashing {name}")
        found[name] = {
            **asdict(done[name]),
            "hash": hashes.get(name) or _hash(run, connection, each),
            "content": known.get(name) or exported_rows.content_hash(connection, schema, name),
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
    if table.source and table.publish != "ensure" and found != staged_hash(run, table):
        raise PublishFailed(f"table {table.name}: the rows to publish are not those that were staged")
    return found


def staged_hash(run: Run, table: Table, column: str = "hash") -> str:
    """Return the table hash of the staged rows, or of another column of hashes."""
    return staging.table_hash(run.row_hashes(table.name), column)
