"""A page follows a run of another process to its verdict, and changes nothing of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mock2pg.settings import Settings
from tests.fix_browser import open_page
from tests.fix_small import small_document
from tests.fix_watch import begin

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MARK = "CANARY"


def test_a_run_is_watched_to_its_verdict(browser: Browser, settings: Settings, tmp_path: Path) -> None:
    """The steps appear while the run works, then its verdict, and the report is one click away; no row value is shown,
    and the run ends as it would unwatched.
    """
    document = small_document("Rex", *(f"{MARK} {number}" for number in range(50)))
    (source := tmp_path / "document.json").write_text(json.dumps(document))
    process, url = begin(settings, "migrate", str(source), "--watch", "--no-browser")
    with open_page(browser, url, viewport={"width": 390, "height": 800}) as opened:
        page = opened.page
        page.locator("#step-rows tr", has_text="stage").wait_for(timeout=60_000)
        began = page.locator("#word").inner_text()
        page.locator("#word", has_text="Succeeded").wait_for(timeout=120_000)
        printed, logged = process.communicate(timeout=60)
        assert process.returncode == 0, logged
        assert began == "Running"
        steps = page.locator("#step-rows tr.passed td.status").all_inner_texts()
        assert [step.split()[1] for step in steps][:3] == ["connect", "stage", "check"]
        assert {"load", "preflight", "backup", "publish", "verify"} <= {step.split()[1] for step in steps}
        assert page.title().startswith("✔ migrate ")
        for width in (390, 820, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#run-rows tr").count() == 1
        assert MARK not in page.content()
        page.locator("#report-link").click()
        page.wait_for_url(re.compile(r"/runs/[^/]+/index\.html$"))
        assert "Succeeded" in page.title()
        assert MARK not in page.content()
        page.get_by_role("link", name="All runs").first.click()
        page.wait_for_url(re.compile(r"/runs/index\.html$"))
        assert opened.complaints == []
        assert all(request.startswith(url) for request in opened.requests)
    assert MARK not in printed + logged
