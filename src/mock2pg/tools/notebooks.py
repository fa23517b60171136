"""Papermill and nbconvert: a notebook is run as a receipt, and shown as a page."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mock2pg.errors import InternalError

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager
    from nbconvert.exporters.html import HTMLExporter

TEMPLATES = Path(__file__).parents[1] / "templates"

OUTCOME = "outcome"  # the tag of the cell that raises what the verdict on top says
_HEADLINE = "papermill-error-cell-tag"
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
    executed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = executed.with_name(f"{executed.name}.part.json")
    with _private_folder() as private, ThreadPoolExecutor(1) as pool:
        kernels: list[KernelManager] = []
        kernel_class = _kernel_class(Path(private), notebook, environment, kernels)
        running = pool.submit(_run, source, _literal(aside), dict(parameters), kernel_class)
        try:
            # in a thread of its own, because nbclient takes over the signal handlers of the main one
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


def _run(source: str, aside: str, parameters: dict[str, Any], kernel_class: type[KernelManager]) -> None:
    import papermill
    from jupyter_core.utils import ensure_event_loop

    logging.getLogger("papermill").disabled = True  # what it has to say is in the exception
    with closing(ensure_event_loop()):
        papermill.execute_notebook(
            source,
            aside,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            kernel_manager_class=kernel_class,
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
        raise InternalError(f"{notebook.name} could not be run: {type(error).__name__}") from error


def _kernel_class(
    private: Path, notebook: Path, environment: Mapping[str, str], started: list[KernelManager]
) -> type[KernelManager]:
    """A kernel of this very Python that writes to no home folder and is spoken to through private sockets."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    project = notebook.absolute().parents[1]
    places = {
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "MPLCONFIGDIR": str(project / ".cache" / "matplotlib"),  # lasts: its list of fonts takes a second to make
    }

    class Kernel(AsyncKernelManager):
        def __init__(self, **traits: Any) -> None:
            super().__init__(**traits, transport="ipc", connection_file=str(private / "kernel.json"))
            started.append(self)

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            await super().start_kernel(
                env={**os.environ, **environment, **places},
                cwd=str(project),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **options,
            )

    return Kernel


def _stop(running: Future[Any], kernels: list[KernelManager]) -> None:
    """Interrupt the kernel, so that a database undoes what it was told; kill it if that takes too long."""
    deadline = time.monotonic() + _GRACE
    try:
        while not running.done() and time.monotonic() < deadline:
            _signal(kernels, signal.SIGINT)
            wait([running], timeout=0.5)
    finally:
        while not running.done():
            _signal(kernels, signal.SIGKILL)
            wait([running], timeout=0.5)


def _signal(kernels: list[KernelManager], number: int) -> None:
    for kernel in kernels:
        process = getattr(kernel.provisioner, "process", None)
        if process is not None and process.poll() is None:
            os.killpg(process.pid, number)  # a kernel leads a process group of its own


def _literal(path: Path) -> str:
    """A path as papermill takes it: it reads braces as parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _private_folder() -> TemporaryDirectory[str]:
    """A folder (0700) where sockets fit: their whole path may have 107 bytes."""
    short = "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108  mkdtemp makes a folder of our own in it
    return TemporaryDirectory(prefix="m2p-", dir=short, ignore_cleanup_errors=True)


def export_html(executed: Path, page: Path, *, title: str) -> None:
    """Show an executed notebook as one HTML file that needs nothing from elsewhere, its code folded.

    Raises InternalError for a file that is not a notebook.
    """
    import nbformat

    try:
        node = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InternalError(f"{executed.name} cannot be shown: {type(error).__name__}") from None
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    text, _ = _exporter().from_notebook_node(node, resources={"title": escape(title), "style": style})
    aside = page.with_name(page.name + ".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(page)


@cache
def _exporter() -> HTMLExporter:
    """What shows every notebook of this process: to read the templates takes longer than to fill them."""
    from nbconvert.exporters.html import HTMLExporter

    return HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        default_preprocessors=[],
    )
