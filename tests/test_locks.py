"""Locks: nothing waits without an end for one of another session, which is named; writers wait for ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Thread
from typing import Any

import pytest

from mock2pg import MigrationService, history, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import Mock2pgError, PublishFailed
from mock2pg.init.conclusions import Conclusions
from mock2pg.init.target import from_target
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.steps.verify import verifying
from mock2pg.postgres.server import Server
from mock2pg.publishing import merge, writers
from mock2pg.runs import Run, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_postgres import held, new_database
from tests.fix_small import Document, small_document, small_project

PETS = small_document("Rex", "Tom")
NOTHING = "0 inserted, 0 updated, 0 deleted"


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Two owners and two pets were migrated; no lock is waited for longer than 100 ms."""
    project = small_project(tmp_path_factory.mktemp("small"))
    with new_database(server) as url:
        settings = settings_module.load(project=project, database_url=url, lock_timeout="100ms", publish_attempts=1)
        assert MigrationService(settings).migrate_all_data(PETS).success
        yield settings


def error_of(command: Callable[[MigrationService], object], settings: Settings) -> Mock2pgError:
    try:
        result = command(MigrationService(settings))
    except Mock2pgError as error:
        return error
    error = getattr(result, "error", None)
    assert isinstance(error, Mock2pgError)
    return error


COMMANDS: dict[str, tuple[str, Callable[[MigrationService], object]]] = {
    "verify": ("public.pets", lambda service: service.verify()),
    "plan": ("public.pets", lambda service: service.plan(PETS)),
    "migrate": ("public.pets", lambda service: service.migrate_all_data(PETS)),
    "backup": ("public.pets", lambda service: service.backup()),
    "rollback --show": ("public.pets", lambda service: service.rollback(newest(service), show=True)),
    "rollback": ("public.pets", lambda service: service.rollback(newest(service))),
    "init --from-target": ("public.pets", lambda service: completed(service)),
    "status": ("mock2pg.runs", lambda service: service.status()),
    "history": ("mock2pg.events", lambda service: service.history()),
    "backups prune": ("mock2pg.runs", lambda service: service.prune_backups(keep_last=1)),
}


def completed(service: MigrationService) -> Conclusions:
    with from_target.reading(service.settings) as completing:
        return completing(Conclusions((), (), ()))


