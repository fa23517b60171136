"""Retention: which backups go, which stay whatever is asked, and that the database has the last word."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mock2pg import MigrationService, backups, history, postgres
from mock2pg.backups import Backup
from mock2pg.errors import DatabaseError, UsageError
from mock2pg.history import layout
from mock2pg.log import timestamp
from mock2pg.pipeline import prune_backups
from mock2pg.settings import Settings
from tests.fix_backups import write

NOW = datetime.now(UTC)
PUBLIC, IDENTITY = backups.new_key()

Made = Callable[..., Backup]
Decisions = list[dict[str, Any]]


@pytest.fixture
def made(settings: Settings, connection: postgres.Connection) -> Made:
    """A backup of the target schema that was taken so many days ago."""
    known = postgres.describe_database(connection)
    here = {"database": known["name"], "system_identifier": known["system_identifier"], "schema": "public"}

    def make(days: float, **given: Any) -> Backup:
        moment = timestamp(NOW - timedelta(days=days))
        header = {"moment": moment, **here, "published_run": None, **given}
        return write(settings.backups_dir, {"t": [{"id": days}]}, **header)

    return make


@pytest.fixture
def published(connection: postgres.Connection) -> Callable[..., None]:
    """Writes the history's row of a run that took that backup, or went back to it."""

    def publish(backup: Backup, command: str = "migrate", run: str = "", target: str = "") -> None:
        history.record(
            connection,
            run_id=run or backup.id,
            command=command,
            operator="a tester",
            started_at=timestamp(NOW),
            schema="public",
            published_run=target or run or backup.id,
            input_sha256=None,
            backup_id=backup.id,
            tables={},
            owned={},
            version="0",
        )

    return publish


def removed(decisions: Decisions) -> list[str]:
    return [decision["id"] for decision in decisions if decision["remove"]]


def reasons(decisions: Decisions) -> dict[str, str]:
    return {decision["id"]: decision["reason"] for decision in decisions if not decision["remove"]}


def there(settings: Settings) -> set[str]:
    return {entry.id for entry in backups.list_backups(settings.backups_dir)}


def test_nothing_is_removed_unless_it_is_said_twice(service: MigrationService, settings: Settings, made: Made) -> None:
    """Without `yes` the answer is the same, and every file is where it was."""
    ids = [made(days).id for days in (1, 2, 3)]
    decisions = service.prune_backups(keep_last=1)
    assert removed(decisions) == ids[1:]
    assert there(settings) == set(ids)
    with postgres.connect(settings.url, name="test") as connection:
        layout.create(connection)
    assert service.prune_backups(keep_last=1, yes=True) == decisions
    assert there(settings) == {ids[0]}
    assert removed(service.prune_backups(keep_last=1, yes=True)) == []
    events = [(entry["kind"], entry["backup_id"], entry["operator"]) for entry in service.history()]
    assert sorted(events) == [("prune", name, "a tester") for name in sorted(ids[1:])]


@pytest.mark.parametrize(
    ("keep", "staying"),
    [
        ({"keep_last": 1}, 1),
        ({"keep_last": 2}, 2),
        ({"keep_last": 9}, 4),
        ({"keep_days": 5}, 2),
        ({"keep_days": 0}, 1),
        ({"keep_days": 100}, 4),
        ({"keep_last": 3, "keep_days": 5}, 3),
        ({"keep_last": 1, "keep_days": 5}, 2),
    ],
)
def test_a_backup_stays_when_either_rule_holds_it(
    keep: dict[str, int], staying: int, service: MigrationService, made: Made
) -> None:
    """So many of the newest, and those of so many days; each says why it stays or goes."""
    ids = [made(days).id for days in (1, 4, 10, 50)]
    decisions = service.prune_backups(**keep)  # type: ignore[arg-type]
    assert [decision["id"] for decision in decisions] == ids
    assert removed(decisions) == ids[staying:]
    assert all(decision["reason"] for decision in decisions)


def test_age_is_what_the_backup_says(service: MigrationService, made: Made) -> None:
    """A file that was copied or touched is as old as before."""
    new, old = made(1), made(9)
    os.utime(old.file)
    os.utime(new.file, (0, 0))
    assert removed(service.prune_backups(keep_last=1)) == [old.id]
    assert removed(service.prune_backups(keep_days=5)) == [old.id]


def test_the_age_of_a_backup_is_that_of_the_last_migration_that_named_it(
    service: MigrationService, made: Made, published: Callable[..., None]
) -> None:
    """A migration takes no second backup of a state: an old one may be of the state of yesterday."""
    never, named, newest = made(11), made(10), made(1)
    published(named)
    published(newest)
    since = reasons(decisions := service.prune_backups(keep_days=7))[named.id]
    assert removed(decisions) == [never.id]
    assert since.startswith("the state before a migration of ")
    assert removed(service.prune_backups(keep_last=1)) == [named.id, never.id]


def test_backups_that_the_target_can_go_back_to_stay(
    service: MigrationService, made: Made, published: Callable[..., None]
) -> None:
    """The backup of the newest migration; after a rollback the one gone back to, and that of the published run."""
    first, second, third, newest = made(40), made(30), made(20), made(1)
    published(first, run="one")
    published(second, run="two")
    assert reasons(service.prune_backups(keep_last=1)) == {
        newest.id: "the newest that can be restored",
        second.id: "the target schema can be rolled back to it",
    }
    published(third, "rollback", run="three", target="one")
    assert removed(service.prune_backups(keep_last=1)) == [second.id]
    assert {first.id, third.id, newest.id} == reasons(service.prune_backups(keep_last=1)).keys()


