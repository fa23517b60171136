"""The example of many tenants: its project migrates as its README says, and into a cluster as it declares."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import NotAppliedYet
from mock2pg.pipeline import nodes
from tests.citus import double
from tests.citus.test_matrix import distributions, migrated

EXAMPLE = Path(__file__).parents[2] / "examples" / "multi-tenant"
TENANT = ("coupons", "customers", "order_lines", "orders", "payments", "products", "reviews", "staff")
CLUSTER = "Citus 14.0-1 with 2 workers"
DECLARED = {"countries": "reference", "plans": "reference", "shops": "id", **dict.fromkeys(TENANT, "shop_id")}


def example(url: str, folder: Path) -> MigrationService:
    project = folder / "shop of many"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("runs", "logs", ".postgres", ".cache", "target"))
    return MigrationService(settings_module.load(project=project, database_url=url))


def test_the_example_is_distributed_as_it_declares(
    doubled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parents before children, each with the column of its model or folder; nodes are asked for what is committed."""
    service = example(doubled, tmp_path)
    result = migrated(service, EXAMPLE / "mock_data")
    assert distributions(doubled) == DECLARED
    assert not any("undistribute" in call for call in double.calls(doubled))
    assert {name: table["after"] for name, table in result.summary["publish"]["tables"].items()} == {
        "plans": 3, "countries": 5, "shops": 3, "coupons": 6, "customers": 24, "products": 24, "staff": 9,
        "orders": 36, "reviews": 21, "order_lines": 96, "payments": 27,
    }  # fmt: skip
    run = service.settings.project / "runs" / result.run_id
    report, log = (run / "index.html").read_text("utf-8"), (run / "migration.log").read_text("utf-8")
    assert all(f", {CLUSTER}" in each for each in (report, log))
    assert "254 rows in 11 tables (9 distributed, 2 reference)" in log
    assert all(f"<td>{name}</td><td>by {DECLARED[name]}</td>" in report for name in ("shops", *TENANT))
    assert all(f"<td>{name}</td><td>reference table</td>" in report for name in ("countries", "plans"))
    monkeypatch.setattr(nodes, "PATIENCE", 0.0)
    with postgres.connect(doubled, name="test") as connection:
        connection.execute("INSERT INTO pg_catalog.double_lost VALUES (1, false)")
        undone = service.rollback(result.summary["backup"]["backup_id"])
        assert (type(undone.error), undone.status) == (NotAppliedYet, "not_applied")
        rows = connection.execute("SELECT command FROM mock2pg.runs WHERE found ->> 'transaction' <> '' ORDER BY id")
        assert rows.fetchall() == [("migrate",), ("rollback",)]


@pytest.mark.citus
def test_a_cluster_takes_the_example(citus_url: str, tmp_path: Path) -> None:
    """Distributed, verified, the same again, and rolled back to nothing."""
    service = example(citus_url, tmp_path)
    first = migrated(service, EXAMPLE / "mock_data")
    assert distributions(citus_url) == DECLARED
    again = migrated(service, EXAMPLE / "mock_data")
    assert again.summary["publish"]["tables"]["orders"]["updated"] == 0
    assert service.validate_migration()
    undone = service.rollback(first.summary["backup"]["backup_id"])
    assert undone.success, undone.message
    with postgres.connect(citus_url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []
