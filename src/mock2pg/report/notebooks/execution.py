"""A notebook is run, and what it became is kept."""

from __future__ import annotations

import json
import logging
import resource
import signal
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock2pg import private, signals
from mock2pg.errors import InternalError, UsageError, limited
from mock2pg.report.notebooks.kernels import kernel_class, send

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

OUTCOME = "outcome"  # the tag of the cell that raises what the verdict on top says
_HEADLINE = "papermill-error-cell-tag"
_MEMORY = 2 << 30
_LONGEST = 600  # seconds in which a kernel must have started, or shown what a cell wrote: machines are busy
_GRACE = 5.0  # seconds in which an interrupted kernel may undo what it is doing


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: the name of its type, and what it is, both as its cell of parameters says them."""

    type: str
    help: str


def execute(notebook: Path, executed: Path, *, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Run a notebook with these parameters; what it became is kept in `executed`, also when a cell fails.

    The kernel is this Python, stands in the project's folder (the one above the notebook's), and gets
    `environment` besides our own; neither is written into the notebook. Raises InternalError for a parameter
    that the notebook does not declare, for a value that is not of the declared type, and for a cell that fails.
    """
    source = _literal(notebook)
    _refuse(notebook, parameters)
    _require_memory(notebook)
    executed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = executed.with_name(f"{executed.name}.part.json")
    # closed: a thread that is interrupted while it starts would go on when the block has ended
    with private.folder() as place, ThreadPoolExecutor(1) as pool, signals.closed():
        kernels: list[KernelManager] = []
        kernel = kernel_class(place, notebook.absolute().parents[1], environment, kernels)
        running = pool.submit(_run, source, _literal(aside), dict(parameters), kernel)
        try:
            # in a thread of its own, because nbclient takes over the signal handlers of the main one
            with signals.interruptible():
                wait([running])
        except BaseException:
            _stop(running, kernels)
            raise
        finally:
            _keep(aside, executed, running)
    _raise_for(running, notebook)


def declared(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, by name. Raises InternalError for a file that is not a notebook."""
    import papermill

    try:
        found = papermill.inspect_notebook(_literal(notebook))
    except (OSError, ValueError) as error:
        raise InternalError(f"{notebook.name} cannot be read: {type(error).__name__}") from None
    return {name: Parameter(about["inferred_type_name"], about["help"]) for name, about in found.items()}


def _refuse(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """What a notebook was not made for would have no effect, or another one than was meant."""
    known = declared(notebook)
    if unknown := sorted(set(parameters) - set(known)):
        raise InternalError(f"{notebook.name} has no parameter {', '.join(unknown)}")
    for name, value in parameters.items():
        if type(value).__name__ != known[name].type:
            raise InternalError(f"{notebook.name} takes {name} as {known[name].type}, not {type(value).__name__}")


def _require_memory(notebook: Path) -> None:
    """ZeroMQ, which speaks to the kernel, ends the process when it gets no memory for its threads."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 < limit < _MEMORY:  # -1 is no limit
        message = f"{notebook.name} needs {_MEMORY >> 20} MB of address space, and the limit is {limit >> 20} MB"
        raise UsageError(message, hint="Raise it: ulimit -v unlimited")


def _run(source: str, aside: str, parameters: dict[str, Any], kernel_class: type[KernelManager]) -> None:
    import papermill
    from jupyter_core.utils import ensure_event_loop

    for name in ("papermill", "traitlets"):  # what they have to say is in the exception
        logging.getLogger(name).disabled = True
    with closing(ensure_event_loop()):
        papermill.execute_notebook(
            source,
            aside,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            kernel_manager_class=kernel_class,
            start_timeout=_LONGEST,
            iopub_timeout=_LONGEST,
        )


def _keep(aside: Path, executed: Path, running: Future[Any]) -> None:
    """Give the executed notebook its name, and a headline of ours when it failed, in the place of papermill's."""
    if not aside.exists():
        return
    with suppress(ValueError):  # cut short, by a full disk say: kept as it is
        notebook = json.loads(aside.read_text(encoding="utf-8"))
        cells = [cell for cell in notebook["cells"] if _HEADLINE not in _tags(cell)]
        notebook["cells"] = _headline(cells, running.exception()) + cells
        notebook["metadata"]["papermill"]["output_path"] = str(executed)
        aside.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(executed)


def _headline(cells: list[dict[str, Any]], error: BaseException | None) -> list[dict[str, Any]]:
    """What failed, and where, as a cell for the top; none when the verdict says it already."""
    if error is None:
        return []
    errors = [(cell, output) for cell in cells for output in cell.get("outputs", ()) if "ename" in output]
    if errors and OUTCOME in _tags(errors[-1][0]):
        return []
    where = f"in cell {errors[-1][0]['execution_count']}: {errors[-1][1]['ename']}" if errors else type(error).__name__
    text = f"**Failed, {where}.** Below is what was found out until then. It proves nothing."
    return [{"cell_type": "markdown", "id": "headline", "metadata": {}, "source": text}]


def _tags(cell: dict[str, Any]) -> list[str]:
    tags: list[str] = cell["metadata"].get("tags", [])
    return tags


def _raise_for(running: Future[Any], notebook: Path) -> None:
    from papermill.exceptions import PapermillExecutionError

    error = running.exception()
    if isinstance(error, PapermillExecutionError):
        # no cause: the text of a cell's error is the notebook's to show
        raise InternalError(f"{notebook.name} failed in cell {error.exec_count} ({error.ename})") from None
    if error is not None:
        if limit := limited(error, notebook.name):
            raise limit from error
        raise InternalError(f"{notebook.name} could not be run: {type(error).__name__}") from error


def _stop(running: Future[Any], kernels: list[KernelManager]) -> None:
    """Interrupt the kernel, so that a database undoes what it was told; kill it if that takes too long."""
    deadline = time.monotonic() + _GRACE
    try:
        while not running.done() and time.monotonic() < deadline:
            send(kernels, signal.SIGINT)
            wait([running], timeout=0.5)
    finally:
        while not running.done():
            send(kernels, signal.SIGKILL)
            wait([running], timeout=0.5)


def _literal(path: Path) -> str:
    """A path as papermill takes it: it reads braces as parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")
