"""The paths of `_sources.yml`: what is refused before a source is read."""

from __future__ import annotations

from typing import Any

import pytest

from mock2pg.build import source_paths
from mock2pg.errors import ProjectError
from mock2pg.json_paths import Mark
from mock2pg.staged_tables import ColumnSource, Level, SourceColumn, SourceTable

ELEMENT, MEMBER = Mark.ELEMENT, Mark.MEMBER


def table(path: str, *columns: str, name: str = "t", **more: Any) -> SourceTable:
    """A table whose columns are `path`, or `path:type`."""
    parts = [column.partition(":") for column in columns or ("id",)]
    made = tuple(SourceColumn(f"c{n}", kind or "text", path) for n, (path, _, kind) in enumerate(parts))
    return SourceTable(name, path, made, **more)


@pytest.mark.parametrize(
    ("path", "single", "entity", "levels"),
    [
        ("orders", False, "orders", [(("orders",), ELEMENT)]),
        ("$.orders[]", False, "orders", [(("orders",), ELEMENT)]),
        ("data.users", False, "data.users", [(("data", "users"), ELEMENT)]),
        ("users{}.posts[]", False, "users", [(("users",), MEMBER), (("posts",), ELEMENT)]),
        ("matrix[][]", False, "matrix", [(("matrix",), ELEMENT), ((), ELEMENT)]),
        ("a[].b.c[].d", True, "a", [(("a",), ELEMENT), (("b", "c"), ELEMENT), (("d",), None)]),
        ("settings", True, "settings", [(("settings",), None)]),
        ("$", True, "$", [((), None)]),
        ('"a.b"[]', False, '"a.b"', [(("a.b",), ELEMENT)]),
    ],
)
def test_a_path_leads_level_by_level(path: str, single: bool, entity: str, levels: list[Any]) -> None:
    """Each array, map and single object on the way to the rows is a level of its own."""
    found = table(path, single=single)
    assert found.entity == entity
    assert found.levels == tuple(Level(*level) for level in levels)


@pytest.mark.parametrize(
    ("path", "column", "origin"),
    [
        ("a[].b[]", "k", ColumnSource(1, ("k",))),
        ("a[].b[]", "k.l", ColumnSource(1, ("k", "l"))),
        ("a[].b[]", ".", ColumnSource(1)),
        ("a[].b[]", "[]", ColumnSource(1, mark=ELEMENT)),
        ("a[].b{}", "{}", ColumnSource(1, mark=MEMBER)),
        ("a[].b[]", "a[].id", ColumnSource(0, ("id",))),
        ("a[].b[]", "a[]", ColumnSource(0, mark=ELEMENT)),
        ("a[].b[]", "a[].b[].k", ColumnSource(1, ("k",))),
        ("a{}.b[].c[]", "a{}", ColumnSource(0, mark=MEMBER)),
        ("a{}.b[].c[]", "$.a{}.b[].k.l", ColumnSource(1, ("k", "l"))),
        ("p.a[]", "$.p.id", ColumnSource(-1, ("p", "id"))),
        ("a", "$.a[].k", ColumnSource(0, ("k",))),
    ],
)
def test_a_column_is_of_a_row_a_row_around_it_or_the_source(path: str, column: str, origin: ColumnSource) -> None:
    """A path of a column is from its row unless it begins with that of a row around it, or with the source."""
    assert table(path, column).column_sources == {"c0": origin}


def test_a_column_of_a_single_object_is_inside_it() -> None:
    """A value under the path of a single object is in its row, also when its path starts at the source."""
    assert table("s", "k", "$.s.l", single=True).column_sources == {
        "c0": ColumnSource(0, ("k",)),
        "c1": ColumnSource(0, ("l",)),
    }
    assert table("a[].s", "a[].s.k", "a[].id", single=True).column_sources == {
        "c0": ColumnSource(1, ("k",)),
        "c1": ColumnSource(0, ("id",)),
    }


