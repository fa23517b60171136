"""Documents that nobody would write, through the whole chain: `init`, `migrate`, `verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import InternalError
from mock2pg.init import init
from mock2pg.postgres.server import Server
from tests.fix_postgres import new_database
from tests.init.test_conclude_random import KEYS, VALUES


def test_any_document_is_migrated_or_its_fault_is_named(
    server: Server, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    """A random document is migrated and proven, every row of it accounted for, or refused by an error with a name."""
    documents = st.dictionaries(KEYS, VALUES, min_size=1, max_size=3)

    @given(documents)
    @settings(
        max_examples=request.config.getoption("--documents"),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def migrated(document: dict[str, Any]) -> None:
        folder = tmp_path_factory.mktemp("any")
        (folder / "db.json").write_text(json.dumps(document))
        init(folder / "db.json", folder / "project")
        with new_database(server) as url:
            chosen = settings_module.load(project=folder / "project", database_url=url, source=Path("mock_data"))
            service = MigrationService(chosen)
            result = service.migrate_all_data()
            if result.success:
                assert service.validate_migration()
                entities = result.summary["check"]["entities"].values()
                assert sum(account["read"] for account in entities) == sum(
                    table["after"] for table in result.summary["publish"]["tables"].values()
                )
            else:
                assert result.error is not None
                assert not isinstance(result.error, InternalError), result.error

    migrated()
