"""The kernels that notebooks run in: each a process of this Python, forked from one that has loaded what they need."""

from __future__ import annotations

import atexit
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mock2pg.environment import inherited
from mock2pg.errors import InternalError

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager, KernelManager

_FORKS = sys.platform != "darwin"  # the libraries of macOS do not survive a fork


class Process:
    """A process that is not a child of ours, with all that jupyter_client does with one of subprocess."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return None while it lives, then 1: its own code is not known."""
        if self.returncode is None and not self._send(0):
            self.returncode = 1
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"kernel {self.pid}", timeout or 0.0)
            time.sleep(0.01)
        return ended

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            self._send(number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _send(self, number: int) -> bool:
        try:
            os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):  # or another user's process has its number now
            return False
        return True


class Nursery:
    """The process that kernels are forked from: one for as long as this process lives, another when it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0  # a process that was forked from us must not talk to our nursery
        self._lock = threading.Lock()

    def load(self, modules: Sequence[str], fonts: Path) -> None:
        """Begin to load modules, unless they are. `fonts` is where matplotlib keeps its list of them."""
        with self._lock, suppress(OSError):  # then a kernel is asked for in vain, and another process begun
            self._running(fonts)
            self._tell({"modules": modules})

    def fork(self, arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> Process:
        """A kernel. Raises InternalError when there is none."""
        request = {"arguments": arguments, "folder": folder, "environment": dict(environment)}
        with self._lock:
            for _ in range(2):
                process = self._running(Path(environment["MPLCONFIGDIR"]))
                with suppress(OSError, ValueError):
                    self._tell(request)
                    return Process(int(_pipe(process.stdout).readline()))
                process.kill()
                process.wait()
        raise InternalError("no kernel can be started: the process that it is forked from ended twice")

    def _running(self, fonts: Path) -> subprocess.Popen[str]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mock2pg.report.notebooks.nursery"],
                env={**inherited(), "MPLCONFIGDIR": str(fonts)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C on the terminal is for us
            )
            atexit.register(_end, self._process, os.getpid())
        return self._process

    def _tell(self, what: Mapping[str, Any]) -> None:
        assert self._process is not None  # noqa: S101
        pipe = _pipe(self._process.stdin)
        pipe.write(json.dumps(what) + "\n")
        pipe.flush()


def _end(process: subprocess.Popen[str], owner: int) -> None:
    """End it with us, whatever it is loading."""
    if os.getpid() == owner:
        process.terminate()
        with suppress(KeyboardInterrupt):
            process.communicate()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # noqa: S101
    return pipe


_nursery = Nursery()
forked = _nursery.fork


def prepare(project: Path, modules: Sequence[str]) -> None:
    """Begin to load what notebooks need, besides what every kernel does, while something else is done."""
    if _FORKS:
        _nursery.load(modules, _fonts(project))


def kernel_class(
    private: Path, project: Path, environment: Mapping[str, str], started: list[KernelManager]
) -> type[AsyncKernelManager]:
    """A kernel of this very Python that writes to no home folder and is spoken to through private sockets."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    places = {
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "MPLCONFIGDIR": str(_fonts(project)),
    }

    class Kernel(AsyncKernelManager):
        def __init__(self, **traits: Any) -> None:
            super().__init__(**traits, transport="ipc", connection_file=str(private / "kernel.json"))
            started.append(self)

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # type: ignore[override]
            try:
                await super().shutdown_kernel(now=now, restart=restart)
            except Exception:  # the cells have run: how their kernel ends tells nothing of them
                send([self], signal.SIGKILL)

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            how = {"kernel_provisioner": {"provisioner_name": "mock2pg-nursery"}} if _FORKS else {}
            return KernelSpec(argv=command, display_name="Python 3", language="python", metadata=how)

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            await super().start_kernel(
                env={**inherited(), **environment, **places},
                cwd=str(project),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **options,
            )

    return Kernel


def send(kernels: Sequence[KernelManager], number: int) -> None:
    """Send a signal to the kernels that live."""
    for kernel in kernels:
        process = getattr(kernel.provisioner, "process", None)
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)  # a kernel leads a process group of its own


def _fonts(project: Path) -> Path:
    return project / ".cache" / "matplotlib"  # lasts: the list of fonts takes a second to make
