"""Locks: an error about one that was not given in time has a note for each session that may be waited for."""

from __future__ import annotations

import psycopg
import pytest

from mock2pg import postgres
from mock2pg.backups import dump
from mock2pg.errors import PublishFailed
from mock2pg.postgres.server import binary
from mock2pg.publishing import merge, writers
from tests.fix_merge import CHILD, CHILDREN, PARENT, PARENTS, Publish, Rows, build, select
from tests.fix_postgres import held

LOCKED = "CREATE TABLE t (n int PRIMARY KEY); CREATE TABLE u (n int); INSERT INTO t VALUES (1)"


@pytest.mark.parametrize(
    ("other", "statement", "tables"),
    [
        ("UPDATE public.t SET n = n; INSERT INTO public.u VALUES (1)", 'LOCK TABLE "public"."t" IN SHARE MODE', ["t"]),
        ("LOCK TABLE public.t, public.u", 'SELECT FROM "public"."t"', ["t"]),
        ("SELECT FROM public.t FOR UPDATE", 'UPDATE "public"."t" SET n = 2', ["t"]),
        ("SELECT FROM public.t", 'DROP TABLE "public"."t"', ["t"]),
        ("REINDEX INDEX public.t_pkey", 'DELETE FROM "public"."t"', ["t"]),
        ("LOCK TABLE public.t, public.u", "SELECT FROM t", ["t", "u"]),
    ],
)
def test_whoever_may_be_waited_for_is_named(
    other: str, statement: str, tables: list[str], connection: postgres.Connection, database: str
) -> None:
    """Holders of the tables that a statement names, of locks that conflict with it; else of any table."""
    connection.execute("SET search_path = public")
    connection.execute(LOCKED)
    connection.execute("SET lock_timeout = '50ms'")
    connection.autocommit = False
    with held(database, other) as holder, pytest.raises(psycopg.errors.LockNotAvailable) as raised:
        connection.execute(statement)  # type: ignore[call-overload]
    known = [note.rpartition(" since ")[0] for note in raised.value.__notes__]
    assert known == [f"table public.{table} is locked by {holder}" for table in tables]


def test_whoever_only_waits_is_in_the_way_too(connection: postgres.Connection, database: str) -> None:
    """A reader queues behind a statement that itself waits for another reader."""
    connection.execute("CREATE TABLE public.t (n int)")
    connection.execute("SET lock_timeout = '50ms'")
    with held(database, "SELECT FROM public.t"), postgres.connect(database, name="waiter") as waiter:
        waiter.pgconn.send_query(b"BEGIN; LOCK TABLE public.t")
        while connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is None:
            pass
        with pytest.raises(psycopg.errors.LockNotAvailable) as raised:
            connection.execute('SELECT FROM "public"."t"')
        (note,) = raised.value.__notes__
        assert note.startswith(f"table public.t is waited for by server process {waiter.info.backend_pid}")
        waiter.close()  # it waits still


@pytest.mark.parametrize(("condition", "state"), [("lock_not_available", "55P03"), ("admin_shutdown", "57P01")])
def test_a_function_that_raises_the_same_sqlstate_is_no_lock_timeout_and_no_lost_connection(
    condition: str, state: str, connection: postgres.Connection, database: str
) -> None:
    """It is named as what it is, and whoever has the table locked has nothing to do with it."""
    connection.execute(
        "CREATE TABLE public.t (n int); CREATE FUNCTION public.busy() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '{condition}'; END$$;"  # type: ignore[arg-type]
        " CREATE TRIGGER busy BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.busy()"
    )
    with (
        held(database, "SELECT FROM public.t"),
        pytest.raises(PublishFailed) as raised,
        postgres.named(PublishFailed, "cannot publish"),
    ):
        connection.execute('INSERT INTO "public"."t" VALUES (1)')
    assert raised.value.message == f'cannot publish: the function "busy" raised an exception (SQLSTATE {state})'
    assert raised.value.hint == PublishFailed.hint


