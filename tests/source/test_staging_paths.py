"""Rows and values at any path: each value of the source is found again, once, wherever it is."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock2pg.json_paths import Mark, Step, written
from mock2pg.source import documents, staging
from mock2pg.source_shape import source_shape
from mock2pg.staged_tables import SourceColumn, SourceTable

Rows = dict[str, list[dict[str, Any]]]
Stage = Callable[..., Rows]


def column(path: str, data_type: str = "text", name: str = "", **more: Any) -> SourceColumn:
    return SourceColumn(name or path, data_type, path, **more)


def table(path: str, *columns: SourceColumn | str, name: str = "", **more: Any) -> SourceTable:
    made = tuple(each if isinstance(each, SourceColumn) else column(each) for each in columns)
    return SourceTable(name or path, path, made, **more)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Stages a source, JSON text or what json.dumps takes, and gives the rows of every table."""

    def run(source: Any, *tables: SourceTable) -> Rows:
        file, into = tmp_path / "source.json", tmp_path / f"{len(list(tmp_path.iterdir()))}"
        file.write_text(source if isinstance(source, str) else json.dumps(source), encoding="utf-8")
        read = documents.read(file, source_shape(tables), into)
        assert read.faults == ()
        staging.stage(into / "staging.duckdb", read.arrays, tables, read.constants)
        found: Rows = {}
        with staging.opened(into / "staging.duckdb", read_only=True) as connection:
            for each in tables:
                rows = connection.execute(f"SELECT * FROM {staging.quoted(each.name)} ORDER BY _row")
                names = [name for name, *_ in rows.description]
                found[each.name] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        return found

    return run


