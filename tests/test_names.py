"""Names that PostgreSQL takes are taken: of databases, roles, schemas, tables, columns and files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.postgres.server import Server
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
            assert service.validate_migration()
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