def test_damaged_ones_are_not_counted_and_go_only_when_told(
    service: MigrationService, settings: Settings, made: Made, published: Callable[..., None]
) -> None:
    """The newest valid one stays though there are newer files; one that the target needs stays even damaged."""
    needed, *spoiled = made(0.5), made(1), made(2)
    whole = [made(days).id for days in (3, 4, 5)]
    for backup in (needed, *spoiled):
        backup.file.write_bytes(backup.file.read_bytes()[:-1])
    published(needed)
    damaged = [backup.id for backup in spoiled]
    decisions = service.prune_backups(keep_last=2)
    assert removed(decisions) == whole[2:]
    assert all("truncated" in reasons(decisions)[name] for name in damaged)
    assert removed(service.prune_backups(keep_last=2, damaged=True, yes=True)) == [*damaged, whole[2]]
    assert there(settings) == {needed.id, *whole[:2]}


def test_backups_of_others_stay(service: MigrationService, made: Made) -> None:
    """This database knows nothing of what another one, or another schema or server, can go back to."""
    own = [made(days).id for days in (3, 4)]
    others = [made(1, database="another").id, made(2, schema="another").id, made(2.5, system_identifier="7").id]
    decisions = service.prune_backups(keep_last=1)
    assert removed(decisions) == own[1:]
    assert all("another" in reasons(decisions)[name] for name in others)


def test_what_cannot_be_opened_stays(service: MigrationService, settings: Settings, made: Made) -> None:
    """Without the key nobody can say whether an encrypted backup is whole; with it, it is one like the others."""
    sealed = [made(days, recipient=PUBLIC).id for days in (1, 2)]
    plain = [made(days).id for days in (3, 4)]
    decisions = service.prune_backups(keep_last=1, damaged=True)
    assert removed(decisions) == plain[1:]
    assert all("encrypted" in reasons(decisions)[name] for name in sealed)
    with_key = MigrationService(settings.model_copy(update={"backup_identity": IDENTITY}))
    assert removed(with_key.prune_backups(keep_last=1)) == [sealed[1], *plain]


def test_nothing_is_removed_when_nobody_can_say_what_the_target_needs(settings: Settings, made: Made) -> None:
    """A database that cannot be reached removes nothing."""
    ids = {made(days).id for days in (1, 2, 3)}
    lost = MigrationService(settings.model_copy(update={"database_url": SecretStr("host=127.0.0.1 port=1 dbname=a")}))
    with pytest.raises(DatabaseError):
        lost.prune_backups(keep_last=1, yes=True)
    assert there(settings) == ids


def test_what_is_to_stay_must_be_said(service: MigrationService, settings: Settings, made: Made) -> None:
    """Neither an option nor a setting is no reason to remove anything; the setting serves for the option."""
    made(1), made(2), made(3)
    with pytest.raises(UsageError, match="no option or setting says which backups to keep"):
        service.prune_backups(yes=True)
    keeping = MigrationService(settings.model_copy(update={"backup_keep": 2}))
    assert len(removed(keeping.prune_backups())) == 1
    assert len(removed(keeping.prune_backups(keep_last=1))) == 2


def test_each_run_that_succeeds_keeps_so_many(settings: Settings, made: Made) -> None:
    """MIGRATION_BACKUP_KEEP after a backup: the new one, and as many as make up the number."""
    old = [made(days) for days in (1, 2, 3)]
    keeping = MigrationService(settings.model_copy(update={"backup_keep": 2}))
    new = keeping.backup()
    assert there(settings) == {new, old[0].id}


def test_looking_at_a_rollback_removes_nothing(settings: Settings) -> None:
    """`--show` only says what would change, also when fewer backups are to stay than there are."""
    service = MigrationService(settings)
    ids = [service.backup(), service.backup()]
    keeping = MigrationService(settings.model_copy(update={"backup_keep": 1}))
    shown = keeping.rollback(ids[0], show=True)
    assert shown.success, shown.message
    assert there(settings) == set(ids)


@pytest.mark.usefixtures("executed_notebooks")
@pytest.mark.usefixtures("executed_notebooks")
def test_a_run_that_fails_removes_nothing(settings: Settings, made: Made) -> None:
    """However few are to stay: here the backup's notebook is not among the project's own."""
    ids = {made(days).id for days in (1, 2, 3)}
    (settings.project / "notebooks").mkdir()
    keeping = MigrationService(settings.model_copy(update={"backup_keep": 1}))
    assert not keeping.take_backup().success
    assert there(settings) == ids


def test_a_run_stands_though_pruning_after_it_fails(
    settings: Settings, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing removal changes no verdict: the log says that no more backups were removed, and why."""
    made(1), made(2)

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "a file")

    monkeypatch.setattr(prune_backups, "_remove", closed)
    keeping = MigrationService(settings.model_copy(update={"backup_keep": 1}))
    result = keeping.take_backup()
    assert result.success
    log = (settings.runs_dir / result.run_id / "migration.log").read_text()
    assert "No more backups were removed: cannot remove: Permission denied" in log
