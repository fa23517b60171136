"""The charts, as the text that a page takes in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from mock2pg.pages import Shown
from mock2pg.report import charts
from tests.fix_browser import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TABLES = [f"a_table_with_a_long_name_{number}" for number in range(14)]
CHANGES = {"inserted": 3, "updated": 2, "deleted": 1, "unchanged": 4}
HOSTILE = "<script>alert('$x$ & 学生')</script>\u202e"
# The texts of the cells that take several lines, and the widths of the bars' cells, in pixels.
WRAPPED = """[...document.querySelectorAll('th, td.n, caption')].filter(cell => {
    const all = document.createRange();
    all.selectNodeContents(cell);
    const boxes = [...all.getClientRects()].filter(box => box.width > 0);
    return boxes.some(box => box.top >= boxes[0].bottom);
}).map(cell => cell.textContent)"""
JUPYTER = "body { font: 13px sans-serif }"
BARS = "[...document.querySelectorAll('td > svg')].map(bar => bar.getBoundingClientRect().width)"
SIDES = {"before": "before", "after": "after"}


def drawn(name: str = HOSTILE) -> dict[str, Shown]:
    """One chart of each kind, of the same table."""
    return {
        "bars": charts.bars(name, {name: 1.5}),
        "grouped": charts.grouped(name, {name: {"before": 1, "after": 2}}, SIDES),
        "stacked": charts.stacked(name, {name: CHANGES}),
    }


def counts(*pairs: tuple[int, int]) -> dict[str, dict[str, int]]:
    return {name: {"before": before, "after": after} for name, (before, after) in zip("abc", pairs, strict=False)}


def lengths(chart: str, key: str) -> list[float]:
    """Return the lengths of the bars of one colour in percent, from the top down."""
    return [float(width) for width in re.findall(rf'width="([\d.]+)%" height="12" fill="{charts.COLOURS[key]}"', chart)]


@pytest.mark.parametrize("kind", ["bars", "grouped", "stacked"])
def test_a_chart_is_one_element_that_needs_nothing_from_elsewhere(kind: str) -> None:
    """A chart is well-formed, names no address, font or text colour, and shows a hostile name as text."""
    chart = drawn()[kind]
    assert ElementTree.fromstring(chart.replace("&nbsp;", " ")).tag == "table"
    assert "://" not in chart
    assert "font-family" not in chart
    assert "<script" not in chart
    assert "&lt;script&gt;alert(&#39;$x$ &amp; 学生" in chart
    assert "\u202e" not in chart
    assert drawn()[kind] == chart


@pytest.mark.parametrize(("kind", "text"), [
    ("bars", "a\na 1.5 s"),
    ("grouped", "a\n■ before ■ after\na 1 2"),
    ("stacked", "a\n■ inserted ■ updated ■ deleted ■ unchanged\na 3 inserted, 2 updated, 1 deleted, 4 unchanged"),
])  # fmt: skip
def test_the_numbers_of_a_chart_are_text(kind: str, text: str) -> None:
    """Read aloud, or where neither styles nor SVG are shown, a chart is a table with every name and number."""
    chart = drawn("a")[kind]
    assert repr(chart) == text
    svg = re.findall(r"<svg.*?</svg>", chart, re.DOTALL)
    assert svg
    assert all('aria-hidden="true"' in each and not re.search(r">[^<\s]", each) for each in svg)
    assert '<th scope="row"' in chart


def test_one_row_among_millions_is_seen() -> None:
    """A change that is not nothing has a width, however small its share is, and bars are full."""
    chart = charts.stacked("Rows changed", {"a": {**CHANGES, "inserted": 0, "deleted": 0, "unchanged": 10_000_000}})
    assert lengths(chart, "updated")[0] > 1
    assert lengths(chart, "updated")[0] + lengths(chart, "unchanged")[0] == pytest.approx(100, abs=0.1)
    assert "2 updated, 10,000,000 unchanged" in chart


def test_one_scale_shows_one_row_and_ten_million() -> None:
    """Tables of very different sizes are all readable; the chart then says that it is not in proportion."""
    chart = charts.grouped("Rows", counts((0, 1), (10_000_000, 9_999_999)), SIDES)
    assert all(length > 3 for length in lengths(chart, "inserted"))
    assert lengths(chart, "unchanged") == [0, 100]
    assert "10,000,000" in chart
    assert "each line is ten times the one before" in chart


def test_tables_of_like_size_are_drawn_in_proportion() -> None:
    """Twice the rows is twice the bar, if the sizes allow it."""
    chart = charts.grouped("Rows", counts((10, 20)), SIDES)
    assert lengths(chart, "inserted")[0] == pytest.approx(2 * lengths(chart, "unchanged")[0], rel=0.01)
    assert "ten times" not in chart


def test_fourteen_tables_fit_and_stand_in_order() -> None:
    """Every table has its line, from the top down in the order given."""
    chart = charts.grouped("Rows", dict.fromkeys(TABLES, 1), {"rows": "rows"})
    places = [chart.index(f">{table}<") for table in TABLES]
    assert places == sorted(places)


def test_an_empty_table_is_drawn_as_empty() -> None:
    """No rows is said in words; nothing is divided by zero."""
    assert "no rows" in charts.stacked("Rows changed", {"a": dict.fromkeys(CHANGES, 0)})
    assert ">0<" in charts.grouped("Rows", counts((0, 0)), SIDES)
    assert "0.00 s" in charts.bars("Time", {"a": 0.0})


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_to_draw_is_nothing(nothing: dict[str, float] | None) -> None:
    """A chart of no tables, or of what is not known, is no chart."""
    assert charts.bars("Time", nothing) == charts.grouped("Rows", nothing, SIDES) == charts.stacked("R", nothing) == ""


@pytest.mark.parametrize(("style", "width"), [("a page's", 1280), ("a page's", 769), ("a page's", 600), ("none", 1280)])
def test_no_name_and_no_number_of_usual_length_goes_on_in_the_next_line(
    browser: Browser, tmp_path: Path, style: str, width: int
) -> None:
    """Beside a bar that is still seen, with the style of a page, and without one, as in JupyterLab; nothing is cut off
    at the side, however long the names and numbers are."""
    css = files("mock2pg.pages").joinpath("templates", "style.css").read_text() if style == "a page's" else JUPYTER
    place = tmp_path / "charts.html"

    def wrapped(names: Sequence[str], counts: Mapping[str, int]) -> list[str]:
        sides = {name: {"before": 1_234_567, "after": 9_876_543} for name in names}
        words = {"inserted": "restored", "updated": "changed back", "deleted": "removed"}
        found = (
            charts.bars("Time by part", dict.fromkeys(names, 1.5)),
            charts.grouped("Rows", sides, {"before": "staged", "after": "target"}),
            charts.stacked("Rows changed", dict.fromkeys(names, counts), words),
        )
        place.write_text(f"<!doctype html><meta charset=utf-8><style>{css}</style><main>{''.join(found)}</main>")
        with open_page(browser, place, viewport={"width": width, "height": 800}) as opened:
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
            assert min(opened.page.evaluate(BARS)) > 100
            lines: list[str] = opened.page.evaluate(WRAPPED)
            return lines

    assert wrapped(("classes", "homework_submissions"), {"updated": 15, "deleted": 4, "unchanged": 1_181}) == []
    wrapped(("n" * 63,), dict.fromkeys(charts.COLOURS, 12_345_678))
