"""A lock on a node that was not given in time is named with the session that a client opened, wherever that is."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import conninfo

from mock2pg import postgres
from mock2pg.postgres import distribution, locks
from tests.fix_postgres import held

# A table, one of its shards (the double's nodes are all this database), and a session that worker-1 opened on another
# node for a client of its own.
SHARD = "CREATE TABLE public.t (n int); CREATE TABLE public.t_102008 (n int)"
ON_SHARD = "SET application_name = 'citus_internal gpid=20000000777'; LOCK TABLE public.t_102008 IN EXCLUSIVE MODE"
HOLDER = "table public.t is locked by server process 777 of worker-1:5432, user postgres, "
ESSENTIAL = "failure on connection marked as essential: worker-1:5432"


def test_the_holder_of_a_lock_on_a_shard_is_named(doubled: str) -> None:
    """The table, the process of the client's session and its node; the waiting session's own are left out."""
    with postgres.connect(doubled, name="test") as connection:
        connection.execute(SHARD)
        with held(doubled, ON_SHARD):
            (note,) = locks.blockers(connection, 1, 'UPDATE "public"."t" SET n = 1')
            assert note.startswith(HOLDER)
            connection.execute("UPDATE pg_catalog.pg_dist_node SET groupid = 0 WHERE nodeid = 2")
            found = locks.blockers(connection, 777, 'UPDATE "public"."t" SET n = 1')
            assert not any(note.startswith("table public.t ") for note in found)


def test_a_lock_timeout_that_citus_makes_another_error_of_is_one(doubled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one where somebody holds such a lock; else a node was lost, and the error stays what it is."""
    monkeypatch.setattr("mock2pg.postgres.describing.is_raised", lambda _: False)  # here a function has to raise it
    fails = f"DO $$BEGIN RAISE '{ESSENTIAL}' USING ERRCODE = 'XX000'; END$$; -- \"public\".\"t\""
    with postgres.connect(doubled, name="test") as connection:
        connection.execute(SHARD)
        with pytest.raises(psycopg.errors.InternalError_):
            connection.execute(fails)  # type: ignore[call-overload]
        with held(doubled, ON_SHARD), pytest.raises(psycopg.errors.LockNotAvailable) as raised:
            connection.execute(fails)  # type: ignore[call-overload]
    assert raised.value.__notes__[0].startswith(HOLDER)


@pytest.mark.citus
@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE "public"."t" SET v = 2',
        'INSERT INTO "public"."t" SELECT id, 1 FROM "public"."t"',
        'LOCK TABLE "public"."t" IN SHARE MODE',
        'TRUNCATE "public"."t"',
        'ALTER TABLE "public"."t" ADD COLUMN w int',
    ],
)
def test_a_client_of_a_worker_is_named(statement: str, citus_url: str) -> None:
    """Whatever statement waits for its lock, and however Citus reports that, it ends in time as a lock timeout."""
    with postgres.connect(citus_url, name="test") as connection:
        connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, v int)")
        connection.execute("SELECT create_distributed_table('public.t', 'id')")
        connection.execute("INSERT INTO public.t SELECT n, 0 FROM generate_series(1, 100) AS n")
        row = connection.execute("SELECT nodename, nodeport FROM pg_dist_node WHERE groupid > 0").fetchone()
        host, port = row or ("", 0)
    worker = conninfo.make_conninfo(citus_url, host=host, port=port)
    with psycopg.connect(worker, application_name="an app") as holder:
        holder.execute("UPDATE public.t SET v = 1")
        with postgres.connect(citus_url, name="test") as connection:
            connection.autocommit = False
            distribution.begin(connection, "200ms")
            with pytest.raises(psycopg.errors.LockNotAvailable) as raised:
                connection.execute(statement)  # type: ignore[call-overload]
        (note,) = raised.value.__notes__
        process = f"server process {holder.info.backend_pid} of {host}:{port}, user postgres, application an app"
        assert note.startswith(f"table public.t is locked by {process}")
        holder.rollback()
