"""Locks of other sessions: nothing waits for one without an end, and whoever holds it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import Mock2pgError
from mock2pg.settings import Settings
from mock2pg.tools.server import Server
from tests.fix_postgres import held, new_database
from tests.fix_small import small_document, small_project

PETS = small_document("Rex", "Tom")


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Two owners and two pets were migrated; no lock is waited for longer than 100 ms."""
    project = small_project(tmp_path_factory.mktemp("small"))
    with new_database(server) as url:
        settings = settings_module.load(project=project, database_url=url, lock_timeout="100ms", publish_attempts=1)
        assert MigrationService(settings).migrate_all_data(PETS).success
        yield settings


def error_of(command: Callable[[MigrationService], object], settings: Settings) -> Mock2pgError:
    try:
        result = command(MigrationService(settings))
    except Mock2pgError as error:
        return error
    error = getattr(result, "error", None)
    assert isinstance(error, Mock2pgError)
    return error


COMMANDS: dict[str, tuple[str, Callable[[MigrationService], object]]] = {
    "verify": ("public.pets", lambda service: service.verify()),
    "plan": ("public.pets", lambda service: service.plan(PETS)),
    "migrate": ("public.pets", lambda service: service.migrate_all_data(PETS)),
    "backup": ("public.pets", lambda service: service.backup()),
    "rollback --show": ("public.pets", lambda service: service.rollback(newest(service), show=True)),
    "rollback": ("public.pets", lambda service: service.rollback(newest(service))),
    "status": ("mock2pg.runs", lambda service: service.status()),
    "history": ("mock2pg.events", lambda service: service.history()),
    "backups prune": ("mock2pg.runs", lambda service: service.prune_backups(keep_last=1)),
}


def newest(service: MigrationService) -> str:
    return str(service.backups()[0]["id"])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_waits_for_a_lock_for_ever(command: str, migrated: Settings) -> None:
    """Each stops while the lock is held still, and says which table is locked, and by whom since when."""
    table, run = COMMANDS[command]
    with held(migrated.url, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE") as holder:
        error = error_of(run, migrated)
    assert f"a lock was not given in time; table {table} is locked by {holder} since 20" in error.message
    assert "pg_terminate_backend" in error.hint
