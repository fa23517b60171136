"""JupyterLab: the executed notebooks of a run, in copies that a person may change and run again."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from mock2pg.errors import UsageError
from mock2pg.runs import Run, all_runs, open_run
from mock2pg.settings import Settings


def prepared(settings: Settings, run_id: str | None = None) -> Path:
    """A folder with copies of the run's notebooks; of the newest run that has some, when none is named.

    An existing copy is kept: somebody may have worked in it. Raises UsageError.
    """
    run = open_run(settings, run_id) if run_id else _newest(settings)
    executed = sorted((run.folder / "notebooks").glob("*.ipynb"))
    if not executed:
        raise UsageError(
            f"run {run.id} executed no notebook", hint="Name a run of migrate, backup, verify or rollback, which do."
        )
    if not run.has_ended:
        raise UsageError(f"run {run.id} is still running", hint="Wait until it has ended.")
    folder = settings.cache_dir / "lab" / run.id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for notebook in executed:
        copy = folder / notebook.name
        if not copy.exists():
            shutil.copyfile(notebook, copy)
    return folder


def _newest(settings: Settings) -> Run:
    found = {run.id: run for run in all_runs(settings) if any((run.folder / "notebooks").glob("*.ipynb"))}
    if not found:
        raise UsageError("no run has executed a notebook yet", hint="Run `mock2pg migrate` first.")
    return found[max(found)]


def command(folder: Path, *, browser: bool = True) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts JupyterLab on that folder, and its environment. Raises UsageError without it.

    It answers on this machine only, to who has the token of its address; it writes into no home folder.
    """
    if find_spec("jupyterlab") is None:
        raise UsageError(
            "JupyterLab is not installed here",
            hint="Run `make lab` in mock2pg's repository; elsewhere `pip install 'mock2pg[lab]'` first.",
        )
    program = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    program += ["--LabApp.extension_manager=readonly"]
    program += [] if browser else ["--no-browser"]
    program += ["--allow-root"] if os.getuid() == 0 else []
    home = folder.parent / ".jupyter"
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}\n', encoding="utf-8")
    places = {
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
    }
    return program, {name: str(place) for name, place in places.items()}
