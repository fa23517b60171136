"""test-migration: its scenarios, and that it leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mock2pg import MigrationResult, MigrationService, build, postgres
from mock2pg import settings as settings_module
from mock2pg.init import init
from mock2pg.pipeline import faults, scenarios
from mock2pg.settings import Settings
from mock2pg.staged_tables import SourceColumn, SourceTable
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
    """Good and bad migrations run in a database that is dropped afterwards; the target has no table more.

    In a project that init has made, where an array is declared to have rows besides.
    """
    told: list[str] = []
    begun: list[tuple[str, int]] = []
    given = project_of_every_kind(tmp_path / "every kind") / "mock_data"
    project = init(given, tmp_path / "shop").project
    shutil.copytree(given / "sample", project / "mock_data" / "sample")
    declarations = project / "dbt_project" / "models" / "_sources.yml"
    sources = yaml.safe_load(declarations.read_text())
    sources["sources"][0]["tables"][0].setdefault("config", {}).setdefault("meta", {})["not_empty"] = True
    declarations.write_text(yaml.safe_dump(sources))
    settings = settings_module.load(project=project, database_url=database, source=Path("mock_data"))
    service = MigrationService(settings)
    report = service.test_migration(told.append, lambda name: begun.append((name, len(told))))
    assert report.success, told
    names = [scenario.name for scenario in report.results]
    assert len(told) == len(names) >= 12
    assert [name for name, _ in begun if not name.startswith("making")] == names
    assert all(told[ran].startswith(f"✔ {name}: ") for name, ran in begun if name in names)  # its result comes next
    for kind in ("valid", "again", "missing", "unknown", "not an array", "a string", "does not exist", "duplicate",
                 "refer", "not JSON", "empty", "large", "publishing", "verify", "rollback",
                 "others deleted"):  # fmt: skip
        assert any(kind in name for name in names), kind
    with postgres.connect(settings.url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mock2pg_scratch%'").fetchall()
    assert left == []
    assert not settings.runs_dir.exists()


def test_a_project_of_few_types_has_fewer_scenarios(tmp_path: Path) -> None:
    """Without a required date, a reference, or an array that must have a row, those are left out."""
    project = small_project(tmp_path)
    bad = faults.bad_ones(build.sources(project / "dbt_project"), small_document("Rex"))
    names = [each.name for each in bad]
    assert "a number is a string" in names
    assert "a value is missing" in names
    assert not {"a date does not exist", "a row that others refer to is gone", "everything is empty"} & set(names)


def column(name: str, data_type: str = "text", path: str = "", **words: Any) -> SourceColumn:
    return SourceColumn(name, data_type, path or name, **words)


@pytest.mark.parametrize(
    ("table", "document", "expected"),
    [
        (
            SourceTable("users", "users{}", (column("id", path="{}"), column("at", "timestamptz", "a.at"))),
            {"users": {"u1": {"a": {"at": "2026-01-01T00:00:00.000Z"}}}},
            {"a date does not exist": {"users": {"u1": {"a": {"at": "2026-02-30T00:00:00.000Z"}}}},
             "an entity is not an array": {"users": []},
             "a key is unknown": {"users": {"u1": {"a": {"at": "2026-01-01T00:00:00.000Z"}, "notDeclared": 1}}}},
        ),
        (
            SourceTable("settings", "settings", (column("size", "integer", required=True),), single=True),
            {"settings": {"size": 1}},
            {"a number is a string": {"settings": {"size": "1"}}, "a value is missing": {"settings": {}}},
        ),
        (
            SourceTable("cells", "m[][]", (column("value", "integer", "."),)),
            {"m": [[1], []]},
            {"an entity is missing": {}},
        ),
        (
            SourceTable(
                "people",
                "people",
                (column("id", unique=True, required=True), column("boss", references=("people", "id"))),
            ),
            {"people": [{"id": "a", "boss": "a"}, {"id": "b", "boss": None}, {"id": "c", "boss": "b"}]},
            {"a row that others refer to is gone": {"people": [{"id": "a", "boss": "a"}, {"id": "c", "boss": "b"}]}},
        ),
        (SourceTable("none", "none", (column("id", required=True),)), {"none": []}, {"an entity is unknown": None}),
        (SourceTable("any", "any", (column("id"), column("more", "jsonb", rest=True))), {"any": [{"id": "1"}]}, {}),
    ],
)  # fmt: skip
def test_faults_fit_the_shape_of_the_source(
    table: SourceTable, document: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Maps, single objects, nested values, self-references and tables without rows have the faults that fit."""
    found = {bad.name: bad.document() for bad in faults.bad_ones([table], document)}
    for name, spoiled in expected.items():
        assert name in found
        assert spoiled is None or found[name] == spoiled
    assert ("a key is unknown" in found) == (table.name in ("users", "settings", "people"))
    assert ("a duplicate id" in found) == (table.name == "people")


def test_a_fault_that_would_be_none_is_left_out() -> None:
    """A map has no unknown key, and an optional entity may be absent."""
    rows = SourceTable("rows", "{}[]", (column("value", "integer", "."),))
    assert not faults.bad_ones([rows], {"a": [1]})
    perhaps = SourceTable("perhaps", "perhaps", (column("id", required=True),), optional=True)
    names = [bad.name for bad in faults.bad_ones([perhaps], {"perhaps": [{"id": "1"}]})]
    assert "an entity is missing" not in names
    assert "a value is missing" in names


class Careless:
    """A service whose commands all succeed, and do nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def migrate_all_data(self, _: object) -> MigrationResult:
        return MigrationResult(True, "", (result_of("publish"),), (), "", self.settings.project)

    def verify(self) -> MigrationResult:
        return self.migrate_all_data(None)

    def rollback(self, _: str) -> MigrationResult:
        return self.migrate_all_data(None)


def test_a_migration_that_lets_everything_through_fails_the_scenarios(tmp_path: Path, database: str) -> None:
    """The scenarios can fail: one that takes whatever it is given passes none that must be refused."""
    project = project_of_every_kind(tmp_path)
    settings = settings_module.load(project=project, database_url=database, source=Path("mock_data"))
    report = scenarios.run(settings, settings.url, Careless, lambda _: None, lambda _: None)
    assert not report.success
    passed = [scenario for scenario in report.results if scenario.passed]
    assert len(passed) == 5
    assert all("success" in scenario.expected for scenario in passed)
