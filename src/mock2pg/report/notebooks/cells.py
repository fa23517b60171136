"""Cells of a notebook, run in this process."""

from __future__ import annotations

import ast
import io
import linecache
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

Show = Callable[[dict[str, Any]], None]


class _Stream(io.TextIOBase):
    """Standard output or error of the cells."""

    def __init__(self, name: str, show: Show) -> None:
        self._name, self._show = name, show

    def write(self, text: str) -> int:
        self._show({"output_type": "stream", "name": self._name, "text": text})
        return len(text)


class Cells:
    """The cells of one notebook, and the names that they share."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, source: str, name: str, show: Show) -> None:
        """Run a cell as a notebook does: the value of an expression at its end is shown.

        show  is given each output as nbformat has it; an error is one
        """
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks
        self._names["display"] = lambda value: show(_shown(value, "display_data"))
        with redirect_stdout(_Stream("stdout", show)), redirect_stderr(_Stream("stderr", show)):
            try:
                body = ast.parse(source, name).body
                last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
                exec(compile(ast.Module(body, []), name, "exec"), self._names)  # noqa: S102  it is what a notebook is for
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), name, "eval"), self._names)  # noqa: S307
                    if value is not None:
                        show(_shown(value, "execute_result"))
            except BaseException as error:
                show(_failed(error))


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
