"""Counts the processes that a Python starts, and at its end its modules, into the file that _MOCK2PG_COUNTS names."""

import _posixsubprocess
import atexit
import os
import sys

_FILE = os.environ.get("_MOCK2PG_COUNTS", os.devnull)
_fork_exec = _posixsubprocess.fork_exec


def _note(what):
    with open(_FILE, "a") as file:
        file.write(f"{what}\n")


def _counted(arguments, *more):
    _note("process " + " ".join(os.fsdecode(each) for each in arguments[:5]))
    return _fork_exec(arguments, *more)


def _audit(event, _):
    if event in ("os.fork", "os.forkpty", "os.posix_spawn"):
        _note(f"process {event}")


_posixsubprocess.fork_exec = _counted
sys.addaudithook(_audit)
atexit.register(lambda: _note(f"modules {os.getpid()} {len(sys.modules)}"))
