"""A project and a database into which rows were migrated: once in each process, and copied for each test."""

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
from tests.fix_small import Document, small_document, small_project

SMALL = "mock2pg_published_small"


def small_rows() -> Document:
    """The rows that `published_small` holds, the caller's to change."""
    return small_document(*(f"pet {number}" for number in range(132)), owners=[f"owner {n}" for n in range(12)])


def migrated_into(server: Server, settings: Settings, document: Document | None, name: str) -> MigrationResult:
    """Migrate into an empty database, and keep it under this name to be copied."""
    with new_database(server):
        result = MigrationService(settings).migrate_all_data(document)
        assert result.success, result.message
        with postgres.connect(server.url("postgres"), name="test") as connection:
            connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(DATABASE)))
    return result


@pytest.fixture(scope="session")
def migrated_small(server: Server, tmp_path_factory: pytest.TempPathFactory) -> MigrationResult:
    """The result of migrating 12 owners and 132 pets into an empty database, from which the copies are made."""
    settings = settings_module.load(
        project=small_project(tmp_path_factory.mktemp("migrated_small")), database_url=server.url(DATABASE)
    )
    return migrated_into(server, settings, small_rows(), SMALL)


@pytest.fixture
def published_small(server: Server, migrated_small: MigrationResult, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a project of two entities and a database, the test's own, into which its rows were migrated."""
    project = tmp_path / "small"
    shutil.copytree(migrated_small.report.parents[2], project, symlinks=True)
    with new_database(server, template=SMALL) as url:
        yield settings_module.load(project=project, database_url=url, operator="a tester")
