"""backup: the complete state of the live schema, of one moment, in one file that proves that it is whole."""

from __future__ import annotations

from contextlib import closing

from mock2pg.runs import Run, StepResult, now
from mock2pg.tools import backups, postgres, server


def run(run: Run) -> StepResult:
    """Raises BackupFailed. Taken when nothing is there yet, too: that is a state one may want to go back to."""
    settings, schema = run.settings, run.settings.target_schema
    moment = now()
    with (
        postgres.dump.snapshot(settings.url) as (connection, name),
        backups.Writer(settings.backups_dir, moment, settings.backup_compression, settings.backup_recipient) as writer,
    ):
        published = postgres.history.newest(connection, schema)
        definitions = postgres.dump.definitions(settings.url, schema, name, server.binary("pg_dump"))
        sequences = postgres.dump.sequences(connection, schema)
        database = postgres.describe_database(connection)
        writer.begin(
            {
                "format": backups.FORMAT,
                "timestamp": moment,
                "database": database["name"],
                "schema": schema,
                "server_version": database["server_version"],
                "published_run": published.published_run if published else None,
                "definitions": definitions,
                "sequences": sequences,
            }
        )
        for table in postgres.catalogue.tables(connection, schema):
            # closed also when the disk is full: the transaction cannot end while a COPY is half read
            with closing(postgres.dump.rows(connection, schema, table)) as blocks:
                writer.table(table, blocks)
        backup = writer.finish()
    return StepResult(
        step="backup",
        summary=f"{backup.id}: {sum(backup.tables.values())} rows of {len(backup.tables)} tables",
        data={
            "backup_id": backup.id,
            "file": f"backups/{backup.file.name}",
            "bytes": backup.bytes,
            "sha256": backup.sha256,
            "tables": dict(backup.tables),
            "sequences": len(sequences),
            "definitions_bytes": sum(len(text.encode()) for text in (definitions or {}).values()),
        },
    )
