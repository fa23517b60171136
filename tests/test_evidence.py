"""Evidence: each byte of a run's folder, the backup and what the database knows are as the run left them."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import sql
from pydantic import SecretStr

from mock2pg import MigrationService, cli, evidence, postgres, resources
from mock2pg import settings as settings_module
from mock2pg.errors import EvidenceBroken, UsageError
from mock2pg.evidence import manifest
from mock2pg.postgres.server import Server
from mock2pg.results import Evidence
from mock2pg.runs import new_run
from mock2pg.settings import Settings
from tests.fix_postgres import new_database
from tests.fix_small import small_document, small_project

ASIDE = "the server is down"


@dataclass(frozen=True)
class Stage:
    """A project that was migrated, checked and migrated, in this order, and a test's own copy of it."""

    settings: Settings
    first: str
    check: str
    last: str

    def judged(self, run: str | None = None, *, every: bool = True, database: bool = True) -> Evidence:
        """Return the faults that `verify-evidence` finds; without the database those that it can tell then."""
        if database:
            return MigrationService(self.settings).verify_evidence(run, every=every and run is None)
        return evidence.verify(self.settings, run, every=every and run is None, known=ASIDE)

    def folder(self, run: str) -> Path:
        return self.settings.runs_dir / run

    def rewrite(self, run: str, **changed: object) -> str:
        """Write the manifest of a run anew, whole and consistent with the files beside it; return its hash."""
        folder = self.folder(run)
        content = dict(manifest.read(folder).content) | changed
        content["files"] = {name: manifest.digest(folder / name) for name in manifest.files(folder)}
        return manifest.write(folder, content).sha256


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "project").mkdir()
    project = small_project(folder / "project")
    document = small_document("Rex", "Tom")
    (project / "expectations" / "one.txt").write_text("of the project")
    source = project / "mocks"
    source.mkdir()
    (source / "owners.json").write_text(json.dumps(document["owners"]))
    (source / "pets.json.gz").write_bytes(gzip.compress(json.dumps(document["pets"]).encode()))
    with new_database(server) as url:
        settings = settings_module.load(project=project, database_url=url, operator="a tester")
        service = MigrationService(settings)
        runs = [
            service.migrate_all_data(source),
            service.check(source),
            service.migrate_all_data(small_document("Rex", "Tom", "Ida")),
        ]
        assert all(run.success for run in runs), [run.message for run in runs]
        yield Stage(settings, *(run.run_id for run in runs))


def a_copy(of: Stage, folder: Path, url: str) -> Stage:
    shutil.copytree(of.settings.project, folder, symlinks=True)
    settings = of.settings.model_copy(update={"project": folder, "database_url": SecretStr(url)})
    return Stage(settings, of.first, of.check, of.last)


@pytest.fixture
def stage(migrated: Stage, tmp_path: Path) -> Stage:
    """A copy that a test may change; the database, which all share, is only read."""
    return a_copy(migrated, tmp_path / "copy", migrated.settings.url)


@pytest.fixture
def apart(migrated: Stage, tmp_path: Path, server: Server) -> Iterator[Stage]:
    """A copy with a database of its own, for tests whose runs leave events."""
    with postgres.connect(server.url(), name="test") as connection:
        original = sql.Identifier(postgres.database_name(migrated.settings.url))
        connection.execute(sql.SQL("CREATE DATABASE evidence_apart TEMPLATE {}").format(original))
    yield a_copy(migrated, tmp_path / "apart", server.url("evidence_apart"))
    postgres.drop_database(server.url(), "evidence_apart")


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_untouched_evidence_holds(stage: Stage) -> None:
    """Of one run, of the newest, of all."""
    for found in (stage.judged(), stage.judged(stage.check), stage.judged(every=False), stage.judged("latest")):
        assert (found.success, found.faults, found.notes, found.error) == (True, (), (), None)
    assert stage.judged().runs == (stage.first, stage.check, stage.last)
    assert stage.judged(every=False).runs == (stage.last,)
    without = stage.judged(database=False)
    assert without.success
    assert without.notes == (f"the manifests were not compared with the database: {ASIDE}",)
    with pytest.raises(UsageError, match="there is no run 2026"):
        stage.judged("2026")


