"""PostgreSQL through psycopg: connections, catalogue, scratch schemas, SQL helpers, and the embedded server."""

from psycopg import Error, OperationalError
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, SerializationFailure

from mock2pg.postgres import catalogue, distribution, row_hashes, schemas, scratch
from mock2pg.postgres.advisory_lock import advisory_lock, lock_holder
from mock2pg.postgres.connection import Connection, connect, environment, named, one_row, with_options
from mock2pg.postgres.databases import (
    database_name,
    database_url,
    describe_database,
    drop_database,
    ensure_database,
    host,
    wal_position,
)
from mock2pg.postgres.describing import described
from mock2pg.postgres.transactions import PATIENCE, export_snapshot, in_snapshot, repeatable_read, retried, transact

__all__ = [
    "PATIENCE",
    "Connection",
    "Error",
    "InsufficientPrivilege",
    "LockNotAvailable",
    "OperationalError",
    "SerializationFailure",
    "advisory_lock",
    "catalogue",
    "connect",
    "database_name",
    "database_url",
    "describe_database",
    "described",
    "distribution",
    "drop_database",
    "ensure_database",
    "environment",
    "export_snapshot",
    "host",
    "in_snapshot",
    "lock_holder",
    "named",
    "one_row",
    "repeatable_read",
    "retried",
    "row_hashes",
    "schemas",
    "scratch",
    "transact",
    "wal_position",
    "with_options",
]  # fmt: skip
