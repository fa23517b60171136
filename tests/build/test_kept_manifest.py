"""The kept manifest: an unchanged project is not parsed again, any change is seen, and no foreign file is read."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dbt.artifacts.resources.base import FileHash
from dbt.artifacts.resources.types import NodeType

from mock2pg import postgres, resources
from mock2pg.build import DbtProject, kept_manifest, kept_parts, profile, sources
from mock2pg.build.kept_manifest import Kept, file_of, keep, load
from tests.fix_small import small_project

HERE = {"MOCK2PG_HOST": "h", "MOCK2PG_DBNAME": "d", "DBT_ENV_SECRET_MOCK2PG_PASSWORD": "p", "PGPASSWORD": "p"}
PROFILE = (
    "{{ env_var('MOCK2PG_DBNAME') }} {{ env_var( \"LANG\" , '') }} {{ env_var('DBT_ENV_SECRET_MOCK2PG_PASSWORD') }}"
)


def project_of(folder: Path) -> Path:
    """A project whose files are read as bytes, with a folder of macros behind a link."""
    for name, text in {"models/a.sql": "select 1", "models/a.yml": "a: 1", "profiles.yml": PROFILE}.items():
        (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "project" / name).write_text(text)
    (folder / "shared").mkdir()
    (folder / "shared" / "m.sql").write_text("macro")
    (folder / "project" / "macros").symlink_to(folder / "shared", target_is_directory=True)
    return folder / "project"


def _written(name: str, text: str) -> Callable[[Path], object]:
    def change(project: Path) -> None:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)

    return change


CHANGES: dict[str, Callable[[Path], object]] = {
    "a model": _written("models/a.sql", "select 2"),
    "a contract": _written("models/a.yml", "a: 2"),
    "a macro behind a link": _written("macros/m.sql", "other"),
    "the profile": _written("profiles.yml", f"{PROFILE} "),
    "a new file": _written("models/b.sql", "select 1"),
    "a new folder": _written("docs/b.md", ""),
    "a model in a folder called target": _written("models/target/c.sql", ""),
    "a removed file": lambda project: (project / "models/a.yml").unlink(),
    "a renamed file": lambda project: (project / "models/a.sql").rename(project / "models/b.sql"),
    "text that moved from one file into another": lambda project: (
        _written("models/a.sql", "select ")(project),
        _written("models/a.yml", "1a: 1")(project),
    ),
}


def test_any_change_of_a_project_is_seen(tmp_path: Path) -> None:
    """Files by content and name, the package's too, the variables they ask for, mode, dbt's version; no secret."""
    project = project_of(tmp_path)

    def name(facts: str = "replace", **variables: str) -> str:
        found = file_of(tmp_path, project, HERE | variables, facts)
        assert found is not None
        return found.name

    first = name()
    assert name() == name(DBT_ENV_SECRET_MOCK2PG_PASSWORD="q", PGPASSWORD="q", MOCK2PG_NOT_NAMED="x") == first
    (project / "target").mkdir()
    (project / "target" / "manifest.json").write_text("{}")  # what dbt leaves
    assert name() == first
    seen = [first, name("upsert"), name(MOCK2PG_DBNAME="e"), name(LANG="xx")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_manifest, "version", lambda name: metadata.version(name) + "1")
        seen.append(name())
    shutil.copytree(resources.MACROS, tmp_path / "macros")
    with pytest.MonkeyPatch.context() as patch:  # another mock2pg, as an upgrade brings it
        patch.setattr(resources, "MACROS", tmp_path / "macros")
        assert name() == first
        (tmp_path / "macros" / "table.sql").write_text("other")
        seen.append(name())
        patch.undo()
        (tmp_path / "profiles.yml").write_text("other")
        patch.setattr(resources, "PROFILES", tmp_path / "profiles.yml")
        seen.append(name())
    for number, (what, change) in enumerate(CHANGES.items()):
        project = project_of(tmp_path / f"{number}")
        assert name() == first, what
        change(project)
        seen.append(name())
    assert len(set(seen)) == len(seen) == 7 + len(CHANGES)


def test_what_nobody_can_tell_is_not_kept(tmp_path: Path) -> None:
    """A computed name of a variable, a file that cannot be read, and a model outside of the project."""
    project = project_of(tmp_path)
    (project / "models" / "a.sql").write_text("{{ env_var(name) }}")
    assert file_of(tmp_path, project, HERE, "") is None
    (project / "models" / "a.sql").unlink()
    (project / "models" / "a.sql").symlink_to("nowhere")
    assert file_of(tmp_path, project, HERE, "") is None
    files = {"x": SimpleNamespace(original_file_path="../other/models/x.sql")}
    keep(tmp_path / "dbt_manifest_x", Kept(b"", SimpleNamespace(files=files)))
    assert not (tmp_path / "dbt_manifest_x").exists()


class Evil:
    """Calls a function when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("evil",)


