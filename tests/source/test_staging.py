"""The staged tables: what of a JSON value arrives, and what is marked as not fitting."""

from __future__ import annotations

import datetime
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import InternalError
from mock2pg.json_paths import written
from mock2pg.source import staging
from mock2pg.source.staging import database as staging_database
from mock2pg.source.staging import json_values, tables
from mock2pg.staged_tables import SourceColumn, SourceTable

Rows = dict[str, list[dict[str, Any]]]
Stage = Callable[..., Rows]

UNFIT = object()


def column(name: str, data_type: str = "text", path: str | None = None, **more: Any) -> SourceColumn:
    return SourceColumn(name, data_type, name if path is None else path, **more)


def table(path: str, *columns: SourceColumn, name: str = "") -> SourceTable:
    return SourceTable(name or path.rstrip("[]").rpartition(".")[2].rstrip("[]"), path, columns)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Stages the text of one array, `a`, and gives the rows of every table."""

    def run(text: str, *tables: SourceTable) -> Rows:
        file, database = tmp_path / "a.json", tmp_path / "staging.duckdb"
        database.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")
        counts = staging.stage(database, {"a": file}, tables)
        found: Rows = {}
        with staging.opened(database, read_only=True) as connection:
            for each in tables:
                rows = connection.execute(f'SELECT * FROM "{each.name}" ORDER BY _row')
                names = [name for name, *_ in rows.description]
                assert names == [*(own.name for own in each.columns), *staging.HIDDEN]
                found[each.name] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
                assert counts[each.name] == sum(row["_unfit"] != [""] for row in found[each.name])
        return found

    return run


def time(text: str) -> datetime.time:
    return datetime.time.fromisoformat(text)


CASTS: dict[str, list[tuple[str, Any]]] = {
    "text": [
        ('"a"', "a"), ('""', ""), ('" "', " "), ('"null"', "null"), ('"\\u00e9"', "é"), ('"é"', "é"),
        ('"\\ud83d\\ude00"', "😀"), ('"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'), ('"\\\\u0000"', "\\u0000"),
        ('"\\u0000"', UNFIT), ('"a\\u0000b"', UNFIT), ("1", UNFIT), ("true", UNFIT), ("[]", UNFIT), ("{}", UNFIT),
    ],
    "integer": [
        ("0", 0), ("-1", -1), ("2147483647", 2147483647), ("-2147483648", -2147483648), ("2147483648", UNFIT),
        ("-2147483649", UNFIT), ("1e400", UNFIT), ("1" * 400, UNFIT), ("1.0", UNFIT), ("1.5", UNFIT), ("1e2", UNFIT),
        ('"1"', UNFIT), ("true", UNFIT), ("[1]", UNFIT),
    ],
    "double precision": [
        ("0.1", 0.1), ("-0.0", -0.0), ("5e-324", 5e-324), ("1.7976931348623157e308", 1.7976931348623157e308),
        ("1E+2", 100.0), ("1.239", 1.239), ("7", 7.0), ("9007199254740992", 2.0**53),
        ("-9007199254740994", -(2.0**53) - 2),
        ("18446744073709551616", 2.0**64), ("9007199254740993", UNFIT), ("18446744073709551615", UNFIT),
        ("36893488147419103233", UNFIT), ("1e309", UNFIT), ("-1e309", UNFIT), ('"0.1"', UNFIT), ('"NaN"', UNFIT),
        ("false", UNFIT), ("{}", UNFIT),
    ],
    "boolean": [
        ("true", True), ("false", False), ("0", UNFIT), ("1", UNFIT), ('"true"', UNFIT), ('"yes"', UNFIT),
        ("[]", UNFIT),
    ],
    "date": [
        ('"2024-02-29"', datetime.date(2024, 2, 29)), ('"0001-01-01"', datetime.date.min),
        ('"9999-12-31"', datetime.date.max), ('"2023-02-29"', UNFIT), ('"0000-01-01"', UNFIT),
        ('"10000-01-01"', UNFIT),
        ('"2024-1-1"', UNFIT), ('"2024-13-01"', UNFIT), ('"2024-01-01T00:00:00Z"', UNFIT),
        ('"2024-01-01 (BC)"', UNFIT),
        ('" 2024-01-01"', UNFIT), ('"2024-01-01\\n"', UNFIT), ('"٢٠٢٤-٠١-٠١"', UNFIT), ('"infinity"', UNFIT),
        ('"today"', UNFIT), ('""', UNFIT), ("20240101", UNFIT), ("[]", UNFIT),
    ],
    "time": [
        ('"00:00"', time("00:00")), ('"23:59"', time("23:59")), ('"24:00"', UNFIT), ('"12:60"', UNFIT),
        ('"9:00"', UNFIT),
        ('"09:00:00"', UNFIT), ('"09:00 AM"', UNFIT), ('"09:00\\n"', UNFIT), ('""', UNFIT), ("900", UNFIT),
    ],
    "text[]": [
        ("[]", []), ('["a"]', ["a"]),
        ('["a", "", "b, c", "{d}", "NULL", "\\"", "\\\\", "é"]',
         ["a", "", "b, c", "{d}", "NULL", '"', "\\", "é"]),
        ('["a", null]', UNFIT), ('["a", 1]', UNFIT), ('[["a"]]', UNFIT), ('["\\u0000"]', UNFIT),
        ('[{"a": 1}]', UNFIT),
        ("{}", UNFIT), ('{"0": "a"}', UNFIT), ('"a"', UNFIT), ("1", UNFIT), ("true", UNFIT),
    ],
    "jsonb": [
        ("{}", "{}"), ("[]", "[]"), ('"a"', '"a"'), ("true", "true"), ("[null]", "[null]"), ("1.0", "1.0"),
        ("1e5", "100000"),
        ("0.10", "0.10"), ("-0", "0"), ("-0.0", "0.0"), ("1.50e-3", "0.00150"), ("1E+2", "100"),
        ("12" * 30, "12" * 30),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"), ("9" * 5000, "9" * 5000),
        ('{ "b":1,"aa":2, "é":3 ,"ab":{"d":[1,2],"c":null}}',
         '{"b": 1, "aa": 2, "ab": {"c": null, "d": [1, 2]}, "é": 3}'),
        ('"\\u2028\\u001f\\b\\/"', '"\u2028\\u001f\\b/"'), ('"\\\\u0000"', '"\\\\u0000"'),
        ('{"a": ["\\u0000"]}', UNFIT),
        ('{"\\u0000": 1}', UNFIT), ('{"a": 1, "a": 1}', UNFIT), ('[{"b": {"a": 1, "\\u0061": 2}}]', UNFIT),
        ("1e131071", "1" + "0" * 131071), ("1e131072", UNFIT), ("1e999999999", UNFIT), ("1e-16384", UNFIT),
        ("[" * 100 + "]" * 100, "[" * 100 + "]" * 100), ("[" * 3000 + "]" * 3000, UNFIT),
    ],
}  # fmt: skip


@pytest.mark.parametrize("data_type", CASTS)
def test_a_value_arrives_exactly_or_is_marked(data_type: str, stage: Stage) -> None:
    """Beside values of every kind, a value of the declared type is kept as it is and any other is NULL and marked."""
    text = ",".join(f'{{"v": {value}}}' for value, _ in CASTS[data_type])
    rows = stage(f"[{text}]", table("a", column("v", data_type)))["a"]
    for (value, expected), row in zip(CASTS[data_type], rows, strict=True):
        assert row["_unfit"] == (["v"] if expected is UNFIT else []), value[:60]
        assert repr(row["v"]) == repr(None if expected is UNFIT else expected), value[:60]


@pytest.mark.parametrize("key", ["v", "\\u0076"])
@pytest.mark.parametrize("between", ["", " \t\r\n"])
def test_a_number_is_exact_however_its_key_is_spelled(key: str, between: str, stage: Stage) -> None:
    """The number's own text decides, found in the row by its key; other numbers of the row do not matter."""
    numbers = ["68.0", "68.0000000000000001", "-0", "-0.0", "1E+2", "1e-400", "12345678901234567890.5"]
    rows = ",".join(f'{{"w": 0.{"1" * 20}, "{key}"{between}:{between}{number}{between}}}' for number in numbers)
    declared = table("a", column("v", "double precision"), column("w", "jsonb"))
    found = [(repr(row["v"]), row["_unfit"]) for row in stage(f"[{rows}]", declared)["a"]]
    assert [value for value, _ in found] == ["68.0", "None", "-0.0", "-0.0", "100.0", "None", "None"]
    assert [unfit for _, unfit in found] == [[], ["v"], [], [], [], ["v"], ["v"]]


