"""The end of a mock2pg process, and its rare garbage collection until then.

dbt and Great Expectations leave a million objects behind. To take them apart one by one takes two seconds, which the
kernel does at once when the process is gone.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

_COLLECTED = (100_000, 10, 10)  # objects between two collections: importing dbt alone would cause thousands


def collect_seldom() -> None:
    """Collect garbage seldom enough that imports do not pay for it."""
    gc.set_threshold(*_COLLECTED)


def leave(code: object) -> NoReturn:
    """End the process with the code of a SystemExit, after its threads and exit functions and with flushed streams."""
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter does first when it ends by itself
    atexit._run_exitfuncs()
    status = code if isinstance(code, int) else int(code is not None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it any more
            stream.flush()
    os._exit(status & 0xFF)