class Named:
    """Pickled as what getattr gives for a class of dbt's and a name; Python 3.11.0 to 3.11.3 write an Enum so."""

    def __init__(self, kind: type, name: str) -> None:
        self._given = kind, name

    def __reduce__(self) -> Any:
        return getattr, self._given


# protocol 4: what a module of dbt's has imported, called with a list of words
BORROWED = (
    pickle.dumps((["mkdir", "evil"],), 4)[:-1].replace(
        b"\x80\x04", b"\x80\x04\x8c\x19dbt_common.clients.system\x8c\x10subprocess.Popen\x93", 1
    )
    + b"R."
)


def _sealed(file: Path, packed: bytes) -> None:
    file.write_bytes(kept_manifest._digest(file, packed) + packed)


def _linked(file: Path) -> None:
    os.link(file, file.with_name("second"))


def _behind_a_link(file: Path) -> None:
    file.symlink_to(file.rename(file.with_name("elsewhere")))


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


UNTRUSTED: dict[str, Callable[[Path], object]] = {
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "one bit changed": lambda file: file.write_bytes(file.read_bytes()[:-9] + b"\0" + file.read_bytes()[-8:]),
    "empty": lambda file: file.write_bytes(b""),
    "others can read it": lambda file: file.chmod(0o640),
    "others can write it": lambda file: file.chmod(0o602),
    "another project's": lambda file: file.write_bytes(file.with_name("dbt_manifest_other").read_bytes()),
    "a link to it": _behind_a_link,
    "a second name": _linked,
    "a pipe": _pipe,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "calls a function": lambda file: _sealed(file, pickle.dumps(Evil())),
    "takes a method": lambda file: _sealed(file, pickle.dumps(Named(NodeType, "mro"))),
    "takes what is in no Enum": lambda file: _sealed(file, pickle.dumps(Named(FileHash, "from_contents"))),
    "calls what dbt imports": lambda file: _sealed(file, BORROWED),
    "of another shape": lambda file: _sealed(file, pickle.dumps(1)),
}


def test_members_of_an_enum_are_read_as_every_python_writes_them(tmp_path: Path) -> None:
    """Some write the name of a member, and some its value."""
    for written in (NodeType.Model, Named(NodeType, "Model")):
        _sealed(tmp_path / "kept", pickle.dumps(written))
        (tmp_path / "kept").chmod(0o600)
        assert kept_manifest.read(tmp_path / "kept") is NodeType.Model


def test_kept_macros_that_cannot_be_read_are_read_from_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier version of mock2pg, or of Python, wrote them otherwise; they are kept anew."""
    file = SimpleNamespace(package_name="dbt", original_file_path="macros/a.sql", raw_code="a")
    parts = kept_parts._Parts()
    monkeypatch.setattr(kept_parts, "_parts", parts)
    read = kept_parts.macros_of(lambda *_: ["read"], {})
    assert read(None, file) == ["read"]
    (key,) = parts.read
    parts.macros[key], parts.read = pickle.dumps(Evil()), {}
    assert read(None, file) == ["read"]
    assert [*parts.read] == [key]


OWNERS = """
  description: "{{ doc('an_owner') }}"
  config: {group: people, meta: {since: 2026-01-01}}
  data_tests: [{unique: {column_name: name, config: {severity: warn}}}]
"""
MORE = """
unit_tests:
  - {name: it, model: owners, given: [{input: "source('landing', 'owners')", format: csv, fixture: one_owner}],
     expect: {rows: [{id: a}]}}
