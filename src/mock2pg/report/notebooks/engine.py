"""The engine by which Papermill runs a notebook in one process, which needs no kernel, no sockets and no messages."""

from __future__ import annotations

from functools import partial
from typing import Any

import nbformat
from papermill.engines import Engine, NotebookExecutionManager

from mock2pg.workers import Worker


class OneProcess(Engine):  # type: ignore[misc]
    """Papermill loads the notebook, sets its parameters, and saves it after each cell; a worker runs the cells."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, *, worker: Worker, **_: Any
    ) -> None:
        """Run the code cells in order, up to the first that fails."""
        number = 0
        for cell in nb_man.nb.cells:
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            number += 1
            cell.execution_count = number
            nb_man.cell_start(cell)
            try:
                worker.call(
                    "mock2pg.report.notebooks.cells:run", cell.source, f"cell {number}", show=partial(_add, cell)
                )
            finally:
                failed = any(output.output_type == "error" for output in cell.outputs)
                if failed:
                    nb_man.cell_exception(cell)
                nb_man.cell_complete(cell)
            if failed:
                break


def _add(cell: Any, output: dict[str, Any]) -> None:
    """Add an output to a cell; what is written in pieces is one text."""
    if output["output_type"] == "execute_result":
        output["execution_count"] = cell.execution_count
    last = cell.outputs[-1] if cell.outputs else None
    if last and output["output_type"] == "stream" and last.get("name") == output["name"]:
        last.text += output["text"]
    else:
        cell.outputs.append(nbformat.from_dict(output))  # type: ignore[no-untyped-call]
