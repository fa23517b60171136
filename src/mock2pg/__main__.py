"""`python -m mock2pg` and the `mock2pg` command."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    from mock2pg import environment, leaving, signals, streams, workers

    # Until a command can say that it was interrupted, Ctrl-C just ends it.
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listens:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    environment.leave_behind()
    streams.guard()
    leaving.collect_seldom()
    workers.prepare_first(next(iter(sys.argv[1:]), ""))  # before anything that takes time
    from mock2pg.cli import command

    if listens:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command(prog_name="mock2pg")
        code: object = 0
    except SystemExit as end:
        code = end.code
    signals.ignore()  # how the process ends is decided
    leaving.leave(code)


if __name__ == "__main__":
    main()
