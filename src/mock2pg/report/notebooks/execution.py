"""A notebook is run, and what it became is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mock2pg import signals, workers
from mock2pg.environment import inherited
from mock2pg.errors import InternalError, Mock2pgError, UsageError
from mock2pg.foreign_errors import limited
from mock2pg.text import identity

OUTCOME = "outcome"  # the tag of the cell that raises what the verdict on top says
_NO_ROOM = (
    "Check the free disk space in runs/. `mock2pg status` reports which run the target tables hold, `mock2pg verify`"
    " proves it."
)
_HEADLINE = "papermill-error-cell-tag"


def execute(notebook: Path, executed: Path, *, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Run a notebook with these parameters; what it became is kept in `executed`, also when a cell fails.

    Papermill and the cells run in a process of this Python, in the project's folder (the one above the notebook's),
    which gets `environment` besides our own; neither is written into the notebook. Raises InternalError for a parameter
    that the notebook does not declare, for a value that is not of the declared type, and for a cell that fails.
    """
    aside = executed.absolute().with_name(f"{executed.name}.part.json")
    folder, error = notebook.absolute().parents[1], None
    with signals.closed():  # but while it runs
        try:
            given = notebook.absolute(), aside, dict(parameters), folder, {**inherited(), **environment}
            workers.call(workers.CELLS, "mock2pg.report.notebooks.engine:run", *given)
        except BaseException as caught:
            error = caught
        _keep(aside, executed, error)
        _raise_for(error, notebook, executed.parent)


def _keep(aside: Path, executed: Path, error: BaseException | None) -> None:
    """Give the executed notebook its name, and a headline of ours when it failed, in the place of papermill's."""
    if not aside.exists():
        return
    with suppress(ValueError):  # cut short, by a full disk say: kept as it is
        notebook = json.loads(aside.read_text(encoding="utf-8"))
        cells = [cell for cell in notebook["cells"] if _HEADLINE not in _tags(cell)]
        notebook["cells"] = _headline(cells, error) + cells
        notebook["metadata"]["papermill"]["output_path"] = str(executed)
        aside.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(executed)


def _headline(cells: list[dict[str, Any]], error: BaseException | None) -> list[dict[str, Any]]:
    """Return what failed, and where, as a cell for the top; none when the verdict says it already."""
    if error is None:
        return []
    errors = [(cell, output) for cell in cells for output in cell.get("outputs", ()) if "ename" in output]
    if errors and OUTCOME in _tags(errors[-1][0]):
        return []
    what = f"Failed: {error.message if isinstance(error, InternalError) else type(error).__name__}"
    if isinstance(error, KeyboardInterrupt):
        what = "Interrupted"
    elif errors:
        what = f"Failed in cell {errors[-1][0]['execution_count']}: {errors[-1][1]['ename']}"
    text = f"**{what}.** What was found before that is below, and proves nothing."
    return [{"cell_type": "markdown", "id": "headline", "metadata": {}, "source": text}]


def _tags(cell: dict[str, Any]) -> list[str]:
    tags: list[str] = cell["metadata"].get("tags", [])
    return tags


def _raise_for(error: BaseException | None, notebook: Path, folder: Path) -> None:
    if isinstance(error, InternalError) and not error.message.startswith(notebook.name):
        raise InternalError(f"{notebook.name} could not be run: {error.message}", hint=error.hint) from error
    if isinstance(error, Mock2pgError):
        raise error
    if isinstance(error, Exception):
        if limit := limited(error, notebook.name):
            raise limit from error
        if isinstance(error, OSError) and error.strerror:
            told = f"{notebook.name} could not be run: {error.strerror}: {identity(str(folder))}"
            raise UsageError(told, hint=_NO_ROOM) from error
        raise InternalError(f"{notebook.name} could not be run: {type(error).__name__}") from error
    if error is not None:
        raise error
