"""A project made by `init --from-target` migrates into the tables of an application, without an edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService, init, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import PreflightFailed
from mock2pg.init.conclusions import Conclusions
from mock2pg.init.target import from_target
from mock2pg.postgres import existing_tables
from mock2pg.settings import REPOSITORY
from tests.fix_merge import select
from tests.fix_restore import definitions

DOCUMENTS: dict[str, dict[str, Any]] = {
    "prisma": {
        "users": [
            {"id": 1, "email": "ann@shop.example", "name": "Ann", "role": "admin",
             "createdAt": "2026-01-02T03:04:05.678Z", "settings": {"theme": "dark", "size": 12}},
            {"id": 2, "email": "bob@shop.example", "name": None, "role": "in-review",
             "createdAt": "2026-02-03T04:05:06.789Z", "settings": {"theme": "light", "size": 10}},
        ],
        "posts": [
            {"id": 1, "title": "Hello", "order": 1, "price": 9.5, "userId": 1, "starts": "14:00", "published": True,
             "tags": ["a", "b"], "categoryIds": [1, 2]},
            {"id": 2, "title": "Again", "order": 3000000000, "price": 12.25, "userId": 2, "starts": "09:30",
             "tags": [], "categoryIds": [2]},
        ],
        "categories": [{"id": 1, "name": "News"}, {"id": 2, "name": "Views"}],
    },
    "django": {
        "users": [
            {"id": "1", "username": "ann", "isActive": True, "dateJoined": "2026-01-02T03:04:05Z"},
            {"id": "2", "username": "bob", "isActive": False, "dateJoined": "2026-02-03T04:05:06Z"},
        ],
        "products": [
            {"id": 10, "name": "Tea", "price": "18.0000", "seller": "1", "stock": 3, "tags": [1, 2]},
            {"id": 11, "name": "Cup", "price": "4.5000", "seller": "2", "stock": 0, "tags": [2]},
        ],
        "tags": [{"id": 1, "slug": "green"}, {"id": 2, "slug": "new"}],
    },
    "supabase": {
        "profiles": [
            {"id": "6f2b2c5e-8a8f-4e55-9c43-0c1a2b3c4d5e", "username": "ann", "bio": "Tea."},
            {"id": "7a3c3d6f-9b90-4f66-8d54-1d2b3c4d5e6f", "username": "bob", "bio": None},
        ],
        "todos": [
            {"id": 1, "userId": "6f2b2c5e-8a8f-4e55-9c43-0c1a2b3c4d5e", "task": "Boil water", "isComplete": True,
             "due": "2026-05-01"},
            {"id": 2, "userId": "7a3c3d6f-9b90-4f66-8d54-1d2b3c4d5e6f", "task": "Make tea", "parentId": 1, "due": None},
        ],
        "comments": [{"id": 1, "todoId": 2, "text": "Now!", "at": "2026-05-02T10:00:00.000Z"}],
    },
    "alembic": {
        "departments": [{"code": "A", "title": "Office", "head": 2}, {"code": "B", "title": "Works", "head": None}],
        "employees": [
            {"id": 1, "fullName": "Ann", "reportsTo": 2, "department": "A", "salary": 12.5,
             "hired": "2026-01-02T03:04:05.678Z", "secret": "6f2b2c5e-8a8f-4e55-9c43-0c1a2b3c4d5e"},
            {"id": 2, "fullName": "Bob", "reportsTo": None, "department": "B", "salary": 13,
             "hired": "2026-01-02T03:04:05.000Z", "secret": "7a3c3d6f-9b90-4f66-8d54-1d2b3c4d5e6f"},
        ],
    },
}  # fmt: skip
FOUND: dict[str, list[tuple[str, list[tuple[Any, ...]]]]] = {
    "prisma": [
        (
            'SELECT id, role::text, "createdAt"::text, settings ->> \'theme\' FROM prisma."User" ORDER BY id',
            [(1, "ADMIN", "2026-01-02 03:04:05.678", "dark"), (2, "IN_REVIEW", "2026-02-03 04:05:06.789", "light")],
        ),
        (
            'SELECT "order", price::text, "authorId", starts, published, tags FROM prisma."Post" ORDER BY id',
            [(1, "9.50", 1, "14:00", True, ["a", "b"]), (3000000000, "12.25", 2, "09:30", False, [])],
        ),
        ('SELECT * FROM prisma."_CategoryToPost" ORDER BY 1, 2', [(1, 1), (2, 1), (2, 2)]),
    ],
    "django": [
        (
            "SELECT id, password, is_active, date_joined::text FROM django.auth_user ORDER BY id",
            [(1, "", True, "2026-01-02 03:04:05+00"), (2, "", False, "2026-02-03 04:05:06+00")],
        ),
        (
            "SELECT id, price::text, seller_id FROM django.shop_product ORDER BY id",
            [(10, "18.0000", 1), (11, "4.5000", 2)],
        ),
        (
            "SELECT product_id, tag_id, id > 0 FROM django.shop_product_tags ORDER BY 1, 2",
            [(10, 1, True), (10, 2, True), (11, 2, True)],
        ),
        ("INSERT INTO django.shop_tag (slug) VALUES ('mine') RETURNING id", [(3,)]),
        ("DELETE FROM django.shop_tag WHERE id = 3 RETURNING slug", [("mine",)]),
    ],
    "supabase": [
        (
            "SELECT user_id::text, is_complete, parent_id, due::text FROM supabase.todos ORDER BY id",
            [("6f2b2c5e-8a8f-4e55-9c43-0c1a2b3c4d5e", True, None, "2026-05-01"),
             ("7a3c3d6f-9b90-4f66-8d54-1d2b3c4d5e6f", None, 1, None)],
        ),
        ("SELECT count(*) FROM supabase.profiles WHERE created_at IS NOT NULL", [(2,)]),
        ("SELECT todo_id, at::text FROM supabase.comments", [(2, "2026-05-02 10:00:00+00")]),
    ],
    "alembic": [
        ("SELECT code, head FROM alembic.departments ORDER BY 1", [("A", 2), ("B", None)]),
        (
            "SELECT employee_id, reports_to, department, salary, hired::text, initials, secret::text"
            " FROM alembic.employees ORDER BY 1",
            [(1, 2, "A", 12.5, "2026-01-02 03:04:05.678", "A", "6f2b2c5e-8a8f-4e55-9c43-0c1a2b3c4d5e"),
             (2, None, "B", 13.0, "2026-01-02 03:04:05", "B", "7a3c3d6f-9b90-4f66-8d54-1d2b3c4d5e6f")],
        ),
    ],
}  # fmt: skip


@pytest.fixture
def tables(connection: postgres.Connection) -> postgres.Connection:
    connection.execute((REPOSITORY / "tests" / "data" / "existing_tables.sql").read_text())  # type: ignore[arg-type]
    return connection


def project(folder: Path, url: str, schema: str, document: dict[str, Any]) -> tuple[MigrationService, Conclusions]:
    """A project for the tables of a schema, as `init --from-target` makes it."""
    (folder / "db.json").write_text(json.dumps(document))
    given: dict[str, Any] = {"database_url": url, "target_schema": schema}
    with from_target.reading(settings_module.load(**given)) as completed:
        done = init.init(folder / "db.json", folder / "shop", completed=completed)
    return MigrationService(settings_module.load(project=folder / "shop", **given)), done.conclusions


@pytest.mark.parametrize("style", DOCUMENTS)
def test_a_project_for_the_tables_of_an_application_needs_no_edit(
    style: str, tmp_path: Path, database: str, tables: postgres.Connection
) -> None:
    """It migrates, changes nothing the second time, and goes back; and not a line of the application's
    definitions changes."""
    before = definitions(database, style)
    service, found = project(tmp_path, database, style, DOCUMENTS[style])
    source = tmp_path / "shop" / "mock_data"
    migrated = service.migrate_all_data(source)
    assert migrated.success, migrated.message
    for query, rows in FOUND[style]:
        assert select(tables, query) == rows
    if style == "prisma":
        assert service.validate_migration()
        assert definitions(database, style) == before
        again = service.migrate_all_data(source)
        assert again.success, again.message
        assert not any(t["inserted"] + t["updated"] + t["deleted"] for t in again.summary["publish"]["tables"].values())
    back = service.rollback(migrated.summary["backup"]["backup_id"])
    assert back.success, back.message
    assert definitions(database, style) == before
    for each in existing_tables.read(tables, style):
        assert not each.holds_rows
    created = [doubt.place for doubt in found.database if doubt.message.endswith("it is created")]
    assert created == (["comments"] if style == "supabase" else [])


def test_a_plan_lists_all_that_the_tables_do_not_take(
    tmp_path: Path, database: str, tables: postgres.Connection
) -> None:
    """A type, a length, a missing value, a check, a unique, a foreign key and a column that nothing fills, in one list;
    the review says beforehand what the values show."""
    tables.execute("""
        ALTER TABLE supabase.profiles ADD email varchar(5) NOT NULL, ADD invited uuid NOT NULL UNIQUE;
        ALTER TABLE supabase.todos ADD priority integer, ADD position integer NOT NULL""")
    first, second, lost = (f"{digit}f2b2c5e-8a8f-4e55-9c43-0c1a2b3c4d5e" for digit in "123")
    document = {
        "profiles": [
            {"id": first, "username": "ann", "email": "ann@mail.example"},
            {"id": second, "username": "ann"},
        ],
        "todos": [
            {"id": 1, "userId": first, "task": "Go", "priority": "high", "position": 1},
            {"id": 2, "userId": lost, "task": "Stay", "priority": "low"},
        ],
    }
    service, found = project(tmp_path, database, "supabase", document)
    planned = service.plan(tmp_path / "shop" / "mock_data")
    assert isinstance(planned.error, PreflightFailed)
    assert sorted(f"{each['table']}: {each['what']}" for each in planned.summary["preflight"]["findings"]) == [
        "profiles: column email is NOT NULL, and 1 row would have no value in it",
        "profiles: column email is character varying(5), which would change 1 value of the built ones",
        "profiles: column invited is NOT NULL without a default, and no model fills it",
        "profiles: unique constraint profiles_username_key would be violated by two rows",
        "todos: check todos_task_check would be violated by 1 row (1)",
        "todos: column position is NOT NULL, and 1 row would have no value in it",
        "todos: column priority is integer, which does not accept what is built: invalid input syntax for type integer:"
        " (a value) (SQLSTATE 22P02)",
        "todos: todos_user_id_fkey: 1 row would refer to no row of profiles (2)",
    ]
    assert {doubt.place for doubt in found.doubts} >= {
        "profiles.email", "profiles.invited", "todos.priority", "todos.position", "todos.user_id",
    }  # fmt: skip
