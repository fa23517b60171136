"""Backups from outside: what the command says of them, a disk that is full, and one that only a key opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mock2pg import MigrationService, backups, cli, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import BackupFailed, BackupRefused, VerifyFailed
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_backups import MOMENT, room, write
from tests.fix_restore import dumped
from tests.fix_small import small_document, small_project

PUBLIC, IDENTITY = backups.new_key()


def mock2pg(settings: Settings, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mock2pg", *arguments],
        env={**os.environ, **settings.environment(), "DEBUG": "migration:*", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def in_process(settings: Settings, *arguments: str, **environment: str) -> Result:
    """Run it in this process, where nothing of it is about a process of its own."""
    loud = {**settings.environment(), "DEBUG": "migration:*", **environment}
    return CliRunner().invoke(cli.command, arguments, env=loud)


def in_files(folder: Path, text: str) -> list[Path]:
    """The files below the folder that hold the text."""
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(cli.command, ["backups", *arguments])


@pytest.fixture
def three(settings: Settings, connection: postgres.Connection) -> list[str]:
    """Three backups of the test's own database, newest first; the second is cut short."""
    known = postgres.describe_database(connection)
    here = {"database": known["name"], "system_identifier": known["system_identifier"]}
    made = [
        write(settings.backups_dir, {"t": [{}, {}], "u": [{}]}, moment=f"202{year}{MOMENT[4:]}", **here)
        for year in (6, 5, 4)
    ]
    made[1].file.write_bytes(made[1].file.read_bytes()[:-1])
    return [backup.id for backup in made]


def test_verify_says_of_each_backup_whether_it_is_valid(run: Any, three: list[str]) -> None:
    """One line each, and exit code 12 when one of them would be refused."""
    done = run("verify")
    assert done.exit_code == BackupRefused.code == 12
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines] == three
    assert [line.partition(" bytes  ")[2] for line in lines] == [
        "valid: 3 rows of 2 tables",
        "refused: it is truncated: it does not end with its checksum",
        "valid: 3 rows of 2 tables",
    ]
    assert run("verify", three[0]).exit_code == 0
    assert run("verify", three[1]).exit_code == 12
    assert run("verify", "backup-1").exit_code == 12


def test_verify_tells_a_program_the_same(run: Any, three: list[str]) -> None:
    """`--json` is one document, whatever the exit code."""
    done = run("verify", "--json")
    assert done.exit_code == 12
    first, second, _ = json.loads(done.stdout)
    expected = {"id": three[0], "valid": True, "reason": None, "tables": 2, "rows": 3, "encrypted": False}
    assert first.items() >= expected.items()
    assert (second["valid"], second["rows"]) == (False, 0)
    assert "truncated" in second["reason"]


def test_verify_without_a_backup_is_no_failure(run: Any) -> None:
    """There is nothing that would be refused."""
    assert run("verify").exit_code == 0


def test_prune_says_what_it_would_do_and_does_it_when_told(run: Any, settings: Settings, three: list[str]) -> None:
    """A line for each with its reason; `--yes` removes, `--damaged` removes the invalid ones, too."""
    done = run("prune", "--keep-last", "1")
    assert done.exit_code == 0, done.output
    assert [line.partition(" bytes  ")[2] for line in done.output.splitlines() if " bytes  " in line] == [
        "kept: the newest that can be restored",
        "kept: it is truncated: it does not end with its checksum",
        "would be removed: 1 newer backup can be restored",
    ]
    assert len(list(settings.backups_dir.iterdir())) == 3
    assert "removed: " in run("prune", "--keep-last", "1", "--yes").output
    assert {entry.id for entry in backups.list_backups(settings.backups_dir)} == set(three[:2])
    fates = json.loads(run("prune", "--keep-days", "0", "--damaged", "--yes", "--json").stdout)
    assert [(fate["id"], fate["remove"]) for fate in fates] == [(three[0], False), (three[1], True)]
    assert [entry.id for entry in backups.list_backups(settings.backups_dir)] == three[:1]
    assert run("prune").exit_code == 2


