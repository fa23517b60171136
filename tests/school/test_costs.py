"""The costs of a migration of the sample, in counts."""

from __future__ import annotations

from pathlib import Path

from mock2pg.postgres.server import Server
from mock2pg.settings import Settings
from tests.test_costs import held, unchanged


def test_a_migration_without_a_change_costs_no_more_than_its_limits(
    server: Server, published: Settings, tmp_path: Path
) -> None:
    """Statements, sessions, transactions, WAL, processes, modules and dbt nodes: all are within costs.toml."""
    counts, done = unchanged(server, published, tmp_path)
    changed = done.read("steps/publish.json")["summary"]
    assert changed == "0 inserted, 0 updated, 0 deleted"
    held("migration", counts)
