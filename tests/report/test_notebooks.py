"""Notebooks: the three of the project, and how any notebook is run and shown."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mock2pg import signals, workers
from mock2pg.errors import InternalError, UsageError
from mock2pg.report import notebooks
from mock2pg.report.notebooks import engine
from mock2pg.runs import Run
from mock2pg.settings import REPOSITORY, Settings
from mock2pg.step_results import StepResult
from mock2pg.workers import worker
from tests.fix_browser import open_page
from tests.fix_results import result_of

pytestmark = pytest.mark.usefixtures("executed_notebooks")

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
    """Return the output of an executed notebook's cells."""
    cells = json.loads(executed.read_text())["cells"]
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))


def headline(executed: Path) -> str:
    """The first cell of an executed notebook."""
    return "".join(json.loads(executed.read_text())["cells"][0]["source"])


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def source_of(name: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((REPOSITORY / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return notebook


@pytest.mark.parametrize("name", OURS)
def test_a_source_notebook_holds_no_result(name: str) -> None:
    """A source notebook has text and code only: no outputs, no counts, no papermill metadata."""
    notebook = source_of(name)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "papermill" not in notebook["metadata"]
    for code in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        assert (code["outputs"], code["execution_count"]) == ([], None)
        assert code["metadata"]["jupyter"]["source_hidden"] is True
        assert len("".join(code["source"]).splitlines()) <= 10


@pytest.mark.parametrize("name", OURS)
def test_a_source_notebook_has_one_cell_of_parameters_before_all_code(name: str) -> None:
    """Its parameters are those that the plan gives, each with a type, a default that changes nothing, and in words."""
    code = ["".join(cell["source"]) for cell in source_of(name)["cells"] if cell["cell_type"] == "code"]
    tagged = [cell for cell in source_of(name)["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    assert ["".join(cell["source"]) for cell in tagged] == code[:1]
    assert set(re.findall(r'^(\w+): (?:str = "(?:latest)?"|bool = False)  # ', code[0], re.M)) == OURS[name]
    found = engine.declared(REPOSITORY / "notebooks" / f"{name}.ipynb")
    assert {parameter: about.help for parameter, about in found.items() if about.help}.keys() == OURS[name]


def test_the_hook_takes_outputs_out_of_a_notebook_and_nothing_else(tmp_path: Path) -> None:
    """The pre-commit hook empties an executed notebook, and leaves every byte of a source notebook."""
    (hook,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    copies = [shutil.copy(REPOSITORY / "notebooks" / f"{name}.ipynb", tmp_path) for name in OURS]
    assert all(
        re.search(hook["files"], str((REPOSITORY / f"notebooks/{name}.ipynb").resolve().relative_to(REPOSITORY)))
        for name in OURS
    )
    left = json.loads(Path(copies[0]).read_text())
    for code in (cell for cell in left["cells"] if cell["cell_type"] == "code"):
        code |= {"execution_count": 7, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["a value"]}]}
    Path(copies[0]).write_text(json.dumps(left))
    program = [sys.executable if word == ".venv/bin/python" else word for word in hook["entry"].split()]
    subprocess.run([*program, *copies], check=True, cwd=tmp_path)
    for copy, name in zip(copies, OURS, strict=True):
        assert Path(copy).read_bytes() == (REPOSITORY / "notebooks" / f"{name}.ipynb").read_bytes()


def ended(folder: Path, result: StepResult) -> None:
    """Make it so that `a-run` of the project in this folder has ended, and left this result."""
    run = Run("a-run", Settings(project=folder))
    record = {"run_id": run.id, "command": result.step, "pid": os.getpid(), "finished_at": "2026-11-22T10:30:00.000Z"}
    run.write("record.json", record | {"database": {"name": "app", "schema": "public"}})
    run.save(result)


ROWS = {"before": 7, "after": 8, "inserted": 1, "updated": 2, "deleted": 0, "unchanged": 5}
COMPARED = {
    "staged": 4,
    "target": 4,
    "missing": 0,
    "extra": 0,
    "different": 0,
    "missing_keys": [],
    "extra_keys": [],
    "different_keys": [],
}
TIMES = {"read": 0.5, "compare": 1.25}
RESULTS: dict[str, dict[str, Any]] = {
    "backup": {
        "backup_id": "backup-1",
        "file": "backups/backup-1.json",
        "bytes": 9,
        "tables": {"a_table": 4711},
        "times": TIMES,
    },
    "verify": {
        "tables": {"a_table": COMPARED},
        "rows_compared": 4711,
        "foreign_keys": [],
        "derived": [],
        "times": TIMES,
    },
    "rollback": {
        "backup_id": "backup-1",
        "way": "merge",
        "tables": {"a_table": {**ROWS, "before": 4714, "inserted": 4711}},
        "times": TIMES,
    },
}


CHARTS = {"backup": 2, "verify": 2, "rollback": 1}
PASSED = {"backup": "Backed up", "verify": "Verified", "rollback": "Rolled back"}


@pytest.fixture(scope="module", params=OURS)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a notebook of ours, and the folder in which it was executed and shown as a page."""
    name, folder = request.param, tmp_path_factory.mktemp("report")
    executed = folder / f"{name}.ipynb"
    ended(folder, result_of(name, RESULTS[name]))
    notebooks.execute(
        REPOSITORY / "notebooks" / f"{name}.ipynb",
        executed,
        parameters={"run_id": "a-run", "project": str(folder)},
        environment={},
    )
    notebooks.export_html(executed, folder / f"{name}.html", title=name)
    return name, folder


def test_an_executed_notebook_of_ours_is_a_report(report: tuple[str, Path]) -> None:
    """The verdict with its numbers, whose run it was, tables and charts; the page shows them in that order."""
    name, folder = report
    cells = json.loads((folder / f"{name}.ipynb").read_text())["cells"]
    shown = ["".join(output["data"]["text/html"]) for cell in cells for output in cell.get("outputs", ())]
    assert PASSED[name] in shown[0]
    assert "4,711" in shown[0]
    assert all(words in shown[1] for words in ("This run", "a-run", "app", "public"))
    assert sum("<table" in html for html in shown) >= 3
    assert sum('class="chart"' in html for html in shown) == CHARTS[name]
    text = (folder / f"{name}.html").read_text()
    assert text.index(PASSED[name]) < text.index("<svg") < text.index("run_or_read(")
    assert "://" not in text


@pytest.mark.parametrize("name", OURS)
def test_a_report_on_an_empty_schema_has_no_empty_section(name: str, tmp_path: Path) -> None:
    """A section without text shows something, if only that there is none: the first migration's backup has no table."""
    ended(tmp_path, result_of(name, {**RESULTS[name], "tables": {}}))
    executed = tmp_path / f"{name}.ipynb"
    given = {"run_id": "a-run", "project": str(tmp_path)}
    notebooks.execute(REPOSITORY / "notebooks" / f"{name}.ipynb", executed, parameters=given, environment={})
    sections, shown = [""], [""]
    for each in json.loads(executed.read_text())["cells"]:
        if each["cell_type"] == "markdown":
            sections.append("".join(each["source"]).strip())
            shown.append("")
        else:
            shown[-1] += "".join("".join(output["data"]["text/html"]) for output in each["outputs"])
    bare = {title: html for title, html in zip(sections, shown, strict=True) if title and "\n" not in title}
    assert bare
    assert all(bare.values()), bare


def test_a_report_is_read_in_a_browser(report: tuple[str, Path], browser: Browser) -> None:
    """Verdict and numbers are seen without scrolling, every chart is drawn, and the code is folded."""
    name, folder = report
    with open_page(browser, folder / f"{name}.html", viewport={"width": 900, "height": 700}) as opened:
        assert (opened.complaints, opened.elsewhere(folder)) == ([], [])
        page = opened.page
        verdict = page.get_by_role("status")
        place = verdict.bounding_box()
        assert place
        assert place["y"] + place["height"] < 400
        assert all(figure.is_visible() for figure in verdict.locator("b").all())
        drawn = [chart.locator("svg").first.bounding_box() for chart in page.locator(".chart").all()]
        assert len(drawn) == CHARTS[name]
        assert all(chart and chart["width"] > 200 for chart in drawn)
        assert not page.get_by_text("run_or_read(").first.is_visible()


@pytest.mark.parametrize("has_run", [False, True], ids=["a fresh clone", "after a run"])
@pytest.mark.parametrize("name", OURS)
def test_run_all_needs_no_parameter(name: str, has_run: bool, tmp_path: Path) -> None:
    """It shows the newest run that has the step; in a fresh clone it says what to run first, and nothing fails."""
    if has_run:
        ended(tmp_path, result_of(name, RESULTS[name]))
    executed = tmp_path / "executed.ipynb"
    notebooks.execute(
        REPOSITORY / "notebooks" / f"{name}.ipynb",
        executed,
        parameters={},
        environment={"MIGRATION_PROJECT": str(tmp_path)},
    )
    cells = json.loads(executed.read_text())["cells"]
    shown = ["".join(output["data"]["text/plain"]) for cell in cells for output in cell.get("outputs", ())]
    if has_run:
        assert shown[0].startswith(f"{PASSED[name]}\n")
        assert all(
            figure in "\n".join(shown) for figure in ("4,711", "a-run", "a_table", "backup-1"[: 8 * (name != "verify")])
        )
    else:
        assert shown[0] == "Nothing to show yet\nthere is no run yet\nNext: Run `mock2pg migrate` first."
        assert all(text in ("", "''") or text.endswith(": not known") for text in shown[1:])


def test_an_executed_notebook_that_failed_says_so_first_and_ends_with_the_error(tmp_path: Path) -> None:
    """Name, message and hint stand on top; the notebook ends with that error, without a traceback of ours."""
    error = {"name": "VerifyFailed", "code": 10, "message": "2 rows differ", "hint": "Look at them."}
    ended(tmp_path, StepResult("verify", "failed", error=error))
    executed = tmp_path / "verify.ipynb"
    with pytest.raises(InternalError, match=r"verify.ipynb failed in cell \d+ \(VerifyFailed\)"):
        notebooks.execute(
            REPOSITORY / "notebooks" / "verify.ipynb",
            executed,
            parameters={"run_id": "a-run", "project": str(tmp_path)},
            environment={},
        )
    cells = json.loads(executed.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    first = "".join(outputs[0]["data"]["text/html"])
    assert all(
        words in first for words in ("Verification failed", "2 rows differ (VerifyFailed)", "Next: Look at them.")
    )
    assert outputs[-1]["ename"] == "VerifyFailed"
    assert "step.py" not in "".join(outputs[-1]["traceback"])
    assert cells[0]["id"] == "title"


def test_a_notebook_runs_with_its_parameters_and_its_environment(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cells run in this Python in the project's folder; secrets reach them and are written nowhere."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    executed = tmp_path / "a {run}" / "made.ipynb"
    notebook = make(
        "import os, sys\nassert os.environ['DATABASE_URL'].startswith('post')",
        "print([x, os.getcwd(), sys.executable])",
    )
    notebooks.execute(
        notebook, executed, parameters={"x": 42}, environment={"DATABASE_URL": "postgresql://u:sekret@host/d"}
    )
    assert ast.literal_eval(printed(executed)) == [42, str(tmp_path), sys.executable]
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
    headline = json.loads(executed.read_text())["cells"][0]
    assert (headline["id"], headline["cell_type"]) == ("headline", "markdown")
    assert headline["source"].startswith("**Failed in cell 3: ValueError.**")
    assert caught.value.__cause__ is None
    assert printed(executed) == "so far\n"
    assert list(executed.parent.iterdir()) == [executed]
    assert json.loads(executed.read_text())["metadata"]["papermill"]["output_path"] == str(executed)


def test_a_notebook_that_is_running_is_on_disk(make: Make, tmp_path: Path) -> None:
    """It has what was done, and which cell is running: the receipt of a process that is killed in that cell."""
    read = "import json, pathlib\n(file,) = pathlib.Path('run').iterdir()\nfound = json.loads(file.read_text())"
    statuses = "print([cell['metadata']['papermill']['status'] for cell in found['cells'][-3:]])"
    executed = tmp_path / "run" / "made.ipynb"
    notebook = make("print('so far')", f"{read}\n{statuses}", "")
    notebooks.execute(notebook, executed, parameters={}, environment={})
    assert printed(executed) == "so far\n['completed', 'running', 'pending']\n"


def test_an_unknown_parameter_is_an_error(make: Make, tmp_path: Path) -> None:
    """A parameter that the notebook does not declare would have no effect: nothing runs."""
    with pytest.raises(InternalError, match=r"made\.ipynb has no parameter y\n"):
        notebooks.execute(make(), tmp_path / "run" / "made.ipynb", parameters={"x": 1, "y": 2}, environment={})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["1", True, 1.0, None])
def test_a_parameter_of_another_type_is_an_error(make: Make, tmp_path: Path, value: object) -> None:
    """A value means what the notebook says it is: nothing runs with another."""
    with pytest.raises(InternalError, match=rf"made\.ipynb takes x as int, not {type(value).__name__}\n"):
        notebooks.execute(make(), tmp_path / "run" / "made.ipynb", parameters={"x": value}, environment={})
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


def test_what_a_cell_shows_is_kept_as_a_notebook_has_it(make: Make, tmp_path: Path) -> None:
    """Text in one piece, values by their representations, in order; a cell of comments shows nothing."""
    executed = tmp_path / "made.ipynb"
    value = "class Value:\n    def _repr_html_(self): return '<b>shown</b>'\n    def __repr__(self): return 'shown'\n"
    notebooks.execute(
        make(
            "import sys\nprint('a')\nprint('b')\nprint('c', file=sys.stderr)",
            value + "display(Value())\nValue()",
            "# nothing",
            "None",
            "x + 1",
        ),
        executed, parameters={"x": 6}, environment={},
    )  # fmt: skip
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3, 4, 5, 6, 7]
    shown = {"text/html": ["<b>shown</b>"], "text/plain": ["shown"]}
    assert [[{k: v for k, v in output.items() if k != "metadata"} for output in cell["outputs"]] for cell in cells] == [
        [], [],
        [{"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]},
         {"output_type": "stream", "name": "stderr", "text": ["c\n"]}],
        [{"output_type": "display_data", "data": shown},
         {"output_type": "execute_result", "data": shown, "execution_count": 4}],
        [], [],
        [{"output_type": "execute_result", "data": {"text/plain": ["7"]}, "execution_count": 7}],
    ]  # fmt: skip


def test_notebooks_share_a_process_and_nothing_else(make: Make, tmp_path: Path) -> None:
    """It has loaded what notebooks need and is a child of this one; no name or variable of one is left for the next."""
    process = "[os.getpid(), os.getppid(), 'jinja2' in sys.modules]"
    show = f"import os, sys\nprint([*{process}, 'left' in globals(), os.environ.get('LEFT')])"
    notebook, found = make(show, "left = os.environ['LEFT'] = 'behind'"), list[list[object]]()
    for number in range(2):
        executed = tmp_path / f"{number}.ipynb"
        notebooks.execute(notebook, executed, parameters={}, environment={})
        found.append(ast.literal_eval(printed(executed)))
    assert found[0] == found[1]
    assert found[0][0] != os.getpid()
    assert found[0][1:] == [os.getpid(), True, False, None]


def test_a_full_disk_is_named(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of mock2pg, and the hint says how to learn what the target tables hold."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(workers, "call", full)
    with pytest.raises(UsageError, match=f"could not be run: No space left on device: {tmp_path}$") as caught:
        notebooks.execute(make("pass"), tmp_path / "executed.ipynb", parameters={}, environment={})
    assert "`mock2pg verify` proves it" in caught.value.hint


def test_a_worker_that_dies_is_an_error(make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A process that is killed, by the system's memory keeper say, ends the run; what it did is kept."""
    executed = tmp_path / "made.ipynb"
    with pytest.raises(InternalError, match=r"could not be run: the process that runs its cells ended \(exit"):
        notebooks.execute(
            make("print(1, flush=True)", "import os; os._exit(9)"), executed, parameters={}, environment={}
        )
    assert printed(executed) == "1\n"
    assert "**Failed: the process that runs its cells ended (exit code 9).**" in headline(executed)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("number", "deaf"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_an_interrupt_leaves_no_process_behind(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, deaf: bool
) -> None:
    """Ctrl-C or SIGTERM interrupts the cell, and a process that does not listen is killed; the notebook is kept."""
    monkeypatch.setattr(worker, "_GRACE", 1.0)
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
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    presser = threading.Thread(target=press, daemon=True)  # else it waits for ever where the notebook does not begin
    presser.start()
    with signals.interrupting(), pytest.raises(KeyboardInterrupt):
        notebooks.execute(notebook, executed, parameters={}, environment={})
    presser.join(60)
    assert not is_there(int(started.read_text()))
    assert headline(executed).startswith("**Interrupted.**")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_notebook_that_is_interrupted_while_it_begins_does_not_go_on(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that arrives before the first cell runs ends the process that would run it, at once."""
    send, begun = worker.Worker._send, list[worker.Worker]()

    def pressed(process: worker.Worker, what: bytes) -> None:
        begun.append(process)
        os.kill(os.getpid(), signal.SIGINT)
        send(process, what)

    monkeypatch.setattr(worker.Worker, "_send", pressed)
    monkeypatch.setattr(worker, "_GRACE", 60.0)
    notebook, began = make("open('ran', 'w')"), time.monotonic()
    with signals.taken(lambda _: None), pytest.raises(KeyboardInterrupt), signals.interruptible():
        notebooks.execute(notebook, tmp_path / "made.ipynb", parameters={}, environment={})
    assert begun[0].process.returncode is not None
    assert not (tmp_path / "ran").exists()
    assert time.monotonic() - began < 60


def test_what_notebooks_show_is_compiled_before_it_is_needed() -> None:
    """The process of the cells compiles the templates of what they show, and no others."""
    files = (REPOSITORY / "src/mock2pg/report").glob("*.py")
    used = {name for file in files for name in re.findall(r'\bshown\("([^"]+)"', file.read_text(encoding="utf-8"))}
    assert used == set(engine.SHOWN)


def test_a_page_needs_nothing_from_elsewhere_and_folds_the_code(make: Make, tmp_path: Path) -> None:
    """The output of the cells comes first; the code, parameters too, is folded; names are text."""
    executed, page = tmp_path / "made.ipynb", tmp_path / "page.html"
    notebooks.execute(
        make("from mock2pg.pages import Shown\nShown('<b>found</b>')", "print('<i>')"),
        executed,
        parameters={"x": 7},
        environment={},
    )
    notebooks.export_html(executed, page, title="<script>")
    text = page.read_text()
    assert "<title>&lt;script&gt;</title>" in text
    assert text.index("<b>found</b>") < text.index("<details") < text.index("x = 7")
    assert "&lt;i&gt;" in text
    assert "://" not in text
    assert "<script" not in text
    assert list(tmp_path.glob("*.part")) == []
