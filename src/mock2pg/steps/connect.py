"""connect: the first look at the target, before anything else is done: it can be reached, and it can be worked with."""

from __future__ import annotations

from mock2pg.errors import DatabaseError
from mock2pg.runs import Run, StepResult
from mock2pg.tools import postgres


def run(run: Run, command: str) -> StepResult:
    """Raises DatabaseError when the target cannot be reached, UsageError when mock2pg cannot work with it,
    SchemaRefused when somebody else may have put code of theirs where mock2pg keeps or builds something.
    """
    settings = run.settings
    with postgres.connect(
        settings.url, name=f"run {run.id}", read_only=True, lock_timeout=settings.lock_timeout
    ) as connection:
        database = postgres.describe_database(connection)
        host = postgres.host(connection)
        with postgres.named(DatabaseError, "cannot look at the schemas of mock2pg"):
            if command != "verify":
                emptied = [*postgres.scratch.SCHEMAS, postgres.rehearsal.SCHEMA]
                postgres.schemas.refuse_foreign(connection, [], emptied)
            postgres.layout.version(connection, reading=command == "verify")
        with postgres.named(DatabaseError, "cannot read mock2pg.settings"):
            protected = command == "migrate" and postgres.history.is_protected(connection)
    where = f"on {host}" if host else "on this machine"
    return StepResult(
        step="connect",
        summary=f"{database['name']}, schema {settings.target_schema}, PostgreSQL {database['server_version']} {where}",
        data={
            "database": {**database, "schema": settings.target_schema, "host": host, "protected": protected},
            "notes": [],
        },
    )
