"""Documents in the shapes that people have: each becomes a project that migrates, without an edit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from mock2pg import MigrationResult, MigrationService, postgres
from mock2pg import init as initialize
from mock2pg import settings as settings_module
from tests.fix_small import shared_cache

SHAPES = Path(__file__).parents[1] / "data" / "shapes"


@dataclass(frozen=True)
class Shape:
    """A document: its tables with their rows, columns to look at, foreign keys, and a change of one row.

    types  `table.column` -> its type in the database
    keys   foreign keys as `table.column -> parent.column`
    spoil  changes the parsed JSON of `file` so that exactly one row of `changed` is another; of a folder of arrays, of
           lines with references, and of tables in a circle: how a row is found again depends on no more
    """

    tables: dict[str, int]
    changed: str = ""
    spoil: Callable[[Any], object] | None = None
    file: str = ""
    types: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


def _set(row: dict[str, Any], **values: Any) -> None:
    row.update(values)


CASES = {
    "json_server.json": Shape(
        {"posts": 12, "authors": 3, "comments": 24, "profile": 1},
        types={"posts.id": "integer", "posts.published": "boolean", "posts.tags": "text[]"},
        keys=("posts.author_id -> authors.id", "comments.post_id -> posts.id", "comments.parent_id -> comments.id"),
    ),
    "jsonplaceholder": Shape(
        {"users": 10, "posts": 30, "comments": 60, "todos": 40},
        "users",
        lambda d: _set(d[2]["address"]["geo"], lat="1.5"),
        file="users.json",
        types={"users.address_geo_lat": "text", "users.address_zipcode": "text", "todos.completed": "boolean"},
        keys=("posts.user_id -> users.id", "comments.post_id -> posts.id", "todos.user_id -> users.id"),
    ),
    "shop.json": Shape(
        {"products": 15, "customers": 8, "orders": 24},
        types={
            "customers.id": "uuid",
            "customers.created_at": "timestamp with time zone",
            "orders.placed_at": "timestamp with time zone",
            "products.price": "numeric",
            "orders.total": "text",
        },
        keys=("orders.customer -> customers.id",),
    ),
    "northwind": Shape(
        {"customers": 8, "employees": 9, "orders": 20, "order_details": 39, "products": 4},
        types={"order_details.unit_price": "text", "orders.order_date": "date", "orders.shipped_date": "text"},
        keys=("orders.customer_id -> customers.customer_id", "order_details.order_id -> orders.order_id"),
    ),
    "chinook.json": Shape(
        {
            "artist": 5,
            "album": 10,
            "track": 40,
            "playlist": 3,
            "playlist_track": 32,
            "employee": 8,
            "customer": 12,
            "invoice": 20,
        },
        types={"track.unit_price": "numeric", "employee.hire_date": "timestamp without time zone"},
        keys=(
            "employee.reports_to -> employee.employee_id",
            "playlist_track.track_id -> track.track_id",
            "playlist_track.playlist_id -> playlist.playlist_id",
        ),
    ),
    "sakila.json": Shape(
        {"store": 2, "staff": 3, "address": 5, "city": 3, "country": 1, "film": 25, "inventory": 30, "rental": 40},
        "staff",
        lambda d: _set(d["staff"][1], first_name="Joan"),
        types={"rental.rental_date": "timestamp without time zone", "film.special_features": "text[]"},
        keys=("store.manager_staff_id -> staff.staff_id", "staff.store_id -> store.store_id"),
    ),
    "mongo": Shape(
        {"users": 10, "orders": 15},
        "users",
        lambda d: _set(d[0], name="Another"),
        file="users.ndjson",
        types={"users.created_at": "timestamp with time zone", "users.logins": "bigint", "orders.amount": "numeric"},
        keys=("orders.user_id -> users.id",),
    ),
    "school_maps.json": Shape(
        {"students": 10, "classes": 3},
        types={"students.birthday": "date", "classes.starts_at": "time without time zone"},
    ),
    "prisma_app.json": Shape(
        {"users": 6, "posts": 10, "categories": 3},
        types={"users.created_at": "timestamp with time zone"},
        keys=("posts.author_id -> users.id",),
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_document_becomes_a_project_that_migrates(case: str, tmp_path: Path, database: str) -> None:
    """Init and migrate; of some a changed row, and a rollback to what was before: no file of the project is edited."""
    shape = CASES[case]
    folder = tmp_path / "a shop"
    initialize.init(SHAPES / case, folder)
    (folder / ".cache").symlink_to(shared_cache(tmp_path, case), target_is_directory=True)
    settings = settings_module.load(
        project=folder, database_url=database, source=Path("mock_data"),
        backup_restore_test="never",  # the rollback restores
    )  # fmt: skip
    service = MigrationService(settings)

    _succeeds(service.migrate_all_data())
    with postgres.connect(database, name="test") as connection:
        found = _rows(connection)
        assert {name: found.get(name) for name in shape.tables} == shape.tables
        assert {name: _types(connection).get(name) for name in shape.types} == shape.types
        assert set(shape.keys) <= _foreign_keys(connection)
        before = _content(connection)
    if shape.spoil is None:
        return

    changed = tmp_path / case
    copy = shutil.copytree if (SHAPES / case).is_dir() else shutil.copy
    copy(SHAPES / case, changed)
    file = changed / shape.file if shape.file else changed
    text = file.read_text(encoding="utf-8")
    lines = file.suffix == ".ndjson"
    document = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    shape.spoil(document)
    file.write_text("\n".join(map(json.dumps, document)) if lines else json.dumps(document), encoding="utf-8")
    second = _succeeds(service.migrate_all_data(changed))
    assert _changes(second) == {shape.changed: (0, 1, 0)}
    backup = second.summary["backup"]["backup_id"]
    _succeeds(service.rollback(backup))
    with postgres.connect(database, name="test") as connection:
        assert _content(connection) == before
    assert service.validate_migration()


def _succeeds(result: MigrationResult) -> MigrationResult:
    assert result.success, (result.message, result.errors[:5])
    return result


def _changes(result: MigrationResult) -> dict[str, tuple[int, int, int]]:
    """The tables that changed: rows inserted, updated and deleted."""
    tables = _succeeds(result).summary["publish"]["tables"]
    counts = {name: (rows["inserted"], rows["updated"], rows["deleted"]) for name, rows in tables.items()}
    return {name: changed for name, changed in counts.items() if any(changed)}


def _content(connection: postgres.Connection) -> dict[str, list[str]]:
    """The rows of each table as texts, in order."""
    return {
        table: [
            row
            for (row,) in connection.execute(
                SQL("SELECT t::text FROM public.{} AS t ORDER BY 1").format(Identifier(table))
            ).fetchall()
        ]
        for table in postgres.catalogue.tables(connection, "public")
    }


def _rows(connection: postgres.Connection) -> dict[str, int]:
    return postgres.scratch.row_counts(connection, "public", postgres.catalogue.tables(connection, "public"))


def _types(connection: postgres.Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT c.relname || '.' || attname, format_type(atttypid, NULL) FROM pg_attribute"
        " JOIN pg_class AS c ON c.oid = attrelid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0"
    )
    return dict(rows.fetchall())


def _foreign_keys(connection: postgres.Connection) -> set[str]:
    rows = connection.execute(
        "SELECT c.relname || '.' || a.attname || ' -> ' || f.relname || '.' || p.attname"
        " FROM pg_constraint JOIN pg_class AS c ON c.oid = conrelid JOIN pg_class AS f ON f.oid = confrelid"
        " JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = conkey[1]"
        " JOIN pg_attribute AS p ON p.attrelid = confrelid AND p.attnum = confkey[1]"
        " WHERE contype = 'f' AND array_length(conkey, 1) = 1"
    )
    return {key for (key,) in rows}
