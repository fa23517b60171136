"""Papermill in the process of the cells: it sets the parameters, and saves the notebook before each cell
and at the end.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError

from mock2pg import pages
from mock2pg.errors import InternalError
from mock2pg.report.notebooks.cells import Cells

SHOWN = ("chart.html", "table.html", "verdict.html")  # the templates of what notebooks show


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: the name of its type, and what it is, both as its cell of parameters says them."""

    type: str
    help: str


def warm() -> None:
    """Load what running any notebook needs: nbformat's schema, and templates."""
    nbformat.validate(nbformat.v4.new_notebook())  # type: ignore[no-untyped-call]
    pages.compile_templates(*SHOWN)


def run(notebook: Path, aside: Path, parameters: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a notebook, which becomes `aside`, in this folder and with this environment.

    Raises InternalError that begins with the notebook's name: for its parameters, and for the cell that failed.
    """
    _refuse(notebook, parameters)
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name in ("papermill", "traitlets"):  # what they have to say is in the exception
        logging.getLogger(name).disabled = True
    papermill_engines.register("mock2pg", OneProcess)
    try:
        papermill.execute_notebook(
            _literal(notebook), _literal(aside), parameters,
            engine_name="mock2pg", kernel_name="python3", progress_bar=False,
        )  # fmt: skip
    except PapermillExecutionError as error:
        # no cause: the text of a cell's error is the notebook's to show
        raise InternalError(f"{notebook.name} failed in cell {error.exec_count} ({error.ename})") from None


def declared(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, by name. Raises InternalError for a file that is not a notebook."""
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


class OneProcess(Engine):  # type: ignore[misc]
    """The engine that runs the cells in this process, which needs no kernel, no sockets and no messages."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, kernel_name: str, **_: Any) -> None:
        """Run the code cells in order, up to the first that fails."""
        cells, number = Cells(), 0
        for cell in nb_man.nb.cells:
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            number += 1
            cell.execution_count = number
            nb_man.cell_start(cell)
            cells.run(cell.source, f"cell {number}", partial(_add, cell))
            failed = any(output.output_type == "error" for output in cell.outputs)
            if failed:
                nb_man.cell_exception(cell)
            _complete(nb_man, cell)
            if failed:
                break


def _complete(nb_man: NotebookExecutionManager, cell: Any) -> None:
    """Complete a cell without saving the notebook: that is done when the next one starts, or at the end."""
    path, nb_man.output_path = nb_man.output_path, None
    nb_man.cell_complete(cell)
    nb_man.output_path = path


def _add(cell: Any, output: dict[str, Any]) -> None:
    """Add an output to a cell; what is written in pieces is one text."""
    if output["output_type"] == "execute_result":
        output["execution_count"] = cell.execution_count
    last = cell.outputs[-1] if cell.outputs else None
    if last and output["output_type"] == "stream" and last.get("name") == output["name"]:
        last.text += output["text"]
    else:
        cell.outputs.append(nbformat.from_dict(output))  # type: ignore[no-untyped-call]


def _literal(path: Path) -> str:
    """A path as papermill takes it: it reads braces as parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")