OF_EACH_TYPE = table("a", *(column(data_type, data_type, written((data_type,))) for data_type in CASTS))


def test_one_value_alone_fares_as_it_does_among_others(stage: Stage) -> None:
    """No type is guessed from the other rows: a value is the same alone and among others."""
    wrong = {name: next(value for value, expected in cases if expected is UNFIT) for name, cases in CASTS.items()}
    for values in (wrong, {name: cases[0][0] for name, cases in CASTS.items()}):
        (row,) = stage("[{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}]", OF_EACH_TYPE)[
            "a"
        ]
        assert sorted(row["_unfit"]) == (sorted(each.path for each in OF_EACH_TYPE.columns) if values is wrong else [])
    assert [row[name] for name in CASTS] == [cases[0][1] for cases in CASTS.values()]


def test_absent_and_null_are_not_unfit(stage: Stage) -> None:
    """A value that is not there is NULL, and no fault of its type."""
    rows = stage("[{}, {" + ", ".join(f'"{name}": null' for name in CASTS) + "}]", OF_EACH_TYPE)["a"]
    assert [([row[name] for name in CASTS], row["_unfit"], row["_unknown"]) for row in rows] == [
        ([None] * len(CASTS), [], [])
    ] * 2


def test_rows_carry_their_place_and_their_id(stage: Stage) -> None:
    """_row and _root_row count from one; _id is the JSON id where that is a string or a whole number, and cut."""
    ids = ['"x"', "7", "-18446744073709551616", "null", '""', "1.5", f'"{"y" * 201}"']
    rows = stage(f'[{", ".join(f"""{{"id": {given}}}""" for given in ids)}, {{}}]', table("a", column("id")))["a"]
    assert [row["_row"] for row in rows] == [row["_root_row"] for row in rows] == list(range(1, 9))
    named = ["x", "7", None, None, "", None, "y" * 199 + "…", None]
    assert [row["_id"] for row in rows] == named
    assert [row["_index"] for row in rows] == [None] * 8


