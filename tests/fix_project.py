"""A project of the test's own, with its rows in mock_data/, and a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.settings import Settings
from tests.fix_small import small_document, small_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The small project in a folder with a space, with rows to migrate."""
    folder = small_project(tmp_path / "a project")
    (folder / "mock_data").mkdir()
    for entity, rows in small_document("Rex", "Tom", "Mia").items():
        (folder / "mock_data" / f"{entity}.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture
def settings(project: Path, database: str) -> Settings:
    """The settings of that project and the test's own database."""
    return settings_module.load(project=project, database_url=database, source=Path("mock_data"), operator="a tester")


@pytest.fixture
def service(settings: Settings) -> MigrationService:
    return MigrationService(settings)