def newest(service: MigrationService) -> str:
    return str(service.backups()[0]["id"])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_waits_for_a_lock_for_ever(command: str, migrated: Settings) -> None:
    """Each stops while the lock is held still, and says which table is locked, and by whom since when."""
    table, run = COMMANDS[command]
    with held(migrated.url, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE") as holder:
        error = error_of(run, migrated)
    assert f"a lock was not given in time; table {table} is locked by {holder} since 20" in error.message
    assert "pg_terminate_backend" in error.hint


def built(settings: Settings, document: Document) -> Run:
    """A run that publishes next, with a backup."""
    run = new_run(settings, document)
    for step in ("stage", "check", "load", "preflight", "backup"):
        steps.run_in_process(step, run)
    return run


def again(run: Run) -> Run:
    """Another run that has built the same, and looked at the target tables as they are now."""
    other = new_run(run.settings)
    shutil.copytree(run.folder, other.folder, dirs_exist_ok=True)
    steps.run_in_process("preflight", other)
    return other


def execute(settings: Settings, statement: str) -> list[tuple[object, ...]]:
    with postgres.connect(settings.url, name="an application") as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def test_no_writers_row_is_lost(migrated: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit of another session after the comparison is seen under the lock, and stops the run; what it writes
    later waits, and lands on the published rows. Readers and foreign-key checks of others do not wait."""
    execute(migrated, "CREATE TABLE public.visits (pet text REFERENCES public.pets)")
    run = built(migrated, small_document("Rex:3", "Tom", "New"))
    keep_out, apply, late = writers.keep_out, merge.Merge.apply, [""]

    def written_before(*arguments: Any) -> None:
        execute(migrated, late.pop())
        keep_out(*arguments)

    monkeypatch.setattr(writers, "keep_out", written_before)
    for statement, undo in (
        ("UPDATE public.pets SET legs = 7 WHERE id = 'Rex'", "UPDATE public.pets SET legs = 4 WHERE id = 'Rex'"),
        ("INSERT INTO public.pets (id, owner_id, name, legs) VALUES ('New', 'Ann', 'New', 7)",
         "DELETE FROM public.pets WHERE id = 'New'"),
    ):  # fmt: skip
        late.append(statement)
        with pytest.raises(PublishFailed, match=r"after the backup was taken.*pets"):
            steps.run_in_process("publish", run)
        assert execute(migrated, "SELECT count(*) FROM public.pets WHERE legs = 7") == [(1,)]
        execute(migrated, undo)
    monkeypatch.setattr(writers, "keep_out", keep_out)

    def written_meanwhile(self: merge.Merge, *given: Any) -> Any:
        writer.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.pets'::regclass"
        while execute(migrated, waiting) != [(1,)]:
            assert writer.is_alive()
        execute(migrated, "INSERT INTO public.visits VALUES ('Rex')")
        assert execute(migrated, "SELECT legs FROM public.pets WHERE id = 'Rex'") == [(4,)]
        return apply(self, *given)

    update = "SET lock_timeout = '60s'; UPDATE public.pets SET legs = legs * 10 WHERE id = 'Rex'"
    writer = Thread(target=execute, args=(migrated, update))
    monkeypatch.setattr(merge.Merge, "apply", written_meanwhile)
    counts = steps.run_in_process("publish", run).data["tables"]["pets"]
    writer.join()
    assert (counts["inserted"], counts["updated"], counts["deleted"]) == (1, 1, 0)
    assert execute(migrated, "SELECT legs FROM public.pets WHERE id = 'Rex'") == [(30,)]

    monkeypatch.setattr(merge.Merge, "apply", apply)
    execute(migrated, "UPDATE public.pets SET legs = 3 WHERE id = 'Rex'")
    with held(migrated.url, "UPDATE public.owners SET name = name; INSERT INTO public.visits VALUES (NULL)"):
        assert steps.run_in_process("publish", again(run)).summary == NOTHING  # it takes no lock
    with held(migrated.url, "UPDATE public.pets SET legs = 5 WHERE id = 'Tom'"):
        assert steps.run_in_process("publish", again(run)).summary == NOTHING
    execute(migrated, "DROP TABLE public.visits")


def test_a_reader_of_a_scratch_table_keeps_nobody_waiting(migrated: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration ends, and so does the next command, while the reader stays; what is left is reported and goes
    with the reader."""
    execute, service = steps.run_recorded, MigrationService(migrated)
    with ExitStack() as reader:

        def read(step: steps.Step, run: Run, **parameters: Any) -> StepResult:
            result = execute(step, run, **parameters)
            if step.name == "load":
                reader.enter_context(held(migrated.url, "SELECT FROM mock2pg_next.pets"))
                monkeypatch.setattr(steps, "run_recorded", execute)
            return result

        monkeypatch.setattr(steps, "run_recorded", read)
        result = service.migrate_all_data(small_document("Rex", "Tom", "Mia"))  # what is published is not built
        assert result.success, result.message
        (left,) = service.status().leftovers
        assert left.startswith("the schema mock2pg_left_")
        log = (result.report.parent / "migration.log").read_text(encoding="utf-8")
        assert "Not dropped, and left for the next run: schema mock2pg_next: a lock was not given in time;" in log
        assert "table mock2pg_next.pets is locked by server process" in log
        (warning,) = json.loads((result.report.parent / "record.json").read_text(encoding="utf-8"))["warnings"]
        assert warning.startswith("Not dropped, and left for the next run: schema mock2pg_next: a lock was not given")
        assert service.plan(PETS).success
        assert service.status().leftovers == (left,)
    assert service.take_backup().success
    assert service.status().leftovers == ()


def test_a_published_run_is_read_again_when_a_lock_is_in_between(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify does not fail, and nothing is undone, for a lock that goes; a verification alone stops at once."""
    with postgres.connect(migrated.url, name="test", read_only=True) as connection:
        newest = history.newest(connection, "public")
    assert newest is not None
    run = Run(str(newest.published_run), migrated.model_copy(update={"publish_attempts": 3}))
    with ExitStack() as holder:
        holder.enter_context(held(migrated.url, "LOCK TABLE public.pets IN ACCESS EXCLUSIVE MODE"))
        monkeypatch.setattr(verifying, "_tell", lambda attempt, error: holder.close())
        assert steps.run_in_process("verify", run).status == "passed"
