"""PostgreSQL through psycopg: connections, catalogue, scratch schemas, publishing, reading and restoring a schema."""

from psycopg.errors import LockNotAvailable

from mock2pg.tools.postgres import catalogue, dump, history, merge, restore, review, scratch
from mock2pg.tools.postgres.connection import (
    Connection,
    connect,
    database_url,
    describe_database,
    drop_database,
    ensure_database,
    environment,
    host,
    named,
    one_at_a_time,
)
from mock2pg.tools.postgres.transactions import transact

__all__ = [
    "Connection", "LockNotAvailable", "catalogue", "connect", "database_url", "describe_database", "drop_database",
    "dump", "ensure_database", "environment", "history", "host", "merge", "named", "one_at_a_time", "restore", "review",
    "scratch", "transact",
]  # fmt: skip
