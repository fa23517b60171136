"""The process that runs the cells of one notebook: `python -m mock2pg.report.notebooks.cells MODULE...`.

It loads the modules, then reads JSON objects, one a line: one with `folder` and `environment`, then one with the
`source` of each cell. It answers a cell with its outputs as nbformat has them, one a line, and with `null` when the
cell has ended. `null` ends it. So does the end of its input, at once: it must not go on writing to a database when
the process that holds the lock is gone.
"""

from __future__ import annotations

import ast
import io
import json
import linecache
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from mock2pg import leaving

Answer = Callable[[dict[str, Any] | None], None]


class _Stream(io.TextIOBase):
    """Standard output or error of the cells."""

    def __init__(self, name: str, answer: Answer) -> None:
        self._name, self._answer = name, answer

    def write(self, text: str) -> int:
        self._answer({"output_type": "stream", "name": self._name, "text": text})
        return len(text)


def serve(modules: list[str]) -> None:
    """Run cells until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to undo but in a cell
    requests, lock = SimpleQueue[Any](), threading.Lock()
    given, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # what programs that a cell starts read and write
        os.dup2(nothing, stream)

    def listen() -> None:
        with suppress(ValueError):  # a line that was cut short is the end, too
            for line in given:
                requests.put(request := json.loads(line))
                if request is None:
                    return
        os._exit(1)

    def answer(message: dict[str, Any] | None) -> None:
        with lock:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    threading.Thread(target=listen, daemon=True).start()
    for module in modules:
        with suppress(ImportError):  # the notebook that needs it will say so
            import_module(module)
    if start := requests.get():
        os.environ.clear()
        os.environ.update(start["environment"])
        os.chdir(start["folder"])
    names: dict[str, Any] = {"__name__": "__main__", "display": lambda value: answer(_shown(value, "display_data"))}
    with redirect_stdout(_Stream("stdout", answer)), redirect_stderr(_Stream("stderr", answer)):
        while request := requests.get():
            _run(request["source"], request["name"], names, answer)
            answer(None)


def _run(source: str, name: str, names: dict[str, Any], answer: Answer) -> None:
    """Run a cell as a notebook does: the value of an expression at its end is shown."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        body = ast.parse(source, name).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), name, "exec"), names)  # noqa: S102  it is what a notebook is for
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307
            if value is not None:
                answer(_shown(value, "execute_result"))
    except BaseException as error:
        answer(_failed(error))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _shown(value: Any, kind: str) -> dict[str, Any]:
    data = {"text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_()
    return {"output_type": kind, "data": data, "metadata": {}}


def _failed(error: BaseException) -> dict[str, Any]:
    """An error as an output; its traceback begins with the cell."""
    frames = error.__traceback__ and error.__traceback__.tb_next
    lines = [line.rstrip("\n") for line in traceback.format_exception(type(error), error, frames)]
    return {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": lines}


if __name__ == "__main__":
    leaving.collect_seldom()
    serve(sys.argv[1:])
    leaving.leave(0)
