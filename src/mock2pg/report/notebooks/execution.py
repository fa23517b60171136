"""A notebook is run, and what it became is kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock2pg import signals, workers
from mock2pg.environment import inherited
from mock2pg.errors import InternalError, UsageError, limited

OUTCOME = "outcome"  # the tag of the cell that raises what the verdict on top says
_NO_ROOM = (
    "Is there room in runs/? `mock2pg status` reports which run the target tables hold, `mock2pg verify` proves it."
)
_HEADLINE = "papermill-error-cell-tag"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: the name of its type, and what it is, both as its cell of parameters says them."""

    type: str
    help: str


def execute(notebook: Path, executed: Path, *, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Run a notebook with these parameters; what it became is kept in `executed`, also when a cell fails.

    Its cells run in a process of this Python, in the project's folder (the one above the notebook's), which gets
    `environment` besides our own; neither is written into the notebook. Raises InternalError for a parameter
    that the notebook does not declare, for a value that is not of the declared type, and for a cell that fails.
    """
    source = _literal(notebook)
    _refuse(notebook, parameters)
    executed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = executed.with_name(f"{executed.name}.part.json")
    error: BaseException | None = None
    with signals.closed():  # but while a cell runs
        try:
            _run(source, _literal(aside), dict(parameters), notebook.absolute().parents[1], environment)
        except BaseException as caught:
            error = caught
        _keep(aside, executed, error)
        _raise_for(error, notebook)


def declared(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, by name. Raises InternalError for a file that is not a notebook."""
    import papermill

    try:
        found = papermill.inspect_notebook(_literal(notebook))
    except (OSError, ValueError) as error:
        raise InternalError(f"{notebook.name} cannot be read: {type(error).__name__}") from None
    return {name: Parameter(about["inferred_type_name"], about["help"]) for name, about in found.items()}


def _refuse(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that the notebook does not declare, and values of another type."""
    known = declared(notebook)
    if unknown := sorted(set(parameters) - set(known)):
        raise InternalError(f"{notebook.name} has no parameter {', '.join(unknown)}")
    for name, value in parameters.items():
        if type(value).__name__ != known[name].type:
            raise InternalError(f"{notebook.name} takes {name} as {known[name].type}, not {type(value).__name__}")


def _run(source: str, aside: str, parameters: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> None:
    import papermill
    from papermill.engines import papermill_engines

    from mock2pg.report.notebooks.engine import OneProcess

    for name in ("papermill", "traitlets"):  # what they have to say is in the exception
        logging.getLogger(name).disabled = True
    papermill_engines.register("mock2pg", OneProcess)
    with workers.lent(workers.CELLS) as worker:
        worker.call("mock2pg.report.notebooks.cells:begin", folder, {**inherited(), **environment})
        papermill.execute_notebook(
            source, aside, parameters, engine_name="mock2pg", kernel_name="python3", progress_bar=False, worker=worker
        )


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
    text = f"**{what}.** Below is what was found out until then. It proves nothing."
    return [{"cell_type": "markdown", "id": "headline", "metadata": {}, "source": text}]


def _tags(cell: dict[str, Any]) -> list[str]:
    tags: list[str] = cell["metadata"].get("tags", [])
    return tags


def _raise_for(error: BaseException | None, notebook: Path) -> None:
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        # no cause: the text of a cell's error is the notebook's to show
        raise InternalError(f"{notebook.name} failed in cell {error.exec_count} ({error.ename})") from None
    if isinstance(error, InternalError):
        raise InternalError(f"{notebook.name} could not be run: {error.message}") from error
    if isinstance(error, Exception):
        if limit := limited(error, notebook.name):
            raise limit from error
        if isinstance(error, OSError) and error.strerror:
            raise UsageError(f"{notebook.name} could not be run: {error.strerror}", hint=_NO_ROOM) from error
        raise InternalError(f"{notebook.name} could not be run: {type(error).__name__}") from error
    if error is not None:
        raise error


def _literal(path: Path) -> str:
    """A path as papermill takes it: it reads braces as parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")
