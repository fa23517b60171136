"""rollback: brings definitions, rows and sequences back to what a backup says, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mock2pg.errors import BackupFailed, BackupRefused, RollbackFailed
from mock2pg.runs import VERSION, Run, StepResult, now
from mock2pg.tools import backups, postgres, server


def run(run: Run, backup_id: str) -> StepResult:
    """Raises BackupRefused before anything is touched, RollbackFailed when the transaction had to be rolled back."""
    settings, schema = run.settings, run.settings.target_schema
    backup = backups.opened(settings.backups_dir, backup_id)
    if backup.header["schema"] != schema:
        raise BackupRefused(
            f"{backup_id} is of schema {backup.header['schema']}, the live schema is {schema}",
            hint="Set MIGRATION_SCHEMA to the schema of the backup.",
        )
    state = postgres.restore.State.of(backup.header, backup.tables, lambda table: backups.rows(backup, table))
    published_run = backup.header["published_run"]
    with (
        postgres.connect(settings.url, name=f"rollback {run.id}") as connection,
        postgres.named(RollbackFailed, "cannot roll back"),
    ):
        if postgres.describe_database(connection)["name"] != backup.header["database"]:
            raise BackupRefused(f"{backup_id} is of another database: {backup.header['database']}")
        try:
            current = postgres.dump.definitions(connection, settings.url, schema, server.binary("pg_dump"))
        except BackupFailed as error:
            raise RollbackFailed(f"the present definitions cannot be read: {error.message}") from error
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [settings.lock_timeout])
            staged = postgres.restore.Staged(connection, state)
            restored = postgres.restore.restore(connection, schema, staged, current)
            tables = {name: difference.as_dict() for name, difference in restored.tables.items()}
            postgres.history.record(
                connection,
                run_id=run.id,
                command="rollback",
                operator=settings.operator,
                started_at=now(),
                schema=schema,
                published_run=published_run,
                input_sha256=None,
                backup_id=backup_id,
                tables=tables,
                owned=_owned(connection, schema, restored.way, published_run),
                version=VERSION,
            )
    gone = f", {len(restored.dropped)} tables dropped" if restored.dropped else ""
    return StepResult(
        step="rollback",
        summary=f"{sum(backup.tables.values())} rows of {len(backup.tables)} tables as in {backup_id}{gone}",
        data={
            "backup_id": backup_id,
            "way": restored.way,
            "tables": tables,
            "dropped": list(restored.dropped),
            "published_run": published_run,
        },
    )


def _owned(connection: postgres.Connection, schema: str, way: str, published_run: str | None) -> Mapping[str, Any]:
    """The tables of our own afterwards: as they were, or made anew as the run had them whose rows are back."""
    if way == "merge":
        return postgres.history.owned(connection, schema)
    return postgres.alteration.owned_again(connection, schema, postgres.history.owned_by(connection, published_run))