def values(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The values of the columns, of rows that nothing is wrong with."""
    assert [(row["_unfit"], row["_unknown"]) for row in rows] == [([], [])] * len(rows)
    assert [row["_row"] for row in rows] == list(range(1, len(rows) + 1))
    return [tuple(value for name, value in row.items() if name not in staging.HIDDEN) for row in rows]


INTEGER = "integer"

KINDS: dict[str, tuple[Any, list[SourceTable], list[list[tuple[Any, ...]]]]] = {
    "arrays to any depth": (
        {"a": [{"id": "x", "b": [{"k": 1, "c": [{"v": 5}, {"v": 6}]}, {"k": 2, "c": []}]}, {"id": "y", "b": []}]},
        [
            table("a", "id"),
            table("a[].b[]", "a[].id", column("k", INTEGER)),
            table("a[].b[].c[]", "a[].id", column("a[].b[].k", INTEGER), column("v", INTEGER)),
        ],
        [[("x",), ("y",)], [("x", 1), ("x", 2)], [("x", 1, 5), ("x", 1, 6)]],
    ),
    "objects on the way to an array": (
        {"data": {"users": [{"id": "x", "address": {"city": "c", "geo": {"lat": "1"}}}]}},
        [table("data.users", "id", "address.city", "address.geo.lat")],
        [[("x", "c", "1")]],
    ),
    "an array inside an object inside a row": (
        {"a": [{"id": "x", "b": {"c": [{"v": "1"}, {"v": "2"}]}}, {"id": "y", "b": {"c": [{"v": "3"}]}}]},
        [table("a", "id"), table("a[].b.c", "a[].id", "v")],
        [[("x",), ("y",)], [("x", "1"), ("x", "2"), ("y", "3")]],
    ),
    "a single object": (
        {"settings": {"theme": "dark", "sizes": {"s": 1}}},
        [table("settings", "theme", column("sizes.s", INTEGER), single=True)],
        [[("dark", 1)]],
    ),
    "an array inside a single object": (
        {"profile": {"id": "p", "addresses": [{"city": "c"}, {"city": "d"}]}},
        [table("profile", "id", single=True), table("profile.addresses[]", "$.profile.id", "city")],
        [[("p",)], [("p", "c"), ("p", "d")]],
    ),
    "a single object inside each row": (
        {"a": [{"id": "x", "owner": {"name": "n", "tags": ["t"]}}, {"id": "y", "owner": None}]},
        [
            table("a", "id"),
            table("a[].owner", "a[].id", "name", single=True, optional=True),
            table("a[].owner.tags[]", "a[].owner.name", ".", optional=True),
        ],
        [[("x",), ("y",)], [("x", "n")], [("n", "t")]],
    ),
    "a map": (
        {"users": {"u1": {"name": "n"}, "a.b": {"name": "m"}, "": {"name": "o"}}},
        [table("users{}", "{}", "name")],
        [[("u1", "n"), ("a.b", "m"), ("", "o")]],
    ),
    "a map of rows with arrays": (
        {"users": {"u1": {"posts": [{"t": "1"}, {"t": "2"}]}, "u2": {"posts": []}}},
        [table("users{}", "{}"), table("users{}.posts[]", "users{}", column("[]", INTEGER), "t")],
        [[("u1",), ("u2",)], [("u1", 0, "1"), ("u1", 1, "2")]],
    ),
    "a map inside each row": (
        {"a": [{"id": "x", "names": {"de": "X", "fr": "Y"}}, {"id": "y", "names": {}}]},
        [table("a", "id"), table("a[].names{}", "a[].id", "{}", ".")],
        [[("x",), ("y",)], [("x", "de", "X"), ("x", "fr", "Y")]],
    ),
    "a map of maps": (
        {"a": {"x": {"p": {"v": 1}, "q": {"v": 2}}, "y": {"p": {"v": 3}}}},
        [table("a{}{}", column("a{}", name="outer"), "{}", column("v", INTEGER))],
        [[("x", "p", 1), ("x", "q", 2), ("y", "p", 3)]],
    ),
    "an array of arrays": (
        {"m": [[1, 2], [], [3]]},
        [table("m[][]", column("m[]", INTEGER), column("[]", INTEGER), column(".", INTEGER))],
        [[(0, 0, 1), (0, 1, 2), (2, 0, 3)]],
    ),
    "an array of values, repeated": (
        {"tags": ["b", "a", "b"]},
        [table("tags", column("[]", INTEGER), ".")],
        [[(0, "b"), (1, "a"), (2, "b")]],
    ),
    "a single value": ({"version": 3}, [table("version", column(".", INTEGER), single=True)], [[(3,)]]),
    "the source as one row": (
        {"version": 3, "meta": {"by": "n"}, "users": [{"id": "x"}]},
        [table("$", column("version", INTEGER), "meta.by", single=True), table("users", "id")],
        [[(3, "n")], [("x",)]],
    ),
    "a value of the source in every row": (
        {"meta": {"version": 3}, "users": [{"id": "x"}, {"id": "y"}]},
        [table("users", "id", column("$.meta.version", INTEGER))],
        [[("x", 3), ("y", 3)]],
    ),
    "keys that differ in case": (
        {"a": [{"id": "1", "ID": "2", "Id": {"x": "3", "X": "4"}}]},
        [table("a", column("id"), column("ID", name="b"), column("Id.x", name="c"), column("Id.X", name="d"))],
        [[("1", "2", "3", "4")]],
    ),
    "jsonb that takes what is below it": (
        {"a": [{"b": {"c": 1.50, "d": [{"e": 2}]}}]},
        [table("a", column("b", "jsonb"), column("b.c", "double precision", name="c"))],
        [[('{"c": 1.5, "d": [{"e": 2}]}', 1.5)]],
    ),
    "what is left out": (
        {"a": [{"id": "x", "b": {"c": 1, "d": "y"}, "e": [1]}], "old": [1], "meta": {"by": 1, "of": "z"}},
        [table("a", "id", "b.d", column("$.meta.of", name="of"), left_out=("b.c", "e", "$.old", "$.meta.by"))],
        [[("x", "y", "z")]],
    ),
    "the rest of a row": (
        '{"a": [{"id": "x", "b": {"c": 1, "d": 2.50}, "e": [1e2], "n": [{}]}, {"id": "y"}]}',
        [table("a", "id", column("b.c", INTEGER), column("rest", "jsonb", rest=True)), table("a[].n[]", optional=True)],
        [[("x", 1, '{"b": {"d": 2.50}, "e": [100]}'), ("y", None, "{}")], [()]],
    ),
    "no array, where it may be absent": (
        {"a": [{"id": "x"}, {"id": "y", "b": None}]},
        [table("a", "id"), table("a[].b[]", "v", optional=True), table("c", "v", optional=True)],
        [[("x",), ("y",)], [], []],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "tables", "expected"), KINDS.values(), ids=KINDS)
def test_each_kind_of_path(
    source: Any, tables: list[SourceTable], expected: list[list[tuple[Any, ...]]], stage: Stage
) -> None:
    """Every value arrives in its column, and the rows of each table are in the order of the source."""
    found = stage(source, *tables)
    assert [values(found[each.name]) for each in tables] == expected


ROW = [table("a", "id", "b.c"), table("a[].n[]", "a[].id", "k.l"), table("a[].n[].m{}", "v")]


# A row, the table in which it is marked, and what of it is unfit or undeclared.
MARKED = [
    ('{"id": "x", "b": {"c": "y", "d": 1}}', "a", [], [".b.d"]),
    ('{"id": "x", "b": {"c": "y", "some one": 1}}', "a", [], [".b.?"]),
    ('{"id": "x", "b": {"c": "y"}, "B": {}, "b.c": 1}', "a", [], ["B", "b.c"]),
    ('{"id": "x", "b": "y"}', "a", ["b"], []),
    ('{"id": "x", "b": [{"c": "y"}]}', "a", ["b"], []),
    ('{"id": "x", "b": null}', "a", [], []),
    ('{"id": "x", "b": {"c": 1}}', "a", ["b.c"], []),
    ('{"id": "x", "b": {"c": "y", "c": "z"}}', "a", ["b"], []),
    ('{"id": "x", "b": {"c": "y"}, "b": {}}', "a", ["b"], []),
    ('{"id": "x", "n": [{"k": {"l": "y", "z": 1}, "m": {}}]}', "n", [], [".k.z"]),
    ('{"id": "x", "n": [{"k": {"l": "y"}, "m": {"p": {"v": "1", "w": 2}}}]}', "m", [], ["w"]),
    ('{"id": "x", "n": [{"k": {"l": "y"}, "m": {"p": {"v": "1", "v": "2"}}}]}', "m", ["v"], []),
    ('{"id": "x", "n": [{"k": {"l": "y"}, "m": {"p": {"v": "1"}, "p": {"v": "1"}}}]}', "m", [""], []),
    ('{"id": "x", "n": [{"k": {"l": "y"}, "m": [{"v": "1"}]}]}', "m", [""], []),
    ('{"id": "x", "n": [{"k": {"l": "y"}}]}', "m", [""], []),
    ('{"id": "x", "n": [{"k": {"l": "y"}, "m": {"p": 1}}]}', "m", ["."], []),
    ('{"id": "x", "n": {"0": {"k": {"l": "y"}, "m": {}}}}', "n", [""], []),
    ('{"id": "x", "n": [[{"k": {"l": "y"}, "m": {}}]]}', "n", ["."], []),
]


@pytest.mark.parametrize("nested", [False, True])
def test_what_nothing_takes_is_marked(nested: bool, stage: Stage) -> None:
    """A key at any level that nothing takes, a duplicate, or what is no object, array or map is marked in its row."""
    cases = [case for case in MARKED if ('"n"' in case[0]) == nested]
    tables = [ROW[0], replace(ROW[1], name="n", optional=not nested), replace(ROW[2], name="m")]
    found = stage(f'{{"a": [{", ".join(row for row, *_ in cases)}]}}', *tables)
    for number, (row, name, unfit, unknown) in enumerate(cases, 1):
        marks = [(m["_unfit"], sorted(m["_unknown"])) for m in found[name] if m["_root_row"] == number]
        assert marks == [(unfit, unknown)], row


def test_a_value_between_declared_paths_is_no_value_lost(stage: Stage) -> None:
    """A rest column takes what would be undeclared, and refuses what jsonb would not keep whole."""
    rest = column("rest", "jsonb", rest=True)
    rows = stage('{"a": [{"id": "1", "z": 1, "z": 2}, {"id": "1", "z": {"y": "\\u0000"}}]}', table("a", "id", rest))[
        "a"
    ]
    assert [(row["rest"], row["_unfit"], row["_unknown"]) for row in rows] == [(None, ["rest"], [])] * 2


@pytest.mark.parametrize("number", ["1.50", "123456789012345678901234567890", "1e400", "0.10000000000000000555111512"])
def test_numbers_inside_rows_are_as_they_were_written(number: str, stage: Stage) -> None:
    """A number of an inner row, of a map, of a single object and of a row around it keeps each of its digits."""
    inner = f'{{"v": {number}, "o": {{"v": {number}}}, "m": {{"k": {{"v": {number}}}}}}}'
    kept = json.dumps([json.loads(number, parse_float=Decimal, parse_int=Decimal)], default=lambda n: f"{n:f}")
    tables = [
        table("a", column("v", "jsonb")),
        table("a[].n[]", column("a[].v", "jsonb"), column("v", "jsonb")),
        table("a[].n[].o", column("v", "jsonb"), single=True),
        table("a[].n[].m{}", column("a[].n[].v", "jsonb"), column("v", "jsonb")),
    ]
    found = stage(f'{{"a": [{{"v": {number}, "n": [{inner}]}}]}}', *tables)
    texts = {value for each in tables for row in values(found[each.name]) for value in row}
    assert texts == {kept[2:-2]}


def test_where_an_inner_row_is(stage: Stage) -> None:
    """_steps has the positions and keys that lead to a row; of one array inside each row, _index says it."""
    found = stage('{"a": [{"b": []}, {"id": "x", "b": [{"k": 1}, {"m": {"p": {}}}]}]}', *PLACES)
    hidden = ("_root_row", "_id", "_index", "_steps")
    assert [[tuple(row[name] for name in hidden) for row in found[each.name]] for each in PLACES] == [
        [(1, None, None, None), (2, "x", None, None)],
        [(2, "x", 0, None), (2, "x", 1, None)],
        [(2, "x", None, '[1,"p"]')],
    ]


PLACES = [
    table("a", "id"),
    table("a[].b[]", column("k", INTEGER)),
    table("a[].b[].m{}", optional=True),
]


def test_a_row_is_taken_out_with_all_that_is_inside_it(tmp_path: Path, stage: Stage) -> None:
    """A refused row is removed with its descendants at every level, an inner one with those inside it alone."""
    tables = [table("a", "id", name="a"), table("a[].b[]", "k", name="b"), table("a[].b[].c[]", "v", name="c")]
    row = {"b": [{"k": "1", "c": [{"v": "2"}]}, {"k": "3", "c": [{"v": "4"}, {"v": "5"}]}]}
    stage({"a": [row, row, {"b": []}]}, *tables)
    (database,) = tmp_path.glob("*/staging.duckdb")
    gone = staging.refuse(database, {"a": {2}, "b": {1}}, tables)
    assert [(each.table, each.row, each.steps) for each in gone] == [
        ("a", 2, None),
        ("b", 1, None),
        ("b", 3, None),
        ("b", 4, None),
        ("c", 1, "[0,0]"),
        ("c", 4, "[0,0]"),
        ("c", 5, "[1,0]"),
        ("c", 6, "[1,1]"),
    ]
    assert staging.enclosing_rows(database, tables[2], [2, 3], tables) == {2: 2, 3: 2}


KEYS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5) | st.sampled_from(
    ["a", "A", "id", "$", "*", "a.b", "[]", "{}", '"', "\\", "/", "~", "{{", "0", ""]
)


@st.composite
def shapes(draw: st.DrawFn, depth: int = 3) -> Any:
    """A shape: a scalar, an object of shapes, or a list or map in which each element has one shape."""
    kind = draw(st.sampled_from(["object", "array", "map", "scalar"][: 4 if depth else 0] or ["scalar"]))
    if kind == "scalar":
        return draw(st.sampled_from(["integer", "text"]))
    if kind == "object":
        return "object", draw(st.dictionaries(KEYS, shapes(depth - 1), min_size=1, max_size=3))
    return kind, draw(shapes(depth - 1))


@st.composite
def of_shape(draw: st.DrawFn, shape: Any) -> Any:
    if shape == "integer":
        return draw(st.integers(-999, 999))
    if shape == "text":
        return draw(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=4))
    kind, inner = shape
    if kind == "object":
        return {key: draw(of_shape(each)) for key, each in inner.items()}
    if kind == "array":
        return draw(st.lists(of_shape(inner), max_size=3))
    return draw(st.dictionaries(KEYS, of_shape(inner), max_size=3))


def declared(shape: Any, steps: tuple[Step, ...]) -> list[SourceTable]:
    """The tables that cover rows of a shape."""
    found: list[SourceTable] = []
    columns: list[SourceColumn] = []

    def cover(shape: Any, keys: tuple[str, ...]) -> None:
        if isinstance(shape, str):
            columns.append(SourceColumn(f"c{len(columns)}", shape, written(keys)))
        elif shape[0] == "object":
            for key, inner in shape[1].items():
                cover(inner, (*keys, key))
        else:
            mark = Mark.ELEMENT if shape[0] == "array" else Mark.MEMBER
            found.extend(declared(shape[1], (*steps, *keys, mark)))

    cover(shape, ())
    return [SourceTable(written(steps), written(steps), tuple(columns)), *found]


def scalars(value: Any) -> Iterator[Any]:
    """Each integer and text of a value, wherever it is; keys of maps are columns of their own."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from scalars(inner)
    else:
        yield value


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_each_value_is_found_again_once(data: st.DataObject) -> None:
    """Whatever the shape of a document, when its declarations cover it, its values are those of the staged rows."""
    shape = data.draw(shapes())
    value = data.draw(st.lists(of_shape(shape), max_size=3))
    tables = [  # no two names are alike, as no two of a project are
        replace(table, name=f"t{number}") for number, table in enumerate(declared(shape, ("root", Mark.ELEMENT)))
    ]
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        (into / "root.json").write_text(json.dumps(value), encoding="utf-8")
        read = documents.read(into / "root.json", source_shape(tables), into / "arrays")
        assert read.faults == ()
        staging.stage(into / "staging.duckdb", read.arrays, tables, read.constants)
        found: Counter[Any] = Counter()
        with staging.opened(into / "staging.duckdb", read_only=True) as connection:
            for each in tables:
                query = f"SELECT * EXCLUDE ({', '.join(staging.HIDDEN[:5])}) FROM {staging.quoted(each.name)}"
                for *row, unfit, unknown in connection.execute(query).fetchall():
                    assert (unfit, unknown) == ([], [])
                    found.update(row)
    assert found == Counter(scalars(value))


@pytest.mark.parametrize("number", ["-0", "-0.0", "0.1", "5e-324", "1.7976931348623157e308", "0.30000000000000004"])
def test_doubles_inside_rows_are_exact(number: str, stage: Stage) -> None:
    """Also minus zero, the smallest and the largest, beside a date that looks like one."""
    inner = table("a[].n[]", column("v", "double precision"), column("d", "date"))
    text = f'{{"a": [{{"n": [{{"d": "2026-01-05", "v": {number}}}]}}, {{"n": [{{"v":{number} }}]}}]}}'
    assert [repr(v) for v, _ in values(stage(text, table("a", "id"), inner)["a[].n[]"])] == [repr(float(number))] * 2
