"""Whatever is killed, and whenever: the target is wholly old or wholly new, and the next command cleans up."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService, history, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import BuiltRowsLost
from mock2pg.pipeline import leftovers, target
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.record import Record
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, all_runs, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_crash import STRIKES, in_child, migrate, perform, stop_server
from tests.fix_small import Document, small_document, small_project

OLD = small_document(*(f"old {n}" for n in range(300)), "stays")
NEW = small_document(*(f"new {n}:3" for n in range(300)), "stays:5")
DATABASE, BASE, BUILT, MOMENT = "crash", "crash_base", "crash_built", "crash_moment"
# Where a strike finds something else than at the boundary before; all boundaries with `make test-crash`. The rollbacks
# and publications that are struck at random moments begin with a run that was killed after its backup.
BOUNDARIES = {"the process": ("load", "publish", "verify"), "the server": ("load", "publish")}


def rows_of(document: Document) -> tuple[tuple[tuple[Any, ...], ...], ...]:
    """The rows of the tables, as the document has them."""
    owners = (tuple(row[name] for name in ("id", "name")) for row in document["owners"])
    pets = (tuple(row[name] for name in ("id", "ownerId", "name", "legs")) for row in document["pets"])
    return tuple(sorted(owners)), tuple(sorted(pets))


@dataclass(frozen=True)
class Stage:
    """A server of its own, for it is stopped; a project; and the target rows before and after."""

    server: Server
    settings: Settings
    old: Any
    new: Any
    built: list[tuple[Run, dict[str, Any]]]

    def target(self) -> Any:
        """Return the target rows, and the run that the history says they come from."""
        with postgres.connect(self.settings.url, name="test", read_only=True) as connection:
            rows = tuple(
                tuple(connection.execute(f"SELECT * FROM public.{name}").fetchall())  # type: ignore[arg-type]
                for name in ("owners", "pets")
                if name in postgres.catalogue.tables(connection, "public")
            )
            newest = history.newest(connection, "public")
        return tuple(
            tuple(sorted(row[:-1] for row in table)) for table in rows
        ), newest.published_run if newest else None

    def keep(self) -> None:
        """Keep the database as it is now as the one that every trial begins with."""
        self.copy(BASE, DATABASE)

    def begin(self, base: str = BASE) -> None:
        self.server.start()
        self.copy(DATABASE, base)

    def run_to_publish(self) -> tuple[Run, dict[str, Any]]:
        """A run that was killed before it published, made once, and its record; the database is as it left it."""
        if not self.built:
            self.begin()
            known = {run.id for run in all_runs(self.settings)}
            in_child(migrate, self.settings, NEW, "backup", "the process", self.server.home)
            (run,) = (run for run in all_runs(self.settings) if run.id not in known)
            self.built.append((run, run.read("record.json")))
            with postgres.connect(self.settings.url, name="test") as connection:
                for name in ("owners", "pets"):  # unlogged, the first crash would empty them in every copy
                    connection.execute(f"ALTER TABLE mock2pg_next.{name} SET LOGGED")  # type: ignore[arg-type]
            self.copy(BUILT, DATABASE)
        self.begin(BUILT)
        return self.built[0]

    def tidy(self) -> None:
        """Clean up as every command does first that takes the lock."""
        leftovers.remove(self.settings)
        run, record = new_run(self.settings), Record("backup", None)
        with target.exclusive(target.with_url(run, record), record):
            pass

    def copy(self, to: str, name: str) -> None:
        with postgres.connect(self.server.url(), name="test") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {to} WITH (FORCE)")  # type: ignore[arg-type]
            connection.execute(f"CREATE DATABASE {to} TEMPLATE {name}")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stage(_no_settings_from_outside: None) -> Iterator[Stage]:
    """The target tables hold the old rows, published by a migration."""
    memory = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="mock2pg-crash-", dir=memory if memory.is_dir() else None))
    home.chmod(0o755)
    server = Server(home, keep=False, options={"fsync": "off"})
    try:
        server.start()
        postgres.ensure_database(server.url(), DATABASE)
        (home / "project").mkdir()
        settings = settings_module.load(
            project=small_project(home / "project"),
            database_url=server.url(DATABASE),
            operator="a tester",
            publish_attempts=1,
            max_deleted="100%",
        )
        result = MigrationService(settings).migrate_all_data(OLD)
        assert result.success, result.message
        made = Stage(server, settings, (rows_of(OLD), result.run_id), rows_of(NEW), [])
        assert made.target() == made.old
        made.keep()
        yield made
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def left_over(stage: Stage) -> tuple[str, ...]:
    return MigrationService(stage.settings).status().leftovers


@pytest.mark.parametrize("strike", STRIKES)
def test_at_boundaries_between_steps(strike: str, stage: Stage, request: pytest.FixtureRequest) -> None:
    """The target is old until publishing has ended, then new; `status` says so, and the next command cleans up."""
    few = request.config.getoption("--moments") <= 5
    for number, step in enumerate(steps.MIGRATE):
        if few and step.name not in BOUNDARIES[strike]:
            continue
        stage.begin()
        known = {run.id for run in all_runs(stage.settings)}
        in_child(migrate, stage.settings, NEW, step.name, strike, stage.server.home)
        stage.server.start()
        (run,) = (run for run in all_runs(stage.settings) if run.id not in known)
        rows, published = stage.target()
        committed = number >= [each.name for each in steps.MIGRATE].index("publish")
        assert (rows, published) == ((stage.new, run.id) if committed else stage.old), step
        status = MigrationService(stage.settings).status()
        assert status.published_run == published
        if strike == "the process":
            assert status.leftovers[0].startswith(f"run {run.id} was killed and left staging.duckdb")
            assert ("was interrupted" in str(status.unverified)) == (step.name == "publish")
        stage.tidy()
        assert left_over(stage) == ()
        record = run.read("record.json")
        assert record["status"] != "running"
        assert not (run.folder / "staging.duckdb").exists()
        assert (run.folder / "index.html").is_file()
        if committed and strike == "the process":
            proven = step.name == "verify"
            assert record["status"] == ("succeeded" if proven else "failed")
            holds = "hold exactly the input" if proven else "hold what this run published"
            assert holds in (run.folder / "index.html").read_text()
    if strike == "the server":
        assert MigrationService(stage.settings).migrate_all_data(NEW).success  # and everything works as ever


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("step", ["publish", "rollback"])
def test_at_random_moments(step: str, strike: str, stage: Stage, request: pytest.FixtureRequest) -> None:
    """Moments spread between the beginning of the step and a little after its end."""
    run, record = stage.run_to_publish()
    parameters, states = {}, {stage.old, (stage.new, run.id)}
    if step == "rollback":
        backup = run.result("backup")
        assert backup is not None
        parameters = {"backup_id": backup.data["backup_id"]}
        steps.run_in_process("publish", run)
    stage.copy(MOMENT, DATABASE)
    seen, chance = set(), random.Random(step + strike)

    def crash(delay: float) -> float:
        stage.begin(MOMENT)
        own = Run(run.id, stage.settings)
        own.write("record.json", {**record, "status": "running"})
        took = in_child(perform, stage.settings, run.id, step, parameters, strike, delay, stage.server.home)
        stage.server.start()
        found = stage.target()
        assert found in states
        seen.add(found)
        assert MigrationService(stage.settings).status().published_run == found[1]
        stage.tidy()
        assert left_over(stage) == ()
        return took

    whole, moments = crash(-1), request.config.getoption("--moments")
    for moment in range(moments):
        crash(whole * (moment + chance.random()) / moments)
    assert seen == states  # else the moments all lay on one side


@pytest.mark.parametrize("boundary", ["load", "backup"])
def test_rows_that_a_crash_emptied_are_not_published(
    boundary: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server crashed and is up again: the run says so and asks for another run, not for --allow-empty."""
    stage.begin()
    execute = steps.run_recorded

    def struck(step: steps.Step, run: Run, **parameters: Any) -> StepResult:
        given = {name: value for name, value in parameters.items() if name != "warn"}
        result = steps.run_in_process(step.name, run, given) if step.notebook else execute(step, run, **parameters)
        if step.name == boundary:
            stop_server(stage.server.home)
            stage.server.start()
        return result

    monkeypatch.setattr(steps, "run_recorded", struck)
    result = MigrationService(stage.settings).migrate_all_data(NEW)
    assert isinstance(result.error, BuiltRowsLost)
    assert result.error.message == (
        "the tables that were built lost their rows, as unlogged tables do when the server crashes:"
        " owners (0 of 2 rows), pets (0 of 301 rows)"
    )
    assert result.error.hint.startswith("Run the command again")
    assert stage.target() == stage.old
