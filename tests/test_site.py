"""The documentation as a site: whole, and off the network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mock2pg.settings import REPOSITORY
from tests.fix_browser import browser, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once; a dead link, heading or image, and a page that the contents lack, end the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    """Each page of docs/, README, CHANGELOG, CONTRIBUTING and the benchmarks are pages, and no code is."""
    pages = {file.stem for file in (REPOSITORY / "docs").glob("*.md")} - {"README"}
    built = {file.stem for file in site.rglob("*.html")}
    assert pages | {"index", "overview", "CHANGELOG", "CONTRIBUTING", "RESULTS"} <= built
    assert not list(site.rglob("*.py"))


def test_pages_read_as_on_a_code_host(site: Path) -> None:
    """No list, table or link is left as text."""
    for file in site.rglob("*.html"):
        text = re.sub(r"<(pre|code|script)\b.*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        left = re.findall(r"<p>[^<]*\n(?:[-*|] |\d+\. )[^\n]*|\]\([^ )]*\)|\n\|[^\n]*\|\n", text)
        assert left == [], file.name


def test_no_page_asks_the_network(site: Path) -> None:
    """No script, style sheet, font, image or frame has another address than a file of the site."""
    for file in site.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?((?:https?:)?//[^\s\"'>]*)", text)
        assert fetched == [], file.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_that_is_opened_as_a_file_can_be_searched(site: Path, browser: Browser, scheme: str) -> None:
    """Without a server or a network, in light and in dark, at the width of a phone, a word leads to its page."""
    options = {"color_scheme": scheme, "viewport": {"width": 390, "height": 800}}
    with open_page(browser, site / "index.html", **options) as opened:
        page = opened.page
        page.locator("label[for=__search]").first.click()
        page.locator("[data-md-component=search-query]").press_sequentially("quarantine")
        results = page.locator(".md-search-result__link")
        results.first.wait_for()
        results.first.click()
        page.wait_for_url(re.compile(r"h=quarantine"))
        shown = page.evaluate("document.body.dataset.mdColorScheme")
        assert shown == {"light": "default", "dark": "slate"}[scheme]
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert opened.elsewhere(site) == []
        assert opened.complaints == []
