"""Databases for tests of distributed tables: one of a real cluster, and one where Citus's functions are doubles."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from psycopg import sql

from mock2pg import postgres
from mock2pg.postgres import drop_objects
from tests.citus import double

CLUSTER = "MOCK2PG_TEST_CITUS_URL"


@pytest.fixture
def citus_url() -> str:
    """A database of the coordinator of a real cluster, which is emptied first.

    Skipped where MOCK2PG_TEST_CITUS_URL names none.
    """
    url = os.environ.get(CLUSTER, "")
    if not url:
        pytest.skip(f"{CLUSTER} names no cluster")
    with postgres.connect(url, name="test") as connection:
        for (statement,) in connection.execute(
            "SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace"
            " WHERE nspname !~ '^(pg_|citus|columnar)' AND nspname NOT IN ('information_schema', 'public')"
        ).fetchall():
            connection.execute(sql.SQL(statement))
        drop_objects.drop_objects(connection, "public")  # not the extension, whose schema it is
    return url


@pytest.fixture
def doubled(database: str) -> Iterator[str]:
    """A database of the embedded server that looks like a coordinator's: its tables stay local, calls are recorded."""
    double.install(database)
    return database
