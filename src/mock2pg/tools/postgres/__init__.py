"""PostgreSQL through psycopg: connections, catalogue, scratch schemas, publishing, reading and restoring a schema."""

from mock2pg.tools.postgres import catalogue, dump, history, merge, restore, scratch
from mock2pg.tools.postgres.connection import (
    Connection,
    as_url,
    connect,
    database_url,
    describe_database,
    drop_database,
    ensure_database,
    named,
    one_at_a_time,
    parameters,
)

__all__ = [
    "Connection", "as_url", "catalogue", "connect", "database_url", "describe_database", "drop_database", "dump",
    "ensure_database", "history", "merge", "named", "one_at_a_time", "parameters", "restore", "scratch",
]  # fmt: skip