def test_a_row_that_is_no_object_is_marked_as_a_whole(stage: Stage) -> None:
    """Rows that are no objects keep their place, with a dot for what does not fit."""
    rows = stage(
        '[1, null, "x", [], true, {"v": "y"}]', table("a", column("v")), table("a[].n[]", column("e", path="."))
    )
    assert [row["_unfit"] for row in rows["a"]] == [["."]] * 5 + [[]]
    assert {row["_root_row"] for row in rows["n"]} == {6}  # a row that is no object has no array inside


def test_a_column_has_its_sql_name_and_a_fault_the_jsons(stage: Stage) -> None:
    """Whatever the key is: one that another column has as its name, a key of the row around, the element itself."""
    shown = column("shown", "date", path="shownAt")
    parts = (column("a_id", "integer", path="a[].shownAt"), column("shown", "integer", path="v"))
    rows = stage(
        '[{"shownAt": "2026-01-01", "v": "x", "n": [{"v": 1}]}, {"shownAt": 5, "v": "x", "n": [{"v": "1"}]}]',
        table("a", shown, column("shownAt", path="v")),
        table("a[].n[]", *parts),
    )
    assert [(str(row["shown"]), row["shownAt"], row["_unfit"]) for row in rows["a"]] == [
        ("2026-01-01", "x", []),
        ("None", "x", ["shownAt"]),
    ]
    assert [(row["a_id"], row["shown"], row["_unfit"]) for row in rows["n"]] == [
        (None, 1, ["a[].shownAt"]),  # which no column of the row around it has as an integer
        (5, None, ["v"]),
    ]