def test_a_flipped_byte_and_a_missing_file_are_found_wherever_they_are(stage: Stage) -> None:
    """In each file of the folder in turn, the manifest among them; the file is named, and nothing else."""
    folder, chance = stage.folder(stage.last), random.Random(1)
    names = [*manifest.files(folder), manifest.NAME]
    assert {"record.json", "index.html", "migration.log", "steps/report.json"} <= set(names)
    for name in names:
        file = folder / name
        content = file.read_bytes()
        for at in {chance.randrange(len(content)), len(content) - 1, 0} if content else ():
            file.write_bytes(flipped(content, at))
            found = stage.judged(stage.last, database=False)
            assert [(fault.run_id, fault.file) for fault in found.faults] == [(stage.last, name)], (name, at)
            assert isinstance(found.error, EvidenceBroken)
        file.unlink()
        assert [(fault.file, fault.what) for fault in stage.judged().faults] == [(name, "is missing")]
        file.write_bytes(content)
    assert stage.judged().success


def test_a_manifest_holds_at_every_byte(stage: Stage) -> None:
    """Its own checksum finds what no other manifest and no database vouches for."""
    file = stage.folder(stage.last) / manifest.NAME
    content = file.read_bytes()
    for at in range(0, len(content), 7):
        file.write_bytes(flipped(content, at))
        with pytest.raises(manifest.Damaged):
            manifest.read(file.parent)
    for cut in range(0, len(content), 97):
        file.write_bytes(content[:cut])
        with pytest.raises(manifest.Damaged):
            manifest.read(file.parent)
    file.write_bytes(content.replace(b" ", b"  ", 1))
    assert [fault.what for fault in stage.judged().faults] == ["is damaged: its checksum does not match"]


