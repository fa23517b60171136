"""test-migration: its scenarios, and that it leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from mock2pg import MigrationResult, MigrationService, build, postgres
from mock2pg import settings as settings_module
from mock2pg.pipeline import scenarios
from mock2pg.settings import REPOSITORY, Settings
from tests.fix_project import sample
from tests.fix_results import result_of
from tests.fix_small import small_document, small_project

# Recipes for the large scenario; `sparse` is a macro that every folder of recipes has.
RECIPES = {
    "_macros": "create macro sparse(object, n) as to_json(object)::varchar",
    "owners": "select range::varchar as id, range::varchar as name from range(100)",
    "pets": 'select range::varchar as id, range::varchar as name, (range % 100)::varchar as "ownerId", 4 as legs,'
    " '2026-01-01' as born from range(getvariable('rows')::integer)",
}


def project_of_every_kind(folder: Path) -> Path:
    """The small project with a date, a reference, a source and recipes, so that no scenario is left out."""
    project = small_project(folder)

    def change(file: Path, edit: Any) -> None:
        content = yaml.safe_load(file.read_text())
        edit(content)
        file.write_text(yaml.safe_dump(content))

    def declare(sources: Any) -> None:
        sources["sources"][0]["tables"][0]["config"] = {"meta": {"not_empty": True}}
        pets = sources["sources"][0]["tables"][1]["columns"]
        pets[1]["config"]["meta"] = {"required": True, "path": "ownerId", "references": "owners.id"}
        pets.append({"name": "born", "data_type": "date", "config": {"meta": {"required": True}}})

    models = project / "dbt_project" / "models"
    change(models / "_sources.yml", declare)
    change(
        models / "core" / "pets.yml",
        lambda pets: pets["models"][0]["columns"].append({"name": "born", "data_type": "date"}),
    )
    (project / "mock_data" / "sample").mkdir(parents=True)
    for name, text in RECIPES.items():
        (project / "mock_data" / "sample" / f"{name}.sql").write_text(text)
    for entity, rows in small_document("Rex", "Tom", "Mia").items():
        born = {"born": "2026-02-01"} if entity == "pets" else {}
        (project / "mock_data" / f"{entity}.json").write_text(json.dumps([{**row, **born} for row in rows]))
    return project


def test_every_scenario_passes_and_the_target_is_not_touched(tmp_path: Path, database: str) -> None:
    """Good and bad migrations run in a database that is dropped afterwards; the target has no table more."""
    told: list[str] = []
    settings = settings_module.load(
        project=project_of_every_kind(tmp_path), database_url=database, source=Path("mock_data")
    )
    service = MigrationService(settings)
    report = service.test_migration(told.append)
    assert report.success, told
    names = [scenario.name for scenario in report.results]
    assert len(told) == len(names) >= 12
    for kind in ("valid", "again", "missing", "unknown", "no array", "a string", "does not exist", "duplicate", "refer",
                 "not JSON", "empty", "large", "publishing"):  # fmt: skip
        assert any(kind in name for name in names), kind
    with postgres.connect(settings.url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mock2pg_scratch%'").fetchall()
    assert left == []
    assert not settings.runs_dir.exists()


def test_the_sample_has_every_scenario() -> None:
    """Each fault is one of its document, and leaves the rest as it was."""
    bad = scenarios._bad_ones(build.sources(REPOSITORY / "dbt_project"))
    assert len(bad) == 10
    for each in bad:
        spoiled = sample()
        each.spoil(spoiled)
        changed = [name for name in spoiled.keys() | sample().keys() if spoiled.get(name) != sample().get(name)]
        assert len(changed) == (len(sample()) if "everything" in each.name else 1), each.name


def test_a_project_of_few_types_has_fewer_scenarios(tmp_path: Path) -> None:
    """Without a required date, a reference, or an array that must have a row, those are left out."""
    project = small_project(tmp_path)
    bad = scenarios._bad_ones(build.sources(project / "dbt_project"))
    names = [each.name for each in bad]
    assert "a number is a string" in names
    assert "a value is missing" in names
    assert not {"a date does not exist", "a row that others refer to is gone", "everything is empty"} & set(names)


def test_a_migration_that_lets_everything_through_fails_the_scenarios(settings: Settings) -> None:
    """The scenarios can fail: one that takes whatever it is given passes none that must be refused."""

    def careless(stage: Settings, source: object) -> MigrationResult:
        return MigrationResult(True, "", (result_of("publish"),), (), "", stage.project)

    report = scenarios.run(settings, settings.url, careless, lambda _: None)
    assert not report.success
    passed = [scenario.name for scenario in report.results if scenario.passed]
    assert len(passed) == 3
    assert all("success" in scenario.expected for scenario in report.results if scenario.passed)