def test_undeclared_keys_are_named(stage: Stage) -> None:
    """Keys are told apart by case; the key of a nested array is declared by its own table."""
    tables = (table("a", column("v")), table("a[].n[]", column("k")))
    rows = stage('[{"v": "1", "V": "2", "x y": 3, "": 4, "n": [{"k": "1", "n": 2}]}]', *tables)
    assert rows["a"][0]["v"] == "1"
    assert sorted(rows["a"][0]["_unknown"]) == ["", "V", "x y"]
    assert rows["n"][0]["_unknown"] == ["n"]


def test_a_row_is_read_once_however_many_keys_are_undeclared(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values of undeclared keys are judged in one pass over the row, and a repeated key among them is found."""
    calls = 0

    def counted(row: str, declared: Sequence[str]) -> bool:
        nonlocal calls
        calls += 1
        return json_values.strict_json(row, declared)

    counted.__name__ = "strict_json"
    functions = [f if f[0] is not json_values.strict_json else (counted, *f[1:]) for f in json_values.FUNCTIONS]
    monkeypatch.setattr(staging_database, "FUNCTIONS", functions)
    keys = ", ".join(f'"key {number}": {number}' for number in range(5_000))
    rows = stage(f'[{{"v": "1", {keys}}}, {{"v": "2", {keys}, "key 7": 7}}, {{"v": "3"}}]', table("a", column("v")))
    assert [(row["v"], len(row["_unknown"]), row["_unfit"]) for row in rows["a"]] == [
        ("1", 5_000, []),
        ("2", 5_000, ["*"]),
        ("3", 0, []),
    ]
    assert calls == 2


KEYS = [
    "größe", "e\u0301", "名前", "a.b", 'a"b', "a\\b", "it's", "a b", "$", "#", "0", "[0]", "{x}", "", "*", "a*", "a/b",
    "~", "a\nb", "{{", "a:b",
]  # fmt: skip


def test_a_key_may_be_spelled_in_any_way(stage: Stage) -> None:
    """Odd keys are found in the row, in its parent, and as the name of an array."""
    paths = {f"c{number}": written((key,)) for number, key in enumerate(KEYS)}
    row = [{**{key: f"v{key}" for key in KEYS}, "n": [{key: [key] for key in KEYS}]}, {"m": [dict.fromkeys(KEYS, "w")]}]
    nested = table(
        "a[].n[]",
        *(column(f"parent {name}", path=f"a[].{path}") for name, path in paths.items()),
        *(column(name, "jsonb", path) for name, path in paths.items()),
    )
    rows = stage(json.dumps(row), table("a", *(column(name, path=path) for name, path in paths.items())), nested)
    assert [rows["a"][0][name] for name in paths] == [f"v{key}" for key in KEYS]
    assert [rows["n"][0][f"parent {name}"] for name in paths] == [f"v{key}" for key in KEYS]
    assert [json.loads(rows["n"][0][name]) for name in paths] == [[key] for key in KEYS]
    inside = [table(f"a[].{path}[]", column("e", path="."), name=name) for name, path in paths.items()]
    rows = stage(json.dumps([{key: [f"x{key}"] for key in KEYS}]), *inside)
    assert [rows[name][0]["e"] for name in paths] == [f"x{key}" for key in KEYS]


def test_the_elements_of_a_nested_array_of_values(stage: Stage) -> None:
    """Each element is a row with its place; what is no string is marked, and null is merely missing."""
    tables = (table("a", column("id")), table("a[].n[]", column("parent", path="a[].id"), column("e", path=".")))
    rows = stage(
        '[{"id": "p", "n": ["x", null, 5, ["y"], {}]}, {"id": "q", "n": []}, {"id": "r", "n": ["x"]}]', *tables
    )
    assert [
        (row["parent"], row["e"], row["_root_row"], row["_id"], row["_index"], row["_unfit"]) for row in rows["n"]
    ] == [
        ("p", "x", 1, "p", 0, []),
        ("p", None, 1, "p", 1, []),
        ("p", None, 1, "p", 2, ["e"]),
        ("p", None, 1, "p", 3, ["e"]),
        ("p", None, 1, "p", 4, ["e"]),
        ("r", "x", 3, "r", 0, []),
    ]
    assert [row["_row"] for row in rows["n"]] == [1, 2, 3, 4, 5, 6]


def test_the_elements_of_a_nested_array_of_objects(stage: Stage) -> None:
    """Each element is a row with its place; one that is no object gets a dot."""
    nested = table("a[].n[]", column("parent", path="a[].id"), column("k", "integer"), column("j", "jsonb"))
    rows = stage('[{"id": "p", "n": [{"k": 1, "j": [1.10, 2]}, {"k": "1"}, null, "x", [], {"z": 1}]}]', nested)["n"]
    assert [(row["k"], row["j"], row["_index"], row["_unfit"], row["_unknown"]) for row in rows] == [
        (1, "[1.10, 2]", 0, [], []),
        (None, None, 1, ["k"], []),
        (None, None, 2, ["."], []),
        (None, None, 3, ["."], []),
        (None, None, 4, ["."], []),
        (None, None, 5, [], ["z"]),
    ]
    assert {row["parent"] for row in rows} == {"p"}


@pytest.mark.parametrize("text", ["{}", '{"n": null}', '{"n": "x"}', '{"n": {"0": "x"}}', '{"n": 1}'])
def test_a_nested_array_that_is_none_is_one_marked_row(text: str, stage: Stage) -> None:
    """Missing, null or of another kind: one row says so, and no column of it has a value."""
    parts = (column("key", uuid5=("parent", "e")), column("parent", path="a[].id"), column("e", path="."))
    row = stage(f'[{{"id": "p"}}, {text[:-1]}{", " if len(text) > 2 else ""}"id": "q"}}]', table("a[].n[]", *parts))[
        "n"
    ][1]
    assert (row["key"], row["parent"], row["e"], row["_unfit"], row["_id"]) == (None, None, None, [""], "q")


def test_a_parents_column_that_does_not_fit_is_missing(stage: Stage) -> None:
    """The root's own table marks it; the nested rows do not mark it again."""
    nested = table("a[].n[]", column("parent", path="a[].id"), column("e", path="."))
    row = stage('[{"id": 5, "n": ["x"]}]', table("a", column("id")), nested)["n"][0]
    assert (row["parent"], row["e"], row["_unfit"]) == (None, "x", [])
    row = stage('[{"id": 5, "n": ["x"]}]', table("a", column("id", "integer")), nested)["n"][0]
    assert (row["parent"], row["e"], row["_unfit"]) == (None, "x", ["a[].id"])


def test_a_column_may_have_any_name(stage: Stage) -> None:
    """A column's name has nothing to do with the names that the queries use."""
    names = ("element", "root", "f", "r", "n", "i", "misplaced", "select", "row", "Name", 'a"b', "elements", "h")
    own = [column(name, path=written((name,))) for name in names]
    rows = stage(
        json.dumps(
            [{**dict.fromkeys(names, "1"), "n2": [dict.fromkeys(names, "x")]}, {**dict.fromkeys(names, "2"), "n2": []}]
        ),
        table("a", *own, *(column(f"key {name}", uuid5=(name,)) for name in names)),
        table("a[].n2[]", *(column(f"p {name}", path=f"a[].{written((name,))}") for name in names), *own),
    )
    for name in names:
        assert [row[name] for row in rows["a"]] == ["1", "2"], name
        assert (rows["n2"][0][f"p {name}"], rows["n2"][0][name]) == ("1", "x"), name


@pytest.mark.parametrize(
    ("text", "name", "unfit"),
    [
        ('[{"id": "1"}, {"id": "2", "id": "2"}]', "a", ["id"]),
        ('[{}, {"id": "1", "\\u0069d": null}]', "a", ["id"]),
        ('[{}, {"id": "1", "n": [], "n": []}]', "a", ["n"]),
        ('[{}, {"z": 1, "\\u007a": 1}]', "a", ["*"]),
        ('[{}, {"z": {"y": [{"x": 1, "x": 1}]}}]', "a", ["*"]),
        ('[{}, {"z": "\\u0000"}]', "a", ["*"]),
        ('[{"n": [{}]}, {"n": [{"k": "1", "k": "2"}]}]', "n", ["k"]),
        ('[{"n": [{}]}, {"n": [{"z": {"k": 1, "k": 1}}]}]', "n", ["*"]),
    ],
)
def test_a_row_that_names_a_key_twice_is_unfit(text: str, name: str, unfit: list[str], stage: Stage) -> None:
    """JSON readers differ in which value they keep: the key is marked, also deep below a key that is not declared."""
    rows = stage(text, table("a", column("id")), table("a[].n[]", column("k")))[name]
    assert [row["_unfit"] for row in rows] == [[], unfit]


def test_a_row_and_its_elements_are_taken_out(tmp_path: Path) -> None:
    """A refused row is removed with the elements of its nested arrays; an element is removed alone."""
    file, database = tmp_path / "a.json", tmp_path / "staging.duckdb"
    file.write_text('[{"id": "1", "n": [{}]}, {"id": "2", "n": [{}, {}]}, {"id": "3", "n": [{}, {}]}]')
    tables = [table("a", column("id")), table("a[].n[]", column("k"))]
    staging.stage(database, {"a": file}, tables)
    gone = staging.refuse(database, {"a": {2}, "n": {5}}, tables)
    assert [(row.table, row.row, row.root_row, row.id, row.index) for row in gone] == [
        ("a", 2, 2, "2", None),
        ("n", 5, 3, "3", 1),
        ("n", 2, 2, "2", 0),
        ("n", 3, 2, "2", 1),
    ]
    with staging.opened(database, read_only=True) as connection:
        assert connection.execute("SELECT id FROM a").fetchall() == [("1",), ("3",)]
        assert connection.execute("SELECT _row FROM n ORDER BY 1").fetchall() == [(1,), (4,)]


def test_a_derived_key_is_pythons_uuid5(stage: Stage) -> None:
    """Anybody can compute the key: version 5 of the JSON array of the parts, in the table's own name space."""
    given = [
        "1",
        "",
        " ",
        'a"b',
        "it's",
        "\\",
        "\\u0041",
        "é",
        "e\u0301",
        "😀",
        "名",
        "\n",
        "\t",
        "\u2028",
        "/",
        "a,b",
        "\x7f",
    ]
    parts = (column("key", uuid5=("parent", "e")), column("parent", path="a[].id"), column("e", path="."))
    rows = stage(json.dumps([{"id": part, "n": [part]} for part in given]), table("a[].n[]", *parts))["n"]
    space = uuid.uuid5(uuid.NAMESPACE_URL, "mock2pg:n")
    for row, part in zip(rows, given, strict=True):
        text = json.dumps([part, part], separators=(",", ":"), ensure_ascii=False)
        assert row["key"] == str(uuid.uuid5(space, text)), part


def test_a_numeric_is_a_decimal_where_there_is_one(tmp_path: Path) -> None:
    """So rules compare numbers; digits that DuckDB has no decimal for stay, also in a column that refers to them."""
    refers = {"references": ("a", "long")}
    columns = {
        "short": SourceColumn("short", "numeric", "short"),
        "long": SourceColumn("long", "numeric", "long"),
        "of_long": SourceColumn("of_long", "numeric", "of_long", **refers),  # type: ignore[arg-type]
        "zeros": SourceColumn("zeros", "numeric", "zeros", format="text"),
        "none": SourceColumn("none", "numeric", "none"),
    }
    rows = '[{"short": -1.50, "long": 1e40, "of_long": 1, "zeros": "1.50"}, {"short": 100, "long": 1, "zeros": null}]'
    (array := tmp_path / "a.json").write_text(rows)
    declared = SourceTable("a", "a", tuple(columns.values()))
    staging.stage(database := tmp_path / "staging.duckdb", {"a": array}, [declared])
    with staging.opened(database, read_only=True, threads=1) as staged:
        types = dict(staged.execute("SELECT column_name, data_type FROM information_schema.columns").fetchall())
        lines = b"".join(staging.csv_blocks(staged, declared)).decode().splitlines()
    assert {name: types[name] for name in columns} == {
        "short": "DECIMAL(4,1)", "long": "VARCHAR", "of_long": "VARCHAR", "zeros": "VARCHAR", "none": "DECIMAL(1,0)",
    }  # fmt: skip
    assert lines == [f'"-1.5","1{"0" * 40}","1","1.50",', '"100","1",,,']


def test_a_derived_key_may_be_made_of_any_type(stage: Stage) -> None:
    """Times count as the JSON spells them, a numeric by its digits, and other values as JSON has them."""
    values = {"bigint": 2**53 + 1, "uuid": str(uuid.UUID(int=7)), "timestamptz": "2024-01-01T00:00:00.120Z",
              "timestamp": "2024-01-01T00:00:00", "date": "2024-01-01", "boolean": True}  # fmt: skip
    columns = [column(name, name) for name in values]
    columns += [column("numeric", "numeric"), column("key", uuid5=(*values, "numeric"))]
    row = stage(json.dumps([values])[:-2] + ', "numeric": 12345678901234567890.50}]', table("a", *columns))["a"][0]
    name = json.dumps([*values.values(), "12345678901234567890.5"], separators=(",", ":"))
    assert row["key"] == str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "mock2pg:a"), name))


