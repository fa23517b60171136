"""The address of the page of a run: printed, and opened."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mock2pg.report.output import say, say_json

if TYPE_CHECKING:
    from mock2pg.watch import Address


def show_address(address: Address, cache: Path, *, as_json: bool = False, no_browser: bool) -> None:
    """Print the address of the page, and open it in a browser unless that is not wanted."""
    if as_json:
        say_json({"success": True, "url": address.url})
    else:
        say(f"Watch at {address.url}", err=True)
    if not no_browser:
        from mock2pg import browser

        with suppress(OSError):  # nothing may be written there: the address is printed
            browser.opened(address.page(cache))
