"""The charts, as the text that a page takes in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mock2pg.report import charts
from mock2pg.settings import REPOSITORY

TABLES = [f"a_table_with_a_long_name_{number}" for number in range(14)]
CHANGES = {"inserted": 3, "updated": 2, "deleted": 1, "unchanged": 4}
HOSTILE = "<script>alert('$x$ & 学生')</script>"


@pytest.fixture(autouse=True)
def _fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of fonts is made once, and not in the home folder."""
    monkeypatch.setenv("MPLCONFIGDIR", str(REPOSITORY / ".cache" / "matplotlib"))


def drawn() -> dict[str, str]:
    """One chart of each kind, of the same hostile table."""
    return {
        "bars": charts.bars(HOSTILE, {HOSTILE: 1.5}),
        "grouped": charts.grouped(HOSTILE, {HOSTILE: (1, 2)}),
        "stacked": charts.stacked(HOSTILE, {HOSTILE: CHANGES}),
    }


def lengths(svg: str, key: str) -> list[float]:
    """How long the bars of one colour are, from the top down."""
    paths = re.findall(r'<path d="([^"]*)" style="fill: ' + charts.COLOURS[key], svg)
    ends = [[float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path)] for path in paths]
    return [max(xs) - min(xs) for xs in ends]


@pytest.mark.parametrize("kind", ["bars", "grouped", "stacked"])
def test_a_chart_is_one_element_that_needs_nothing_from_elsewhere(kind: str) -> None:
    """A chart is well-formed, names no address, and takes font and colour from the page."""
    svg = drawn()[kind]
    assert ElementTree.fromstring(svg).tag == "svg"
    assert "://" not in svg
    assert "DejaVu" not in svg
    assert "currentColor" in svg


@pytest.mark.parametrize("kind", ["bars", "grouped", "stacked"])
def test_a_hostile_name_is_text(kind: str) -> None:
    """A name with markup, TeX or letters that the font lacks is shown as it is."""
    svg = drawn()[kind]
    assert "<script" not in svg
    assert "&lt;script&gt;alert(" in svg
    assert "$x$ &amp; 学生" in svg


@pytest.mark.parametrize("kind", ["bars", "grouped", "stacked"])
def test_a_chart_is_the_same_for_the_same_numbers(kind: str) -> None:
    """Two drawings of the same numbers are the same text: no dates, no chance."""
    assert drawn()[kind] == drawn()[kind]


def test_a_chart_says_its_numbers_to_a_screen_reader() -> None:
    """A chart is an image with a title and a description that holds every number."""
    svg = charts.stacked("Rows changed", {"a": CHANGES})
    named = re.search(r'role="img" aria-labelledby="(\S+) (\S+)"', svg)
    assert named is not None
    assert f'<title id="{named[1]}">Rows changed</title>' in svg
    assert f'<desc id="{named[2]}">a 3 inserted, 2 updated, 1 deleted, 4 unchanged</desc>' in svg


def test_charts_of_one_page_do_not_share_names() -> None:
    """An id stands for one element, also when a page holds many charts."""
    page = "".join([*drawn().values(), charts.stacked("another", {"a": CHANGES})])
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids)) == 8


def test_one_row_among_millions_is_seen() -> None:
    """A change that is not nothing has a width, however small its share is."""
    row = {"inserted": 0, "updated": 1, "deleted": 0, "unchanged": 10_000_000}
    svg = charts.stacked("Rows changed", {"a": row})
    assert lengths(svg, "updated")[0] > 0.01 * lengths(svg, "unchanged")[0]
    assert "1 of 10,000,001 changed" in svg


def test_one_scale_shows_one_row_and_ten_million() -> None:
    """Tables of very different sizes are all readable; the axis then says that it is not in proportion."""
    svg = charts.grouped("Rows", {"a": (0, 1), "b": (10_000_000, 9_999_999)})
    assert all(length > 10 for length in lengths(svg, "after"))
    assert lengths(svg, "before")[0] == 0
    assert "10,000,000" in svg
    assert "ten times the one before" in svg


def test_tables_of_like_size_are_drawn_in_proportion() -> None:
    """Where the sizes allow it, twice the rows is twice the bar."""
    svg = charts.grouped("Rows", {"a": (10, 20)})
    assert lengths(svg, "after")[0] == pytest.approx(2 * lengths(svg, "before")[0], rel=0.01)
    assert "ten times" not in svg


def test_fourteen_tables_fit_and_stand_in_order() -> None:
    """Every table has its line, from the top down in the order given."""
    svg = charts.grouped("Rows", dict.fromkeys(TABLES, (1, 2)))
    places = [svg.index(f">{table}<") for table in TABLES]
    assert places == sorted(places)


def test_a_long_name_is_cut_in_the_chart_and_whole_in_its_description() -> None:
    """No name pushes the bars out of the picture, and none is lost."""
    name = "a" * 63
    svg = charts.bars("Time", {name: 1.0})
    assert f">{'a' * 33}…<" in svg
    assert f"{name} 1.00 s" in svg


def test_an_empty_table_is_drawn_as_empty() -> None:
    """No rows is said in words; nothing is divided by zero."""
    nothing = dict.fromkeys(CHANGES, 0)
    assert "no rows" in charts.stacked("Rows changed", {"a": nothing})
    assert ">0<" in charts.grouped("Rows", {"a": (0, 0)})
    assert "0.00 s" in charts.bars("Time", {"a": 0.0})


def test_nothing_to_draw_is_nothing() -> None:
    """A chart of no tables is no chart."""
    assert charts.bars("Time", {}) == charts.grouped("Rows", {}) == charts.stacked("Rows", {}) == ""


def test_the_font_list_is_kept_where_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home folder is left alone, but a caller's own choice stands."""
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    charts.keep_cache_in(tmp_path / "a" / "b")
    charts.keep_cache_in(tmp_path / "c")
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
