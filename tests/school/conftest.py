"""Here a project is the sample. Remove this folder together with the sample."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mock2pg import MigrationResult
from mock2pg import settings as settings_module
from mock2pg.postgres.server import Server
from mock2pg.settings import Settings
from tests.fix_postgres import DATABASE, new_database
from tests.fix_published import migrated_into
from tests.school.fix_school import Document, new_project, sample

_PUBLISHED = "mock2pg_published"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path)


@pytest.fixture
def document() -> Document:
    return sample()


@pytest.fixture(scope="session")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> MigrationResult:
    """The result of migrating the sample into an empty database, from which the copies are made."""
    settings = settings_module.load(
        project=new_project(tmp_path_factory.mktemp("migrated")),
        database_url=server.url(DATABASE),
        source=Path("mock_data"),
    )
    return migrated_into(server, settings, None, _PUBLISHED)


@pytest.fixture
def published(server: Server, migrated: MigrationResult, project: Path) -> Iterator[Settings]:
    """The settings of a project and a database, the test's own, into which the sample was migrated."""
    for name in ("runs", "backups"):
        shutil.copytree(migrated.report.parents[2] / name, project / name, symlinks=True)
    with new_database(server, template=_PUBLISHED) as url:
        yield settings_module.load(project=project, database_url=url, source=Path("mock_data"), operator="a tester")
