"""A project and a database that hold the sample: migrated once in each process, and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from mock2pg import MigrationResult, MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.postgres.server import Server
from mock2pg.settings import Settings
from tests.fix_postgres import DATABASE, new_database
from tests.fix_project import new_project

_PUBLISHED = "mock2pg_published"


@pytest.fixture(scope="session")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> MigrationResult:
    """What came of migrating the sample into an empty database, from which the copies are made."""
    settings = settings_module.load(
        project=new_project(tmp_path_factory.mktemp("migrated")),
        database_url=server.url(DATABASE),
        source=Path("mock_data"),
    )
    with new_database(server):
        result = MigrationService(settings).migrate_all_data()
        assert result.success, result.message
        with postgres.connect(server.url("postgres"), name="test") as connection:
            copy = SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(_PUBLISHED), Identifier(DATABASE))
            connection.execute(copy)
    return result


@pytest.fixture
def published(server: Server, migrated: MigrationResult, project: Path) -> Iterator[Settings]:
    """The settings of a project and a database, the test's own, into which the sample was migrated."""
    for name in ("runs", "backups"):
        shutil.copytree(migrated.report.parents[2] / name, project / name, symlinks=True)
    with new_database(server, template=_PUBLISHED) as url:
        yield settings_module.load(project=project, database_url=url, source=Path("mock_data"), operator="a tester")
