"""The process of a worker: `python -m mock2pg.workers.serving NAME...`.

It loads what is named and answers None. Then it reads what else to load, and functions to call, and answers what each
of these returned or raised. The end of its input ends it at once: it must not go on writing to a database when the
process that holds the lock is gone.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import reduce
from importlib import import_module
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

from mock2pg import leaving, progress
from mock2pg.errors import InternalError, Mock2pgError
from mock2pg.foreign_errors import traced

_SOON = 0.1  # seconds


def named(function: str) -> Any:
    """The function of that name, `module:name`, or the module."""
    module, _, name = function.partition(":")
    return reduce(getattr, name.split(".") if name else [], import_module(module))


def load(what: Iterable[str]) -> None:
    """Import modules, and call functions that do."""
    for name in what:
        with suppress(ImportError):  # the function that needs it will say so
            loaded = named(name)
            if callable(loaded):
                loaded()


def serve(loads: list[str]) -> None:
    """Call functions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to undo but in a function
    requests, pipe = SimpleQueue[bytes](), Connection(os.dup(0))
    os.dup2(1, 0)  # what programs that a function starts read

    def listen() -> None:
        with suppress(EOFError, OSError):  # a request that was cut short is the end, too
            while request := pipe.recv_bytes():
                requests.put(request)
            requests.put(b"")
            return
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    load(loads)
    gc.freeze()  # what is loaded stays: no collection looks at it again
    pipe.send(None)
    while request := _next(requests):
        asked = pickle.loads(request)  # noqa: S301  by the process that started this one
        if isinstance(asked, list):
            load(asked)
        else:
            pipe.send_bytes(_called(*asked))


def _next(requests: SimpleQueue[bytes]) -> bytes:
    """Return the next request; garbage is collected only when none comes soon, because nobody waits then."""
    with suppress(Empty):
        return requests.get(timeout=_SOON)
    gc.collect()
    return requests.get()


def _called(
    function: str, arguments: tuple[Any, ...], given: dict[str, Any], channel: progress.Channel | None
) -> bytes:
    """Call a function; return what it raised or None, its result, its statements.

    channel  of the step that calls it
    """
    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with progress.continued(channel) as statements:
                result = named(function)(*arguments, **given)
            return pickle.dumps((None, result, statements))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except (Mock2pgError, KeyboardInterrupt, OSError, MemoryError) as error:
        error.add_note(traced(error))
        return pickle.dumps((error, None, None))
    except BaseException as error:  # its text may hold a value, and its module may be one that is not loaded there
        unexpected = InternalError(f"unexpected: {type(error).__name__}")
        unexpected.add_note(traced(error))
        return pickle.dumps((unexpected, None, None))


if __name__ == "__main__":
    leaving.collect_seldom()
    serve(sys.argv[1:])
    leaving.leave(0)
