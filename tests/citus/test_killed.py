"""A server process that is ended while a run changes distributed tables: what the run says of them is what they hold.

Each moment is held: the run waits for something that the test has on a node, its process is ended there, and what it
waited for is given. Nothing waits for a time.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from mock2pg import MigrationResult, MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import PublishFailed, RollbackFailed
from mock2pg.pipeline.work import Work
from tests.citus import fix_shop
from tests.citus.test_matrix import migrated

pytestmark = pytest.mark.citus

ON_SHARDS = "-c citus.enable_manual_changes_to_shards=on -c citus.enable_ddl_propagation=off"
SHARD = """
    SELECT nodename, nodeport, shard_name FROM citus_shards
    WHERE shardid = get_shard_id_for_distribution_column('public.orders', 1)
"""
# A transaction that wrote the shard waits for the lock when it is prepared.
TRIGGER = """
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql
        AS $$BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE OR DELETE ON public.{shard}
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.hold()
"""
PREPARED = """
    SELECT sum(result::int)::int FROM run_command_on_workers(
        'SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()')
"""
STOPPED = re.compile(r"ttempt \d+ to .+ stopped by ([^;:\"\n]+)")
STEPS = {"migrate": "publish", "rollback": "rollback"}
WAITING = {("rollback", "compares"): "present"}  # which reads for it, where that is another session


@dataclass(frozen=True)
class Cluster:
    """A project on a cluster whose tables are distributed by the tenant.

    url     of the coordinator
    worker  of the node that has the orders of shop 1, whose sessions may write to shards
    shard   their shard
    """

    url: str
    worker: str
    shard: str
    project: Path

    def service(self, **more: Any) -> MigrationService:
        return MigrationService(
            settings_module.load(project=self.project, database_url=self.url, max_deleted="100%", **more)
        )


@pytest.fixture
def cluster(citus_url: str, tmp_path: Path) -> Iterator[Cluster]:
    """The first rows are there; a COMMIT on the coordinator can be held."""
    database = conninfo.conninfo_to_dict(citus_url)["dbname"]
    ask(citus_url, f'ALTER DATABASE "{database}" SET synchronous_commit TO on')
    project = fix_shop.shop_project(tmp_path, "tenant")
    migrated(Cluster(citus_url, "", "", project).service(), fix_shop.first())
    ((host, port, shard),) = ask(citus_url, SHARD)
    worker = conninfo.make_conninfo(citus_url, host=host, port=port, options=ON_SHARDS)
    try:
        yield Cluster(citus_url, worker, shard, project)
    finally:
        ask(worker, "DROP FUNCTION IF EXISTS public.hold() CASCADE")
        ask(citus_url, f'ALTER DATABASE "{database}" RESET synchronous_commit')


def ask(url: str, query: str, *values: object) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, values or None)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def until(seen: Callable[[], Any], what: str) -> Any:
    """Return what is seen at last."""
    deadline = time.monotonic() + 60
    while not (found := seen()):
        assert time.monotonic() < deadline, f"not seen: {what}"
        time.sleep(0.01)
    return found


@dataclass
class Strike:
    """Ends the process of a command, on the coordinator or on the worker, at a moment of its transaction."""

    cluster: Cluster
    command: str
    moment: str
    whose: str
    ended: int = 0
    error: BaseException | None = None

    def begin(self) -> threading.Thread:
        """Hold the moment, and strike as soon as it is there."""
        cluster, held = self.cluster, ExitStack()
        holder = held.enter_context(psycopg.connect(cluster.worker, application_name="holder"))
        if self.moment == "compares":
            holder.execute(f"LOCK TABLE public.{cluster.shard} IN ACCESS EXCLUSIVE MODE")  # type: ignore[call-overload]
        elif self.moment == "writes":
            holder.execute(f"SELECT FROM public.{cluster.shard} FOR UPDATE")  # type: ignore[call-overload]
        else:
            ask(cluster.worker, TRIGGER.format(shard=cluster.shard))
            holder.execute("SELECT pg_advisory_xact_lock(1)")
        striking = threading.Thread(target=self._run, args=(held,))
        striking.start()
        return striking

    def _run(self, held: ExitStack) -> None:
        try:
            with held:
                coordinator, workers = until(lambda: self._found("Lock"), "the process waits on the worker")
                if self.moment in ("prepares", "committed"):
                    until(lambda: ask(self.cluster.url, PREPARED)[0][0], "another node has prepared")
                if self.moment == "committed":
                    with commits_held(self.cluster.url):
                        held.close()
                        query = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"
                        until(lambda: ask(self.cluster.url, query, coordinator), "the coordinator has committed")
                        self._end([pid for (pid,) in self._processes(coordinator)])
                else:
                    self._end(workers)
        except BaseException as error:
            self.error = error

    def _found(self, waiting: str) -> tuple[int, list[int]] | None:
        """Return the process of the command on the coordinator, and those on the worker that wait for a lock."""
        for pid in self._sessions(WAITING.get((self.command, self.moment), STEPS[self.command])):
            if workers := [each for each, event in self._processes(pid, "wait_event_type") if event == waiting]:
                return pid, workers
        return None

    def _sessions(self, name: str) -> list[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ %s"
        return [pid for (pid,) in ask(self.cluster.url, query, f"^mock2pg {name} [^ ]+$")]

    def _processes(self, coordinator: int, *more: str) -> list[Any]:
        """Return the processes on the worker that the coordinator's has there."""
        gpid = "SELECT citus_calculate_gpid(nodeid, %s) FROM pg_dist_node WHERE groupid = 0"
        ((number,),) = ask(self.cluster.url, gpid, coordinator)
        query = f"SELECT {', '.join(['pid', *more])} FROM pg_stat_activity WHERE application_name ~ %s"
        return ask(self.cluster.worker, query, f" gpid={number}$")

    def _end(self, workers: list[int]) -> None:
        url, pids = self.cluster.worker, workers
        if self.whose == "coordinator":
            url, pids = self.cluster.url, self._sessions(STEPS[self.command])
        for pid in pids:
            self.ended += ask(url, "SELECT pg_terminate_backend(%s::int)", pid) == [(True,)]


