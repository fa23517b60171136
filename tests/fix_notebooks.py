"""Steps run in the test's process. Notebooks are executed only where a test asks for `executed_notebooks`.

A notebook calls `run_step` and shows what came of it: the step itself takes its place here, so every other test proves
the steps without paying for a process. What notebooks themselves do is proven in tests/report/test_notebooks.py, in
tests/test_end_to_end.py, and by the commands that run in a process of their own (tests/test_canary.py, test_make.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping

import pytest

from mock2pg.pipeline import migrate
from mock2pg.pipeline import step as steps
from mock2pg.runs import Run

_in_notebook, _prepare = steps.run_in_notebook, steps.prepare_notebooks


def _in_process(name: str, run: Run, parameters: Mapping[str, str | bool]) -> None:
    try:
        steps.run_in_process(name, run, parameters)
    finally:  # as it stands in the project, where the executed one would be: reports and manifests count its file
        shutil.copy(run.settings.notebooks_dir / f"{name}.ipynb", run.path("notebooks", f"{name}.ipynb"))


def _replace(in_notebook: Callable[..., None], prepare: Callable[[], None]) -> None:
    steps.run_in_notebook = in_notebook
    steps.prepare_notebooks = migrate.prepare_notebooks = prepare


def replace_notebooks() -> None:
    """Let the steps that have a notebook run in this process from now on."""
    _replace(_in_process, lambda: None)


@pytest.fixture(scope="session", autouse=True)
def _steps_in_process() -> None:
    replace_notebooks()


@pytest.fixture
def executed_notebooks() -> Iterator[None]:
    """Execute notebooks in this test, as the product does."""
    _replace(_in_notebook, _prepare)
    yield
    replace_notebooks()
