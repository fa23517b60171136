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

_HEADLINE = "papermill-error-cell-tag"
_GRACE = 5.0  # seconds in which an interrupted kernel may undo what it is doing


def execute(notebook: Path, executed: Path, *, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Run a notebook with these parameters; what it became is kept in `executed`, also when a cell fails.

    The kernel is this Python, stands in the project's folder (the one above the notebook's), and gets
    `environment` besides our own; neither is written into the notebook. Raises InternalError for a parameter
    that the notebook does not declare, and for a cell that fails.
    """
    import papermill

    source = _literal(notebook)
    try:
        declared = set(papermill.inspect_notebook(source))
    except (OSError, ValueError) as error:
        raise InternalError(f"{notebook.name} cannot be read: {type(error).__name__}") from None
    if unknown := sorted(set(parameters) - declared):
        raise InternalError(f"{notebook.name} has no parameter {', '.join(unknown)}")
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
            _keep(aside, executed)
    _raise_for(running, notebook)


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


def _keep(aside: Path, executed: Path) -> None:
    """Give the executed notebook its name, and take papermill's own headline off: the verdict stands on top."""
    if not aside.exists():
        return
    with suppress(ValueError):  # cut short, by a full disk say: kept as it is
        notebook = json.loads(aside.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        notebook["cells"] = [cell for cell in cells if _HEADLINE not in cell["metadata"].get("tags", [])]
        notebook["metadata"]["papermill"]["output_path"] = str(executed)
        aside.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(executed)


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
