"""A migration into a cluster, by layout: first, again, changed, moved between tenants, verified, and back both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from mock2pg import MigrationResult, MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.postgres import distribution
from tests.citus import fix_shop
from tests.citus.fix_shop import LAYOUTS

pytestmark = pytest.mark.citus
LAYOUTS_OF_A_CLUSTER = sorted(LAYOUTS)
Contents = dict[str, list[Any]]


def service_of(url: str, folder: Path, layout: str) -> MigrationService:
    project = fix_shop.shop_project(folder, layout)
    return MigrationService(settings_module.load(project=project, database_url=url, max_deleted="100%"))


def distributions(url: str) -> dict[str, str]:
    with postgres.connect(url, name="test") as connection:
        return {name: each.declared for name, each in distribution.of_schema(connection, "public").items()}


def contents(url: str) -> Contents:
    """Every row of every table, columns that no contract has among them."""
    with postgres.connect(url, name="test") as connection:
        return {
            name: sorted(
                connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("public", name))).fetchall(),
                key=repr,
            )
            for name in postgres.catalogue.tables(connection, "public")
        }


def counts(result: MigrationResult) -> dict[str, tuple[int, int, int]]:
    tables = result.summary["publish"]["tables"]
    found = {name: (each["inserted"], each["updated"], each["deleted"]) for name, each in tables.items()}
    return {name: numbers for name, numbers in found.items() if any(numbers)}


def migrated(service: MigrationService, document: fix_shop.Document | Path) -> MigrationResult:
    result = service.migrate_all_data(document)
    assert result.success, (result.message, str(result.errors[:1]))
    return result


def rolled_back(service: MigrationService, result: MigrationResult) -> None:
    undone = service.rollback(result.summary["backup"]["backup_id"])
    assert undone.success, undone.message


@pytest.mark.parametrize("layout", LAYOUTS_OF_A_CLUSTER)
def test_a_layout_is_migrated_verified_and_rolled_back(citus_url: str, tmp_path: Path, layout: str) -> None:
    """Into nothing, with the same input, with changed rows, and back, step by step, to nothing."""
    service = service_of(citus_url, tmp_path, layout)
    first = migrated(service, fix_shop.first())
    assert distributions(citus_url) == dict(LAYOUTS[layout])
    one = contents(citus_url)
    assert {name: len(rows) for name, rows in one.items()} == {
        name: len(rows) for name, rows in fix_shop.first().items()
    }
    again = migrated(service, fix_shop.first())
    assert counts(again) == {}
    assert contents(citus_url) == one
    second = migrated(service, fix_shop.changed())
    assert counts(second) == {
        "shops": (0, 1, 0), "products": (0, 3, 0), "orders": (1, 1, 1), "order_lines": (0, 0, 2), "settings": (0, 1, 0),
    }  # fmt: skip
    assert service.validate_migration()
    rolled_back(service, second)
    assert contents(citus_url) == one
    assert distributions(citus_url) == dict(LAYOUTS[layout])
    rolled_back(service, first)
    assert contents(citus_url) == {}


@pytest.mark.parametrize("layout", LAYOUTS_OF_A_CLUSTER)
def test_rows_move_between_tenants(citus_url: str, tmp_path: Path, layout: str) -> None:
    """Columns that no contract has are kept; where the table is distributed by the tenant, moving is deleting too."""
    service = service_of(citus_url, tmp_path, layout)
    migrated(service, fix_shop.first())
    with postgres.connect(citus_url, name="test") as connection:
        connection.execute("ALTER TABLE public.orders ADD COLUMN note text")
        connection.execute("UPDATE public.orders SET note = 'of the app' WHERE id = 23")
    before = contents(citus_url)
    result = migrated(service, fix_shop.moved())
    tenant = layout == "tenant"
    assert counts(result) == {
        "orders": (1, 0, 1) if tenant else (0, 1, 0),
        "order_lines": (2, 0, 2) if tenant else (0, 2, 0),
    }
    with postgres.connect(citus_url, name="test") as connection:
        rows = connection.execute("SELECT shop_id, note FROM public.orders WHERE id = 23").fetchall()
    assert rows == [(3, "of the app")]
    rolled_back(service, result)
    assert contents(citus_url) == before


@pytest.mark.parametrize("layout", ["reference", "tenant"])
def test_a_rollback_that_makes_tables_anew_distributes_them(citus_url: str, tmp_path: Path, layout: str) -> None:
    """After others changed a definition, tables are dropped and made as the backup says, with their distribution."""
    service = service_of(citus_url, tmp_path, layout)
    migrated(service, fix_shop.first())
    one = contents(citus_url)
    second = migrated(service, fix_shop.changed())
    with postgres.connect(citus_url, name="test") as connection:
        connection.execute("ALTER TABLE public.orders ADD COLUMN note text")
    undone = service.rollback(second.summary["backup"]["backup_id"], discard_changes=True)
    assert undone.success, undone.message
    assert contents(citus_url) == one
    assert distributions(citus_url) == dict(LAYOUTS[layout])
    assert service.validate_migration()
