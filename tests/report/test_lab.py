"""JupyterLab: what it is given to open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mock2pg.errors import UsageError
from mock2pg.report import lab
from mock2pg.runs import Run
from mock2pg.settings import Settings

OLD, NEW, WITHOUT = "2026-11-22T10-30-00-000Z", "2026-11-23T10-30-00-000Z", "2026-11-24T10-30-00-000Z"


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    """Three runs; the newest, a check say, executed no notebook."""
    settings = Settings(project=tmp_path)
    for name in (OLD, NEW, WITHOUT):
        run = Run(name, settings)
        run.write("record.json", {"pid": os.getpid(), "finished_at": name})
        if name != WITHOUT:
            run.path("notebooks", "verify.ipynb").write_text(name)
    return settings


@pytest.mark.parametrize(("named", "found"), [(OLD, OLD), (NEW, NEW), (None, NEW)])
def test_the_notebooks_of_a_run_are_copied(project: Settings, named: str | None, found: str) -> None:
    """A person works in copies: of the run that is named, else of the newest that executed some."""
    folder = lab.prepared(project, named)
    assert (folder / "verify.ipynb").read_text() == found
    (folder / "verify.ipynb").write_text("changed by hand")
    assert (lab.prepared(project, named) / "verify.ipynb").read_text() == "changed by hand"
    assert (Run(found, project).folder / "notebooks" / "verify.ipynb").read_text() == found


def test_what_cannot_be_opened_is_named(project: Settings) -> None:
    """A run without notebooks, one that does not exist, one that is running, and no run at all."""
    with pytest.raises(UsageError, match=f"run {WITHOUT} executed no notebook"):
        lab.prepared(project, WITHOUT)
    with pytest.raises(UsageError, match="there is no run other"):
        lab.prepared(project, "other")
    Run(NEW, project).write("record.json", {"pid": os.getpid(), "finished_at": None})
    with pytest.raises(UsageError, match=f"run {NEW} is still running"):
        lab.prepared(project)
    with pytest.raises(UsageError, match="no run has executed a notebook yet"):
        lab.prepared(Settings(project=project.project / "empty"))


def test_without_jupyterlab_it_says_how_to_get_it(project: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names JupyterLab, and the make target that installs it."""
    monkeypatch.setattr(lab, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="JupyterLab is not installed here") as caught:
        lab.command(lab.prepared(project))
    assert "make lab" in caught.value.hint


def test_jupyterlab_stays_on_this_machine_and_out_of_the_home_folder(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens on loopback, asks nobody for news, and keeps what it writes in the project's cache."""
    monkeypatch.setattr(lab, "find_spec", lambda _: True)
    folder = lab.prepared(project)
    program, environment = lab.command(folder, browser=False)
    assert "--ServerApp.ip=127.0.0.1" in program
    assert f"--ServerApp.root_dir={folder}" in program
    assert "--no-browser" in program
    assert all(Path(place).is_relative_to(project.cache_dir) for place in environment.values())
    news = Path(environment["JUPYTERLAB_SETTINGS_DIR"]).glob("*/*/notification*")
    assert ['"fetchNews": "false"' in file.read_text() for file in news] == [True]
