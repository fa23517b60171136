"""Pages in a real browser: what is seen, what a click does, what is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, without a window.

    It ends with the module: until then asyncio refuses a second loop in this thread, which others need.
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_PROGRAMS)} is here; install Chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # costs time that only these tests need

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)  # without its sandbox, so as root too
        yield browser
        browser.close()


@dataclass(frozen=True)
class Opened:
    """A page, and what it and those that it led to did since it was opened.

    requests    every URL it asked for
    complaints  errors of its scripts and of its console, and crashes
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def elsewhere(self, folder: Path) -> list[str]:
        """The requests for anything but a file in the folder."""
        return [url for url in self.requests if not _inside(folder, url)]


def _inside(folder: Path, url: str) -> bool:
    parts = urlsplit(url)
    file = Path(url2pathname(parts.path)).resolve()
    return (parts.scheme, parts.netloc) == ("file", "") and file.is_relative_to(folder.resolve())


@contextmanager
def open_page(browser: Browser, place: Path | str, **options: Any) -> Iterator[Opened]:
    """Open a file in a window of its own, off the network; or a URL of this machine.

    options  what Playwright's `new_context` takes: `viewport`, `color_scheme` ...
    """
    context = browser.new_context(offline=isinstance(place, Path), **options)
    try:
        page = context.new_page()
        opened = Opened(page)
        context.on("request", lambda request: opened.requests.append(request.url))
        context.on("weberror", lambda error: opened.complaints.append(str(error.error)))
        context.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
        page.on("crash", lambda _: opened.complaints.append("the page crashed"))
        page.goto(place.resolve().as_uri() if isinstance(place, Path) else place)
        yield opened
    finally:
        context.close()
