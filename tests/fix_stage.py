"""A project whose steps take no time, for tests of what a run makes of their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from mock2pg import MigrationResult, MigrationService, backups, history, postgres, workers
from mock2pg import settings as settings_module
from mock2pg.errors import InternalError, Mock2pgError
from mock2pg.history import layout
from mock2pg.pipeline import nodes
from mock2pg.pipeline import step as steps
from mock2pg.report import notebooks
from mock2pg.runs import Run, now
from mock2pg.settings import Settings
from mock2pg.step_results import Found
from tests.fix_results import result_of

COUNTS = {"before": 0, "after": 1, "inserted": 1, "updated": 0, "deleted": 0, "unchanged": 0, "created": False}
NO_CHANGE = {**COUNTS, "before": 1, "inserted": 0, "unchanged": 1}


@dataclass
class Stage:
    """A project whose steps take no time; publish and rollback are real transactions with their row of the history.

    faults  step -> what it raises in the place of passing
    after   what a notebook raises when its step has written its result
    writes  publish changes a row
    """

    settings: Settings
    faults: dict[str, BaseException]
    after: dict[str, BaseException]
    writes: bool = True

    @property
    def service(self) -> MigrationService:
        return MigrationService(self.settings)

    def rows(self) -> list[str]:
        """The target table as it is now."""
        with postgres.connect(self.settings.url, name="test") as connection:
            return [row[0] for row in connection.execute("SELECT id FROM public.pets ORDER BY id").fetchall()]

    def event(self, result: MigrationResult) -> tuple[str, str | None]:
        """Outcome and error of the run, as the database remembers them."""
        with postgres.connect(self.settings.url, name="test") as connection:
            row = connection.execute(
                "SELECT outcome, error FROM mock2pg.events WHERE run_id = %s AND kind <> 'manifest'", [result.run_id]
            ).fetchone()
        assert row is not None
        return row[0], row[1]

    def record(self, result: MigrationResult) -> dict[str, Any]:
        record: dict[str, Any] = Run(result.run_id, self.settings).read("record.json")
        return record

    def run(self, command: str) -> MigrationResult:
        if command == "migrate":
            return self.service.migrate_all_data({"pets": []})
        if command == "rollback":
            return self.service.rollback("backup-1")
        return self.service.verify() if command == "verify" else self.service.take_backup()


def change(run: Run, command: str, statement: str, counts: Mapping[str, Any] = MappingProxyType(COUNTS)) -> None:
    with postgres.connect(run.settings.url, name=f"{command} {run.id}") as connection, connection.transaction():
        connection.execute(statement)  # type: ignore[arg-type]
        history.record(
            connection, run_id=run.id, command=command, operator="a tester", started_at=now(), schema="public",
            published_run=run.id if command == "migrate" else None, input_sha256=None, backup_id="backup-1",
            tables={"pets": {**counts, "hash": "1:2:3", "content": "1:2:3"}}, owned={}, version="1",
            findings=history.Findings(hashes={}, transaction=nodes.transaction(run, connection)),
        )  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path, database: str, executed_notebooks: None, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(workers, "prepare", lambda *_: None)  # no step here needs what they would load
    settings = settings_module.load(project=tmp_path, database_url=database, operator="a tester")
    stage = Stage(settings, {}, {})
    with postgres.connect(database, name="test") as connection:
        connection.execute("CREATE TABLE public.pets (id text PRIMARY KEY); INSERT INTO public.pets VALUES ('old')")
        layout.create(connection)
    data = {"publish": {"tables": {"pets": COUNTS}}, "rollback": {"tables": {"pets": COUNTS}}}
    unchanged = {"publish": {"tables": {"pets": NO_CHANGE}}}

    def step(name: str) -> Callable[..., Found | None]:
        def run(run: Run, **parameters: Any) -> Found | None:
            if name in stage.faults and not parameters.get("show"):
                raise stage.faults[name]
            if name == "publish" and stage.writes:
                change(run, "migrate", "UPDATE public.pets SET id = 'new'")
            elif name == "publish":
                change(run, "migrate", "SELECT", NO_CHANGE)
            if name == "rollback" and not parameters.get("show"):
                change(run, "rollback", "UPDATE public.pets SET id = 'old'")
            if name == "report":
                (run.folder / "index.html").write_text(run.read("record.json")["message"])
            kind = "RollbackPreview" if parameters.get("show") else None
            found = (data if stage.writes else unchanged).get(name)
            return result_of(name, found, summary="done", kind=kind).found

        return run

    for name in (*(each.name for each in steps.MIGRATE), "rollback", "report"):
        monkeypatch.setattr(import_module(f"mock2pg.pipeline.steps.{name}"), "run", step(name))

    def execute(notebook: Path, executed: Path, *, parameters: Mapping[str, Any], **_: Any) -> None:
        name, given = notebook.stem, dict(parameters)
        monkeypatch.setattr(steps.settings_module, "load", lambda **_: settings)
        try:
            steps.run_step(name, given.pop("run_id"), project=given.pop("project"), **given)
        except Mock2pgError as error:
            raise InternalError(f"{name}.ipynb failed in cell 3 ({type(error).__name__})") from None
        if name in stage.after:
            raise stage.after[name]

    monkeypatch.setattr(notebooks, "execute", execute)
    monkeypatch.setattr(workers, "prepare", lambda *_: None)  # no step calls one
    monkeypatch.setattr(backups, "open_backup", lambda *_: None)
    return stage
