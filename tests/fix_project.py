"""A project folder of the test's own: the real models, suites and notebooks, but runs and backups apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.settings import REPOSITORY, Settings

Document = dict[str, Any]


def new_project(parent: Path) -> Path:
    """A folder that links to the project's models, suites, notebooks and sample."""
    folder = parent / "a project"
    folder.mkdir()
    for name in ("dbt_project", "expectations", "notebooks", "mock_data"):
        (folder / name).symlink_to(REPOSITORY / name, target_is_directory=True)
    (folder / ".cache").symlink_to(shared_cache(parent.parent), target_is_directory=True)
    return folder


def shared_cache(folder: Path, of: str = "sample") -> Path:
    """One for all projects of a kind, given the folder where pytest keeps theirs: what dbt has parsed for its server
    counts for no other process."""
    cache = folder / f".cache of {of}"
    cache.mkdir(exist_ok=True)
    return cache


def sample() -> Document:
    """The sample as one dict, the caller's to spoil."""
    return {file.stem: json.loads(file.read_bytes()) for file in sorted((REPOSITORY / "mock_data").glob("*.json"))}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path)


@pytest.fixture
def settings(project: Path, database: str) -> Settings:
    """The settings of that project and the test's own database."""
    return settings_module.load(project=project, database_url=database, source=Path("mock_data"), operator="a tester")


@pytest.fixture
def service(settings: Settings) -> MigrationService:
    return MigrationService(settings)


@pytest.fixture
def document() -> Document:
    return sample()
