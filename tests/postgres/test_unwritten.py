"""Writes into a table since a snapshot are known by the transactions that made its rows."""

from __future__ import annotations

import pytest
from psycopg.sql import SQL

from mock2pg import postgres
from mock2pg.postgres import unwritten

ROWS = {"t": 3}


def horizon(connection: postgres.Connection) -> str:
    row = connection.execute(f"SELECT {unwritten.HORIZON}").fetchone()  # type: ignore[arg-type]
    assert row
    return str(row[0])


@pytest.fixture
def table(connection: postgres.Connection) -> postgres.Connection:
    connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, v text)")
    connection.execute("INSERT INTO public.t SELECT n, 'a' FROM generate_series(1, 3) AS n")
    return connection


@pytest.mark.parametrize(
    "statements",
    [
        ("INSERT INTO public.t VALUES (4, 'a')",),
        ("UPDATE public.t SET v = v WHERE id = 2",),
        ("DELETE FROM public.t WHERE id = 2",),
        ("DELETE FROM public.t WHERE id = 2", "INSERT INTO public.t VALUES (2, 'a')"),
        ("BEGIN", "SAVEPOINT one", "UPDATE public.t SET v = 'b' WHERE id = 1", "RELEASE one", "COMMIT"),
        ("BEGIN", "TRUNCATE public.t", "INSERT INTO public.t SELECT n, 'a' FROM generate_series(1, 3) AS n", "COMMIT"),
        ("UPDATE public.t SET v = v WHERE id = 2", "VACUUM (FREEZE) public.t"),
    ],
)
def test_a_write_is_seen(table: postgres.Connection, statements: tuple[str, ...]) -> None:
    """Also one that leaves the same values, and one that was frozen since."""
    since = horizon(table)
    for statement in statements:
        table.execute(statement)  # type: ignore[arg-type]
    assert unwritten.unwritten(table, "public", ROWS, since) == set()


@pytest.mark.parametrize("values", ["regclass", "regrole[]", "public.of_names", "public.with_name"])
def test_rows_that_name_objects_prove_nothing(table: postgres.Connection, values: str) -> None:
    """Renaming a table or a role writes no row, and changes the text of those that name it."""
    table.execute("CREATE DOMAIN public.of_names AS regtype[]; CREATE TYPE public.with_name AS (n public.of_names)")
    table.execute(SQL("ALTER TABLE public.t ADD named {}").format(SQL(values)))  # type: ignore[arg-type]
    assert unwritten.unwritten(table, "public", ROWS, horizon(table)) == set()
    assert not unwritten.can_be_proven(table, "public", ["t"])


def test_a_horizon_that_rows_cannot_be_compared_with_proves_nothing(table: postgres.Connection) -> None:
    """It is one that the server has not reached, since it was restored, or one of two billion transactions ago."""
    assert unwritten.unwritten(table, "public", ROWS, str(int(horizon(table)) + 1000)) == set()
    assert unwritten.is_comparable((1 << 31) + 2, 3)
    assert not unwritten.is_comparable((1 << 31) + 3, 3)


def test_what_writes_no_rows_is_no_write(table: postgres.Connection) -> None:
    """Locks, a write that was rolled back, VACUUM, an index, and writes to other tables."""
    since = horizon(table)
    with table.transaction(force_rollback=True):
        table.execute("UPDATE public.t SET v = 'b'")
        assert unwritten.unwritten(table, "public", ROWS, since) == set()  # one of this transaction's own counts
    for statement in (
        "CREATE TABLE public.other AS SELECT 1 AS id",
        "SELECT FROM public.t FOR UPDATE",
        "CREATE INDEX ON public.t (v)",
        "VACUUM (FREEZE, ANALYZE) public.t",
    ):
        table.execute(statement)  # type: ignore[arg-type]
    assert unwritten.unwritten(table, "public", ROWS, since) == {"t"}


def test_a_transaction_that_had_begun_and_ended_later_is_seen(table: postgres.Connection, database: str) -> None:
    """Rows that it wrote before the snapshot were not seen then."""
    with postgres.connect(database, name="test") as other:
        other.execute("BEGIN")
        other.execute("UPDATE public.t SET v = 'b' WHERE id = 1")
        since = horizon(table)
        assert unwritten.unwritten(table, "public", ROWS, since) == {"t"}
        other.execute("COMMIT")
    assert unwritten.unwritten(table, "public", ROWS, since) == set()


def test_of_rows_that_are_elsewhere_nothing_is_known(table: postgres.Connection) -> None:
    """The rows of partitions and of foreign tables are not those of a heap; a table that is gone holds none."""
    table.execute("CREATE TABLE public.p (id int) PARTITION BY LIST (id)")
    table.execute("CREATE TABLE public.q PARTITION OF public.p DEFAULT")
    assert unwritten.unwritten(table, "public", {"p": 0, "gone": 0, "q": 0}, horizon(table)) == {"q"}
