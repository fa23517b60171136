"""test-migration: its scenarios, and that it leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

from mock2pg import MigrationResult, MigrationService, build, postgres
from mock2pg.pipeline import scenarios
from mock2pg.settings import Settings
from tests.fix_results import result_of
from tests.fix_small import small_project


def test_every_scenario_passes_and_the_target_is_not_touched(service: MigrationService, settings: Settings) -> None:
    """Good and bad migrations run in a database that is dropped afterwards; the target has no table more."""
    told: list[str] = []
    report = service.test_migration(told.append)
    assert report.success, told
    names = [scenario.name for scenario in report.results]
    assert len(told) == len(names) >= 12
    for kind in ("valid", "again", "missing", "unknown", "duplicate", "not JSON", "empty", "large", "publishing"):
        assert any(kind in name for name in names), kind
    with postgres.connect(settings.url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mock2pg_scratch%'").fetchall()
    assert left == []
    assert not settings.runs_dir.exists()


def test_a_project_of_few_types_has_fewer_scenarios(tmp_path: Path) -> None:
    """Without a required date, and without a reference, those are left out."""
    project = small_project(tmp_path)
    bad = scenarios._bad_ones(build.sources(project / "dbt_project"))
    names = [each.name for each in bad]
    assert "a number is a string" in names
    assert "a value is missing" in names
    assert not {"a date does not exist", "a row that others refer to is gone"} & set(names)


def test_a_migration_that_lets_everything_through_fails_the_scenarios(settings: Settings) -> None:
    """The scenarios can fail: one that takes whatever it is given passes none that must be refused."""

    def careless(stage: Settings, source: object) -> MigrationResult:
        return MigrationResult(True, "", (result_of("publish"),), (), "", stage.project)

    report = scenarios.run(settings, settings.url, careless, lambda _: None)
    assert not report.success
    passed = [scenario.name for scenario in report.results if scenario.passed]
    assert len(passed) == 3
    assert all("success" in scenario.expected for scenario in report.results if scenario.passed)
