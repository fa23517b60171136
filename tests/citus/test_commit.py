"""A commit over several nodes is applied by each; while one has not applied it, nothing is done and nothing undone."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from psycopg import conninfo

from mock2pg import MigrationResult, history, postgres
from mock2pg.errors import DatabaseError, NotAppliedYet, VerifyFailed
from mock2pg.pipeline import nodes
from mock2pg.pipeline.record import Record
from mock2pg.postgres import prepared_transactions
from mock2pg.report.terminal import status_lines
from mock2pg.runs import Run, new_run
from mock2pg.step_results import Connected, Database, StepResult
from tests.citus import double
from tests.fix_stage import Stage, change

NODE, SILENT = "worker-2:5432", "does not answer whether it has applied it"


@pytest.fixture
def coordinator(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The stage on a coordinator, whose nodes are not waited for."""
    double.install(stage.settings.url)
    monkeypatch.setattr(nodes, "PATIENCE", 0.0)
    monkeypatch.setattr(nodes, "_PAUSE", 0.0)
    return stage


def execute(stage: Stage, statement: str) -> None:
    with postgres.connect(stage.settings.url, name="test") as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def lose(stage: Stage) -> None:
    """Let the node be lost between PREPARE TRANSACTION and COMMIT PREPARED, from now on."""
    execute(stage, "INSERT INTO pg_catalog.double_lost VALUES (2, false)")


def judged(stage: Stage, result: MigrationResult) -> tuple[Any, ...]:
    record = stage.record(result)
    return type(result.error), result.error and result.error.code, record["status"], stage.event(result)


NOT_APPLIED = NotAppliedYet, 22, "not_applied", ("not_applied", "NotAppliedYet")
REFUSED = NotAppliedYet, 22, "failed", ("failed", "NotAppliedYet")


