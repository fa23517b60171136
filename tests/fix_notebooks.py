"""Steps, dbt and Great Expectations run in the test's process.

A notebook calls `run_step` and shows what came of it: the step itself takes its place here, so every other test proves
the steps without paying for a process. What notebooks and workers themselves do is proven in
tests/report/test_notebooks.py and tests/test_workers.py, in tests/test_end_to_end.py, and by the commands that run in a
process of their own (tests/school/test_canary.py, test_make.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from mock2pg import workers
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.beside import Beside
from mock2pg.runs import Run
from mock2pg.workers import serving

_PRODUCT = steps.run_in_notebook, workers.call, workers.prepare, Beside.begin


def _in_process(name: str, run: Run, parameters: Mapping[str, str | bool]) -> None:
    try:
        steps.run_in_process(name, run, parameters)
    finally:  # as it stands in the project, where the executed one would be: reports and manifests count its file
        shutil.copy(run.settings.notebooks_dir / f"{name}.ipynb", run.path("notebooks", f"{name}.ipynb"))


def _called_here(kind: workers.Kind, function: str, *arguments: Any, **named: Any) -> Any:
    serving.load(kind.loads)
    if kind is workers.DBT:
        import_module("dbt_common.tests").enable_test_caching()  # its own macros are read once, not for each project
    return serving.named(function)(*arguments, **named)


def replace_workers() -> None:
    """Let all that runs in a process of its own run in this one from now on."""
    steps.run_in_notebook, workers.call, workers.prepare = _in_process, _called_here, lambda *_: None
    Beside.begin = lambda _: None  # one step after the other  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _steps_in_process() -> None:
    replace_workers()


@contextmanager
def executing_notebooks() -> Iterator[None]:
    """Execute notebooks and start workers in this block, as the product does."""
    steps.run_in_notebook, workers.call, workers.prepare, Beside.begin = _PRODUCT  # type: ignore[method-assign]
    try:
        yield
    finally:
        replace_workers()


@pytest.fixture
def executed_notebooks() -> Iterator[None]:
    """Execute notebooks and start workers in this test."""
    with executing_notebooks():
        yield
