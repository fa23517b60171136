"""Every kind of page as a reader sees it, in a browser: in windows of three widths, in two schemes, and in print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from psycopg.sql import SQL, Identifier

from mock2pg import MigrationResult, MigrationService, pages, postgres
from mock2pg import settings as settings_module
from mock2pg.pipeline.steps import report
from mock2pg.postgres.server import Server
from mock2pg.runs import Run
from mock2pg.settings import Settings
from tests.fix_browser import Opened, open_page
from tests.fix_notebooks import executing_notebooks
from tests.fix_postgres import new_database
from tests.fix_published import SMALL, small_rows

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (390, 820, 1280)
PAPER = 688  # A4 between its margins, in the pixels of print
LONG = "a_table_whose_name_is_longer_than_a_narrow_window_is_wide"
KINDS = [
    "all runs", "no runs", "no newer run", "migrate", "failed check", "plan", "rollback", "verify", "wide names",
    "tables", "notebook of verify", "notebook of rollback", "data docs", "data docs of a table",
    "data docs of a faulty table",
]  # fmt: skip

# What is wrong with the page as it is shown now, in words; nothing of a page that is right.
LOOK = r"""
(paper) => {
  const faults = [], style = getComputedStyle, root = document.documentElement;
  const width = paper || innerWidth;
  const seen = e => e.checkVisibility({visibilityProperty: true});
  const said = e => `${e.tagName}.${e.className.baseVal ?? e.className}: ${(e.innerText || "").slice(0, 40)}`;
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const rgba = colour => {
    if (known.has(colour)) return known.get(colour);
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
    return known.get(colour);
  };
  const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3]));
  const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) layers.push(rgba(style(e).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), paper ? [255, 255, 255] : [0, 0, 0]);
  };
  const light = rgb => rgb.map(p => p / 255).map(p => p <= .03928 ? p / 12.92 : ((p + .055) / 1.055) ** 2.4)
    .reduce((sum, p, i) => sum + p * [.2126, .7152, .0722][i], 0);
  if (root.scrollWidth > width) faults.push(`the page is ${root.scrollWidth} wide`);
  for (const e of document.querySelectorAll("body *")) {
    if (!seen(e) || e.closest("svg") && e.tagName !== "svg") continue;
    const box = e.getBoundingClientRect(), here = style(e), scroll = e.parentElement.closest(".scroll");
    if (!scroll && box.width && (box.right > width + 1 || box.left < -1)) faults.push(`cut off: ${said(e)}`);
    const clips = ["auto", "scroll", "hidden", "clip"].includes(here.overflowX);
    if (clips && e.scrollWidth > e.clientWidth + 1 && e !== root && e.tagName !== "svg") {
      const shows = here.backgroundImage.split("gradient").length > 4 && e.tabIndex === 0 && e.ariaLabel;
      if (paper || !e.matches(".scroll") || !shows) faults.push(`scrolls without a sign of it: ${said(e)}`);
    }
    const words = /^T[DH]$/.test(e.tagName) && !e.querySelector("details") ? e.innerText.trim() : " ";
    const range = document.createRange();
    range.selectNodeContents(e);
    if (/^\S+$/.test(words) && range.getBoundingClientRect().height > 110) faults.push(`squeezed: ${said(e)}`);
    if (e.matches("td > details:first-child") && here.marginTop !== "0px") faults.push(`below its row: ${said(e)}`);
    if (e.tagName === "svg" && box.width < 100) faults.push(`a bar has ${box.width} pixels: ${said(e.closest("tr"))}`);
    const leads = e.tagName === "P" && e.nextElementSibling?.matches(".scroll, table, figure");
    const alone = paper && here.breakAfter !== "avoid" && (/^H[123]$/.test(e.tagName) || leads);
    if (alone) faults.push(`may end a page: ${said(e)}`);
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!text) continue;
    if (!paper && parseFloat(here.fontSize) < 12.5) faults.push(`small: ${here.fontSize} ${said(e)}`);
    const below = behind(e), [one, two] = [light(over(rgba(here.color), below)), light(below)].sort((a, b) => b - a);
    const contrast = (one + .05) / (two + .05);
    const least = e.ariaHidden === "true" ? 3 : 4.5;  // the squares of a legend are graphics
    if (contrast < least) faults.push(`contrast ${contrast.toFixed(2)}: ${said(e)}`);
  }
  if (paper && light(behind(document.body)) < .99) faults.push("dark paper");
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (new Set(ids).size !== ids.length) faults.push("an id is there twice");
  for (const link of document.querySelectorAll("a[href^='#']")) {
    const to = link.getAttribute("href");  // a link of SVG has no hash
    if (!ids.includes(decodeURIComponent(to.slice(1)))) faults.push(`leads nowhere: ${to}`);
  }
  return faults;
}
"""


@pytest.fixture(scope="module")
def site(server: Server, migrated_small: MigrationResult, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of every kind, by its name, of the runs of one project: the folder of the runs is `runs`."""
    project = tmp_path_factory.mktemp("pages") / "small"
    shutil.copytree(migrated_small.report.parents[2], project, symlinks=True)
    rows = small_rows()
    rows["owners"][0]["name"] += " renamed"
    del rows["pets"][-3:]
    faulty = small_rows()
    faulty["pets"][7]["legs"] = "four"
    faulty["pets"][9]["name"] = " "
    with new_database(server, template=SMALL) as url:
        settings = settings_module.load(project=project, database_url=url, operator="a tester")
        service = MigrationService(settings)
        runs = {"migrate": migrated_small, "plan": service.plan(rows), "failed check": service.check(faulty)}
        backup_id = service.backup()
        with postgres.connect(url, name="test") as connection:
            connection.execute("DELETE FROM public.pets WHERE name ~ '[05]$'")
            connection.execute("UPDATE public.owners SET name = name || ' renamed' WHERE name ~ '7$'")
            for number in range(20):
                connection.execute(SQL("CREATE INDEX {} ON public.pets (legs)").format(Identifier(f"later_{number}")))
        with executing_notebooks():
            runs["verify"] = service.verify()
            runs["rollback"] = service.rollback(backup_id, discard_changes=True)
    assert [name for name, run in runs.items() if not run.success] == ["failed check", "verify"]
    found = {name: settings.runs_dir / run.run_id / "index.html" for name, run in runs.items()}
    for name in ("verify", "rollback"):
        found[f"notebook of {name}"] = found[name].parent / "notebooks" / f"{name}.html"
    for name, run in {"data docs": "migrate", "data docs of a faulty table": "failed check"}.items():
        found[name] = found[run].parent / "data_docs" / "staged" / "index.html"
    for name in ("data docs of a table", "data docs of a faulty table"):
        first = found["data docs" if name == "data docs of a table" else name]
        (found[name],) = (first.parent / "validations" / "pets").rglob("*.html")
    found["tables"] = found["migrate"].parent / "tables.html"
    found["wide names"] = _with_wide_names(found["migrate"].parent, settings)
    last = found["rollback"].parent.name
    empty = Settings(project=tmp_path_factory.mktemp("pages of nothing"))
    return {
        **found,
        "all runs": pages.write_run_list(settings),
        "no newer run": settings.runs_dir / pages.SITE / f"{last}-newer.html",
        "no runs": pages.write_run_list(empty),
        "runs": settings.runs_dir,
    }


