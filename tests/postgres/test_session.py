"""The settings of a session, and its owner."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.backups import dump, exported_rows
from mock2pg.errors import DatabaseError, Mock2pgError
from mock2pg.postgres.server import binary
from tests.fix_pooler import pooler
from tests.fix_small import small_document, small_project

HOSTILE = {
    "quote_all_identifiers": "on", "statement_timeout": "'400ms'", "lock_timeout": "1", "idle_session_timeout": "'2s'",
    "idle_in_transaction_session_timeout": "'2s'", "transaction_timeout": "'2s'", "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'", "TimeZone": "'Asia/Kathmandu'", "bytea_output": "'escape'",
    "extra_float_digits": "-15", "default_transaction_isolation": "'serializable'",
    "default_transaction_deferrable": "on", "row_security": "on", "standard_conforming_strings": "off",
    "backslash_quote": "on", "transform_null_equals": "on", "array_nulls": "off", "temp_buffers": "'800kB'",
    "session_replication_role": "'replica'", "xmloption": "'document'", "exit_on_error": "on",
    "plpgsql.extra_errors": "'all'", "plpgsql.check_asserts": "off", "search_path": "nowhere, public",
    "client_min_messages": "'error'", "work_mem": "'64kB'", "check_function_bodies": "off",
}  # fmt: skip


def _commands(service: MigrationService) -> dict[str, Callable[[], object]]:
    return {
        "status": service.status,
        "history": service.history,
        "verify": service.verify,
        "migrate": lambda: service.migrate_all_data(small_document("Rex")),
        "rollback": lambda: service.prune_backups(1),
    }


@pytest.mark.parametrize("size", [1, 2])
def test_a_transaction_pooler_is_refused_and_left_as_it_was(size: int, database: str, tmp_path: Path) -> None:
    """Every command says so at once, and the application's sessions have neither our settings nor our locks."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home, pooler(database, Path(home), size) as pooled:
        service = MigrationService(settings_module.load(project=small_project(tmp_path), database_url=pooled.url))
        for name, command in _commands(service).items():
            try:
                found = command()
                refused = getattr(found, "error", None)
            except Mock2pgError as error:
                refused = error
            assert isinstance(refused, DatabaseError), name
            assert "a transaction pooler (such as PgBouncer)" in refused.message, name
            assert "direct port" in refused.hint, name
        assert service.doctor()[1]["verdict"] == "failed"
        with psycopg.connect(pooled.url, autocommit=True, prepare_threshold=None) as application:
            for _ in range(2 * size):
                row = application.execute(
                    "SELECT current_setting('search_path'), current_setting('row_security'),"
                    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
                ).fetchone()
                assert row == ('"$user", public', "on", 0)


@pytest.mark.parametrize("error", ["", 'server login failed: FATAL database "nowhere" does not exist'])
def test_a_pooler_that_has_no_session_is_not_waited_for(error: str, database: str) -> None:
    """It lets a client log in and never answers, or with an error: one try, within the connect timeout."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home, pooler(database, Path(home), 0, error) as pooled:
        url = psycopg.conninfo.make_conninfo(pooled.url, connect_timeout=2)
        with pytest.raises(DatabaseError) as failed:
            postgres.connect(url, name="test")
        assert failed.value.message.startswith(f"cannot set up the session: {error or 'no answer in 2 s'}")
        assert not failed.value.reached
        assert pooled.clients == 1


def test_no_default_of_a_role_or_database_changes_a_run(database: str, tmp_path: Path) -> None:
    """Migrate, verify and roll back whatever ALTER DATABASE and ALTER ROLE say, in every library's sessions."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database)
    service = MigrationService(settings)
    with postgres.connect(database, name="test") as connection:
        connection.execute(
            "CREATE TABLE public.kept (id int PRIMARY KEY, at timestamptz DEFAULT '2026-01-02', raw bytea"
            r" DEFAULT '\x00', ratio float8 CHECK (ratio <> 0.1), long interval DEFAULT '1 day 2 hours', parts text[])"
        )
        connection.execute("INSERT INTO public.kept VALUES (1, now(), '\\x00ff', 0.3, '-1 day', '{NULL,a}')")
        before = dump.definitions(connection, database, "public", binary("pg_dump"))
        rows = exported_rows.content_hash(connection, "public", "kept")
        name = connection.info.dbname
        for number, (setting, value) in enumerate(HOSTILE.items()):
            whose = f"DATABASE {name}" if number % 2 else f"ROLE postgres IN DATABASE {name}"
            if setting != "transaction_timeout" or connection.info.server_version >= 170000:
                connection.execute(f"ALTER {whose} SET {setting} = {value}")  # type: ignore[arg-type]
    for source in (small_document("Rex"), small_document("Rex", "Tom")):
        migrated = service.migrate_all_data(source)
        assert migrated.success, migrated.message
    assert service.validate_migration()
    first = min(backup["id"] for backup in service.backups())
    back = service.rollback(first)
    assert back.success, back.message
    with postgres.connect(database, name="test") as connection:
        assert dump.definitions(connection, database, "public", binary("pg_dump")) == before
        assert exported_rows.content_hash(connection, "public", "kept") == rows
