"""test-migration: what it plays, and that it leaves nothing behind."""

from __future__ import annotations

from mock2pg import MigrationService
from mock2pg.settings import Settings
from mock2pg.tools import postgres


def test_every_scenario_passes_and_live_is_not_touched(service: MigrationService, settings: Settings) -> None:
    """Good and bad migrations are played in a database that is gone afterwards; live has not a table more."""
    told: list[str] = []
    report = service.test_migration(told.append)
    assert report.success, told
    names = [scenario.name for scenario in report.results]
    assert len(told) == len(names) >= 12
    for kind in ("valid", "again", "missing", "unknown", "twice", "not JSON", "empty", "large", "publishing"):
        assert any(kind in name for name in names), kind
    with postgres.connect(settings.url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mock2pg_scratch%'").fetchall()
    assert left == []
    assert not settings.runs_dir.exists()


def test_a_broken_project_fails_its_scenarios(service: MigrationService, settings: Settings) -> None:
    """When a rule is taken away, the scenario that relies on it does not pass."""
    import shutil

    suites = settings.project / "expectations"
    target = suites.resolve()
    suites.unlink()
    shutil.copytree(target, suites)
    for suite in (suites / "suites" / "staged").glob("*.json"):
        import json

        content = json.loads(suite.read_text())
        content["expectations"] = [
            rule for rule in content["expectations"] if rule["type"] != "expect_only_declared_keys"
        ]
        suite.write_text(json.dumps(content))
    report = service.test_migration()
    failed = [scenario.name for scenario in report.results if not scenario.passed]
    assert failed == ["a key is unknown"]
