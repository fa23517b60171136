"""A database whose other schemas lean on the target schema, and the other way round, as a hosted application has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import VerifyFailed
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run
from mock2pg.step_results import StepResult
from tests.fix_restore import dumped, execute
from tests.fix_small import small_document, small_project

# The role that migrates owns public, and may not even look into auth.
HOSTED = """
    CREATE ROLE hosted LOGIN; CREATE ROLE hosted_auth;
    ALTER SCHEMA public OWNER TO hosted; COMMENT ON SCHEMA public IS NULL;
    CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY);
    GRANT USAGE ON SCHEMA auth TO hosted; GRANT REFERENCES ON auth.users TO hosted;
    SET ROLE hosted;
    CREATE TYPE public.mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN public.email AS text CHECK (VALUE LIKE '%@%');
    CREATE TABLE public.profiles (id int PRIMARY KEY REFERENCES auth.users, seen int);
    CREATE TABLE public.audit_log (at timestamptz, id int);
    CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN INSERT INTO public.profiles VALUES (new.id, 0); RETURN new; END';
    RESET ROLE;
    CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW
        EXECUTE FUNCTION public.handle_new_user();
    CREATE TABLE auth.moods (mood public.mood, email public.email);
    CREATE SCHEMA api; CREATE VIEW api.profiles AS SELECT * FROM public.profiles;
    INSERT INTO auth.users VALUES (1), (2); INSERT INTO auth.moods VALUES ('glad', 'a@b');
    INSERT INTO public.audit_log VALUES ('2026-01-01', 1);
    ALTER SCHEMA auth OWNER TO hosted_auth; ALTER TABLE auth.users OWNER TO hosted_auth;
    REVOKE ALL ON SCHEMA auth FROM hosted; REVOKE ALL ON auth.users FROM hosted"""


@pytest.fixture
def hosted(database: str, connection: postgres.Connection) -> Iterator[str]:
    """The URL for the role that migrates."""
    execute(database, HOSTED)
    row = connection.execute("SELECT format('%I', current_database())").fetchone()
    assert row is not None
    connection.execute(f"GRANT CREATE, TEMP ON DATABASE {row[0]} TO hosted")  # type: ignore[call-overload]
    yield conninfo.make_conninfo(database, user="hosted")
    connection.execute("DROP OWNED BY hosted, hosted_auth CASCADE; DROP ROLE hosted, hosted_auth")


def test_what_other_schemas_have_to_do_with_ours_stays(
    hosted: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that is undone, because somebody changed a row meanwhile, and a rollback both lead back to an equal
    dump: the tables that the run made are gone, and nothing that others depend on was dropped. What another schema has
    on such a table is all that a refused rollback names."""
    service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=hosted))
    before, performed = dumped_without_history(database), steps.run_in_process

    def meanwhile(step: steps.Step, run: Run, *, warn: object, **parameters: Any) -> StepResult:
        if step.name == "verify" and not list(tmp_path.glob("changed")):
            (tmp_path / "changed").touch()
            execute(database, "UPDATE public.owners SET name = 'X' WHERE id = 'Ann'")
        return performed(step.name, run, parameters)  # without a notebook

    monkeypatch.setattr(steps, "run_recorded", meanwhile)
    failed = service.migrate_all_data(small_document("Rex", "Ida"))
    assert isinstance(failed.error, VerifyFailed)
    assert "owners: 1 different" in failed.error.message
    assert Run(failed.run_id, service.settings).read("record.json")["status"] == "rolled_back"
    assert dumped_without_history(database) == before
    done = service.migrate_all_data(small_document("Rex", "Ida"))
    assert done.success, done.message
    assert done.summary["verify"]["cautions"] == [
        "profiles: profiles_id_fkey cannot be checked: no SELECT on both of its tables"
    ]
    execute(database, "INSERT INTO auth.users VALUES (3)")
    execute(database, "DELETE FROM public.profiles WHERE id = 3; DELETE FROM auth.users WHERE id = 3")
    execute(database, "CREATE VIEW api.pets AS SELECT id FROM public.pets")
    refused = service.rollback(done.summary["backup"]["backup_id"])
    assert refused.error is not None
    assert refused.error.message == (
        "objects that depend on relations added since the backup (pets, owners) would be dropped: view api.pets"
    )
    execute(database, "DROP VIEW api.pets")
    back = service.rollback(done.summary["backup"]["backup_id"])
    assert back.success, back.message
    assert back.summary["rollback"]["way"] == "merge"
    assert dumped_without_history(database) == before


def dumped_without_history(url: str) -> str:
    return "".join(dumped(url, schema) for schema in ("public", "auth", "api"))
