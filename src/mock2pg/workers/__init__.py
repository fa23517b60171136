"""Processes of this Python that load what takes long while something else is done, and then call functions of it.

A worker that was prepared is taken, or else one is started. It ends with this process, however that ends.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mock2pg.workers.kinds import CELLS, DBT, FIRST, MANY_ROWS, RULES
from mock2pg.workers.memory import Together
from mock2pg.workers.worker import Kind, Worker

__all__ = [
    "CELLS",
    "DBT",
    "MANY_ROWS",
    "RULES",
    "Kind",
    "Together",
    "Worker",
    "call",
    "end_all",
    "end_waiting",
    "interrupt",
    "lent",
    "load",
    "prepare",
    "prepare_first",
    "processes",
    "stop",
    "wait_until_loaded",
    "watched",
]


_spare: dict[Kind, list[Worker]] = {}
_lent: dict[Kind, list[Worker]] = {}
_moving = threading.Lock()  # held while a worker is started, and between being spare and being lent


def prepare(kind: Kind) -> None:
    """Start a worker that loads what it needs while something else is done, unless there is one, lent or not."""
    with _moving:
        spare, lent = _spare.get(kind, []), _lent.get(kind, [])
        if not (any(worker.usable for worker in spare) or any(worker.runs for worker in lent)):
            with suppress(OSError):  # the call that needs it will report why
                _spare.setdefault(kind, []).append(Worker(kind))


def load(kind: Kind, *names: str) -> None:
    """Let the worker that was prepared, if there is one, load more while it waits."""
    for worker in _spare.get(kind, [])[:1]:
        worker.load(*names)


def wait_until_loaded(kind: Kind) -> None:
    """Wait until the worker that was prepared has loaded what it is for; at once when there is none."""
    for worker in _spare.get(kind, [])[:1]:
        worker.wait_until_loaded()


def prepare_first(command: str) -> None:
    """Start the worker that a command needs first, if it needs one."""
    if command in FIRST:
        prepare(FIRST[command])


def call(kind: Kind, function: str, *arguments: Any, **named: Any) -> Any:
    """Call a function, `module:name`, in a worker; the arguments, the result and what it raises are pickled."""
    with lent(kind) as worker:
        return worker.call(function, *arguments, **named)


@contextmanager
def lent(kind: Kind) -> Iterator[Worker]:
    """Give the block a worker that nobody else uses meanwhile."""
    with _moving:
        worker = _take(kind)
        worker.thread = threading.get_ident()
        _lent.setdefault(kind, []).append(worker)
    try:
        yield worker
    finally:
        with _moving:
            _lent[kind].remove(worker)
            if worker.usable:
                _spare.setdefault(kind, []).append(worker)
        if not worker.usable:
            worker.end()


def processes() -> list[int]:
    """Return this process and its workers by their numbers."""
    workers = [worker for kind in (_spare, _lent) for some in list(kind.values()) for worker in list(some)]
    return [os.getpid(), *(worker.process.pid for worker in workers if worker.owner == os.getpid())]


@contextmanager
def watched() -> Iterator[Together]:
    """Watch what this process and its workers hold together while the block runs."""
    together = Together(processes)
    together.begin()
    try:
        yield together
    finally:
        together.end()


def interrupt(kind: Kind, thread: threading.Thread) -> None:
    """Interrupt what a worker of the kind is calling for another thread."""
    for worker in _lent_to(thread, kind):
        worker.interrupt()


def stop(kind: Kind, thread: threading.Thread) -> None:
    """End the worker of the kind that is calling something for another thread, at once."""
    for worker in _lent_to(thread, kind):
        worker.kill()


def _lent_to(thread: threading.Thread, kind: Kind) -> list[Worker]:
    return [worker for worker in list(_lent.get(kind, [])) if worker.thread == thread.ident]


def _take(kind: Kind) -> Worker:
    spare = _spare.get(kind, [])
    while spare:
        worker = spare.pop()
        if worker.usable:
            return worker
        if worker.owner == os.getpid():  # else it is for the process that this one was forked from
            worker.end()
    return Worker(kind)


def _renew() -> None:
    """Give a forked process a lock that none of its threads can hold."""
    global _moving
    _moving = threading.Lock()


os.register_at_fork(after_in_child=_renew)


@atexit.register
def end_all() -> None:
    """End the workers that wait for a call."""
    end_waiting(*_spare)


def end_waiting(*kinds: Kind) -> None:
    """End the workers of these kinds that wait for a call, and give their memory back; a later call starts another."""
    with _moving:  # one that a thread starts meanwhile is not lost
        waiting = [worker for kind in kinds for worker in _spare.pop(kind, []) if worker.owner == os.getpid()]
    for end in (Worker.kill, Worker.stop):  # at once, and then one after the other is waited for
        for worker in waiting:
            end(worker)
