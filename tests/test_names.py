"""Names that PostgreSQL takes are taken: of databases, roles, schemas, tables, columns and files."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.postgres.server import Server
from tests.fix_declared import Entity, declared_project
from tests.fix_postgres import new_database
from tests.fix_small import small_document, small_project

ODD = "On %s {x} \\ é\n名"


@pytest.mark.parametrize(("database", "name"), [(ODD, f"{ODD} \"7\" 'x'"), ("on", "007")])
def test_odd_names_of_database_role_and_schema_are_taken(
    database: str, name: str, server: Server, tmp_path: Path
) -> None:
    """A migration, its proof and its rollback work whatever database, role and schema are called."""
    with new_database(server, database), postgres.connect(server.url(database), name="test") as owner:
        role = sql.Identifier(name)
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(role))
        try:
            url = server.url(database).replace("postgres@", f"{quote(name, safe='')}@", 1)
            settings = settings_module.load(
                project=small_project(tmp_path), database_url=url, target_schema=name, operator=name
            )
            service = MigrationService(settings)
            result = service.migrate_all_data(small_document("Rex"))
            assert result.success, result.message
            assert owner.execute(sql.SQL("SELECT name FROM {}").format(sql.Identifier(name, "pets"))).fetchall() == [
                ("Rex",)
            ]
            rolled_back = service.rollback(result.summary["backup"]["backup_id"])
            assert rolled_back.success, rolled_back.message
            assert not postgres.catalogue.tables(owner, name)
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(role))


@pytest.mark.parametrize("mark", ["'", '"'])
def test_a_database_name_that_dbt_cannot_quote_is_refused_first(mark: str, server: Server, tmp_path: Path) -> None:
    """Before anything is staged, with the name and a remedy."""
    with new_database(server, f"a{mark}b"):
        settings = settings_module.load(project=small_project(tmp_path), database_url=server.url(f"a{mark}b"))
        result = MigrationService(settings).migrate_all_data(small_document("Rex"))
        assert not result.success
        assert f"the name of the database a{mark}b holds a quotation mark" in result.message + str(result.error)
        assert "stage" not in result.summary


COLUMNS = (
    "createdAt", "ORDER", "select", "user.Id", "a b", "100%", "%s", "x:y", "a*b", "Ünï名", "a-b", "{x}", "{0}", "a}}b",
    "back\\slash", "$1", "?", "<b>", "a,b", "(x)", "it's", "_x", "1st", 'q"uote',
)  # fmt: skip
USER = Entity(
    "User",
    {"id": "text!", **dict.fromkeys(COLUMNS, "text")},
    paths={name: f"k{number}" for number, name in enumerate(COLUMNS)},
    meta={'q"uote': {"unique": True}},
    constraints=[
        {"type": "unique", "columns": list(COLUMNS[:3])},
        {"type": "unique", "columns": ["user.Id"]},
        {"type": "check", "name": "a Check", "expression": '"select" <> $$%s$$'},
    ],
)
ORDER = Entity(
    "order",
    {"ID": "text!", "userId": "text!"},
    key=["ID"],
    meta={"userId": {"references": 'User."user.Id"'}},
    constraints=[{"type": "foreign_key", "columns": ["userId"], "to": "ref('User')", "to_columns": ["user.Id"]}],
)
GROUP = Entity(
    'Gruppe/名 100% of:x "{0}".',
    {"Ab": "text!", "user.Id": "text!"},
    key=["Ab", "user.Id"],
    path="groups",
    paths={"user.Id": "uid"},
    file="group",
    constraints=[{"type": "foreign_key", "columns": ["user.Id"], "to": "ref('User')", "to_columns": ["id"]}],
)


def odd_document(rows: int, value: str = "") -> dict[str, list[dict[str, str]]]:
    users = [{"id": str(n), **{f"k{key}": f"{value}{n}{key}" for key in range(len(COLUMNS))}} for n in range(rows)]
    return {"User": users, "order": [{"ID": "1", "userId": f"{value}03"}], "groups": [{"Ab": "x", "uid": "1"}]}


def test_odd_names_of_tables_and_columns_are_taken(database: str, tmp_path: Path) -> None:
    """By staging, rules, dbt's contracts, the merge, the proof, the backup and its restore: nothing needs quoting.

    A model's file need not be called as its table. A rule of Great Expectations' own takes such columns of a staged
    and of a built table, but for one with a quotation mark.
    """
    project = declared_project(tmp_path, [USER, ORDER, GROUP])
    rules = [
        {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": name, "max_value": 9}}
        for name in COLUMNS
        if '"' not in name
    ]
    (project / "expectations" / "tables").mkdir()
    for folder in ("", "tables"):
        (project / "expectations" / folder / "User.json").write_text(json.dumps({"expectations": rules}))
    service = MigrationService(settings_module.load(project=project, database_url=database))
    first = service.migrate_all_data(odd_document(3))
    assert first.success, (first.message, first.error)
    with postgres.connect(database, name="test") as connection:
        assert {*postgres.catalogue.tables(connection, "public")} == {USER.name, ORDER.name, GROUP.name}
        names = [*postgres.catalogue.columns(connection, "public", "User")["User"]]
        assert names == ["id", *COLUMNS, "created_at"]
        before = contents(connection)
        second = service.migrate_all_data(odd_document(4, "v"))
        assert second.success, (second.message, second.error)
        assert (
            second.summary["publish"]["tables"]["User"] | {"before": 3, "inserted": 1, "updated": 3}
            == (second.summary["publish"]["tables"]["User"])
        )
        assert contents(connection) != before
        assert service.validate_migration()
        rolled_back = service.rollback(second.summary["backup"]["backup_id"])
        assert rolled_back.success, rolled_back.message
        assert contents(connection) == before
    refused = service.check(odd_document(1) | {"User": [odd_document(1)["User"][0], odd_document(1)["User"][0]]})
    assert refused.message == "2 errors by 1 rule"


def contents(connection: postgres.Connection) -> list[object]:
    """The rows of the target tables."""
    each = [sql.Identifier("public", entity.name) for entity in (USER, ORDER, GROUP)]
    return [connection.execute(sql.SQL("SELECT * FROM {} ORDER BY 1").format(home)).fetchall() for home in each]


PRISMA = """
    CREATE TYPE public."Role" AS ENUM ('ADMIN', 'USER');
    CREATE TABLE public."User" ("id" text PRIMARY KEY, "firstName" text, "role" public."Role" NOT NULL DEFAULT 'USER',
        "managerId" text REFERENCES public."User" ON DELETE SET NULL ON UPDATE CASCADE,
        "createdAt" timestamp(3) NOT NULL DEFAULT current_timestamp, "updatedAt" timestamp(3) NOT NULL);
    CREATE TABLE public."Order" ("id" serial PRIMARY KEY,
        "userId" text NOT NULL REFERENCES public."User" ON DELETE RESTRICT ON UPDATE CASCADE);
    CREATE TABLE public."OrderItem" ("orderId" integer NOT NULL REFERENCES public."Order" ON DELETE RESTRICT,
        "lineNo" integer NOT NULL, "sku" text NOT NULL, PRIMARY KEY ("orderId", "lineNo"), UNIQUE ("orderId", "sku"),
        CONSTRAINT "lineNo_check" CHECK ("lineNo" > 0))"""
OF_PRISMA = (
    Entity(
        "User", {"id": "text!", "firstName": "text", "role": "text!", "managerId": "text"}, path="users",
        foreign_keys=[{"columns": ["managerId"], "to": "User", "to_columns": ["id"]}],
    ),
    Entity(
        "Order", {"id": "integer!", "userId": "text!"}, path="orders",
        constraints=[{"type": "foreign_key", "columns": ["userId"], "to": "ref('User')", "to_columns": ["id"]}],
    ),
    Entity(
        "OrderItem", {"orderId": "integer!", "lineNo": "integer!", "sku": "text!"}, path="items",
        key=["orderId", "lineNo"],
        constraints=[{"type": "foreign_key", "columns": ["orderId"], "to": "ref('Order')", "to_columns": ["id"]}],
    ),
)  # fmt: skip


def bought(*skus: str, role: str = "USER", line: int = 1) -> dict[str, list[dict[str, object]]]:
    """Two users who manage each other, and an order of these things."""
    users = [{"id": one, "firstName": None, "role": role, "managerId": other} for one, other in ("ab", "ba")]
    items = [{"orderId": 7, "lineNo": line, "sku": sku} for line, sku in enumerate(skus, line)]
    return {"users": users, "orders": [{"id": 7, "userId": "a"}], "items": items}


def test_tables_of_an_application_are_called_as_it_calls_them(database: str, tmp_path: Path) -> None:
    """The preflight names their tables, columns, checks and keys; rows exchange values; the application goes on."""
    service = MigrationService(
        settings_module.load(project=declared_project(tmp_path, OF_PRISMA), database_url=database)
    )
    with postgres.connect(database, name="test") as connection:
        connection.execute(PRISMA)
        refused = service.migrate_all_data(bought("x"))
        assert "User: column updatedAt is NOT NULL without a default" in str(refused.error)
        assert 'ALTER TABLE "public"."User" ALTER "updatedAt" SET DEFAULT ...' in str(refused.error)
        connection.execute('ALTER TABLE public."User" ALTER "updatedAt" SET DEFAULT now()')
        refused = service.migrate_all_data(bought("x", "y", role="KING", line=-1))
        assert 'User: column role is public."Role", which does not accept what is built' in str(refused.error)
        assert "OrderItem: check lineNo_check would be violated by 2 rows ((7, -1), (7, 0))" in str(refused.error)
        for document in (bought("x", "y", "z"), bought("y", "x", role="ADMIN")):
            done = service.migrate_all_data(document)
            assert done.success, (done.message, done.error)
        added = connection.execute("""INSERT INTO public."Order" ("userId") VALUES ('b') RETURNING "id" """)
        assert added.fetchone() == (8,)
        connection.execute('DELETE FROM public."OrderItem" WHERE "lineNo" = 2')
        assert not service.validate_migration()
        failed = service.rollback(done.summary["backup"]["backup_id"])
        assert "OrderItem: not as run" in str(failed.error)
