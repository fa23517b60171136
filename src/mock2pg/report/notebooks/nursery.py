"""The process that kernels are forked from: it has loaded what notebooks need, which is most of a kernel's start.

`python -m mock2pg.report.notebooks.nursery` reads JSON objects, one a line. It loads the `modules` of one, and forks a
kernel for one with `arguments`, `folder` and `environment`, which it answers with the kernel's pid. It ends with its
input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from mock2pg import leaving


def serve() -> None:
    """Load and fork until the input ends. Returns in each kernel, too, when that has ended."""
    import ipykernel.kernelapp

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels here: they leave no zombies
    for line in sys.stdin:
        request = json.loads(line)
        for module in request.get("modules", ()):
            with suppress(ImportError):  # the notebook that needs it will say so
                import_module(module)
        if "arguments" not in request:
            continue
        nursery, child = os.getpid(), os.fork()
        if child == 0:
            _become(request)
            # a kernel ends when its parent has: it must not go on where nobody holds the lock any more
            ends = f"--IPKernelApp.parent_handle={nursery}"
            ipykernel.kernelapp.launch_new_instance([*request["arguments"], ends])
            return
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _become(request: dict[str, Any]) -> None:
    """What a process that was started for this kernel alone would be."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])


if __name__ == "__main__":
    leaving.collect_seldom()
    serve()
    leaving.leave(0)
