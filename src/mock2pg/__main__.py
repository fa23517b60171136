"""`python -m mock2pg` and the `mock2pg` command."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    from mock2pg import environment, leaving, streams

    environment.leave_behind()
    streams.guard()
    leaving.collect_seldom()
    from mock2pg.cli import command

    try:
        command(prog_name="mock2pg")
    except SystemExit as end:
        leaving.leave(end.code)
    leaving.leave(0)


if __name__ == "__main__":
    main()