def test_a_derived_key_tells_its_parts_apart(stage: Stage) -> None:
    """Moving a character from one part to the next gives another key, and so does another table's name."""
    parts = (column("key", uuid5=("parent", "e")), column("parent", path="a[].id"), column("e", path="."))
    text = json.dumps([{"id": "a", "n": ["bc"], "m": ["bc"]}, {"id": "ab", "n": ["c"], "m": []}])
    rows = stage(text, table("a[].n[]", *parts), table("a[].m[]", *parts))
    assert len({row["key"] for each in rows.values() for row in each}) == 3


def test_an_empty_array_is_an_empty_table(stage: Stage) -> None:
    """No rows, and yet every column of its type."""
    assert stage("[]", table("a", column("v", "text[]")), table("a[].n[]", column("e", path="."))) == {
        "a": [],
        "n": [],
    }


def test_what_the_staging_database_says_quotes_no_value(tmp_path: Path) -> None:
    """An error of DuckDB's own is named without the cell that it quotes."""
    with pytest.raises(InternalError) as failed, staging.opened(tmp_path / "s.duckdb") as connection:
        connection.execute("SELECT 'Canary \"it''s\" me'::INTEGER")
    assert failed.value.message == (
        "the staging database cannot be read: ConversionException: Conversion Error: Could not convert string (a value)"
    )


