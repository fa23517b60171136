"""Data Docs as a reader sees them, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pytest

from mock2pg import checks
from mock2pg.build import sources
from mock2pg.checks.records import DocumentedRule
from mock2pg.settings import REPOSITORY
from mock2pg.step_results import RuleOutcome
from tests.fix_browser import Opened, open_page
from tests.school.test_expectations import MARKER, checked, entry, rows_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SAID = {"passed": "✓ passed", "failed": "✗ failed", "warned": "⚠ warning", "broken": "⊘ could not run",
        "skipped": "– not judged"}  # fmt: skip
LONG = "a_table_whose_name_is_longer_than_a_narrow_window_is_wide"
BLANK = entry("expect_values_not_to_be_blank", {"columns": ["id", "name"]})
SIZE = entry("expect_column_values_to_be_between", {"column": "size", "max_value": 9}, description="size is at most 9.")
LENGTH = entry(
    "expect_column_values_to_be_between", {"column": "length", "min_value": 1}, description="length is at least 1."
)
TWINS = entry("expect_rows_to_be_unique_on", {"columns": ["name"]}, severity="warning")
CAST = rows_of(
    "SELECT * FROM {batch} WHERE CAST(name AS INTEGER) > 1",
    description="name is no number above 1.",
    meta={"rule": "cast"},
)
TABLES = {
    "sound": [BLANK, entry("expect_rows_to_be_unique_on", {"columns": ["id"]})],
    "faulty": [entry("expect_rows_to_be_unique_on", {"columns": ["id"]}), BLANK, TWINS, SIZE, LENGTH, CAST],
    "odd": [BLANK, TWINS],
    LONG: [SIZE],
}
ROWS = {
    "sound": f"SELECT '{MARKER}-' || i AS id, '{MARKER} ' || i AS name, i AS size FROM range(9) AS r(i)",
    "faulty": f"SELECT '{MARKER}-' || i AS id, ['{MARKER}', ' '][i % 2 + 1] AS name, i AS size FROM range(20) AS r(i)",
    "odd": f"SELECT '{MARKER}-' || i AS id, '{MARKER}' AS name, i AS size FROM range(1234) AS r(i)",
    LONG: f"SELECT '{MARKER}-' || i AS id, '{MARKER}' AS name, i AS size FROM range(1234) AS r(i)",
}


def write_docs(folder: Path, tables: dict[str, list[Any]], rows: dict[str, str]) -> Path:
    suites = folder / "suites"
    suites.mkdir()
    with duckdb.connect(str(folder / "staging.duckdb")) as connection:
        for table, entries in tables.items():
            connection.execute(f'CREATE TABLE "{table}" AS {rows[table]}')
            (suites / f"{table}.json").write_text(json.dumps({"name": table, "expectations": entries}))
    checked(
        folder / "staging.duckdb", suites, index_columns=["id"], docs=folder / "docs", title="Staged tables", rows=1234
    )
    return folder / "docs"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a sound table, a faulty one, one with a warning and one with a long name."""
    return write_docs(tmp_path_factory.mktemp("data docs"), TABLES, ROWS)


def page_of(docs: Path, table: str) -> Path:
    return next((docs / "validations" / table).rglob("rules.html"))


Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def window(browser: Browser, docs: Path) -> Iterator[Opened]:
    with open_page(browser, docs / "index.html") as opened:
        yield opened


@pytest.fixture
def opened(window: Opened) -> Iterator[Open]:
    """Opens a page of a site; by the end it may only have asked for the site's files, and not complained."""
    sites: list[Path] = []

    def open_(file: Path, site: Path, width: int = 1200, scheme: Literal["light", "dark"] = "light") -> Page:
        sites.append(site)
        window.page.set_viewport_size({"width": width, "height": 900})
        window.page.emulate_media(color_scheme=scheme)
        window.page.goto(file.as_uri())
        return window.page

    window.requests.clear()
    window.complaints.clear()
    yield open_
    (site,) = sites
    assert window.requests
    assert window.elsewhere(site) == []
    assert window.complaints == []


_CELLS = """rows => rows.map(row => [...row.cells].map(cell => {
  const shown = cell.cloneNode(true)
  shown.querySelectorAll("details").forEach(details => details.remove())
  return shown.textContent
}))"""


