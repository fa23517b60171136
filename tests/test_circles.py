"""References in circles: rows whose tables refer to each other, or to themselves, are migrated like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from tests.fix_declared import Entity, declared_project

# Sakila: every store has a manager, every member of the staff a store. Chinook: who reports to whom, and what is in
# which list, by a composite key. And rows that have no key of their own.
STORE = Entity(
    "Store", {"storeId": "integer!", "managerStaffId": "integer!"}, key=["storeId"], path="stores",
    foreign_keys=[{"name": "store_manager", "columns": ["managerStaffId"], "to": "staff", "to_columns": ["staff_id"]}],
)  # fmt: skip
STAFF = Entity(
    "staff", {"staff_id": "integer!", "store_id": "integer!", "reports_to": "integer", "email": "text!"},
    key=["staff_id"],
    constraints=[{"type": "unique", "columns": ["email"]}],
    foreign_keys=[
        {"columns": ["store_id"], "to": "Store", "to_columns": ["storeId"], "on_delete": "restrict"},
        {"columns": ["reports_to"], "to": "staff", "to_columns": ["staff_id"], "on_delete": "set null"},
    ],
)  # fmt: skip
SHIFT = Entity(
    "shift", {"staff_id": "integer!", "day": "date!", "note": "text"}, key=["staff_id", "day"], path="shifts",
    constraints=[{"type": "foreign_key", "columns": ["staff_id"], "to": "ref('staff')", "to_columns": ["staff_id"]}],
)  # fmt: skip


def shops(*stores: tuple[int, int], staff: dict[int, tuple[int, int | None]]) -> dict[str, list[dict[str, Any]]]:
    """stores: id and manager; staff: id -> store and whom they report to."""
    return {
        "stores": [{"storeId": number, "managerStaffId": manager} for number, manager in stores],
        "staff": [
            {"staff_id": number, "store_id": store, "reports_to": boss, "email": f"{number}@x"}
            for number, (store, boss) in staff.items()
        ],
        "shifts": [{"staff_id": number, "day": "2026-03-02", "note": None} for number in staff],
    }


FIRST = shops((1, 1), (2, 2), staff={1: (1, 2), 2: (2, None), 3: (1, 3)})
CHANGED = shops((2, 4), (3, 2), staff={2: (3, 4), 4: (2, 2)})


def test_a_circle_is_published_changed_and_rolled_back(database: str, tmp_path: Path) -> None:
    """NOT NULL on both sides, a table that refers to itself, and a composite key below; each run is proven.

    So is a rollback that makes the tables anew.
    """
    service = MigrationService(
        settings_module.load(
            project=declared_project(tmp_path, [STORE, STAFF, SHIFT]), database_url=database, max_deleted="100%"
        )
    )
    first = service.migrate_all_data(FIRST)
    assert first.success, (first.message, first.error)
    with postgres.connect(database, name="test") as connection:
        keys = {
            (key.table, key.columns, key.parent, key.on_delete)
            for key in postgres.catalogue.foreign_keys(connection, "public")
        }
        assert keys == {
            ("Store", ("managerStaffId",), "staff", "NO ACTION"),
            ("staff", ("store_id",), "Store", "RESTRICT"),
            ("staff", ("reports_to",), "staff", "SET NULL"),
            ("shift", ("staff_id",), "staff", "NO ACTION"),
        }
        before = contents(connection)
        second = service.migrate_all_data(CHANGED)
        assert second.success, (second.message, second.error)
        undone = service.rollback(second.summary["backup"]["backup_id"])
        assert undone.success, undone.message
        assert contents(connection) == before
        gone = service.rollback(first.summary["backup"]["backup_id"])
        assert gone.success, gone.message
        assert not postgres.catalogue.tables(connection, "public")
        back = service.rollback(second.summary["backup"]["backup_id"])
        assert back.success, (back.message, str(back.error))
        assert contents(connection) == before


def contents(connection: postgres.Connection) -> list[Any]:
    queries = ('TABLE public."Store" ORDER BY 1', "TABLE public.staff ORDER BY 1", "TABLE public.shift ORDER BY 1")
    return [[row[:-1] for row in connection.execute(query).fetchall()] for query in queries]


def test_an_existing_table_becomes_part_of_a_circle(database: str, tmp_path: Path) -> None:
    """With --alter: its key to the new tables is added when all rows are in; a rollback takes tables and key away."""
    alone = replace(STORE, columns={"storeId": "integer!"}, foreign_keys=())
    before = settings_module.load(project=declared_project(tmp_path / "before", [alone]), database_url=database)
    made = MigrationService(before).migrate_all_data({"stores": [{"storeId": 1}, {"storeId": 2}]})
    assert made.success, (made.message, made.error)
    project = declared_project(tmp_path / "after", [STORE, STAFF, SHIFT])
    service = MigrationService(settings_module.load(project=project, database_url=database, alter=True))
    done = service.migrate_all_data(FIRST)
    assert done.success, (done.message, done.error)
    with postgres.connect(database, name="test") as connection:
        keys = {(key.table, key.parent) for key in postgres.catalogue.foreign_keys(connection, "public")}
        assert keys == {("Store", "staff"), ("staff", "Store"), ("staff", "staff"), ("shift", "staff")}
        undone = service.rollback(done.summary["backup"]["backup_id"])
        assert undone.success, undone.message
        assert postgres.catalogue.tables(connection, "public") == ["Store"]