groups:
  - {name: people, owner: {name: We}}
exposures:
  - {name: page, type: dashboard, owner: {name: We}, depends_on: ["ref('pets')"]}
"""


def test_an_unchanged_project_is_not_parsed(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tables and manifest are the same, it builds again and again, and no untrusted file is read for it."""
    monkeypatch.chdir(tmp_path)
    project = small_project(tmp_path) / "dbt_project"
    owners = project / "models" / "core" / "owners.yml"
    owners.write_text(owners.read_text() + OWNERS)  # YAML of a model's end
    (project / "models" / "more.yml").write_text(MORE)
    (project / "models" / "more.md").write_text("{% docs an_owner %} An owner. {% enddocs %}")
    (project / "tests" / "fixtures").mkdir(parents=True)
    (project / "tests" / "fixtures" / "one_owner.csv").write_text("id,name\na,b")
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
        for table in sources(project):
            postgres.scratch.land(connection, table, [], 0)
    connected, cache = profile(postgres.environment(database, settings=True), "public"), tmp_path / "cache"
    ran: list[str] = []
    invoke = DbtProject._invoke
    monkeypatch.setattr(
        DbtProject, "_invoke", lambda self, command, *more: (ran.append(command), invoke(self, command, *more))[1]
    )
    fresh = DbtProject(project, tmp_path / "fresh", connected, cache)
    tables = fresh.tables()
    parsed = fresh._manifest.writable_manifest().to_dict()
    built = fresh.build()
    again = DbtProject(project, tmp_path / "again", connected, cache)
    assert again.tables() == tables
    assert again._manifest.writable_manifest().to_dict().keys() == parsed.keys()
    assert {k for k, v in again._manifest.writable_manifest().to_dict().items() if v != parsed[k]} <= {"metadata"}
    for _ in range(2):
        assert (again.build(), again.build().queries) == (built, built.queries)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (tmp_path / "fresh" / "manifest.json").read_bytes()
    assert ran == ["parse", "build", "build", "build", "build", "build"]
    (file,) = cache.glob("dbt_manifest_*")
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    kept = load(file)
    assert kept
    keep(file.with_name("dbt_manifest_other"), kept)
    for what, change in UNTRUSTED.items():
        change(file)
        assert load(file) is None, what
        for left in (file, file.with_name("second")):
            left.rmdir() if left.is_dir() else left.unlink(missing_ok=True)
        file.write_bytes(content)
        file.chmod(0o600)
        assert load(file), what
    assert not Path("evil").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert load(file) is None
    file.write_bytes(b"damaged")
    assert DbtProject(project, tmp_path / "third", connected, cache).tables() == tables
    assert (ran.count("parse"), load(file) is not None) == (2, True)
    for number in range(9):
        keep(file.with_name(f"dbt_manifest_{number}"), kept)
    assert len(list(cache.glob("dbt_manifest_*"))) == kept_manifest._KEPT
    keep(file / "dbt_manifest_x", kept)  # a cache that cannot be written to is no failure


def test_a_project_that_changes_while_it_is_parsed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that changes while it is parsed is not kept: the result may be older than the change."""
    project = small_project(tmp_path) / "dbt_project"
    dbt = DbtProject(project, tmp_path / "target", HERE, tmp_path / "cache")
    monkeypatch.setattr(kept_manifest, "keep", lambda *_: pytest.fail("kept"))

    def parse(*_: Any) -> Any:
        (project / "models" / "core" / "new.sql").write_text("select 1")
        return SimpleNamespace(result=SimpleNamespace(files={}))

    monkeypatch.setattr(DbtProject, "_invoke", parse)
    assert dbt._read() is not None


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    """A full disk under it, or a folder of somebody else's: the project is parsed all the same, at each run."""
    project, cache = small_project(tmp_path), tmp_path / "no folder"
    cache.write_text("")
    connection = profile({"PGHOST": "h", "PGPORT": "5432", "PGDATABASE": "d", "PGUSER": "u"}, "public")
    tables = DbtProject(project / "dbt_project", tmp_path / "target", connection, cache).tables()
    assert [table.name for table in tables] == ["owners", "pets"]
    assert cache.read_text() == ""
