"""The project: named, or found from the current directory; and nobody else's runs by itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from mock2pg import cli, project_folder
from mock2pg.errors import UsageError
from mock2pg.project_folder import discovered
from mock2pg.settings import load


def a_project(folder: Path) -> Path:
    (folder / "dbt_project").mkdir(parents=True)
    (folder / "dbt_project" / "dbt_project.yml").touch()
    return folder


def test_the_project_is_the_nearest_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory or one above it; the checkout where neither is one; one that is named before all."""
    outer, inner, other = (a_project(tmp_path / name) for name in ("outer", "outer/inner folder", "other"))
    (inner / "models" / "deep").mkdir(parents=True)
    checkout = a_project(tmp_path / "checkout")
    monkeypatch.setattr(project_folder, "REPOSITORY", checkout)
    monkeypatch.setattr(project_folder, "__file__", str(checkout / "src" / "mock2pg" / "project_folder.py"))
    for here, found in {
        outer: outer,
        outer / "dbt_project": outer,
        inner: inner,
        inner / "models" / "deep": inner,
        tmp_path: checkout,
    }.items():
        monkeypatch.chdir(here)
        assert load().project == found
    monkeypatch.chdir(inner)
    monkeypatch.setenv("MIGRATION_PROJECT", str(outer))
    assert load().project == outer
    assert load(project=other).project == other
    monkeypatch.delenv("MIGRATION_PROJECT")
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load().project == checkout


def test_without_a_project_a_command_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed as a package there is no checkout: the error names `mock2pg init`, and --project."""
    monkeypatch.setattr(project_folder, "REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.command, ["status"])
    assert done.exit_code == UsageError.code
    assert "there is no mock2pg project in the current directory, nor in one above it" in done.output
    assert "mock2pg init SOURCE --into FOLDER`" in done.output


def test_a_command_takes_its_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--project names it, from the current directory; one that is not there is an error."""
    a_project(tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.command, ["server", "status", "--project", "shop"])
    assert (done.exit_code, str(tmp_path / "shop" / ".postgres") in done.output) == (0, True), done.output
    for name in ("nowhere", ""):
        done = CliRunner().invoke(cli.command, ["server", "status", "--project", name])
        assert (done.exit_code, "does not exist" in done.output) == (2, True)


@pytest.mark.parametrize(
    "part", [".", "dbt_project", "dbt_project/dbt_project.yml", ".env", "pyproject.toml", "notebooks", "expectations"]
)
def test_nobody_elses_project_is_taken_by_itself(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /tmp/dbt_project would be, below which somebody works: each part is this user's, or it has to be named."""
    project = a_project(tmp_path / "project")
    (project / "below").mkdir()
    place = project / part
    if not place.exists():
        place.touch()
    monkeypatch.chdir(project / "below")
    assert discovered() == project
    elsewhere = place.rename(tmp_path / "elsewhere")
    place.symlink_to(elsewhere)  # whose own owner counts, and that of what it leads to
    for found in (place.lstat(), place.stat()) if part != "." else (elsewhere.stat(),):
        monkeypatch.setattr(project_folder, "_trusted", lambda one, found=found: one.st_ino != found.st_ino)
        with pytest.raises(UsageError, match="is another user's, or others may write it") as failed:
            discovered()
        assert failed.value.hint.startswith(f"If you trust it, name it: `--project {Path.cwd().parent}`.")
        monkeypatch.undo()
        monkeypatch.chdir(project / "below")
        assert discovered() == project.resolve()
    with monkeypatch.context() as patch:
        patch.setattr(project_folder, "_trusted", lambda _: False)
        assert load(project=project).project == project.resolve()
        patch.setattr(project_folder, "REPOSITORY", project.resolve())  # it runs already
        assert discovered() == project.resolve()


def test_an_owner_is_trusted_who_could_do_it_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    """This user's files, and root's that nobody else may write; mode bits of one's own do not count."""
    link = stat.S_IFLNK | 0o777
    for mine, uid, mode, trusted in (
        (1000, 1000, 0o755, True),
        (1000, 1000, 0o777, True),  # as some file systems show every file
        (1000, 0, 0o755, True),
        (1000, 0, 0o1777, False),  # as /tmp
        (1000, 0, 0o775, False),
        (1000, 0, link, True),
        (1000, 1001, 0o755, False),
        (1000, 1001, link, False),
        (0, 1000, 0o755, False),
    ):
        monkeypatch.setattr(os, "geteuid", lambda mine=mine: mine)
        found = os.stat_result((mode, 1, 1, 1, uid, 1, 1, 1, 1, 1))
        assert project_folder._trusted(found) == trusted, (mine, uid, oct(mode))
