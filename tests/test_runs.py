"""The run's folder: ids that never collide, records that are whole, and no way out of runs/."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mock2pg import runs
from mock2pg import settings as settings_module
from mock2pg.errors import InternalError, UsageError
from mock2pg.runs import Run, all_runs, new_run, open_run, point_latest
from mock2pg.settings import Settings
from mock2pg.step_results import Loaded, Staged, StepResult
from tests.fix_results import LEAST, result_of

CLIENT = """
import sys
from pathlib import Path
from mock2pg.runs import new_run
from mock2pg.settings import load
for _ in range(20):
    print(new_run(load(project=Path(sys.argv[1]))).id)
"""


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """Settings of a project that has no runs."""
    return settings_module.load(project=tmp_path)


@pytest.fixture
def run(here: Settings) -> Run:
    return new_run(here)


def recorded(settings: Settings, run_id: str) -> Run:
    """A run that left a record."""
    run = Run(run_id, settings)
    run.write("record.json", {})
    return run


def test_a_run_has_a_folder_of_its_own(run: Run) -> None:
    """Its id is the moment it began; only its owner can look inside."""
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z", run.id)
    assert run.folder == run.settings.runs_dir / run.id
    for folder in (run.folder, run.settings.runs_dir, run.path("a", "b", "c.json").parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_runs_that_begin_at_once_have_different_ids(here: Settings) -> None:
    """Within one process and between several, also within one millisecond."""
    command = [sys.executable, "-c", CLIENT, here.project]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.extend(new_run(here).id for _ in range(20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        ids += client.communicate()[0].split()
        assert client.returncode == 0
    assert len(ids) == len(set(ids)) == 100
    assert {folder.name for folder in here.runs_dir.iterdir()} == set(ids)


def test_a_moment_that_is_taken_is_left_to_the_other_run(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stops for a while gives the next moment, not the same folder."""
    moments = iter(["2026-11-22T10:30:00.000Z"] * 3 + ["2026-11-22T10:30:00.001Z"])
    monkeypatch.setattr(runs, "now", lambda: next(moments))
    assert [new_run(here).id, new_run(here).id] == ["2026-11-22T10-30-00-000Z", "2026-11-22T10-30-00-001Z"]


def test_what_is_written_is_read(run: Run) -> None:
    """Records keep text of every script, and folders on the way are made."""
    record = {"é": ["名前", None, 1.5, True], "path": {"nested": {}}}
    place = run.write("steps/deep/record.json", record)
    assert run.read("steps/deep/record.json") == record
    assert "名前" in place.read_text(encoding="utf-8")
    assert run.read(run.write("odd.json", {"path": Path("/x")}).name) == {"path": "/x"}
    with pytest.raises(FileNotFoundError):
        run.read("nothing.json")
    odd = "\x1b[31m\x9b31m\u202e\u2028\udcff"  # nothing that a terminal or an editor would act on
    assert run.write("odd.json", {odd: odd}).read_text(encoding="utf-8").replace("\n", "").isprintable()
    assert run.read("odd.json") == {odd: odd}


def test_a_record_is_there_as_a_whole_or_not_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while it writes leaves the record from before."""
    run.write("record.json", {"status": "running"})

    def dies(self: Path, target: Path) -> None:
        assert json.loads(self.read_text()) == {"status": "done"}  # all of it is written before it counts
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        run.write("record.json", {"status": "done"})
    assert run.read("record.json") == {"status": "running"}


def test_a_reader_never_sees_half_a_record(run: Run) -> None:
    """While one process writes again and again, every read gives a whole record."""
    run.write("record.json", {"n": 0, "text": "x" * 100_000})
    done = threading.Event()

    def write() -> None:
        for n in range(200):
            run.write("record.json", {"n": n, "text": "x" * 100_000})
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert len(run.read("record.json")["text"]) == 100_000
    thread.join()


def test_two_threads_may_write_the_same_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check and the load of a known build both write contracts.json; a reader sees all of one of them."""
    both, sync = threading.Barrier(2), os.fsync

    def together(file: int) -> None:
        sync(file)
        both.wait(60)

    monkeypatch.setattr(os, "fsync", together)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run.write, ["contracts.json"] * 2, [[1], [2]]))
    assert run.read("contracts.json") in ([1], [2])
    assert not list(run.folder.glob("*.part"))


def test_the_results_of_steps_are_kept(run: Run) -> None:
    """Each as it was, in the order in which the steps started; a step that did not run left none."""
    error = {"name": "LoadFailed", "code": 8, "message": "é", "hint": ""}
    first = result_of("stage", {"unread": ["é"]}, started_at="2026-11-22T10:30:00.000Z", seconds=0.5, summary="é")
    second = StepResult("backup", "failed", "2026-11-22T10:30:01.000Z", error=error)
    run.save(second)
    run.save(first)
    assert run.results() == [first, second]
    assert run.result("stage") == first
    assert run.result("load") is None


