"""A process that leaves at once has done what it would have done when taking itself apart."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import atexit, sys, threading, time
from mock2pg.leaving import leave
atexit.register(lambda: print("exit function"))
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("written", end=" ")
leave({code!r})
"""


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (4, 4), (130, 130), ("text", 1)])
def test_threads_and_exit_functions_end_first_and_what_was_written_is_kept(code: object, status: int) -> None:
    """Leaving keeps the exit code, waits for threads, runs exit functions and flushes what was printed."""
    ended = subprocess.run([sys.executable, "-c", _PROGRAM.format(code=code)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "written thread\nexit function\n", "")


def test_ctrl_c_while_the_command_itself_is_loaded_ends_it(tmp_path: Path) -> None:
    """It ends by the signal, and says nothing: no traceback, and nothing that swallows it."""
    (tmp_path / "click.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from mock2pg.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")
