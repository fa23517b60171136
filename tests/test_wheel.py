"""mock2pg is a package: a wheel has all that a project needs, in an environment and a folder far from this checkout."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mock2pg.settings import REPOSITORY
from tests.fix_small import small_document

PACKAGE = REPOSITORY / "src" / "mock2pg"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `pip wheel` builds it with the locked backend."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-I", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(REPOSITORY)], check=True, cwd=folder)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and a view of what else is installed here: but not of this checkout."""
    folder = tmp_path_factory.mktemp("environment") / "a venv"
    venv.create(folder, with_pip=False)
    python, ours = folder / "bin" / "python", sysconfig.get_paths()["purelib"]
    packages = folder / Path(ours).relative_to(sys.prefix)
    install = [sys.executable, "-I", "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, cwd=folder)
    (packages / "dependencies.pth").write_text(f"{ours}\n")  # whose own .pth files do not count
    return folder


def test_the_wheel_holds_every_file_of_the_package_and_no_path(wheel: Path) -> None:
    """Notebooks, macros, templates, SQL and all; none names where it was built, or where Python is."""
    files = {file.relative_to(PACKAGE.parent).as_posix() for file in PACKAGE.rglob("*") if file.is_file()}
    with zipfile.ZipFile(wheel) as opened:
        packed = {name: opened.read(name) for name in opened.namelist()}
    ours = {name for name in packed if not name.startswith("mock2pg-")}
    assert ours == {file for file in files if "__pycache__" not in file}
    assert {"mock2pg/resources/notebooks/verify.ipynb", "mock2pg/resources/dbt_macros/table.sql"} <= ours
    # "/usr" is where many programs are
    places = [str(place).encode() for place in (REPOSITORY, sys.prefix, sys.base_prefix) if str(place) != "/usr"]
    assert [name for name, content in packed.items() if any(place in content for place in places)] == []


def test_what_is_imported_is_what_is_required(wheel: Path) -> None:
    """Each module that the package imports comes with a declared dependency, or with what that one requires."""
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = (opened.read(name).decode() for name in opened.namelist() if name.endswith("/METADATA"))
    declared = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)]
    assert {"flit-core", "mimesis", "jupyter"}.isdisjoint(needed(declared, ""))
    extra = {"source/people.py": "sample"}
    imported: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        place = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            imported.setdefault(extra.get(place, ""), set()).update(name.split(".")[0] for name in names)
    there = packages_distributions()
    for of, modules in imported.items():
        known = needed(declared, of)
        for module in modules - sys.stdlib_module_names - {"mock2pg"}:
            assert known & {_canonical(name) for name in there[module]}, module


def needed(declared: list[Requirement], extra: str) -> set[str]:
    """The names of what these requirements bring along, with an extra of theirs."""
    found: set[str] = set()
    todo = [requirement for requirement in declared if _holds(requirement, extra)]
    while todo:
        requirement = todo.pop()
        name = _canonical(requirement.name)
        if name not in found:
            found.add(name)
            more = map(Requirement, requires(name) or ())
            todo += [one for one in more if any(_holds(one, also) for also in ("", *requirement.extras))]
    return found


def _holds(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_project_far_from_the_checkout(environment: Path, database: str, tmp_path: Path) -> None:
    """The command of the wheel makes a project, migrates (which verifies) and rolls back: in a folder with a space."""
    document, project = tmp_path / "my data.json", tmp_path / "my projects" / "a shop"
    document.write_text(json.dumps(small_document("Rex", "Tom")))
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}

    def mock2pg(*arguments: str, here: Path = project, code: int = 0) -> str:
        command = [environment / "bin" / "mock2pg", *arguments]
        variables = {**kept, "DATABASE_URL": database, "MIGRATION_SOURCE": "mock_data"}
        done = subprocess.run(command, cwd=here, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert str(REPOSITORY) not in done.stdout + done.stderr
        return done.stdout

    assert "Usage: mock2pg" in mock2pg("--help", here=tmp_path)
    refused = json.loads(mock2pg("status", "--json", here=tmp_path, code=2))
    assert "there is no mock2pg project in the current directory" in refused["error"]["message"]
    mock2pg("init", str(document), "--into", str(project), here=tmp_path)
    assert sorted(path.name for path in (project / "dbt_project").iterdir()) == ["dbt_project.yml", "models"]
    assert not (project / "notebooks").exists()
    migrated = json.loads(mock2pg("migrate", "--json"))
    assert mock2pg("rollback", migrated["summary"]["backup"]["backup_id"], here=project / "dbt_project")
    found = [file for file in project.rglob("*") if file.is_file() and str(PACKAGE).encode() in file.read_bytes()]
    assert found == []
