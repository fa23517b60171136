"""publish: the built tables become the live ones in one transaction, together with their row of the history."""

from __future__ import annotations

import time

from mock2pg.contracts import table_from_dict
from mock2pg.errors import PublishFailed
from mock2pg.runs import VERSION, Run, StepResult, now
from mock2pg.tools import postgres, staging


def run(run: Run) -> StepResult:
    """Raises PublishFailed; the transaction is then rolled back and live is as it was."""
    settings, schema = run.settings, run.settings.target_schema
    tables = [table_from_dict(record) for record in run.read("contracts.json")]
    staged, backup = run.result("stage"), run.result("backup")
    with (
        postgres.connect(settings.url, name=f"publish {run.id}") as connection,
        postgres.named(PublishFailed, "cannot publish"),
    ):
        began = time.perf_counter()
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [settings.lock_timeout])
            postgres.scratch.create(connection, schema)
            differences = postgres.merge.publish(connection, postgres.scratch.NEXT, schema, tables)
            hashes = {}
            for table in tables:
                hashes[table.name] = postgres.scratch.table_hash(connection, schema, table)
                wanted = staging.table_hash(run.folder / "hashes" / f"{table.name}.parquet")
                if table.source and hashes[table.name] != wanted:
                    raise PublishFailed(f"table {table.name}: what would be live is not what was staged")
            counts = {name: difference.as_dict() for name, difference in differences.items()}
            postgres.history.record(
                connection,
                run_id=run.id,
                command="migrate",
                operator=settings.operator,
                started_at=staged.started_at if staged else now(),
                schema=schema,
                published_run=run.id,
                input_sha256=staged.data["sha256"] if staged else None,
                backup_id=backup.data["backup_id"] if backup else None,
                tables={name: {**counts[name], "hash": hashes[name]} for name in counts},
                version=VERSION,
            )
        seconds = time.perf_counter() - began
    sums = {key: sum(table[key] for table in counts.values()) for key in ("inserted", "updated", "deleted")}
    return StepResult(
        step="publish",
        summary=", ".join(f"{number} {key}" for key, number in sums.items()),
        data={"tables": counts, "seconds_in_transaction": round(seconds, 3), "published_at": now()},
    )