def rows(page: Page) -> list[list[str]]:
    """The text of every cell, but for what can be folded, of the rows that can be seen."""
    shown = page.locator("tbody tr:visible").evaluate_all(_CELLS)
    return [[" ".join(text.split()) for text in row] for row in shown]


def test_the_recorder_sees_what_a_page_asks_for_and_says(browser: Browser, tmp_path: Path) -> None:
    """A picture of another host, a file outside the folder and a faulty script do not go unseen."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a page.html").write_text(
        '<img src="http://elsewhere.invalid/a.png"><link rel="stylesheet" href="own.css">'
        '<img src="../outside.png"><script>console.error("said"); missing()</script>'
    )
    (tmp_path / "site" / "own.css").write_text("p { color: red }")
    with open_page(browser, tmp_path / "site" / "a page.html") as found:
        outside = (tmp_path / "outside.png").as_uri()
        assert set(found.elsewhere(tmp_path / "site")) == {"http://elsewhere.invalid/a.png", outside}
        assert (tmp_path / "site" / "own.css").as_uri() in found.requests
        assert "said" in found.complaints
        assert any("missing is not defined" in complaint for complaint in found.complaints)


def test_the_index_shows_every_table_and_what_came_of_it(docs: Path, opened: Open) -> None:
    """Each table has its status, a link and its numbers; one sentence sums them up."""
    page = opened(docs / "index.html", docs)
    assert page.title() == "Staged tables"
    assert page.locator("h1").is_visible()
    assert page.locator(".summary").inner_text() == "Of 11 rules 3 failed, 2 give a warning, 2 could not run."
    heads = ["Status", "Table", "Rules", "Failed", "Warnings", "Could not run", "Not judged"]
    assert page.locator("thead th").all_inner_texts() == heads
    assert rows(page) == [
        ["✗ failed", LONG, "1", "1", "", "", ""],
        ["⊘ could not run", "faulty", "6", "2", "1", "2", ""],
        ["⚠ warning", "odd", "2", "", "1", "", ""],
        ["✓ passed", "sound", "2", "", "", "", ""],
    ]


def test_the_page_of_a_faulty_table_says_what_is_wrong(docs: Path, opened: Open) -> None:
    """The page begins with each rule in words, Invalid rows, fields, and why a rule could not run."""
    page = opened(page_of(docs, "faulty"), docs)
    assert page.title() == "faulty · Staged tables"
    assert page.locator(".summary").inner_text() == "Of 6 rules 2 failed, 1 gives a warning, 2 could not run."
    assert page.locator("thead th").all_inner_texts() == ["Status", "Rule", "Invalid"]
    assert rows(page) == [
        ["⊘ could not run", 'length is at least 1. critical column "length" does not exist', ""],
        ["⊘ could not run", "name is no number above 1. critical ConversionException", ""],
        ["✗ failed", "id and name are not blank. critical name: 10 of 1,234 rows", "10 of 1,234 rows"],
        ["✗ failed", "size is at most 9. critical", "10 of 1,234 rows"],
        ["⚠ warning", "No two rows have the same name. warning name: 20 of 1,234 rows", "20 of 1,234 rows"],
        ["✓ passed", "No two rows have the same id. critical", "0 of 1,234 rows"],
    ]


def test_each_invalid_row_has_its_place_in_the_source(docs: Path, opened: Open) -> None:
    """A rule lists its rows up to the limit, and how many more there are; one click selects a place, to be copied."""
    page = opened(page_of(docs, "faulty"), docs)
    rule = page.locator("tr", has_text="size is at most 9.")
    assert rule.locator("li").count() == 10
    assert rule.locator("li").first.inner_text() == "faulty.json:0:1 faulty[0].size: size is at most 9."
    rule.locator("kbd").nth(1).click()
    assert page.evaluate("getSelection().toString()") == "faulty.json:1:1"
    rule.get_by_text("Parameters").click()
    words = " ".join(rule.locator("dl").inner_text().split())
    assert words == "type expect_column_values_to_be_between column size at most 9"
    page.goto(page_of(docs, "odd").as_uri())
    rule = page.locator("tr.warned")
    assert rule.locator("li").last.is_hidden()
    rule.get_by_text("100 rows to correct").click()
    assert rule.locator("li").last.inner_text() == "and 1,134 more"


def test_the_page_of_a_sound_table_says_so(docs: Path, opened: Open) -> None:
    """Every rule is listed as passed, and the filter leaves a sentence instead of an empty table."""
    page = opened(page_of(docs, "sound"), docs)
    assert page.locator(".summary").inner_text() == "✓ All 2 rules passed."
    assert rows(page) == [
        ["✓ passed", "id and name are not blank. critical", "0 of 1,234 rows"],
        ["✓ passed", "No two rows have the same id. critical", "0 of 1,234 rows"],
    ]
    nothing = page.get_by_text("Nothing failed")
    assert nothing.is_hidden()
    page.get_by_label("Failed only").click()
    assert nothing.is_visible()
    assert page.locator("table").is_hidden()


@pytest.mark.parametrize("table", ["", "faulty"])
def test_the_filter_hides_what_passed(docs: Path, opened: Open, table: str) -> None:
    """One click on its words and only what passed is gone; another click and it is back."""
    page = opened(page_of(docs, table) if table else docs / "index.html", docs)
    before = rows(page)
    assert [row[0] for row in before].count(SAID["passed"]) == 1
    page.get_by_text("Failed only").click()
    assert rows(page) == [row for row in before if row[0] != SAID["passed"]]
    assert page.locator("tr.passed").is_hidden()
    page.get_by_text("Failed only").click()
    assert rows(page) == before


def test_links_lead_to_each_page_and_back(docs: Path, opened: Open) -> None:
    """From the index to the page of a table, and from there to the index."""
    page = opened(docs / "index.html", docs)
    for table in ("faulty", LONG):
        page.get_by_role("link", name=table, exact=True).click()
        assert page.url == page_of(docs, table).as_uri()
        assert page.locator("h1").inner_text() == table
        page.get_by_role("link", name="Staged tables").click()
        assert page.url == (docs / "index.html").as_uri()


PARTS = "h1, .trail li, .kicker, .summary, label, tr, td.status, td.rule, td a, td.n:not(:empty)"


@pytest.mark.parametrize("table", ["", "faulty", LONG])
def test_a_page_fits_a_window_of_any_width(docs: Path, opened: Open, table: str) -> None:
    """Nothing needs sideways scrolling, in a window of 320 to 1600 pixels; nothing is cut off or too small to read."""
    page = opened(page_of(docs, table) if table else docs / "index.html", docs)
    for width in (320, 400, 600, 768, 769, 1000, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.locator(f":is({PARTS}):visible").evaluate_all(
            "parts => parts.map(part => [part.innerText, part.getBoundingClientRect(), part.scrollWidth,"
            " part.clientWidth, parseFloat(getComputedStyle(part).fontSize)])"
        )
        assert len(boxes) > 7
        for text, box, needs, has, size in boxes:
            assert 0 <= box["left"] < box["right"] <= width, text
            assert needs <= has or not has, text  # an inline part has no width of its own
            assert size >= 13, text


def test_numbers_say_what_they_count_where_there_is_no_room_for_heads(docs: Path, opened: Open) -> None:
    """A narrow page has no heads of columns: the words stand beside the number."""
    page = opened(docs / "index.html", docs, width=400)
    assert page.locator("thead").is_hidden()
    numbers = page.locator("tr", has=page.get_by_role("link", name="faulty")).locator(".n:visible").all()
    words = "cell => cell.textContent + getComputedStyle(cell, '::after').content"
    said = [number.evaluate(words).replace('"', "") for number in numbers]
    assert said == ["6 rules", "2 failed", "1 with a warning", "2 could not run"]


def brightness(colour: str) -> float:
    """The relative luminance of `rgb(r, g, b)`, as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_status_can_be_read_and_told_apart(
    opened: Open, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    """On light and on dark paper, each has its icon and a colour with a contrast of 4.5."""
    page = opened(write_table(tmp_path, *SAID), tmp_path, scheme=scheme)
    papers = [page.locator(part).evaluate("e => getComputedStyle(e).backgroundColor") for part in ("body", ".verdict")]
    assert [brightness(paper) > 0.5 for paper in papers] == [scheme == "light"] * 2
    seen = page.locator("td.status").evaluate_all("cells => cells.map(c => [c.innerText, getComputedStyle(c).color])")
    assert [said for said, _ in seen] == list(SAID.values())
    text = page.locator("body").evaluate("e => getComputedStyle(e).color")
    assert len({text, *(colour for _, colour in seen)}) == len(SAID) + 1
    for _, colour in seen:
        for paper in papers:  # a row lies on the second while the pointer is on it
            dark, light = sorted(map(brightness, (colour, paper)))
            assert (light + 0.05) / (dark + 0.05) >= 4.5


def write(file: Path, template: str, page: dict[str, Any]) -> Path:
    """A page of the project's template, with what is given; its file."""
    checks.warm()
    from mock2pg.checks.docs import View  # needs Great Expectations

    file.write_text(View(template, "Made", None).render({"validated": "now"} | page))
    return file


def write_table(folder: Path, *statuses: str) -> Path:
    """The page of a table with one rule of each of these statuses."""
    rules = [
        DocumentedRule(RuleOutcome("made", "expect_it", "No.", "critical", status, reason=f"why {status}"))
        for status in statuses
    ]
    page = {"table": "made", "rows": 9, "rules": rules, "counts": counts(*statuses), "opened": 20}
    return write(folder / "made.html", "data_docs_table.html", page)


def counts(*statuses: str) -> dict[str, int]:
    return {"rules": len(statuses), **{status: statuses.count(status) for status in SAID if status != "passed"}}


def test_a_rule_that_was_not_judged_is_no_rule_that_passed(opened: Open, tmp_path: Path) -> None:
    """It has a status, a reason, a place in the sums and a column of its own, and the filter leaves it."""
    tables = [
        {"table": "made", "link": "made.html", "counts": counts("skipped", "skipped", "passed")},
        {"table": "other", "link": "other.html", "counts": counts("passed")},
    ]
    index = write(tmp_path / "index.html", "data_docs_index.html", {"tables": tables})
    page = opened(write_table(tmp_path, "skipped", "skipped", "passed"), tmp_path)
    assert page.locator(".summary").inner_text() == "Of 3 rules 2 were not judged."
    page.get_by_label("Failed only").click()
    assert rows(page) == [["– not judged", "No. critical why skipped", ""]] * 2
    page.get_by_role("link", name="Made").click()
    assert page.url == index.as_uri()
    assert page.locator(".summary").inner_text() == "Of 4 rules 2 were not judged."
    page.get_by_label("Failed only").click()
    assert rows(page) == [["– not judged", "made", "3", "", "", "", "2"]]


def test_one_sentence_sums_up(opened: Open, tmp_path: Path) -> None:
    """It counts what is not passed, in the singular and in the plural, and has words for a lone rule."""
    page = opened(write_table(tmp_path, "passed"), tmp_path)
    assert page.locator(".summary").inner_text() == "✓ The only rule passed."
    for statuses, said in {
        ("failed",): "Of 1 rule 1 failed.",
        ("skipped", "warned", "broken"): "Of 3 rules 1 gives a warning, 1 could not run, 1 was not judged.",
        ("failed", "failed", "warned", "warned"): "Of 4 rules 2 failed, 2 give a warning.",
    }.items():
        page.goto(write_table(tmp_path, *statuses).as_uri())
        assert page.locator(".summary").inner_text() == said


def test_no_page_holds_a_value(docs: Path, opened: Open) -> None:
    """Neither what is seen nor the source of any page holds a text of the data."""
    page = opened(docs / "index.html", docs)
    files = list(docs.rglob("*.html"))
    assert len(files) == len(TABLES) + 1
    for file in files:
        page.goto(file.as_uri())
        for text in (file.read_text(), page.title() + page.locator("body").inner_text()):
            assert "Staged tables" in text
            assert MARKER not in text


PLAIN = re.compile(r"(?!expect |unexpected )[A-Za-z]\S*( \S+)+\.")


def test_every_rule_has_a_plain_sentence() -> None:
    """No rule, declared or of a suite, goes by the name of its type; its words end in a full stop."""
    checks.warm()
    from mock2pg.checks.suites import load_suites  # needs Great Expectations

    suites = load_suites(REPOSITORY / "expectations", sources(REPOSITORY / "dbt_project"))
    suites |= {f"built {name}": suite for name, suite in load_suites(REPOSITORY / "expectations" / "tables").items()}
    types = {rule.expectation_type for suite in suites.values() for rule in suite.expectations}
    for table, suite in suites.items():
        sentences = [rule.description or "" for rule in suite.expectations]
        assert [words for words in sentences if not PLAIN.fullmatch(words)] == [], table
        assert [words for words in sentences for name in types if name in words] == [], table
        assert len(set(sentences)) == len(sentences), table