def test_a_table_of_many_rows_keeps_their_order(stage: Stage) -> None:
    """Rows are numbered as they stand in the document, also where DuckDB reads in parallel."""
    text = json.dumps([{"id": str(n), "n": [str(n), "x"]} for n in range(30_000)])
    rows = stage(text, table("a", column("id")), table("a[].n[]", column("e", path=".")))
    assert all(row["id"] == str(row["_row"] - 1) for row in rows["a"])
    assert [row["e"] for row in rows["n"][::2]] == [str(n) for n in range(30_000)]


def test_two_tables_are_staged_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB reads one file in one thread: the second table does not wait for the first."""
    both, made = threading.Barrier(2, timeout=30), tables._create

    def meeting(*arguments: Any) -> str:
        both.wait()
        return made(*arguments)

    monkeypatch.setattr(tables, "_create", meeting)
    found = stage('[{"v": "1", "b": [2]}]', table("a", column("v")), table("a[].b[]", column("w", "integer", ".")))
    assert (found["a"][0]["v"], found["b"][0]["w"]) == ("1", 2)


def test_a_table_that_cannot_be_staged_ends_the_others(tmp_path: Path) -> None:
    """The error is that of the table, and nothing is left at work."""
    (tmp_path / "a.json").write_text("[{}]", encoding="utf-8")
    (tmp_path / "b.json").write_text("[", encoding="utf-8")
    arrays = {name: tmp_path / f"{name}.json" for name in ("a", "b")}
    before = threading.active_count()
    with pytest.raises(InternalError, match="the staging database"):
        staging.stage(tmp_path / "staging.duckdb", arrays, [table("a", column("v")), table("b", column("v"))])
    assert threading.active_count() == before