def test_a_node_that_is_lost_during_commit_undoes_nothing(coordinator: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with an error of its own, each later command with the same, until the node has applied it."""
    lose(coordinator)
    migrated = coordinator.run("migrate")
    assert judged(coordinator, migrated) == NOT_APPLIED
    assert coordinator.rows() == ["new"]  # it was not rolled back
    assert migrated.error
    assert migrated.error.message == f"run {migrated.run_id} is committed; {NODE} {SILENT}"
    assert migrated.target_state == migrated.error.state
    assert "hold what this run published, except on a node that has not applied it" in migrated.target_state
    assert "Make the node answer" in migrated.error.hint

    status = coordinator.service.status()
    assert (status.unapplied, status.published_run) == ((f"{NODE} {SILENT}",), migrated.run_id)
    assert f"committed    {NODE} does not answer" in status_lines(status)
    for command in ("verify", "backup", "rollback", "migrate"):
        result = coordinator.run(command)
        assert judged(coordinator, result) == REFUSED, command
        assert result.error
        assert result.error.message == migrated.error.message
    assert coordinator.rows() == ["new"]

    execute(coordinator, "UPDATE pg_catalog.double_lost SET answers = true")
    assert coordinator.service.status().unapplied == (f"{NODE} has not applied it yet",)  # it answers
    monkeypatch.setattr(nodes, "PATIENCE", 60.0)
    assert coordinator.run("verify").success  # waits until Citus has committed it there
    assert coordinator.service.status().unapplied == ()


def test_a_rollback_that_a_node_has_not_applied_is_no_success(coordinator: Stage) -> None:
    """The target tables are as in the backup, except on that node."""
    assert coordinator.run("migrate").success
    lose(coordinator)
    result = coordinator.run("rollback")
    assert judged(coordinator, result) == NOT_APPLIED
    assert "as in the backup, except on a node" in result.target_state
    assert coordinator.rows() == ["old"]


def test_an_automatic_rollback_that_a_node_has_not_applied_is_reported_as_that(
    coordinator: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is that of the error that led to it."""

    def verify(run: Run) -> None:
        lose(coordinator)
        raise VerifyFailed("1 row differs")

    monkeypatch.setattr(import_module("mock2pg.pipeline.steps.verify"), "run", verify)
    result = coordinator.run("migrate")
    assert judged(coordinator, result) == (VerifyFailed, 10, "not_applied", ("not_applied", "VerifyFailed"))
    assert "as they were before this run, except on a node" in result.target_state
    assert coordinator.record(result)["undo_error"]["name"] == "NotAppliedYet"
    assert result.error
    assert result.error.hint == NotAppliedYet.hint
    assert coordinator.rows() == ["old"]


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def unreached(*_: object) -> None:
    raise DatabaseError("cannot connect")


@pytest.mark.parametrize(
    ("where", "name", "raising", "error"),
    [(nodes.time, "sleep", interrupted, "NotAppliedYet"), (nodes, "require_applied", unreached, "DatabaseError")],
    ids=["Ctrl-C while it waits", "the coordinator does not answer"],
)
def test_what_ends_the_waiting_undoes_nothing(
    where: Any, name: str, raising: Callable[..., None], error: str, coordinator: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback would be on top of what a node does not have yet."""
    lose(coordinator)
    monkeypatch.setattr(nodes, "PATIENCE", 60.0)

    def publish(run: Run, plan: str = "") -> None:
        change(run, "migrate", "UPDATE public.pets SET id = 'new'")
        monkeypatch.setattr(where, name, raising)
        raise OSError(28, "No space left on device")  # to save the result: the history says that it is committed

    monkeypatch.setattr(import_module("mock2pg.pipeline.steps.publish"), "run", publish)
    result = coordinator.run("migrate")
    assert coordinator.record(result)["status"] == "not_applied"
    assert coordinator.event(result) == ("not_applied", error)
    assert coordinator.rows() == ["new"]


def test_a_run_that_was_killed_after_its_commit_is_followed_up(
    coordinator: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next command is refused while a node has not applied it, and closes the killed run when it has."""
    settings = coordinator.settings
    killed = new_run(settings)
    with postgres.connect(settings.url, name="test") as connection:
        database = Database(schema="public", citus=True, **postgres.describe_database(connection))
    killed.save(StepResult("connect", found=Connected(database=database)))
    record = Record("migrate", None, database=database)
    record.write(killed)
    killed.write("record.json", {**killed.read("record.json"), "pid": 2**22 + 1})
    lose(coordinator)
    change(killed, "migrate", "UPDATE public.pets SET id = 'new'")

    assert judged(coordinator, coordinator.run("backup")) == REFUSED
    assert killed.read("record.json")["status"] == "running"
    execute(coordinator, "UPDATE pg_catalog.double_lost SET answers = true")
    monkeypatch.setattr(nodes, "PATIENCE", 60.0)
    assert coordinator.run("backup").success
    assert (killed.read("record.json")["status"], killed.read("steps/publish.json")["status"]) == ("failed", "passed")
    assert coordinator.rows() == ["new"]


def test_without_citus_nothing_is_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL alone commits at once: its history names no transaction, and no session is opened to ask."""
    monkeypatch.setattr(nodes, "_wait", unreached)
    assert [stage.run(command).success for command in ("migrate", "verify", "rollback")] == [True] * 3
    with postgres.connect(stage.settings.url, name="test") as connection:
        row = history.newest(connection, "public")
    assert row
    assert row.transaction == ""
    assert stage.service.status().unapplied == ()


@pytest.mark.citus
def test_a_node_of_a_cluster_that_has_a_part_prepared_is_named(citus_url: str) -> None:
    """Citus's own catalogue and functions answer as the double's do; recovery applies the part."""
    with postgres.connect(citus_url, name="test") as connection:
        connection.execute("CREATE TABLE public.t (id int PRIMARY KEY)")
        connection.execute("SELECT create_distributed_table('public.t', 'id')")
        with connection.transaction():
            assert prepared_transactions.names(connection) == ""  # nothing was sent to a node yet
            connection.execute("INSERT INTO public.t SELECT generate_series(1, 100)")
            committed = prepared_transactions.names(connection)
        parts = connection.execute("SELECT gid FROM pg_dist_transaction WHERE starts_with(gid, %s)", [committed])
        assert len(parts.fetchall()) >= 2
        assert prepared_transactions.unapplied(connection, committed) == ()

        placement = (
            "SELECT groupid, nodename, nodeport, shard_name FROM citus_shards JOIN pg_dist_node USING (nodename,"
        )
        placement += " nodeport) WHERE table_name = 'public.t'::regclass ORDER BY shardid LIMIT 1"
        (group, host, port, shard) = connection.execute(placement).fetchone() or ("",) * 4  # type: ignore[arg-type]
        with connection.transaction():  # as a node is left that is lost after PREPARE TRANSACTION
            connection.execute("INSERT INTO pg_dist_transaction VALUES (%s, 'citus_0_1_1_0', '0')", [group])
        node = conninfo.make_conninfo(citus_url, host=host, port=port)
        with postgres.connect(node, name="test") as worker:
            worker.execute(
                "SET citus.enable_manual_changes_to_shards = on; BEGIN;"
                f" DELETE FROM public.{shard};"
                " PREPARE TRANSACTION 'citus_0_1_1_0'"
            )
        assert prepared_transactions.unapplied(connection, "citus_0_1_1_") == (f"{host}:{port} has not applied it yet",)
        assert prepared_transactions.unapplied(connection, "citus_0_1_11_") == ()
        prepared_transactions.recover(connection)
        assert prepared_transactions.unapplied(connection, "citus_0_1_1_") == ()
        row = connection.execute("SELECT count(*) FROM public.t").fetchone()
        assert row
        assert 0 < row[0] < 100
