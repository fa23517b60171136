"""Watch runs of a project until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable

from mock2pg.runs import open_run
from mock2pg.settings import Settings
from mock2pg.watch import state
from mock2pg.watch.address import Address, listen


def watch(settings: Settings, run_id: str | None, port: int, tell: Callable[[Address], None]) -> None:
    """Serve the page of a run, or of whichever is the newest, until Ctrl-C. Raises UsageError.

    tell  is given the page's address when it can be opened
    """
    from mock2pg.watch.app import Watch
    from mock2pg.watch.serving import for_ever, serve

    runs = settings.runs_dir
    named = open_run(settings, run_id).id if run_id is not None else None
    listening, address = listen(port)
    with listening:
        tell(address)
        serve(Watch(runs, lambda: named or state.newest(runs)), listening, address, for_ever)
