"""PostgreSQL through psycopg: connections, catalogue, scratch schemas, publishing, reading and restoring a schema."""

from psycopg import Error, OperationalError
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, SerializationFailure

from mock2pg.tools.postgres import (
    added,
    alteration,
    catalogue,
    changes,
    dump,
    events,
    history,
    kept_keys,
    layout,
    losses,
    merge,
    moment,
    others_code,
    preflight,
    readiness,
    rehearsal,
    restore,
    review,
    roles,
    schemas,
    scratch,
    writers,
)
from mock2pg.tools.postgres.connection import (
    Connection,
    at_work,
    connect,
    database_name,
    database_url,
    describe_database,
    drop_database,
    ensure_database,
    environment,
    host,
    named,
    one_at_a_time,
    with_options,
)
from mock2pg.tools.postgres.describing import described
from mock2pg.tools.postgres.transactions import retried, transact

__all__ = [
    "Connection", "Error", "InsufficientPrivilege", "LockNotAvailable", "OperationalError", "SerializationFailure",
    "added", "alteration", "at_work", "catalogue", "changes", "connect", "database_name", "database_url",
    "describe_database", "described", "drop_database", "dump", "ensure_database", "environment", "events", "history",
    "host", "kept_keys", "layout", "losses", "merge", "moment", "named", "one_at_a_time", "others_code", "preflight",
    "readiness", "rehearsal", "restore", "retried", "review", "roles", "schemas", "scratch", "transact",
    "with_options", "writers",
]  # fmt: skip
