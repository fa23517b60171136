"""Notebooks: the three of the project, and how any notebook is run and shown."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import InternalError
from mock2pg.settings import REPOSITORY
from mock2pg.tools import notebooks

OURS = {
    "backup": {"run_id", "project"},
    "verify": {"run_id", "project"},
    "rollback": {"run_id", "project", "backup_id", "discard_changes", "undo"},
}
Make = Callable[..., Path]


def cell(source: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"c{abs(hash(source))}",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a notebook with one parameter `x` and these code cells."""

    def write(*sources: str, folder: str = "notebooks") -> Path:
        notebook = tmp_path / folder / "made.ipynb"
        notebook.parent.mkdir(parents=True)
        cells = [cell("x: int = 1", "parameters"), *map(cell, sources)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        text = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        notebook.write_text(json.dumps(text))
        return notebook

    return write


def printed(executed: Path) -> str:
    """What the cells of an executed notebook wrote."""
    cells = json.loads(executed.read_text())["cells"]
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))


def source_of(name: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((REPOSITORY / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return notebook


@pytest.mark.parametrize("name", OURS)
def test_a_source_notebook_holds_no_result(name: str) -> None:
    """What is kept of a notebook is text and code: no outputs, no counts, no papermill metadata."""
    notebook = source_of(name)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "papermill" not in notebook["metadata"]
    for code in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        assert (code["outputs"], code["execution_count"]) == ([], None)
        assert code["metadata"]["jupyter"]["source_hidden"] is True


@pytest.mark.parametrize("name", OURS)
def test_a_source_notebook_has_one_cell_of_parameters_before_all_code(name: str) -> None:
    """Its parameters are those that the plan gives, each text, each without a value of its own."""
    code = ["".join(cell["source"]) for cell in source_of(name)["cells"] if cell["cell_type"] == "code"]
    tagged = [cell for cell in source_of(name)["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    assert ["".join(cell["source"]) for cell in tagged] == code[:1]
    assert set(re.findall(r'^(\w+): str = ""', code[0], re.M)) == OURS[name]


@pytest.fixture
def planned(tmp_path: Path) -> Callable[[str, dict[str, Any]], dict[str, str]]:
    """An environment in whose kernels `run_step` finds this result, or raises this error."""

    def write(step: str, result: dict[str, Any]) -> dict[str, str]:
        stand_in = f"""
            import sys, types
            from mock2pg import errors, runs
            def run_step(name, run_id, *, project, **parameters):
                result = {result!r}
                assert name == {step!r}
                if result.get("error"):
                    raise errors.from_dict(result["error"])
                return runs.StepResult(step=name, **result)
            sys.modules["mock2pg.plan"] = types.ModuleType("mock2pg.plan")
            sys.modules["mock2pg.plan"].run_step = run_step
        """
        (tmp_path / "site").mkdir()
        lines = [line[12:] for line in stand_in.splitlines()]
        (tmp_path / "site" / "sitecustomize.py").write_text("\n".join(lines))
        path = [str(tmp_path / "site"), str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]
        return {"PYTHONPATH": os.pathsep.join(filter(None, path))}

    return write


ROWS = {"before": 7, "after": 8, "inserted": 1, "updated": 2, "deleted": 0, "unchanged": 5}
COMPARED = {
    "staged": 4,
    "live": 4,
    "missing": 0,
    "extra": 0,
    "different": 0,
    "missing_keys": [],
    "extra_keys": [],
    "different_keys": [],
}
RESULTS: dict[str, dict[str, Any]] = {
    "backup": {"backup_id": "backup-1", "file": "backups/backup-1.json", "bytes": 9, "tables": {"a_table": 4711}},
    "verify": {"tables": {"a_table": COMPARED}, "rows_compared": 4711, "foreign_keys": [], "derived": []},
    "rollback": {"backup_id": "backup-1", "way": "merge", "tables": {"a_table": {**ROWS, "unchanged": 4711}}},
}


@pytest.mark.parametrize("name", OURS)
def test_an_executed_notebook_of_ours_says_its_verdict_first(
    tmp_path: Path, planned: Callable[[str, dict[str, Any]], dict[str, str]], name: str
) -> None:
    """The first output is the verdict, tables and a picture follow, and the page shows them in that order."""
    executed = tmp_path / "run" / f"{name}.ipynb"
    notebooks.execute(
        REPOSITORY / "notebooks" / f"{name}.ipynb",
        executed,
        parameters=dict.fromkeys(OURS[name], "a-run") | {"project": str(tmp_path)},
        environment=planned(name, {"data": RESULTS[name]}),
    )
    cells = json.loads(executed.read_text())["cells"]
    shown = ["".join(output["data"]["text/html"]) for cell in cells for output in cell.get("outputs", ())]
    assert f"Passed: {name}" in shown[0]
    assert "4,711" in shown[0]
    assert sum("<table" in html for html in shown) >= 2
    assert sum("<svg" in html for html in shown) == 1
    page = tmp_path / "page.html"
    notebooks.export_html(executed, page, title=name)
    text = page.read_text()
    assert text.index(f"Passed: {name}") < text.index("<svg") < text.index("run_step(")
    assert "://" not in text


def test_an_executed_notebook_that_failed_says_so_first_and_ends_with_the_error(
    tmp_path: Path, planned: Callable[[str, dict[str, Any]], dict[str, str]]
) -> None:
    """Name, message and hint stand on top; the notebook ends with that error, without a traceback of ours."""
    error = {"name": "VerifyFailed", "code": 10, "message": "2 rows differ", "hint": "Look at them."}
    executed = tmp_path / "verify.ipynb"
    with pytest.raises(InternalError, match=r"verify.ipynb failed in cell \d+ \(VerifyFailed\)"):
        notebooks.execute(
            REPOSITORY / "notebooks" / "verify.ipynb",
            executed,
            parameters={"run_id": "a-run", "project": str(tmp_path)},
            environment=planned("verify", {"error": error}),
        )
    cells = json.loads(executed.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    first = "".join(outputs[0]["data"]["text/html"])
    assert all(words in first for words in ("Failed: verify", "VerifyFailed: 2 rows differ", "Next: Look at them."))
    assert outputs[-1]["ename"] == "VerifyFailed"
    assert "sitecustomize" not in "".join(outputs[-1]["traceback"])
    assert cells[0]["id"] == "title"


def test_a_notebook_runs_with_its_parameters_and_its_environment(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The kernel is this Python in the project's folder; secrets reach it and are written nowhere."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    executed = tmp_path / "a {run}" / "made.ipynb"
    notebook = make(
        "import os, sys\nassert os.environ['DATABASE_URL'].startswith('post')",
        "print([x, os.getcwd(), sys.executable, os.environ['MPLCONFIGDIR']])",
    )
    notebooks.execute(
        notebook, executed, parameters={"x": 42}, environment={"DATABASE_URL": "postgresql://u:sekret@host/d"}
    )
    cache = tmp_path / ".cache" / "matplotlib"
    assert ast.literal_eval(printed(executed)) == [42, str(tmp_path), sys.executable, str(cache)]
    assert "sekret" not in executed.read_text()
    assert list(executed.parent.iterdir()) == [executed]
    assert list(home.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert "DATABASE_URL" not in os.environ


def test_a_cell_that_fails_is_named_and_the_notebook_is_kept(make: Make, tmp_path: Path) -> None:
    """The executed notebook is the receipt; the exception says which cell and what kind, never the text."""
    executed = tmp_path / "run" / "made.ipynb"
    with pytest.raises(InternalError) as caught:
        notebooks.execute(
            make("print('so far')", "raise ValueError('a value')"), executed, parameters={}, environment={}
        )
    assert str(caught.value) == "made.ipynb failed in cell 3 (ValueError)"
    assert caught.value.__cause__ is None
    assert printed(executed) == "so far\n"
    assert list(executed.parent.iterdir()) == [executed]
    assert json.loads(executed.read_text())["metadata"]["papermill"]["output_path"] == str(executed)


def test_an_unknown_parameter_is_an_error(make: Make, tmp_path: Path) -> None:
    """A parameter that the notebook does not declare would have no effect: nothing runs."""
    with pytest.raises(InternalError, match=r"made\.ipynb has no parameter y$"):
        notebooks.execute(make(), tmp_path / "run" / "made.ipynb", parameters={"x": 1, "y": 2}, environment={})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", [None, "{not json"])
def test_a_notebook_that_cannot_be_read_is_an_error(tmp_path: Path, text: str | None) -> None:
    """A notebook that is missing or damaged is named, for running and for showing."""
    notebook = tmp_path / "odd.ipynb"
    if text:
        notebook.write_text(text)
    with pytest.raises(InternalError, match=r"odd.ipynb cannot be read"):
        notebooks.execute(notebook, tmp_path / "out.ipynb", parameters={}, environment={})
    with pytest.raises(InternalError, match=r"odd.ipynb cannot be shown"):
        notebooks.export_html(notebook, tmp_path / "page.html", title="odd")


def test_a_kernel_that_dies_is_an_error(make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A kernel that is killed, by the system's memory keeper say, ends the run; what it did is kept."""
    executed = tmp_path / "made.ipynb"
    with pytest.raises(InternalError, match="could not be run: DeadKernelError"):
        notebooks.execute(
            make("print(1, flush=True)", "import os; os._exit(9)"), executed, parameters={}, environment={}
        )
    assert printed(executed) == "1\n"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("deaf", [False, True])
def test_an_interrupt_leaves_no_kernel_behind(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    """Ctrl-C interrupts the cell, and a kernel that does not listen is killed; the notebook is kept."""
    monkeypatch.setattr(notebooks, "_GRACE", 1.0)
    started, executed = tmp_path / "started", tmp_path / "made.ipynb"
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" if deaf else ""
    notebook = make(
        f"{ignore}import os, pathlib, time\n"
        f"pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
        "for _ in range(600): time.sleep(0.1)"
    )

    def press() -> None:
        while not started.exists() or not started.read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGTERM)
    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        notebooks.execute(notebook, executed, parameters={}, environment={})
    presser.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert executed.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_page_needs_nothing_from_elsewhere_and_folds_the_code(make: Make, tmp_path: Path) -> None:
    """What the cells showed comes first; the code, parameters too, is folded; names are text."""
    executed, page = tmp_path / "made.ipynb", tmp_path / "page.html"
    notebooks.execute(
        make("from IPython.display import HTML\nHTML('<b>found</b>')", "print('<i>')"),
        executed,
        parameters={"x": 7},
        environment={},
    )
    notebooks.export_html(executed, page, title="<script>")
    text = page.read_text()
    assert "<title>&lt;script&gt;</title>" in text
    assert text.index("<b>found</b>") < text.index("<details>") < text.index("x = 7")
    assert "&lt;i&gt;" in text
    assert "://" not in text
    assert "<script" not in text
    assert list(tmp_path.glob("*.part")) == []
