"""The entity-relationship diagram: what is drawn, and where."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from mock2pg.contracts import Column, ForeignKey, Table
from mock2pg.pages.diagram import anchor, er_diagram
from mock2pg.pages.diagram.geometry import Box, Drawing, Link
from mock2pg.pages.diagram.layout import lay_out

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def schemas(draw: Any) -> tuple[list[Box], list[Link]]:
    """Up to 12 boxes, and links of any shape: to the own box, in circles, twice between the same."""
    heights = draw(st.lists(st.integers(1, 12), min_size=1, max_size=12))
    boxes = [Box(f"t{n}", draw(st.sampled_from([60, 200, 460])), 30 + 19 * rows) for n, rows in enumerate(heights)]
    end = st.integers(0, len(boxes) - 1).flatmap(
        lambda n: st.tuples(st.just(boxes[n].name), st.integers(0, heights[n] - 1).map(lambda row: 39 + 19 * row))
    )
    ends = draw(st.lists(st.tuples(end, end), max_size=20, unique=True))
    links = [Link(child, row + 3, parent, key - 3) for (child, row), (parent, key) in ends]
    return boxes, links


@given(schemas())
@settings(max_examples=40, deadline=None)
def test_boxes_are_apart_and_each_line_leads_from_its_child_to_its_parent(schema: tuple[list[Box], list[Link]]) -> None:
    """No box overlaps another, each line begins and ends at its columns, turns at right angles and crosses no box."""
    boxes, links = schema
    drawing = lay_out(boxes, links)
    assert drawing == lay_out(boxes, links)
    areas = {box.name: (*drawing.boxes[box.name], box.width, box.height) for box in boxes}
    for (x, y, width, height), (left, top, wide, high) in combinations(areas.values(), 2):
        assert x + width + 20 <= left or left + wide + 20 <= x or y + height + 20 <= top or top + high + 20 <= y
    for x, y, width, height in areas.values():
        assert x >= 0 <= y
        assert x + width <= drawing.width
        assert y + height <= drawing.height
    for link, path in zip(links, drawing.paths, strict=True):
        for (end_x, end_y), name, row in ((path[0], link.child, link.child_y), (path[-1], link.parent, link.parent_y)):
            x, y, width, _ = areas[name]
            assert end_y == y + row
            assert end_x in (x, x + width)
        for (x, y), (to_x, to_y) in pairwise(path):
            assert (x == to_x) != (y == to_y)
            for left, top, wide, high in areas.values():
                beside = max(x, to_x) <= left or min(x, to_x) >= left + wide
                assert beside or max(y, to_y) < top or min(y, to_y) > top + high


def stretches(drawing: Drawing, links: list[Link]) -> list[tuple[Link, Link]]:
    """The pairs of links to different keys, from different columns, whose lines run on each other."""
    found = []
    for (one, path), (other, beside) in combinations(zip(links, drawing.paths, strict=True), 2):
        if (one.parent, one.parent_y) == (other.parent, other.parent_y):
            continue
        if (one.child, one.child_y) == (other.child, other.child_y):
            path, beside = path[1:], beside[1:]  # both begin at the column
        for (x, y), (to_x, to_y) in pairwise(path):
            for (left, top), (right, bottom) in pairwise(beside):
                across = y == to_y == top == bottom and min(max(x, to_x), max(left, right)) > max(
                    min(x, to_x), min(left, right)
                )
                down = x == to_x == left == right and min(max(y, to_y), max(top, bottom)) > max(
                    min(y, to_y), min(top, bottom)
                )
                if across or down:
                    found.append((one, other))
    return found


@given(schemas())
@settings(max_examples=40, deadline=None)
def test_lines_to_different_keys_share_no_stretch(schema: tuple[list[Box], list[Link]]) -> None:
    """A reader can follow each line: one that leads to another key may cross it, and does not run on it."""
    boxes, links = schema
    assert stretches(lay_out(boxes, links), links) == []


def columns(*names: str, null: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, "integer", not null, None, None) for name in names)


CIRCLE = (
    Table(
        "employees",
        (*columns("id", "department_id"), *columns("manager_id", null=True)),
        ("id",),
        foreign_keys=(
            ForeignKey(("manager_id",), "employees", ("id",)),
            ForeignKey(("department_id",), "departments", ("id",), "on delete cascade"),
        ),
    ),
    Table(
        "departments",
        columns("id", "head_id"),
        ("id",),
        uniques=(("head_id",),),
        foreign_keys=(ForeignKey(("head_id",), "employees", ("id",)),),
        database_columns=(("created_at", "timestamp with time zone not null default now()"), ("note", "citext")),
    ),
    Table("shifts", columns("employee_id", "day"), ("employee_id", "day")),
    Table(
        "swaps",
        columns("employee_id", "day", "reason"),
        (),
        foreign_keys=(
            ForeignKey(("employee_id", "day"), "shifts", ("employee_id", "day")),
            ForeignKey(("reason",), "shifts", ("gone",)),
            ForeignKey(("reason",), "gone", ("id",)),
        ),
    ),
    Table('a <table> & "so" on\u202e', columns("x" * 63), ()),
)


def drawn(*tables: Table, **options: bool) -> ElementTree.Element:
    return ElementTree.fromstring(er_diagram(tables, "tables.html", **options))


def texts(found: ElementTree.Element, name: str) -> list[str]:
    return [text.text or "" for text in found.iterfind(f"{SVG}a[@href='tables.html#{anchor(name)}']/{SVG}text")]


def test_a_box_names_the_columns_with_type_null_and_keys() -> None:
    """Each table is a link to its place on the page of tables; what the database fills is a column like others."""
    found = drawn(*CIRCLE)
    assert texts(found, "employees") == [
        "employees", "PK", "id", "integer", "FK", "department_id", "integer", "FK", "manager_id", "integer null",
    ]  # fmt: skip
    assert texts(found, "departments")[4:] == [
        "FK UQ", "head_id", "integer", "created_at", "timestamptz", "note", "citext null"
    ]  # fmt: skip
    assert texts(found, CIRCLE[-1].name) == ['a <table> & "so" on\\u202e', "x" * 63, "integer"]
    assert not list(found.iter(f"{SVG}script"))


def test_a_line_says_which_columns_reference_which() -> None:
    """Each foreign key is a line, to the own table and in a circle, too; one that leads nowhere is left out."""
    titles = [title.text for title in drawn(*CIRCLE).iter(f"{SVG}title")]
    assert titles == [
        "employees (manager_id) references employees (id)",
        "employees (department_id) references departments (id) on delete cascade",
        "departments (head_id) references employees (id)",
        "swaps (employee_id, day) references shifts (employee_id, day)",
    ]


def test_a_drawing_of_keys_counts_the_other_columns() -> None:
    """With many tables, boxes show only keys, and the columns that keys refer to."""
    found = drawn(*CIRCLE, only_keys=True)
    assert texts(found, "departments")[-2:] == ["integer", "2 more"]
    assert texts(found, "shifts") == ["shifts", "PK", "employee_id", "integer", "PK", "day", "integer"]
    assert texts(found, CIRCLE[-1].name)[-1] == "1 column"