def test_a_dump_that_was_not_given_a_lock_names_the_holder(connection: postgres.Connection, database: str) -> None:
    """pg_dump itself says no more than that it waited."""
    connection.execute("CREATE TABLE public.t (n int)")
    with held(database, "LOCK TABLE public.t") as holder, pytest.raises(psycopg.errors.LockNotAvailable) as raised:
        dump.definitions(connection, database, "public", binary("pg_dump"), lock_timeout="50ms")
    assert raised.value.__notes__[0].startswith(f"table public.t is locked by {holder}")


def test_a_copy_that_was_not_given_a_lock_names_the_holder(connection: postgres.Connection, database: str) -> None:
    """Rows are read and written by COPY as well as by other statements."""
    connection.execute("CREATE TABLE public.t (n int)")
    connection.execute("SET lock_timeout = '50ms'")
    with held(database, "LOCK TABLE public.t") as holder:
        for query in ("COPY public.t TO STDOUT", "COPY public.t FROM STDIN"):
            with pytest.raises(psycopg.errors.LockNotAvailable) as raised, connection.cursor().copy(query):
                pass
            assert raised.value.__notes__[0].startswith(f"table public.t is locked by {holder}")


@pytest.mark.parametrize(
    ("parents", "children", "locked"),
    [
        ([("1", "a"), ("2", "b")], CHILDREN, []),
        ([("1", "a"), ("2", "other")], CHILDREN, ["public.parent"]),
        ([("1", "a"), ("2", "b"), ("3", "c")], CHILDREN, ["public.parent"]),
        ([("1", "a")], CHILDREN[:1], ["app.notes", "app.pages", "public.child", "public.parent"]),
    ],
)
def test_writers_are_kept_out_of_what_is_written(
    parents: Rows, children: Rows, locked: list[str], connection: postgres.Connection, publish: Publish
) -> None:
    """Tables that gain, lose or change rows, and those that a key's CASCADE or SET NULL reaches; no other."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    connection.execute(
        "CREATE SCHEMA app;"
        " CREATE TABLE app.notes (id int PRIMARY KEY, of text REFERENCES public.parent ON DELETE CASCADE);"
        " CREATE TABLE app.pages (of int REFERENCES app.notes ON DELETE SET NULL);"
        " CREATE TABLE app.others (of text REFERENCES public.parent, note int REFERENCES app.notes)"
    )
    tables = build(connection, [(PARENT, parents), (CHILD, children)])
    with connection.transaction():
        merged = writers.compared(connection, lambda: merge.Merge(connection, postgres.scratch.NEXT, "public", tables))
        found = select(
            connection,
            "SELECT relation::regclass::text FROM pg_locks"
            " WHERE pid = pg_backend_pid() AND mode = 'ShareRowExclusiveLock' ORDER BY 1",
        )
        assert [name for (name,) in found] == locked
        affected = writers.written_by(connection, merged)
        assert not writers.set_off(connection, "public", affected)
        connection.execute(
            "CREATE TRIGGER noted AFTER DELETE ON app.notes EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
        assert writers.set_off(connection, "public", affected) == ("app.notes" in locked)


def test_writers_are_kept_out_of_a_partition_whose_table_is_elsewhere(connection: postgres.Connection) -> None:
    """It is a table of the schema; partitions of the schema's own tables are locked with these."""
    connection.execute(
        "CREATE SCHEMA app; CREATE TABLE app.all_of_them (n int) PARTITION BY RANGE (n);"
        " CREATE TABLE public.part PARTITION OF app.all_of_them FOR VALUES FROM (0) TO (9);"
        " CREATE TABLE public.own (n int) PARTITION BY RANGE (n);"
        " CREATE TABLE app.part_of_own PARTITION OF public.own FOR VALUES FROM (0) TO (9)"
    )
    with connection.transaction():
        writers.keep_out_of_schema(connection, "public")
        found = select(
            connection,
            "SELECT relation::regclass::text FROM pg_locks"
            " WHERE pid = pg_backend_pid() AND mode = 'ShareRowExclusiveLock' ORDER BY 1",
        )
    assert [name for (name,) in found] == ["app.part_of_own", "public.own", "public.part"]
