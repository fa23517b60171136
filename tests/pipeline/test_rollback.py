"""rollback: the step, without its notebook: what it refuses, keeps, changes and proves."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import tenacity
from psycopg import sql

from mock2pg import MigrationService, backups, postgres
from mock2pg import settings as settings_module
from mock2pg.backups import added_objects, diff, dump, exported_rows, held_difference, restore, snapshot
from mock2pg.errors import BackupFailed, RollbackFailed, TargetChanged, UsageError
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.steps.rollback import held, present
from mock2pg.pipeline.work import Work
from mock2pg.postgres import transactions
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult, encode
from tests.fix_postgres import DATABASE, new_database
from tests.fix_restore import dumped, execute
from tests.fix_small import model_alone, small_document, small_project

COPY = "mock2pg_rollback"

# Tables, views and columns of an application, beside those that are migrated.
THEIRS = """
    CREATE TABLE public.theirs (id int PRIMARY KEY, v text);
    CREATE TABLE public.bare (v text);
    INSERT INTO public.theirs VALUES (1, 'x'), (2, 'y');
    INSERT INTO public.bare VALUES ('p'), ('p')"""
ADDED = """
    ALTER TABLE public.owners ADD last_login timestamptz, ADD touched timestamptz;
    CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN new.touched := clock_timestamp(); RETURN new; END';
    CREATE TRIGGER touch BEFORE UPDATE ON public.owners FOR EACH ROW EXECUTE FUNCTION public.touch();
    CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) FROM public.pets"""


@dataclass(frozen=True)
class Migrated:
    """A database into which two runs migrated; `first` and `second` are their backups, the dumps what was then."""

    settings: Settings
    first: str
    second: str
    run: str
    dump_first: str
    dump_second: str
    dump_now: str


@pytest.fixture(scope="module")
def made(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    """The results of the two runs, in a database that is only copied."""
    with ExitStack() as stack:
        with new_database(server) as url:
            migrated = migrated_twice(
                settings_module.load(project=project_with_keepers(tmp_path_factory.mktemp("r")), database_url=url)
            )
            stack.enter_context(new_database(server, COPY, DATABASE))
        yield migrated


def project_with_keepers(folder: Path) -> Path:
    """A table more, of which a migration only sees to it that some rows are there."""
    model_alone(small_project(folder), "keepers", "{meta: {publish: ensure}}")
    return folder


def migrated_twice(settings: Settings) -> Migrated:
    service, document, url = MigrationService(settings), small_document("Rex", "Tom", "Kit"), settings.url
    execute(url, THEIRS)
    dumps = [dumped(url, "public")]
    first = service.migrate_all_data(document)
    assert first.success, first.message
    execute(url, ADDED)
    dumps.append(dumped(url, "public"))
    document["owners"][0]["name"] = "changed"
    document["pets"].pop()
    document["pets"].append({**document["pets"][0], "id": "new", "name": "new"})
    second = service.migrate_all_data(document)
    assert second.success, second.message
    dumps.append(dumped(url, "public"))
    ids = [result.summary["backup"]["backup_id"] for result in (first, second)]
    return Migrated(settings, *ids, second.run_id, *dumps)


@pytest.fixture
def migrated(made: Migrated, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Migrated]:
    """The database as the two runs left it."""
    monkeypatch.setattr(transactions, "_WAIT", tenacity.wait_none())
    with new_database(server, template=COPY):
        yield made


def roll_back(migrated: Migrated, backup_id: str, **how: bool) -> StepResult:
    return steps.run_in_process("rollback", new_run(migrated.settings), {"backup_id": backup_id, **how})


def ids(migrated: Migrated) -> set[str]:
    return {entry.id for entry in backups.list_backups(migrated.settings.backups_dir)}


def test_what_only_migrations_did_is_undone_and_can_be_done_again(migrated: Migrated) -> None:
    """All of it comes back; the state before is in a backup, which leads back to it, and so on."""
    result = roll_back(migrated, migrated.second)
    assert dumped(migrated.settings.url, "public") == migrated.dump_second
    assert result.data["definitions_changed"] == {}
    assert result.data["way"] == "merge"  # also with a table without a key
    assert result.data["written_since"] == {}
    changes = {name: tuple(c.values()) for name, c in result.data["changes"].items() if any(c.values())}
    assert changes == {"owners": (0, 0, 1), "pets": (1, 1, 0)}
    with postgres.connect(migrated.settings.url, name="test") as connection:
        row = connection.execute(
            "SELECT present_backup_id, published_run, backup_id FROM mock2pg.runs WHERE command = 'rollback'"
        ).fetchone()
        assert row is not None
        assert row[0] == result.data["present_backup_id"]
        assert row[2] == migrated.second
        counted = "SELECT (TABLE public.counted) = (SELECT count(*) FROM public.pets)"
        assert connection.execute(counted).fetchone() == (True,)
    again = roll_back(migrated, str(result.data["present_backup_id"]))
    assert dumped(migrated.settings.url, "public") == migrated.dump_now
    assert again.data["published_run"] == migrated.run
    assert roll_back(migrated, migrated.second).data["written_since"] == {}


def test_tables_that_migrations_made_go_again(migrated: Migrated) -> None:
    """Back to the state before the first one; the columns and the trigger that somebody added since are told of."""
    with pytest.raises(TargetChanged, match=r"(?s)owners: written before run .*definitions: .*, some of it before run"):
        roll_back(migrated, migrated.first)
    result = roll_back(migrated, migrated.first, discard_changes=True)
    assert dumped(migrated.settings.url, "public") == migrated.dump_first
    assert result.data["way"] == "recreate"
    assert "owners" in result.data["dropped"]
    assert roll_back(migrated, str(result.data["present_backup_id"])).data["written_since"] == {}
    assert dumped(migrated.settings.url, "public") == migrated.dump_now


# What others write, by what it is: their statement, and how it is reported. All of a group is written together.
WRITTEN = {
    "rows of every table": {
        "a row changed": ("UPDATE public.owners SET name = 'secret' WHERE id = 'Bob'",
                          r"owners: not as run \S+ published it: 1 row \(1 different\)"),
        "a row removed": ("DELETE FROM public.pets WHERE id = 'Rex'",
                          r"pets: not as run \S+ published it: 1 row \(1 missing\)"),
        "a table of theirs": ("INSERT INTO public.theirs VALUES (3, 'secret');\nDELETE FROM public.theirs WHERE id = 1;"
                              "\nUPDATE public.theirs SET v = 'secret' WHERE id = 2",
                              r"theirs: not as in the backup: 3 rows? \(1 missing, 1 extra, 1 different\)"),
        "a table without a key": ("DELETE FROM public.bare", r"bare: not as in the backup: 2 rows? \(2 missing\)"),
        "a row beside those that are ensured": ("INSERT INTO public.keepers VALUES ('x', 'secret')",
                                                r"keepers: changed in columns or rows that run \S+ left alone"),
    },
    "rows and new relations": {
        "the row that was migrated changed": ("UPDATE public.owners SET name = 'secret' WHERE name = 'changed'",
                                              r"owners: .*1 different"),
        "a row added": ("INSERT INTO public.pets SELECT 'x', owner_id, 'x', legs FROM public.pets WHERE id = 'new'",
                        r"pets: .*\(1 extra\)"),
        "a table more": ("CREATE TABLE public.more (v text PRIMARY KEY);\nINSERT INTO public.more VALUES ('secret')",
                         r"(?s)more: not as in the backup: 1 rows? \(1 extra\).*definitions: TABLE more \(added\)"),
        "a view replaced": ("CREATE VIEW public.v AS SELECT 'secret'", r"definitions: .*VIEW v \(added\)"),
    },
    "a table dropped": {
        "a column of theirs": ("UPDATE public.owners SET last_login = now() WHERE id = 'Bob'",
                               r"owners: changed in columns or rows that run \S+ left alone"),
        "a table dropped": ("DROP TABLE public.pets CASCADE", r"pets: dropped"),
    },
    "a column more, a column less": {
        "a column more": ("ALTER TABLE public.owners ADD secret text", r"definitions: .*TABLE owners \(changed\)"),
        "a column less": ("ALTER TABLE public.pets DROP legs CASCADE", r"pets: changed since run \S+"),
    },
    "a column of another type": {
        "a column of another type": ("ALTER TABLE public.owners ALTER name TYPE bytea USING 'x'",
                                     r"definitions: TABLE owners \(changed\)"),
    },
}  # fmt: skip


@pytest.mark.parametrize("group", WRITTEN)
def test_what_others_wrote_since_is_not_undone_unasked(group: str, migrated: Migrated) -> None:
    """It is refused with the numbers and without a value, and nothing is touched; when it is asked for, it is done,
    and what was given up is in the backup taken before."""
    for statement, _ in WRITTEN[group].values():
        execute(migrated.settings.url, statement)
    before, had = dumped(migrated.settings.url, "public"), ids(migrated)
    for how in ({}, {"show": True, "refuse": True}):
        with pytest.raises(TargetChanged) as refused:
            roll_back(migrated, migrated.second, **how)
        for what, (_, message) in WRITTEN[group].items():
            assert re.search(message, refused.value.message), what
    assert roll_back(migrated, migrated.second, show=True).data["changes"] == encode(refused.value.found.changes)
    assert "secret" not in refused.value.message.replace("ADD secret", "")
    assert refused.value.found.changes
    assert dumped(migrated.settings.url, "public") == before
    assert ids(migrated) == had
    result = roll_back(migrated, migrated.second, discard_changes=True)
    assert dumped(migrated.settings.url, "public") == migrated.dump_second
    assert any("undone as well" in warning for warning in result.data["cautions"])
    for name, change in refused.value.found.changes.items():  # what was foretold, also where tables are created again
        done = result.data["tables"][name]
        counts = done["inserted"], done["deleted"], done["updated"]
        assert counts == (change.restored, change.removed, change.changed), name
    roll_back(migrated, str(result.data["present_backup_id"]))
    assert dumped(migrated.settings.url, "public") == before


def test_what_was_written_after_a_rollback_is_not_undone_either(migrated: Migrated) -> None:
    """The target is then compared with what the rollback left, whichever run that came from."""
    present = str(roll_back(migrated, migrated.second).data["present_backup_id"])
    execute(migrated.settings.url, "UPDATE public.owners SET name = 'theirs' WHERE id = 'Bob'")
    with pytest.raises(TargetChanged, match=r"owners: changed since run \S+"):
        roll_back(migrated, present)


def test_what_a_rollback_has_undone_already_is_not_asked_for_again(migrated: Migrated) -> None:
    """It is when a backup that holds it brings it back; none of it is in a backup from before."""
    url, second = migrated.settings.url, migrated.second
    present = str(roll_back(migrated, second).data["present_backup_id"])
    execute(url, "UPDATE public.owners SET name = 'theirs' WHERE id = 'Bob'; CREATE INDEX i ON public.pets (legs)")
    with pytest.raises(TargetChanged):
        roll_back(migrated, present)
    theirs = str(roll_back(migrated, present, discard_changes=True).data["present_backup_id"])
    assert roll_back(migrated, second).data["written_since"] == {}
    roll_back(migrated, theirs)
    with pytest.raises(TargetChanged, match=r"(?s)owners: restored by run .*definitions: restored by run"):
        roll_back(migrated, present)
    roll_back(migrated, migrated.first, discard_changes=True)
    assert roll_back(migrated, second).data["written_since"] == {}
    assert dumped(url, "public") == migrated.dump_second


def test_what_a_run_found_and_left_is_in_the_history(migrated: Migrated) -> None:
    """Its folder is only needed for a row of an earlier version; without both it counts as written since."""
    present = str(roll_back(migrated, migrated.second).data["present_backup_id"])
    shutil.rmtree(max(migrated.settings.runs_dir.glob("2*")))
    roll_back(migrated, present)
    assert dumped(migrated.settings.url, "public") == migrated.dump_now
    for statement in (
        "ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only",
        "UPDATE mock2pg.runs SET found = NULL",
        "ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only",
    ):
        execute(migrated.settings.url, statement)
    folder = migrated.settings.runs_dir / migrated.run
    gone = folder.rename(folder.with_name("gone"))
    try:
        with pytest.raises(TargetChanged, match=rf"owners: the findings of run {migrated.run} are not known"):
            roll_back(migrated, migrated.first)
    finally:
        gone.rename(folder)


def test_how_many_rows_were_written_needs_the_folder_of_the_run(migrated: Migrated) -> None:
    """A write is known from the history."""
    execute(migrated.settings.url, "UPDATE public.owners SET name = 'secret' WHERE id = 'Bob'")
    folder = migrated.settings.runs_dir / migrated.run
    gone = folder.rename(folder.with_name("gone"))
    try:
        with pytest.raises(TargetChanged, match=r"owners: changed since run \S+"):
            roll_back(migrated, migrated.second)
    finally:
        gone.rename(folder)


def test_a_migration_that_undoes_itself_says_what_else_it_undoes(migrated: Migrated) -> None:
    """It does not stop half-way for it; the rows are in the backup that it names."""
    execute(migrated.settings.url, "INSERT INTO public.theirs VALUES (3, 'secret')")
    before = dumped(migrated.settings.url, "public")
    result = roll_back(migrated, migrated.second, undo=True)
    assert dumped(migrated.settings.url, "public") == migrated.dump_second
    assert result.data["cautions"] == ["theirs: not as in the backup: 1 row (1 extra); undone as well"]
    roll_back(migrated, str(result.data["present_backup_id"]), discard_changes=True)
    assert dumped(migrated.settings.url, "public") == before


def test_it_can_be_looked_at_first(migrated: Migrated) -> None:
    """A preview reports what would change, and writes nothing: no row, no history, no backup."""
    had = ids(migrated)
    result = roll_back(migrated, migrated.second, show=True)
    assert result.data["shown"]
    assert result.summary == f"A rollback to {migrated.second} would restore 1 row, remove 1 row, change back 1 row"
    assert dumped(migrated.settings.url, "public") == migrated.dump_now
    assert ids(migrated) == had
    execute(migrated.settings.url, "INSERT INTO public.theirs VALUES (3, 'secret')")
    shown = roll_back(migrated, migrated.second, show=True)
    told = "theirs: not as in the backup: 1 row (1 extra); a rollback refuses to undo that without --discard-changes"
    assert [caution[: len(told)] for caution in shown.data["cautions"]] == [told]
    with pytest.raises(TargetChanged):  # before a rollback that would be refused
        roll_back(migrated, migrated.second, show=True, refuse=True)


def test_nobody_writes_between_the_look_and_the_end(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers read on, and writers wait: what they write is not lost unseen."""
    restoring, seen = restore.restore, []

    def watched(*arguments: Any) -> Any:
        with postgres.connect(migrated.settings.url, name="other") as other:
            other.execute("SET lock_timeout = '50ms'")
            seen.append(postgres.catalogue.rows(other, "public", "theirs"))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("INSERT INTO public.theirs VALUES (9, '')")
        return restoring(*arguments)

    monkeypatch.setattr(restore, "restore", watched)
    roll_back(migrated, migrated.second)
    assert seen == [2]