@contextmanager
def commits_held(url: str) -> Iterator[None]:
    """Each COMMIT on the coordinator waits when it is committed there, for a standby that never answers.

    So do those of other databases of the cluster, unless their synchronous_commit is off.
    """
    held = "SELECT FROM pg_stat_activity WHERE application_name = 'probe' AND wait_event = 'SyncRep'"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names TO 'nobody'")
        try:
            connection.execute("SELECT pg_reload_conf()")
            with psycopg.connect(url, autocommit=True, application_name="probe") as probe:
                probing = threading.Thread(target=_commit_until_ended, args=(probe,))
                probing.start()
                until(lambda: connection.execute(held).fetchall(), "a COMMIT that is held")
                connection.execute("SELECT pg_terminate_backend(%s::int)", [probe.info.backend_pid])
                probing.join()
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")


def _commit_until_ended(probe: psycopg.Connection) -> None:
    while not probe.broken:
        try:
            probe.execute("SELECT pg_logical_emit_message(true, 'probe', '')")
        except psycopg.OperationalError:
            return


def changed() -> fix_shop.Document:
    """Rows of every shop, and one of a reference table, which all nodes have: each takes part in the transaction."""
    document = fix_shop.changed()
    document["countries"][0]["name"] = "Deutschland"
    return document


def held_rows(url: str) -> dict[str, list[Any]]:
    queries = {name: f"SELECT {', '.join(columns)} FROM public.{name} ORDER BY 1, 2" for name, columns in SEEN.items()}
    return {name: ask(url, query) for name, query in queries.items()}


def rows_of(document: fix_shop.Document) -> dict[str, list[Any]]:
    return {
        name: sorted(tuple(row[column] for column in columns) for row in document[name])
        for name, columns in SEEN.items()
    }


# columns that tell the first rows from the changed ones
SEEN = {
    "countries": ("id", "name"), "shops": ("id", "name"), "products": ("id", "sku"), "orders": ("id", "number"),
    "order_lines": ("order_id", "position"),
}  # fmt: skip


def struck(
    cluster: Cluster, strike: Strike, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> tuple[MigrationResult, list[str]]:
    """Run the command; return its result, and what stopped the attempts that were made again."""
    service, threads = cluster.service(**more), list[threading.Thread]()
    backup = ""
    if strike.command == "rollback":
        backup = migrated(service, changed()).summary["backup"]["backup_id"]
    real = Work.step

    def step(work: Work, step: Any, **parameters: Any) -> Any:
        if step.name == STEPS[strike.command] and not parameters.get("show"):
            threads.append(strike.begin())
        return real(work, step, **parameters)

    with monkeypatch.context() as patched:
        patched.setattr(Work, "step", step)
        result = service.rollback(backup) if backup else service.migrate_all_data(changed())
    (striking,) = threads
    striking.join()
    assert (strike.ended, strike.error) == (1, None)
    log = (cluster.project / "runs" / result.run_id / "migration.log").read_text(encoding="utf-8")
    return result, STOPPED.findall(log)


MOMENTS = ("compares", "writes", "prepares", "committed")
ALL = list(itertools.product(STEPS, MOMENTS, ("coordinator", "worker")))
NOT_REPEATED = ("rollback", "compares", "worker")  # it ends the backup of the present state


def recovered(cluster: Cluster) -> None:
    """Nothing is left prepared, verify agrees with the run, and the next migration works."""
    ask(cluster.url, "SELECT recover_prepared_transactions()")
    assert ask(cluster.url, PREPARED) == [(0,)]
    service = cluster.service()
    assert service.validate_migration()
    migrated(service, changed())
    assert held_rows(cluster.url) == rows_of(changed())


@pytest.mark.parametrize(("command", "moment", "whose"), [case for case in ALL if case != NOT_REPEATED])
def test_a_process_that_is_ended_does_not_end_the_run(
    command: str, moment: str, whose: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that was not committed is made again; one that was is not, and its nodes are awaited."""
    result, stopped = struck(cluster, Strike(cluster, command, moment, whose), monkeypatch)
    assert result.success, result.message
    assert held_rows(cluster.url) == rows_of(changed() if command == "migrate" else fix_shop.first())
    errors = {"compares": "admin shutdown", "writes": "admin shutdown", "prepares": "connection failure during COMMIT"}
    assert stopped[:1] == [errors[moment]] if moment in errors else stopped == []
    recovered(cluster)


@pytest.mark.parametrize(
    ("command", "moment", "whose"),
    [
        ("migrate", "compares", "worker"),
        ("migrate", "writes", "coordinator"),
        ("migrate", "prepares", "coordinator"),
        ("rollback", "writes", "worker"),
        ("rollback", "prepares", "coordinator"),
        ("rollback", "prepares", "worker"),
        NOT_REPEATED,
    ],
)
def test_a_run_that_may_not_try_again_changes_nothing(
    command: str, moment: str, whose: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, and all nodes have the rows from before it."""
    strike = Strike(cluster, command, moment, whose)
    result, stopped = struck(cluster, strike, monkeypatch, publish_attempts=1)
    assert (type(result.error), stopped) == (PublishFailed if command == "migrate" else RollbackFailed, [])
    assert held_rows(cluster.url) == rows_of(fix_shop.first() if command == "migrate" else changed())
    recovered(cluster)