REFUSED: list[tuple[list[SourceTable], str]] = [
    ([table("a..b")], "t: path a..b: character 3 of the path a..b: a key is missing before ."),
    ([table("a[]", single=True)], "t: single is one row, and path a[] ends with []: many"),
    ([table("[]")], "t: path [] begins with no key of the source"),
    ([table("a", "b c")], "t.c0: path b c: character 2 of the path b c begins no key: write the key as a JSON string"),
    ([table("a", "b[].c")], "t.c0: path b[].c is in another array, map or object than the rows"),
    ([table("a", "{}")], "t.c0: the rows are not members of a map, which path {} is of"),
    ([table("a", "[]:text")], "t.c0: a position is of the type integer or bigint, not text"),
    ([table("a{}", "{}:jsonb")], "t.c0: a key of a map is text: it cannot be of the type jsonb"),
    ([table("a", '"\\u0000"')], "t.c0: its path has a key with U+0000, which PostgreSQL's text cannot hold"),
    ([table('"\\u0000"')], "t: its path has a key with U+0000, which PostgreSQL's text cannot hold"),
    ([table("a", "b", "b")], "t: two columns have the path b: c0 and c1"),
    ([table("a", "b", "$.a[].b")], "t: two columns have the path $.a[].b: c0 and c1"),
    ([table("a", "b", "b.c")], "t.c0: its value is text, and column c1 is inside it: b.c"),
    ([table("a", ".", "b")], "t: c0 is the element itself, and c1 a key inside it"),
    ([table("a", "b.c", left_out=("b",))], "t: left_out b hides the column c0"),
    ([table("a", "b", left_out=("b.c",))], "t: left_out b.c hides the column c0"),
    (
        [table("a", left_out=("b[]",))],
        "t: left_out b[] is not a key of the row: what is inside arrays is for their tables",
    ),
    ([table("a", unique=(("c0",),))], "t: unique takes lists of two or more of its columns: unique: [[a, b]]"),
    ([table("a", unique=(("c0", "x"),))], "t: unique takes lists of two or more of its columns: unique: [[a, b]]"),
    ([table("a"), table("$.a[]", name="u")], "u: t has the path $.a[], too"),
    ([table("a[]"), table("a{}", name="u")], "t: a is an array in one path and a map in another: u"),
    ([table("a"), table("a.b", name="u")], "u: path a.b takes a as an object, and t as rows"),
    ([table("a", single=True), table("a[]", name="u")], "t: a is a single row, and rows in the path of u"),
    ([table("a[].b[]")], "t: path a[].b[] is inside rows that no table takes: declare a table with the path a[]"),
    ([table("a", left_out=("b",)), table("a[].b[]", name="u")], "t: left_out b hides the table u"),
    ([table("a", left_out=("$.b",)), table("b", name="u")], "t: left_out $.b hides the table u"),
    (
        [SourceTable("t", "a", (SourceColumn("r", "text", "r", rest=True),))],
        "t.r: rest is a column of the type jsonb, in a table whose rows are objects",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "said"), REFUSED, ids=[said[:50] for _, said in REFUSED])
def test_a_wrong_path_is_refused_by_name(tables: list[SourceTable], said: str) -> None:
    """The error names the table, the column and what is wrong with the path, alone or beside the others."""
    with pytest.raises(ProjectError) as refused:
        source_paths.refuse(tables)
    assert refused.value.message == f"_sources.yml: {said}"


@pytest.mark.parametrize(
    "tables",
    [
        [table("a", "id", "ID", "a", "b.c", "b.d", "e:jsonb", "e.f")],
        [table("m[][]", ".:integer", "m[]:integer", "[]:integer")],
        [table("a{}", "{}", "a{}.b"), table("a{}.p[]", "a{}", "k", name="u")],
        [table("s", single=True), table("s.a[]", "$.s.id", name="u"), table("s.o", name="v", single=True)],
        [table("$", "version:integer", single=True), table("users", name="u")],
        [table("a", left_out=("b", "c.d")), table("a[].o.l[]", name="u"), table("a[].o", name="v", single=True)],
    ],
)
def test_paths_beside_each_other(tables: list[SourceTable]) -> None:
    """Columns of several tables may together take one object."""
    source_paths.refuse(tables)