def looked(migrated: Migrated, **how: bool) -> Run:
    """A run that has compared, and is about to write."""
    run = new_run(migrated.settings)
    steps.run_in_process("rollback", run, {"backup_id": migrated.second, "show": True, "refuse": True, **how})
    return run


def test_the_present_is_compared_once_where_nobody_writes(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is held from before the tables are locked: rows, definitions and the backup of the present."""
    calls = list[str]()

    def counting(module: Any, name: str) -> None:
        function = getattr(module, name)

        def counted(*given: Any, **more: Any) -> Any:
            calls.append(name)
            return function(*given, **more)

        monkeypatch.setattr(module, name, counted)

    for module, name in ((snapshot, "save"), (diff, "changes"), (dump, "definitions"), (backups, "open_backup")):
        counting(module, name)
    for name in ("content_hash", "lines"):
        counting(exported_rows, name)
    run = looked(migrated)
    once = ["changes", "definitions", "open_backup", "save", *["lines"] * 5]  # each table is read for its backup
    assert sorted(calls) == sorted(once)
    assert steps.run_in_process("rollback", run, {"backup_id": migrated.second}).data["written_since"] == {}
    assert sorted(calls) == sorted(once)
    assert dumped(migrated.settings.url, "public") == migrated.dump_second
    assert not (run.folder / "held").exists()


BETWEEN = {  # what others write between comparison and lock, and how it is undone
    "a row added": ("INSERT INTO public.theirs VALUES (3, 'secret')", "DELETE FROM public.theirs WHERE id = 3"),
    "a row changed": ("UPDATE public.theirs SET v = 'secret' WHERE id = 1",
                      "UPDATE public.theirs SET v = 'x' WHERE id = 1"),
    "a row removed": ("DELETE FROM public.theirs WHERE id = 2", "INSERT INTO public.theirs VALUES (2, 'y')"),
    "a table emptied": ("TRUNCATE public.bare", "INSERT INTO public.bare VALUES ('p'), ('p')"),
    "a column more": ("ALTER TABLE public.owners ADD secret text", "ALTER TABLE public.owners DROP secret"),
}  # fmt: skip


def test_what_is_written_between_comparison_and_lock_is_not_lost(migrated: Migrated) -> None:
    """It is compared again under the lock, so that it is refused; or it is in the backup of the present."""
    url, had = migrated.settings.url, ids(migrated)
    for what, (written, undone) in BETWEEN.items():
        run = looked(migrated)
        assert len(ids(migrated) - had) == 1, what
        execute(url, written)
        before = dumped(url, "public")
        with pytest.raises(TargetChanged):
            steps.run_in_process("rollback", run, {"backup_id": migrated.second})
        assert (dumped(url, "public"), ids(migrated)) == (before, had), what
        execute(url, undone)
    execute(url, "CREATE SEQUENCE public.counter")
    for written in ("SELECT nextval('public.counter')", ";".join(written for written, _ in BETWEEN.values())):
        run = looked(migrated, discard_changes=True)
        execute(url, written)
        before = dumped(url, "public")
        result = steps.run_in_process("rollback", run, {"backup_id": migrated.second, "discard_changes": True})
        assert dumped(url, "public") == migrated.dump_second
        roll_back(migrated, str(result.data["present_backup_id"]), discard_changes=True)
        assert dumped(url, "public") == before


@pytest.mark.parametrize("module", [held_difference, held])
def test_a_comparison_that_cannot_be_held_is_made_again(
    module: Any, migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that has no room for it stops no rollback; nothing of it stays."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    had = ids(migrated)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_keep" if module is held_difference else "keep", full)
        run = looked(migrated)
    assert not (run.folder / "held").exists()
    assert ids(migrated) == had
    steps.run_in_process("rollback", run, {"backup_id": migrated.second})
    assert dumped(migrated.settings.url, "public") == migrated.dump_second


def test_a_present_that_is_not_left_has_no_backup(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the run after the comparison: what was held for the rollback goes with it."""
    had = ids(migrated)

    def invalid(*_: Any) -> None:
        assert ids(migrated) != had
        raise UsageError("no such service")

    monkeypatch.setattr(Work, "refuse_invalid_notifications", invalid)
    result = MigrationService(migrated.settings).rollback(migrated.second)
    assert isinstance(result.error, UsageError)
    assert ids(migrated) == had
    assert dumped(migrated.settings.url, "public") == migrated.dump_now


def test_it_is_tried_again_when_what_stopped_it_may_pass(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection leaves the target as it was, and no backup of a state that was not left."""
    restoring, tries, had = restore.restore, [], ids(migrated)

    def cut(connection: postgres.Connection, *more: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            with postgres.connect(migrated.settings.url, name="other") as other:
                other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        return restoring(connection, *more)

    monkeypatch.setattr(restore, "restore", cut)
    result = roll_back(migrated, migrated.second)
    assert dumped(migrated.settings.url, "public") == migrated.dump_second
    assert result.data["cautions"] == ["attempt 1 to roll back was stopped by admin shutdown"]
    assert ids(migrated) - had == {result.data["present_backup_id"]}


def test_whoever_holds_a_lock_is_named_in_the_end(migrated: Migrated) -> None:
    """After so many attempts it gives up; the target is as it was, and no backup more is there."""
    settings = migrated.settings.model_copy(update={"lock_timeout": "50ms", "publish_attempts": 2})
    had = ids(migrated)
    with postgres.connect(migrated.settings.url, name="writer") as writer, writer.transaction():
        writer.execute("UPDATE public.theirs SET v = 'z'")
        with pytest.raises(
            RollbackFailed,
            match=r"a lock was not given in time; table public.theirs is locked by server process .* mock2pg writer",
        ):
            steps.run_in_process("rollback", new_run(settings), {"backup_id": migrated.second})
    assert ids(migrated) == had


def test_nobody_waits_for_a_snapshot_that_waits_for_pg_dump(
    migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Definitions without what was added since the backup are read when the snapshot's locks are gone."""
    find, passed = added_objects.find, list[object]()

    def after_others(*given: Any, **more: Any) -> Any:
        with postgres.connect(migrated.settings.url, name="other", lock_timeout="10s") as other:
            passed.append(other.execute("VACUUM FULL public.bare"))
        return find(*given, **more)

    execute(migrated.settings.url, "CREATE TABLE public.added ()")
    with monkeypatch.context() as patched:
        patched.setattr(added_objects, "find", after_others)
        run = looked(migrated, discard_changes=True)
    assert len(passed) == 1
    steps.run_in_process("rollback", run, {"backup_id": migrated.second, "discard_changes": True})
    assert dumped(migrated.settings.url, "public") == migrated.dump_second


def test_who_waits_for_the_lock_of_a_rollback_lets_it_be_tried_again(
    migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session that reads the present would wait behind it, and the lock be held until the one waits no more."""
    keep, waiting = present.keep, list[Future[object]]()
    settings = migrated.settings.model_copy(update={"lock_timeout": "1min"})
    waits = sql.SQL("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.bare'::regclass")

    def behind(*given: Any) -> Any:
        if not waiting:
            waiting.append(threads.submit(other.execute, "VACUUM FULL public.bare"))
            while not postgres.catalogue.count(look, waits):
                assert not waiting[0].done()
        began = time.monotonic()
        try:
            return keep(*given)
        finally:
            assert time.monotonic() - began < 50

    monkeypatch.setattr(present, "keep", behind)
    with (
        postgres.connect(settings.url, name="look") as look,
        postgres.connect(settings.url, name="other", lock_timeout="2min") as other,
        ThreadPoolExecutor() as threads,
    ):
        result = steps.run_in_process("rollback", new_run(settings), {"backup_id": migrated.second})
        waiting[0].result()
    assert any("attempt 1 to roll back was stopped by lock not available" in text for text in result.data["cautions"])
    assert dumped(settings.url, "public") == migrated.dump_second


@pytest.mark.parametrize("undo", [False, True])
def test_a_present_that_cannot_be_kept_stops_a_rollback(
    undo: bool, migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a migration undoes itself, and what it undoes is its own alone."""

    def full(*_: Any) -> Any:
        raise BackupFailed("no room")

    monkeypatch.setattr(snapshot, "save", full)
    if undo:
        result = roll_back(migrated, migrated.second, undo=undo)
        assert result.data["cautions"] == ["What this run published is not kept: no room"]
        assert dumped(migrated.settings.url, "public") == migrated.dump_second
        execute(migrated.settings.url, "DELETE FROM public.theirs")
    with pytest.raises(RollbackFailed, match="the present state cannot be backed up: no room"):
        roll_back(migrated, migrated.second, undo=undo, discard_changes=True)


def test_what_does_not_come_back_as_the_backup_says_is_not_left_so(
    migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are compared by content in the same transaction, and one that differs undoes all of it."""
    inserting = restore.json_rows.insert

    def spoiled(code: Any, *more: Any) -> int:
        found = inserting(code, *more)
        if more[1].as_string() == '"public"."theirs"':
            code.run("UPDATE public.theirs SET v = 'spoiled' WHERE id = 1")
        return found

    monkeypatch.setattr(restore.json_rows, "insert", spoiled)
    execute(migrated.settings.url, "CREATE TYPE public.more AS ENUM ()")  # so that all is made anew
    before = dumped(migrated.settings.url, "public")
    with pytest.raises(RollbackFailed, match="the restored rows differ from the backup: theirs"):
        roll_back(migrated, migrated.second, discard_changes=True)
    assert dumped(migrated.settings.url, "public") == before
