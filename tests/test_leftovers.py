"""Signals end a command as Ctrl-C does, and what a killed process left private is gone with the next command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mock2pg import private, signals
from mock2pg import settings as settings_module
from mock2pg.errors import Interrupted
from mock2pg.pipeline import leftovers, lifecycle
from mock2pg.runs import Run, all_runs, new_run
from mock2pg.settings import Settings
from tests.fix_small import small_project

DEAD = 2**22 + 1  # above the highest number that a process can have
HOLD = "import sys, time, pathlib; from mock2pg import private\n"


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings_module.load(project=tmp_path)


def child(script: str, *arguments: object) -> tuple[subprocess.Popen[str], str]:
    """A process of this Python, and the first line that it prints."""
    command = [sys.executable, "-c", HOLD + script, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def next_command(settings: Settings) -> None:
    """Clean up as every command does that has a run."""
    lifecycle.run(settings, "check", lambda run, record: None, None)


def test_a_folder_of_a_killed_process_is_found_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of a living process, not another program's or user's, and not one that is a link."""
    script = "with private.folder() as made: (made / 'secret').touch(); print(made, flush=True); time.sleep(60)"
    (dead, left), (alive, kept) = child(script), child(script)
    try:
        kill(dead)
        stranger, link = Path(left).with_name(f"m2p-stranger{os.getpid()}"), Path(left).with_name(f"m2p-l{os.getpid()}")
        stranger.mkdir()
        link.symlink_to(left)
        found = private.leftovers()
        assert Path(left) in found
        assert not {Path(kept), stranger, link} & set(found)
        with monkeypatch.context() as as_another:
            as_another.setattr(os, "geteuid", lambda: os.getuid() + 1)
            assert Path(left) not in private.leftovers()
        private.remove_leftovers()
        assert (Path(left).exists(), Path(kept, "secret").exists(), stranger.exists()) == (False, True, True)
    finally:
        kill(alive)
        private.remove_leftovers()
        stranger.rmdir()
        link.unlink()
    assert not Path(kept).exists()


def test_what_a_killed_run_left_is_named_and_removed_by_the_next_command(here: Settings) -> None:
    """Staged rows, parts of files, a link and an unfinished backup; of a run whose process lives, nothing."""
    dead, alive = new_run(here), new_run(here)
    for run in (dead, alive):
        run.write("record.json", {"command": "check", "status": "running", "pid": DEAD, "database": None})
        for name in ("staging.duckdb", "arrays/source", "index.html.part", "notebooks/verify.ipynb.part.json"):
            run.path(*name.split("/")).touch()
    here.backups_dir.mkdir()
    (here.backups_dir / ".backup-2026-01-01T00-00-00-000Z.part").touch()
    (here.runs_dir / f".latest-{DEAD}").symlink_to(dead.id)
    (here.runs_dir / f".latest-{os.getppid()}").symlink_to(dead.id)
    holder, _ = child("with private.locked(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(60)", alive.folder)
    try:
        assert leftovers.found(here)[:3] == [
            f"run {dead.id} was killed and left staging.duckdb, arrays, index.html.part, verify.ipynb.part.json",
            "1 unfinished backup in backups/",
            str(here.runs_dir / f".latest-{DEAD}"),
        ]
        next_command(here)
        assert [place.name for place in leftovers.of_run(alive)] != []
        assert leftovers.of_run(dead) == []
        assert list(here.backups_dir.iterdir()) == []
        assert [link.name for link in here.runs_dir.glob(".latest-*")] == [f".latest-{os.getppid()}"]
    finally:
        kill(holder)
    next_command(here)
    assert leftovers.of_run(alive) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
def test_a_command_that_is_stopped_leaves_nothing_private(number: signal.Signals, tmp_path: Path) -> None:
    """SIGTERM and SIGHUP end it with the code of Ctrl-C and their name; after kill -9 the next command removes it."""
    settings = settings_module.load(project=small_project(tmp_path))
    command = [sys.executable, "-m", "mock2pg", "check", "-"]
    environment = {**os.environ, "MIGRATION_PROJECT": str(tmp_path)}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"secret": "x" * 100_000}))
    process.stdin.flush()
    while not [part for run in all_runs(settings) for part in (run.folder / "arrays").glob("*") if part.stat().st_size]:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    process.stdin.close()
    process.stdin = None
    _, said = process.communicate(timeout=120)
    (run,) = all_runs(settings)
    if number == signal.SIGKILL:
        assert [place.name for place in leftovers.of_run(run)] == ["arrays"]
        assert leftovers.found(settings)[0] == f"run {run.id} was killed and left arrays"
        next_command(settings)
    else:
        assert process.returncode == Interrupted.code
        assert run.read("record.json")["message"] == f"stage was interrupted by {number.name}"
        assert "Traceback" not in said
    assert leftovers.of_run(run) == []


def test_an_ignored_signal_stays_ignored() -> None:
    """`nohup mock2pg migrate` goes on when the terminal closes; whoever calls the API keeps their own handlers."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.interrupting():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            with pytest.raises(signals.Signalled, match="SIGTERM"):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_died_and_one_that_never_was_are_told_apart(here: Settings) -> None:
    """A run whose process is this one is running, and so is one whose folder is locked."""
    run = new_run(here)
    run.write("record.json", {"status": "running", "pid": os.getpid()})
    assert not leftovers.is_dead(Run(run.id, here))
    run.write("record.json", {"status": "running", "pid": DEAD})
    with private.locked(run.folder):
        assert not leftovers.is_dead(Run(run.id, here))
    assert leftovers.is_dead(Run(run.id, here))