@pytest.mark.parametrize("step", LEAST)
def test_a_result_comes_back_as_what_it_was(step: str, run: Run) -> None:
    """The record of every step is read back through the class that it was written from, also one without its name."""
    left = result_of(step, summary="é", started_at="2026-11-22T10:30:00.000Z")
    run.save(left)
    assert run.result(step) == left
    record = run.read(f"steps/{step}.json")
    run.write(f"steps/{step}.json", {name: value for name, value in record.items() if name != "kind"})
    assert run.result(step) == left


def test_a_result_of_another_version_is_read_or_named(run: Run) -> None:
    """A missing field has its default or is named, with the file; an unknown one is ignored."""
    record = result_of("stage").as_dict()
    lacking = {name: value for name, value in record["data"].items() if name not in ("unread", "notes")}
    run.write("steps/stage.json", {**record, "data": {**lacking, "of_a_later_version": 1}})
    assert run.require(Staged).unread == ()
    run.write("steps/stage.json", {**record, "data": {**record["data"], "bytes": "many"}})
    with pytest.raises(UsageError, match=rf"runs/{run.id}/steps/stage.json cannot be read: .*bytes"):
        run.require(Staged)


def test_a_result_that_is_needed_and_not_there_is_an_internal_error(run: Run) -> None:
    """Neither a step that did not run nor one that failed has handed over anything."""
    failed = {"name": "LoadFailed", "code": 8, "message": "no", "hint": ""}
    for left in (None, StepResult("load", "failed", error=failed)):
        if left:
            run.save(left)
        with pytest.raises(InternalError, match="the step load has left no Loaded"):
            run.require(Loaded)


def test_results_are_read_as_utf8_wherever_one_is(run: Run) -> None:
    """A machine whose own encoding is another one reads the same record."""
    run.save(result_of("stage", summary="名前"))
    script = (
        "import sys, pathlib; from mock2pg.runs import Run; from mock2pg.settings import load;"
        "print(ascii(Run(sys.argv[2], load(project=pathlib.Path(sys.argv[1]))).results()[0].summary))"
    )
    command = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c", script]
    done = subprocess.run([*command, run.settings.project, run.id], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ascii("名前"), done.stderr


def test_a_run_is_found_by_its_id_or_as_the_newest(here: Settings) -> None:
    """A folder without a record is no run, and `latest` is not one more."""
    assert list(all_runs(here)) == []
    with pytest.raises(UsageError, match="there is no run yet"):
        open_run(here)
    old, new = recorded(here, "2026-01-01T00-00-00-000Z"), recorded(here, "2026-01-02T00-00-00-000Z")
    (here.runs_dir / "2026-01-03T00-00-00-000Z").mkdir()
    point_latest(old)
    assert open_run(here) == new
    assert open_run(here, old.id) == old
    assert sorted(run.id for run in all_runs(here)) == [old.id, new.id]
    with pytest.raises(UsageError, match="there is no run 2026-01-03"):
        open_run(here, "2026-01-03T00-00-00-000Z")


OLD = "2026-01-01T00-00-00-000Z"


@pytest.mark.parametrize("name", ["..", ".", "", "/", f"../runs/{OLD}", f"{OLD}/", "a/b", "x\0", "x" * 300, "latest"])
def test_an_id_is_not_a_path(name: str, here: Settings) -> None:
    """Nothing outside of runs/ can be named as a run, also where there is a record."""
    recorded(here, "2026-01-01T00-00-00-000Z")
    for place in (here.project, here.runs_dir):
        (place / "record.json").write_text("{}")
    with pytest.raises(UsageError, match="there is no run"):
        open_run(here, name)


def test_latest_points_to_a_run_at_any_moment(here: Settings) -> None:
    """The link is put in the place of the old one in one step, and says which run it means."""
    first, second = recorded(here, "2026-01-01T00-00-00-000Z"), recorded(here, "2026-01-02T00-00-00-000Z")
    for run in (first, second, second):
        point_latest(run)
        assert (here.runs_dir / "latest").readlink() == Path(run.id)
    assert open_run(here, "latest") == second
    assert sorted(file.name for file in here.runs_dir.iterdir()) == [first.id, second.id, "latest"]


@pytest.mark.parametrize(
    ("source", "label"),
    [
        (None, None),
        ({"a": []}, "a Python dict"),
        (Path("/srv/data.json"), "/srv/data.json"),
        ("inside", "mock_data"),
        (Path("/srv/\x1b\n\u202e.json"), r"/srv/\x1b\n\u202e.json"),
    ],
)
def test_a_source_has_a_label(source: object, label: str | None, here: Settings) -> None:
    """A path inside the project is named from there; a dict has no name."""
    place = here.project / "mock_data" if source == "inside" else source
    assert Run("x", here, place).source_label == label  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "alive"),
    [
        ({"pid": os.getpid(), "pid_began": runs.began(os.getpid())}, True),
        ({"pid": os.getpid()}, True),
        ({"pid": os.getpid(), "pid_began": "another boot 1"}, sys.platform != "linux"),
        ({"pid": 2**22 + 1}, False),
        ({}, False),
    ],
)
def test_a_process_is_told_from_a_later_one_with_its_number(record: dict[str, Any], alive: bool) -> None:
    """After a restart of the machine, or in a container, a number soon belongs to somebody else."""
    assert runs.is_alive(record) is alive