OTHERS = {
    "a symbolic link": lambda place, backup: place.symlink_to(backup),
    "a symbolic link to nothing": lambda place, _: place.symlink_to("nowhere"),
    "a symbolic link to a device": lambda place, _: place.symlink_to("/dev/zero"),
    "a named pipe": lambda place, _: os.mkfifo(place),
    "a directory": lambda place, _: place.mkdir(),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_regular_file_is_no_backup(what: str, run: Any, settings: Settings, three: list[str]) -> None:
    """It is named and never waited for, followed or removed: a rollback is refused before anything happens."""
    newest, aside = (settings.backups_dir / f"{each}.json" for each in (three[0], "aside"))
    newest.rename(aside)
    OTHERS[what](newest, aside)
    (settings.backups_dir / ".backup-1.part").symlink_to("/dev/zero")
    os.mkfifo(settings.backups_dir / ".backup-2.part")
    kind = what.partition(" to ")[0]
    started = time.monotonic()
    assert f"  not a backup: it is {kind}" in run().output
    done = run("verify", three[0])
    assert done.exit_code == BackupRefused.code
    assert f"refused: it is {kind}: only a regular file is restored" in done.output
    done = run("prune", "--keep-last", "1", "--damaged", "--yes")
    assert f"kept: it is {kind}, which mock2pg did not make" in done.output
    assert os.path.lexists(newest)
    with pytest.raises(BackupRefused, match=f"is {kind}") as refused:
        MigrationService(settings).rollback(three[0])
    assert "Copy the file itself" in refused.value.hint
    backups.remove_unfinished(settings.backups_dir)
    assert time.monotonic() - started < 60
    assert not list(settings.runs_dir.glob("*-*"))


@pytest.fixture
def small(database: str, tmp_path: Path) -> Settings:
    """A project of two entities with a source, and an empty database."""
    (tmp_path / "pets.json").write_text(json.dumps(small_document("Rex")))
    return settings_module.load(project=small_project(tmp_path), database_url=database, source=Path("pets.json"))


def test_a_full_disk_stops_a_migration_before_it_writes(small: Settings, connection: postgres.Connection) -> None:
    """No half file is left, the error has its name, and not a table was touched."""
    settings = small
    connection.execute(
        "CREATE TABLE public.wide AS SELECT n, repeat(md5(n::text), 100) AS t FROM generate_series(1, 5000) AS n"
    )
    before = dumped(settings.url)
    with room(12 << 20):  # of each file: enough for all but the backup
        done = in_process(settings, "migrate", "--json", MIGRATION_BACKUP_COMPRESSION="none")
    assert done.exit_code == BackupFailed.code, done.output
    assert "File too large" in json.loads(done.stdout)["error"]["message"]
    assert list(settings.backups_dir.iterdir()) == []
    assert dumped(settings.url) == before


def test_an_encrypted_migration_goes_back_without_any_key(
    small: Settings, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that migrates need not hold a key: a run can open its own backup, while it lasts."""
    settings = small
    connection.execute("CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.other VALUES (1)")
    execute = steps.run_recorded

    def failing(what: steps.Step, run: Run, **parameters: str) -> StepResult:
        if what.name == "verify":
            raise VerifyFailed("not proven")
        return execute(what, run, **parameters)

    monkeypatch.setattr(steps, "run_recorded", failing)
    service = MigrationService(settings.model_copy(update={"backup_recipient": PUBLIC}))
    result = service.migrate_all_data()
    assert Run(result.run_id, settings).read("record.json")["status"] == "rolled_back"
    assert postgres.catalogue.tables(connection, "public") == ["other"]
    assert connection.execute("SELECT id FROM public.other").fetchall() == [(1,)]
    with pytest.raises(BackupRefused, match="no key is given"):
        service.rollback(result.summary["backup"]["backup_id"])
    assert in_files(settings.project, "AGE-SECRET-KEY") == []


def test_a_key_opens_it_and_appears_nowhere(settings: Settings, connection: postgres.Connection) -> None:
    """Backup to a recipient, rollback with the identity: the data is in no file in clear, the key in none at all."""
    connection.execute("CREATE TABLE public.t AS SELECT 'CANARY' AS text")
    key = IDENTITY.get_secret_value()
    taken = in_process(settings, "backup", "--json", MIGRATION_BACKUP_RECIPIENT=PUBLIC)
    assert taken.exit_code == 0, taken.output
    backup_id = json.loads(taken.stdout)["summary"]["backup"]["backup_id"]
    assert in_files(settings.project, "CANARY") == []
    connection.execute("DELETE FROM public.t")

    keyless = in_process(settings, "rollback", backup_id, "--debug")
    assert keyless.exit_code == 12
    assert "is encrypted, and no key is given" in keyless.output
    _, other = backups.new_key()
    refused = mock2pg(settings, "rollback", backup_id, "--debug", MIGRATION_BACKUP_IDENTITY=other.get_secret_value())
    assert refused.returncode == 12
    assert "is encrypted to a key other than" in refused.stderr
    (settings.project / "key.txt").write_text(f"# kept\n{key}\n")
    back = mock2pg(
        settings, "rollback", backup_id, "--discard-changes", "--debug",
        MIGRATION_BACKUP_IDENTITY="key.txt", MIGRATION_BACKUP_RECIPIENT=PUBLIC,
    )  # fmt: skip
    assert back.returncode == 0, back.stderr
    assert connection.execute("SELECT text FROM public.t").fetchone() == ("CANARY",)
    again = in_process(settings, "backups", "verify", "--debug", MIGRATION_BACKUP_IDENTITY=key)
    assert again.exit_code == 0, again.output
    said = "".join(done.stdout + done.stderr for done in (refused, back)) + taken.output + keyless.output + again.output
    assert "AGE-SECRET-KEY" not in said
    assert in_files(settings.project, "AGE-SECRET-KEY") == [settings.project / "key.txt"]
