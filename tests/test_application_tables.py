"""Tables that an application made and goes on using: migrate, verify and rollback leave what is not ours alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import VerifyFailed
from mock2pg.postgres.server import binary
from tests.fix_merge import select
from tests.fix_postgres import OlderServer, new_database
from tests.fix_small import small_document, small_project

TABLES = """
    CREATE TABLE public.owners (id text PRIMARY KEY, name text NOT NULL);
    CREATE TABLE public.pets (id text PRIMARY KEY, owner_id text NOT NULL REFERENCES public.owners ON DELETE CASCADE,
        name text NOT NULL UNIQUE, legs int NOT NULL CHECK (legs >= 0));
"""
# Rows that inherit, and orphans of old: under a key that is not valid, and under one whose triggers did not fire.
HERITAGE = """
    CREATE TABLE public.old_pets (archived date, PRIMARY KEY (id)) INHERITS (public.pets);
    INSERT INTO public.old_pets VALUES ('Rex', 'Ann', 'Rex the first', 4, '2020-01-01'), ('Tom', 'Ann', 'Tom', 3, NULL);
    CREATE TABLE public.customers (id int PRIMARY KEY);
    CREATE TABLE public.invoices (id int PRIMARY KEY, customer_id int, pet text);
    INSERT INTO public.invoices VALUES (1, 99, 'lost');
    ALTER TABLE public.invoices ADD CONSTRAINT to_customer FOREIGN KEY (customer_id) REFERENCES public.customers
        NOT VALID;
    ALTER TABLE public.invoices ADD CONSTRAINT to_pet FOREIGN KEY (pet) REFERENCES public.pets NOT VALID;
    CREATE TABLE public.licences (id int PRIMARY KEY REFERENCES public.customers);
    ALTER TABLE public.owners ADD COLUMN customer int CONSTRAINT owner_is REFERENCES public.customers;
    SET session_replication_role = replica;
    INSERT INTO public.licences VALUES (7); INSERT INTO public.owners VALUES ('Ann', 'Ann', 5);
    SET session_replication_role = DEFAULT;
"""


def dumped(url: str) -> str:
    command = [binary("pg_dump"), "--restrict-key=x", "--exclude-schema=mock2pg*", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_rows_that_are_not_ours_are_no_failure_of_ours(
    tmp_path: Path, database: str, connection: postgres.Connection
) -> None:
    """Rows of inheriting tables and old orphans stay, verify passes and names them, and a rollback is exact."""
    connection.execute(TABLES + HERITAGE)  # type: ignore[arg-type]
    before = dumped(database)
    service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=database))
    result = service.migrate_all_data(small_document("Rex", "Kit"))
    assert result.success, result.message
    assert result.summary["publish"]["tables"]["owners"]["unchanged"] == 1
    heirs = "SELECT id, name, archived::text FROM public.old_pets ORDER BY id"
    assert select(connection, heirs) == [("Rex", "Rex the first", "2020-01-01"), ("Tom", "Tom", None)]
    (heir,) = result.summary["preflight"]["cautions"]
    assert heir.startswith("public.old_pets inherits from pets and holds 1 row with a key (id) of the source")
    orphans = [
        ("invoices", "to_customer", "customers"), ("invoices", "to_pet", "pets"),
        ("licences", "licences_id_fkey", "customers"), ("owners", "owner_is", "customers"),
    ]  # fmt: skip
    said = [
        f"{table}: 1 row of {name} refers to no row of {parent}, not caused by a migration"
        for table, name, parent in orphans
    ]
    assert result.summary["verify"]["cautions"] == said
    connection.execute("SET session_replication_role = replica; UPDATE public.pets SET owner_id = 'x' WHERE id = 'Kit'")
    failed = service.verify()
    assert isinstance(failed.error, VerifyFailed)
    assert "pets: 1 orphan by pets_owner_id_fkey" in failed.error.message
    connection.execute(
        "UPDATE public.pets SET owner_id = 'Bob' WHERE id = 'Kit'; SET session_replication_role = DEFAULT"
    )
    back = service.rollback(result.summary["backup"]["backup_id"])
    assert back.success, back.message
    assert dumped(database) == before


def test_a_change_of_case_lands_and_is_proven(older_server: OlderServer, tmp_path: Path) -> None:
    """Under a collation that calls both spellings equal."""
    with new_database(older_server, template="template1") as url, postgres.connect(url, name="test") as connection:
        connection.execute(TABLES)  # type: ignore[arg-type]
        connection.execute("""
            CREATE COLLATION public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            ALTER TABLE public.pets ALTER name TYPE text COLLATE public.ci""")
        service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=url))
        document = small_document("Rex", "Kit")
        for name in ("Rex", "REX"):
            document["pets"][0]["name"] = name
            result = service.migrate_all_data(document)
            assert result.success, result.message
            assert select(connection, "SELECT name FROM public.pets WHERE id = 'Rex'") == [(name,)]
        assert result.summary["publish"]["tables"]["pets"]["updated"] == 1
        assert service.validate_migration()