def _with_wide_names(of: Path, settings: Settings) -> Path:
    """The report of a run whose table has a long name: that of another one, in a folder of its own."""
    run = Run("2026-11-22T10-30-00-000Z", settings)
    shutil.copytree(of, run.folder)
    for file in [*run.folder.glob("steps/*.json"), run.folder / "record.json"]:
        file.write_text(file.read_text().replace("pets", LONG))
    report.run(run)
    return run.folder / "index.html"


@pytest.fixture(scope="module")
def window(browser: Browser, site: dict[str, Path]) -> Iterator[Opened]:
    with open_page(browser, site["all runs"]) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_readable_at_every_width_in_both_schemes_and_in_print(
    kind: str, site: dict[str, Path], window: Opened
) -> None:
    """Nothing is cut off or too small, text has a contrast of 4.5, what scrolls shows it, print has all of a table."""
    page = window.page
    window.requests.clear()
    window.complaints.clear()
    page.goto(site[kind].as_uri())
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(LOOK) == [], width
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(LOOK) == [], "dark"
    page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = false)")
    page.set_viewport_size({"width": PAPER, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(LOOK, PAPER) == [], "print"
    assert page.locator("nav, details.contents, details.code").filter(visible=True).count() == 0
    assert page.locator("main details:not(.code, .parameters) *").filter(visible=False).count() == 0
    page.emulate_media(media="screen", color_scheme="light")
    assert window.elsewhere(site[kind].parent if kind == "no runs" else site["runs"]) == []
    assert window.complaints == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_link_leads_to_a_file_or_a_heading(kind: str, site: dict[str, Path], window: Opened) -> None:
    """The contents list has every section, and no page is a dead end: the list of all runs is one click away."""
    page = window.page
    page.goto(site[kind].as_uri())
    links: list[str] = page.locator("a[href]").evaluate_all(
        "links => links.map(link => new URL(link.getAttribute('href'), document.baseURI).href)"
    )
    files = [Path(unquote(urlsplit(link).path)) for link in links]
    assert [str(file) for file in files if not file.is_file()] == []
    sections: list[str] = page.locator("h2").evaluate_all("heads => heads.map(head => head.id)")
    anchors = page.locator("nav.contents a").evaluate_all("links => links.map(link => link.hash.slice(1))")
    assert [unquote(anchor) for anchor in anchors] == (sections if len(sections) > 2 else [])
    if kind not in ("all runs", "no runs"):
        page.get_by_role("link", name="All runs").first.click()
        assert page.url == site["all runs"].as_uri()


def test_a_reader_walks_from_run_to_run(site: dict[str, Path], window: Opened) -> None:
    """From the list to a report, to its Data Docs, a table and back, and on to the run after it and before it."""
    page = window.page
    page.goto(site["all runs"].as_uri())
    page.get_by_role("row").filter(has_text="migrate").first.get_by_role("link").click()
    assert page.url == site["migrate"].as_uri()
    page.get_by_role("link", name="Data Docs of the staged input").click()
    page.get_by_role("link", name="pets", exact=True).click()
    page.get_by_role("link", name="Staged data").click()
    page.get_by_role("link", name=f"Run {site['migrate'].parent.name}").click()
    assert page.url == site["migrate"].as_uri()
    page.get_by_role("link", name="Newer run").click()
    page.wait_for_url(site["plan"].as_uri())
    page.get_by_role("link", name="Newer run").click()
    page.wait_for_url(site["failed check"].as_uri())
    page.get_by_role("link", name="Older run").click()
    page.wait_for_url(site["plan"].as_uri())


def test_the_list_is_filtered_without_a_script(site: dict[str, Path], window: Opened) -> None:
    """Runs that changed the tables, and those that failed or warned; a day without one has no heading."""
    page = window.page
    page.goto(site["all runs"].as_uri())

    def shown() -> list[str]:
        return [cell.inner_text().split()[0] for cell in page.locator("td.command").filter(visible=True).all()]

    assert shown() == ["rollback", "verify", "backup", "check", "plan", "migrate", "migrate"]
    page.get_by_label("Changed the tables").check()
    assert shown() == ["rollback", "migrate", "migrate"]
    page.get_by_label("Failed or with warnings").check()
    assert shown() == ["rollback", "verify", "check"]
    page.get_by_label("All (").check()
    assert len(shown()) == 7


def test_a_page_prints(site: dict[str, Path], window: Opened) -> None:
    """The report of a migration is a document of a few A4 pages."""
    window.page.goto(site["migrate"].as_uri())
    document = window.page.pdf(prefer_css_page_size=True)
    assert b"/MediaBox [0 0 594.95996 841.91998]" in document
    assert 2 <= document.count(b"/Type /Page\n") <= 6