def test_what_was_added_is_found(stage: Stage) -> None:
    """A file, a hidden one, one in a new folder, a link in place of the very same file."""
    folder = stage.folder(stage.first)
    for name in ("more.json", ".hidden", "new/more.json", "a\nname"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    found = stage.judged(stage.first)
    assert {(fault.file, fault.what) for fault in found.faults} == {
        (name, "was added") for name in ("more.json", ".hidden", "new/more.json", "a\\nname")
    }
    for name in ("more.json", ".hidden", "new/more.json", "a\nname"):
        (folder / name).unlink()
    (folder / "record.json").rename(stage.settings.project / "record.json")
    (folder / "record.json").symlink_to(stage.settings.project / "record.json")
    assert [fault.file for fault in stage.judged(stage.first).faults] == ["record.json"]


def test_a_run_that_was_cut_out_is_missed(stage: Stage) -> None:
    """By the database, which knows its manifest. A manifest that is gone alone is missed without it, too."""
    aside = stage.settings.project / "aside"
    for run in (stage.first, stage.last):
        stage.folder(run).rename(aside)
        assert [(fault.run_id, fault.what) for fault in stage.judged().faults] == [
            (run, "is missing: the database lists it")
        ]
        aside.rename(stage.folder(run))
        (stage.folder(run) / manifest.NAME).rename(aside)
        for database in (False, True):
            assert [(fault.file, fault.what) for fault in stage.judged(database=database).faults] == [
                (manifest.NAME, "is missing")
            ]
        aside.rename(stage.folder(run) / manifest.NAME)
    assert stage.judged().success


def test_a_manifest_that_was_rewritten_is_found(stage: Stage) -> None:
    """The database knows its hash; without it nobody can tell, which is noted. No folder may take another's place."""
    record = stage.folder(stage.first) / "record.json"
    record.write_text(record.read_text().replace("a tester", "somebody"))
    stage.rewrite(stage.first)
    without = stage.judged(database=False)
    assert without.success
    assert without.notes
    assert [(fault.run_id, fault.file, fault.what) for fault in stage.judged().faults] == [
        (stage.first, manifest.NAME, "was rewritten: the database has another hash")
    ]
    shutil.rmtree(stage.folder(stage.check))
    stage.folder(stage.last).rename(stage.folder(stage.check))
    assert f"is that of run {stage.last}" in {fault.what for fault in stage.judged(database=False).faults}


def test_a_backup_that_changed_is_found(stage: Stage) -> None:
    """One that is gone may have been pruned: that is said and is no fault."""
    content = manifest.read(stage.folder(stage.last)).content
    (name,) = content["backups"]
    file = stage.settings.backups_dir / name
    held = file.read_bytes()
    file.write_bytes(flipped(held, len(held) // 2))
    assert [(fault.run_id, fault.file, fault.what) for fault in stage.judged().faults] == [
        (stage.last, f"backups/{name}", "was changed")
    ]
    file.unlink()
    found = stage.judged()
    assert found.success
    assert found.notes == (f"{stage.last} backups/{name} no longer exists",)


def test_a_manifest_says_what_went_in(stage: Stage) -> None:
    """The files of the source as they lay there, and the code, as sha256sum would have it."""
    content = manifest.read(stage.folder(stage.first)).content
    mocks = stage.settings.project / "mocks"
    assert content["input"]["files"] == {
        f"mocks/{file.name}": manifest.digest(file) for file in sorted(mocks.iterdir())
    }
    assert content["input"]["sha256"] == manifest.read(stage.folder(stage.check)).content["input"]["sha256"]
    code = content["code"]
    assert code["notebooks"]["verify.ipynb"] == manifest.digest(resources.NOTEBOOKS / "verify.ipynb")["sha256"]
    suites = stage.settings.expectations_dir
    shell = "find -L . -type f | sed 's,^./,,' | LC_ALL=C sort | xargs -r -d '\\n' sha256sum | sha256sum"

    def summed() -> str:
        return subprocess.check_output(["sh", "-c", shell], cwd=suites, text=True).split()[0]

    assert code["suites"] == summed()
    (suites / "owners.json").write_text("{}")
    (suites / "linked").symlink_to(resources.MACROS, target_is_directory=True)  # read through, as dbt does
    assert manifest.tree(suites) == summed() != code["suites"]


def test_a_report_leaves_evidence_alone(stage: Stage) -> None:
    """The page of a run is sealed with the rest: it is shown, and not built again."""
    before = {file: file.read_bytes() for file in stage.folder(stage.first).rglob("*") if file.is_file()}
    MigrationService(stage.settings).report(stage.first)
    assert before == {file: file.read_bytes() for file in stage.folder(stage.first).rglob("*") if file.is_file()}
    assert stage.judged().success


@pytest.mark.parametrize(("status", "outcome"), [("running", "failed"), ("succeeded", "succeeded")])
def test_a_run_that_was_killed_is_sealed_by_the_next_one(status: str, outcome: str, apart: Stage) -> None:
    """Until then it is said to have no manifest; its event and that of its manifest are written with it.

    One that was killed while its report was written keeps its verdict, and nobody is said to have removed its manifest.
    """
    killed = new_run(apart.settings)
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout
    killed.write("record.json", {"command": "migrate", "status": status, "pid": int(gone), "message": ""})
    evidence.begin(killed)
    (killed.folder / "staging.duckdb").touch()
    found = apart.judged()
    assert found.success
    assert [note.split(":")[0] for note in found.notes] == [f"{killed.id} has no manifest"]
    service = MigrationService(apart.settings)
    taken = service.take_backup()
    assert taken.success, taken.message
    found = apart.judged()
    assert (found.faults, found.notes, len(found.runs)) == ((), (), 5)
    assert manifest.read(killed.folder).runs_folder == manifest.read(apart.folder(taken.run_id)).runs_folder
    events = [entry for entry in service.history() if entry["run_id"] == killed.id]
    assert {(entry["kind"], entry["outcome"]) for entry in events} == {("migrate", outcome), ("manifest", "sealed")}
    assert killed.read("record.json")["status"] == outcome


def test_the_command_ends_with_a_code_of_its_own(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """17, and a line for each fault; --json has them as records. A server that is gone is a note."""
    monkeypatch.setenv("MIGRATION_PROJECT", str(stage.settings.project))
    monkeypatch.setenv("DATABASE_URL", stage.settings.url)
    whole = CliRunner().invoke(cli.command, ["verify-evidence", "--all"])
    assert (whole.exit_code, whole.stdout) == (0, "✔ The evidence of 3 runs is unchanged.\n")
    (stage.folder(stage.first) / "index.html").unlink()
    broken = CliRunner().invoke(cli.command, ["verify-evidence", stage.first])
    assert broken.exit_code == EvidenceBroken.code == 17
    assert f" {stage.first} index.html is missing\n" in broken.stdout
    told = CliRunner().invoke(cli.command, ["verify-evidence", "--all", "--json"])
    answer = json.loads(told.stdout)
    assert told.exit_code == 17
    assert answer["faults"] == [{"run_id": stage.first, "file": "index.html", "what": "is missing"}]
    assert (answer["success"], answer["error"]["name"]) == (False, "EvidenceBroken")
    monkeypatch.setenv("DATABASE_URL", postgres.database_url(stage.settings.url, "no such database"))
    away = CliRunner().invoke(cli.command, ["verify-evidence", stage.last])
    assert away.exit_code == 0
    assert "not checked: the manifests were not compared with the database: cannot connect" in away.stdout
    assert CliRunner().invoke(cli.command, ["verify-evidence", stage.last, "--all"]).exit_code == 2
    assert hashlib.sha256((stage.folder(stage.last) / "manifest.json").read_bytes()).hexdigest() in {
        entry["sha256"] for entry in MigrationService(stage.settings).history()
    }
