"""The conclusions of `conclude` from documents in the shapes that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import Mock2pgError, SourceError
from mock2pg.init.concluding.conclude import conclude
from mock2pg.init.conclusions import Conclusions, Entity


def concluded(folder: Path, document: Any, name: str = "db.json") -> Conclusions:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / name).write_text(text, encoding="utf-8")
    return conclude(folder / name)


def entity(conclusions: Conclusions, name: str) -> Entity:
    return next(found for found in conclusions.entities if found.name == name)


def columns(found: Entity) -> dict[str, str]:
    """Each column's type, with its path where it is not the name."""
    return {
        column.name: " ".join([column.target_type, *([column.declared.path] * (column.declared.path != column.name))])
        for column in found.columns
    }


def references(found: Entity) -> list[str]:
    return [
        f"{', '.join(one.columns)} -> {one.parent}.{', '.join(one.parent_columns)}: {one.evidence}"
        + " warns" * (not one.enforced)
        + " cyclic" * one.cyclic
        for one in found.references
    ]


def doubts(conclusions: Conclusions, place: str) -> str:
    return "; ".join(doubt.message for doubt in conclusions.doubts if doubt.place == place)


def test_flat_arrays(tmp_path: Path) -> None:
    """Arrays become tables in the order of their references, with keys, types and evidence."""
    found = concluded(
        tmp_path,
        {
            "orders": [{"id": 1, "customerId": "c1", "placedAt": "2024-05-01T10:00:00.000Z", "total": 12.50}],
            "customers": [{"id": "c1", "name": "A", "vip": True}, {"id": "c2", "name": "", "vip": None}],
        },
    )
    assert [one.name for one in found.entities] == ["customers", "orders"]
    orders, customers = entity(found, "orders"), entity(found, "customers")
    assert orders.primary_key == customers.primary_key == ("id",)
    assert columns(orders) == {
        "id": "integer",
        "customer_id": "text customerId",
        "placed_at": "timestamptz placedAt",
        "total": "numeric",
    }
    assert references(orders) == ["customer_id -> customers.id: 1 of 1"]
    declared = [(column.declared.required, column.declared.blank) for column in customers.columns]
    assert declared == [(True, False), (True, True), (False, False)]
    assert found.source == "db.json"


@pytest.mark.parametrize("shape", ["document", "folder", "lines", "array", "packed"])
def test_every_form_of_source(tmp_path: Path, shape: str) -> None:
    """A document, a folder, NDJSON and a bare array of the same rows show the same table."""
    rows = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]
    source = tmp_path / "pets.json"
    if shape == "document":
        source.write_text(json.dumps({"pets": rows}))
    elif shape == "array":
        source.write_text(json.dumps(rows))
    elif shape == "lines":
        source = tmp_path / "pets.ndjson"
        source.write_text("\n".join(map(json.dumps, rows)))
    elif shape == "packed":
        import gzip

        source = tmp_path / "pets.json.gz"
        source.write_bytes(gzip.compress(json.dumps(rows).encode()))
    else:
        source = tmp_path / "mocks"
        source.mkdir()
        (source / "pets.json").write_text(json.dumps(rows))
    (pets,) = conclude(source).entities
    assert (pets.name, pets.table.path, pets.rows, pets.primary_key) == ("pets", "pets", 2, ("id",))


TYPES: list[tuple[list[Any], str, str]] = [
    ([1, -2147483648], "integer", ""),
    ([1, 2147483648], "bigint", ""),
    ([1, 2**63], "numeric", ""),
    ([1, 1.5], "numeric", ""),
    ([1.5e300, 2], "double precision", ""),
    (["1e400"], "text", ""),
    ([True, False], "boolean", ""),
    (["2024-01-31"], "date", ""),
    (["2024-01-31", "2024-02-30"], "text", "only 1 of 2 is a date: kept as text (1 impossible date: t[1].v)"),
    (["2024-01-31", ""], "text", "only 1 of 2 is a date: kept as text (1 empty string: t[1].v)"),
    (["2024-1-31"] * 2, "text", "2 of 2 are dates or times in an unsupported format: kept as text (t[0].v, t[1].v)"),
    (["1.2.0", "10.15.7"], "text", ""),
    (["14:00"], "time", ""),
    (["14:00:05"], "time HH:MM:SS", ""),
    (["24:00"], "text", "1 of 1 is a date or time in an unsupported format: kept as text (t[0].v)"),
    (["2024-01-31T10:00:00.000Z"], "timestamptz", ""),
    (["2024-01-31T10:00:00Z"], "timestamptz YYYY-MM-DDTHH:MM:SSZ", ""),
    (["2024-01-31 10:00:00"], "timestamp YYYY-MM-DD HH:MM:SS", ""),
    (["2024-01-31T10:00:00"], "timestamp", ""),
    (["2024-01-31T10:00:00+02:00"], "text", "1 of 1 is a date or time in an unsupported format: kept as text (t[0].v)"),
    (["123e4567-e89b-12d3-a456-426614174000"], "uuid", ""),
    (["123E4567-e89b-12d3-a456-426614174000"], "text", "1 of 1 is a UUID in capitals: kept as text (t[0].v)"),
    (["007", "12"], "text", "all 2 values look like numbers, 1 with leading zeros: kept as text"),
    (["18.0000"], "text", "the only value looks like a number: kept as text"),
    (["true", "false"], "text", "all 2 values look like booleans: kept as text"),
    ([None, None], "text", "holds no value: declared as text"),
    (
        [1, "1", 2],
        "jsonb",
        "holds values of several kinds: 1 string, 2 whole numbers: kept as jsonb (1 string: t[1].v)",
    ),
    ([{"a": 1}, [1]], "jsonb", "holds values of several kinds: 1 array, 1 object: kept as jsonb"),
    ([[], []], "jsonb", "all arrays are empty: kept as jsonb"),
    ([["a"], []], "text[]", ""),
    ([["2024-01-31"], None], "date[]", ""),
    ([[1, None]], "jsonb", ""),
    ([[1, "a"]], "jsonb", ""),
    ([[[1]]], "jsonb", ""),
    ([{"$numberLong": "12"}], "bigint text", ""),
    ([{"$numberLong": "9" * 30}], "numeric text", ""),
    ([{"$numberDecimal": "12.50"}, {"$numberDecimal": "3"}], "numeric text", ""),
    ([{"$date": "2024-01-31T10:00:00Z"}], "timestamptz YYYY-MM-DDTHH:MM:SSZ", ""),
    ([{"$date": {"$numberLong": "1700000000000"}}], "bigint text", ""),
]


@pytest.mark.parametrize(("values", "data_type", "doubt"), TYPES, ids=[repr(row[0])[:40] for row in TYPES])
def test_types(tmp_path: Path, values: list[Any], data_type: str, doubt: str) -> None:
    """The type follows from all values; what is nearly of a type stays text and is doubtful, with positions."""
    found = concluded(tmp_path, {"t": [{"id": number, "v": value} for number, value in enumerate(values)]})
    declared = entity(found, "t").columns[1].declared
    assert f"{declared.data_type} {declared.format}".strip() == data_type
    assert doubts(found, "t.v") == doubt


def test_keys(tmp_path: Path) -> None:
    """A key has one of the usual names and is unique; else it is the smallest that is, else the position."""
    many = range(30)
    found = concluded(
        tmp_path,
        {
            "users": [{"_id": {"$oid": f"{n:024x}"}, "email": f"u{n}@example.org"} for n in many],
            "Album": [{"AlbumId": n, "Title": "T"} for n in many],
            "countries": [{"code": "DE", "name": "N"}, {"code": "FR", "name": "N"}],
            "likes": [{"albumId": n % 10, "user": f"{n % 7:024x}"} for n in many],
            "grid": [{"row": n // 6, "column": n % 6, "value": "v"} for n in many],
            "log": [{"at": n // 2} for n in many],
            "plates": [{"label": f"P{n}", "weight": 1} for n in many],
            "dups": [{"id": 1}, {"id": 1}, {"id": None}],
            "empty": [],
        },
    )
    assert {one.name: one.primary_key for one in found.entities} == {
        "users": ("id",),
        "album": ("album_id",),
        "countries": ("code",),
        "likes": ("album_id", "user"),
        "grid": ("row", "column"),
        "log": ("position",),
        "plates": ("label",),
        "dups": ("position",),
        "empty": ("position",),
    }
    assert doubts(found, "dups.id") == (
        "is not the primary key: 1 row of 3 without a value (dups[2]), 1 row of 3 with the value of an earlier row"
        " (dups[1])"
    )
    assert doubts(found, "log") == "has no key of its own: the position in the array is its primary key"
    assert columns(entity(found, "empty")) == {"position": "integer []", "rest": "jsonb ."}
    assert entity(found, "users").uniques == (("email",),)
    assert entity(found, "likes").table.unique == (("album_id", "user"),)


def test_references(tmp_path: Path) -> None:
    """References are found by name, held to all rows, and told with their numbers."""
    users = [{"id": n, "managerId": None if n < 2 else 1, "teamCode": "a"} for n in range(40)]
    found = concluded(
        tmp_path,
        {
            "users": users,
            "people": [{"id": 7}],
            "teams": [{"code": "a", "leadUserId": 3}],
            "posts": [
                {"id": n, "authorId": n % 40, "reviewer_user_id": 99 if n == 5 else 1, "userRef": "x", "parentId": None}
                for n in range(40)
            ],
            "tags": [{"id": "t1", "slug": "s1", "name": "N"}, {"id": "t2", "slug": "s2", "name": "M"}],
            "notes": [
                {
                    "id": 1,
                    "tagIds": ["t1", "t2"],
                    "child_id": 5,
                    "userId": "1",
                    "colors": ["red"],
                    "tag_slug": "s1",
                    "tag_name": "N",
                }
            ],
        },
    )
    assert references(entity(found, "users")) == [
        "manager_id -> users.id: 38 of 38 cyclic",
        "team_code -> teams.code: 40 of 40 cyclic",
    ]
    assert references(entity(found, "teams")) == ["lead_user_id -> users.id: 1 of 1 cyclic"]
    assert references(entity(found, "posts")) == [
        "reviewer_user_id -> users.id: 39 of 40 warns",
        "parent_id -> posts.id: 0 of 0 cyclic",
    ]
    assert doubts(found, "posts.reviewer_user_id") == (
        "refers to users.id in 39 of 40 rows: a rule that warns, no foreign key (posts[5].reviewer_user_id)"
    )
    assert "no foreign key" in doubts(found, "posts.author_id")  # users or people
    assert doubts(found, "notes.user_id") == (
        "is text, and users.id is integer: no foreign key; the only value looks like a number: kept as text"
    )
    assert references(entity(found, "notes")) == ["tag_slug -> tags.slug: 1 of 1"]
    assert entity(found, "tags").uniques == (("slug",),)
    note_tags = entity(found, "note_tag_ids")
    assert note_tags.primary_key == ("note_id", "tag_id")
    assert references(note_tags) == ["tag_id -> tags.id: 2 of 2", "note_id -> notes.id: 2 of 2"]
    assert columns(entity(found, "notes"))["colors"] == "text[]"
    order = [one.name for one in found.entities]
    assert order.index("tags") < order.index("note_tag_ids") > order.index("notes")


def test_lists(tmp_path: Path) -> None:
    """Values that are keys become rows with both keys, also where a few are not; what hardly refers stays an array."""
    tags = [{"id": f"t{n}"} for n in range(20)]
    found = concluded(
        tmp_path,
        {
            "tags": tags,
            "a": [{"id": 1, "tags": [one["id"] for one in tags] + ["gone"], "zips": ["01", "2"]}],
            "b": [{"id": 1, "tag_ids": ["t1", "gone"]}],
            "c": [{"id": 1, "tags": ["t1", "t1"]}],
        },
    )
    assert references(entity(found, "a_tags"))[0] == "tag_id -> tags.id: 20 of 21 warns"
    assert doubts(found, "a_tags.tag_id") == (
        "refers to tags.id in 20 of 21 rows: a rule that warns, no foreign key (a[0].tags[20])"
    )
    assert columns(entity(found, "a"))["zips"] == "text[]"
    assert doubts(found, "a.zips") == "all 2 values look like numbers, 1 with leading zeros: kept as text"
    assert columns(entity(found, "b"))["tag_ids"] == "text[]"
    assert doubts(found, "b.tag_ids") == (
        "looks like a reference to tags.id, but only 1 of 2 rows have one: no foreign key (b[0].tag_ids[1])"
    )
    assert entity(found, "c_tags").primary_key == ("c_id", "position")


def test_nesting(tmp_path: Path) -> None:
    """Arrays of objects become tables inside tables, with the keys of the rows around them."""
    found = concluded(
        tmp_path,
        {
            "orders": [
                {"id": n, "shipping": {"city": "B", "boxes": [{"weight": 1}, {"weight": 1}]},
                 "items": [{"sku": "a", "discounts": [{"percent": 5}]}, {"sku": "b", "discounts": []}]}
                for n in range(3)
            ],
            "profile": {"id": "me", "phones": [{"number": "1"}], "theme": {"dark": True}},
            "version": 3,
        },
    )  # fmt: skip
    assert {one.name: one.table.path for one in found.entities} == {
        "orders": "orders",
        "profile": "profile",
        "version": "version",
        "order_boxes": "orders[].shipping.boxes[]",
        "order_items": "orders[].items[]",
        "profile_phones": "profile.phones[]",
        "order_item_discounts": "orders[].items[].discounts[]",
    }
    assert columns(entity(found, "orders")) == {"id": "integer", "shipping_city": "text shipping.city"}
    assert columns(entity(found, "order_item_discounts")) == {
        "order_id": "integer orders[].id",
        "order_item_sku": "text orders[].items[].sku",
        "position": "integer []",
        "percent": "integer",
    }
    assert entity(found, "order_boxes").primary_key == ("order_id", "position")
    assert entity(found, "order_item_discounts").primary_key == ("order_id", "order_item_sku", "position")
    assert references(entity(found, "order_item_discounts")) == [
        "order_id, order_item_sku -> order_items.order_id, sku: 3 of 3"
    ]
    assert columns(entity(found, "profile")) == {"id": "text", "theme_dark": "boolean theme.dark"}
    assert columns(entity(found, "profile_phones"))["profile_id"] == "text $.profile.id"
    assert columns(entity(found, "version")) == {"position": "integer []", "value": "integer ."}
    assert all(entity(found, name).table.single for name in ("profile", "version"))


def test_rows_inside_arrays_of_a_map(tmp_path: Path) -> None:
    """They have the key in the map and both positions: all that leads to the row around them."""
    days = {f"2024-01-0{n}": [{"what": "x", "parts": [{"name": "a"}, {"name": "a"}]}] * 2 for n in range(1, 4)}
    found = concluded(tmp_path, {"plan": {"days": days}})
    parts = entity(found, "day_parts")
    assert columns(parts) == {
        "day_key": "text plan.days{}",
        "day_position": "integer plan.days{}[]",
        "position": "integer []",
        "name": "text",
    }
    assert set(parts.table.column_sources) == set(columns(parts))  # each path leads to a row around


def test_maps(tmp_path: Path) -> None:
    """An object whose keys are data becomes rows, with the key as a column; one of fields does not."""
    found = concluded(
        tmp_path,
        {
            "users": {f"u{n}": {"name": "N"} for n in range(9)},
            "days": {f"2024-01-0{n}": {f"u{m}": "present" for m in range(3)} for n in range(1, 4)},
            "notes": {"u1": [{"text": "x"}], "u2": []},
            "words": {"alpha": {"id": "alpha", "n": 1}, "beta": {"id": "beta", "n": 2}},
            "addresses": {"billing": {"city": "B", "zip": "1"}, "shipping": {"city": "C", "zip": "2"}},
        },
    )
    paths = {one.name: (one.table.path, one.primary_key) for one in found.entities}
    assert paths == {
        "users": ("users{}", ("id",)),
        "days": ("days{}{}", ("day_key", "user_id")),
        "notes": ("notes{}[]", ("note_key", "position")),
        "words": ("words{}", ("key",)),
        "addresses": ("addresses", ("position",)),
    }  # fmt: skip
    assert columns(entity(found, "days")) == {"day_key": "text days{}", "user_id": "text {}", "value": "text ."}
    assert references(entity(found, "days")) == ["user_id -> users.id: 9 of 9"]
    assert [(left.place, left.message) for left in found.left_out] == [
        ("notes{}", "1 member of the map without rows: the key is in no table")
    ]


def test_names(tmp_path: Path) -> None:
    """Names are snake_case in any script, tell columns apart, and are never those that staging adds."""
    row = {
        "id": 1,
        "userID": 1,
        "user-id": 2,
        "Straße Nr.": 3,
        "_row": 4,
        "名前": 5,
        "": 6,
        "2nd": 7,
        "order": 8,
        "x" * 70: 9,
        "xmin": 10,
        "$ref": 11,
    }
    found = concluded(tmp_path, {"Order Details": [row, row], "HTTPLogEntries": [{"id": 1}]})
    assert [one.name for one in found.entities] == ["order_details", "http_log_entries"]
    names = [column.name for column in entity(found, "order_details").columns]
    assert names[:9] == ["position", "id", "user_id", "user_id_2", "straße_nr", "row", "名前", "value", "_2nd"]
    assert names[9] == "order"
    assert names[10].startswith("xxxxx")
    assert len(names[10]) == 63
    assert names[11:] == ["xmin_2", "ref"]  # PostgreSQL has a column xmin


def test_names_of_mocks(tmp_path: Path) -> None:
    """A table is not named after being a mock; what would be the same name keeps what tells it apart."""
    rows = [{"id": 1}]
    keys = ["mockUsers", "orders.mock", "itemsData", "MOCK_PRICES", "metaData", "users"]
    found = concluded(tmp_path, dict.fromkeys(keys, rows))
    assert [one.name for one in found.entities] == ["mock_users", "orders", "items", "prices", "meta_data", "users"]


def test_names_of_tables_that_are_mock2pgs_own(tmp_path: Path) -> None:
    """A key, a nested array or a number behind a name may make one that no target table may have."""
    rows = [{"id": 1, "items": [{"id": 1}], "tags": ["a", "b"]}]
    found = concluded(tmp_path, {"mock2pg": rows, "Mock2pg": [{"id": 1}], "mock2pg_things": [{"id": 1}]})
    assert {one.name for one in found.entities} == {"mock2pg", "_mock2pg_items", "_mock2pg_2", "_mock2pg_things"}


def test_closed_sets(tmp_path: Path) -> None:
    """Few short texts that are all repeated are a closed set; names, places, what may be a number, and secrets
    are not."""
    rows = [
        {"id": n, "status": ["open", "paid"][n % 2], "city": ["Bonn", "Köln"][n % 2], "level": str(n % 2),
         "kind": "rare" if n == 0 else "often", "cardNumber": f"DE-{n % 2}", "apiToken": f"t{n % 2}"}
        for n in range(30)
    ]  # fmt: skip
    found = {column.name: column.allowed for column in entity(concluded(tmp_path, {"t": rows}), "t").columns}
    assert found == {"id": (), "status": ("open", "paid"), "city": (), "level": (), "kind": (), "card_number": (),
                     "api_token": ()}  # fmt: skip


def test_what_the_migration_refuses(tmp_path: Path) -> None:
    """A value that PostgreSQL cannot hold, or that JSON readers read differently, is reported with its position."""
    text = '{"t": [{"id": 1, "a": "x\\u0000"}, {"id": 2, "b": {"k": 1, "k": 2}}, {"id": 3, "n": 1e999999}, null'
    text += "".join(f', {{"id": {n}}}' for n in range(4, 20)) + "]}"
    found = concluded(tmp_path, text)
    assert doubts(found, "t") == (
        "1 of 20 are not objects: the migration refuses them (t[3]);"
        " 1 object with a key that appears twice: the migration refuses those rows (t[1].b);"
        " 1 text with U+0000 or a lone surrogate, which PostgreSQL cannot hold: the migration refuses those rows"
        " (t[0].a); 1 number beyond what PostgreSQL's numeric holds: the migration refuses those rows (t[2].n)"
    )


def test_a_key_that_postgresql_cannot_hold_is_in_no_path(tmp_path: Path) -> None:
    """Its rows are refused, and the other tables and columns are concluded as ever."""
    text = r'{"t": [{"id": 1, "o": {"x\u0000": 2, "y": 3}}, {"id": 2, "\ud800": 1}], "r\u0000": [{"id": 1}]}'
    found = concluded(tmp_path, text)
    assert [(one.name, [column.name for column in one.columns]) for one in found.entities] == [("t", ["id", "o_y"])]
    refused = "with U+0000 or a lone surrogate, which PostgreSQL cannot hold: the migration refuses those rows"
    assert f"2 texts {refused} (t[0].o{{0}}, t[1]{{1}})" in doubts(found, "t")
    assert doubts(found, "r\0") == f"1 text {refused} ((a root))"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it must hold JSON"),
        ("[1, 2", "it ends too early"),
        ("3", "must be an object or an array"),
        ("{}", "holds nothing to make a table of"),
        (json.dumps({str(number): [] for number in range(1001)}), "has 1,001 keys at the top: each would be a table"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("[" * 2000 + "]" * 2000, "is nested deeper than 100 levels"),
    ],
)
def test_no_json(tmp_path: Path, text: str, message: str) -> None:
    """A file that is not JSON, or holds nothing, is refused with its name and position."""
    with pytest.raises(Mock2pgError) as caught:
        concluded(tmp_path, text)
    assert message in " ".join([caught.value.message, *map(str, caught.value.errors)])


@pytest.mark.parametrize(
    ("document", "path", "names"),
    [
        ({"u1": {"name": "A"}, "u2": {"name": "B"}}, "things{}", ["id", "name"]),
        ({f"text {n}": "words" for n in range(1001)}, "things{}", ["key", "value"]),
        ({"de": {"yes": "Ja", "no": "Nein"}, "fr": {"yes": "Oui", "no": "Non"}}, "things{}", ["id", "yes", "no"]),
        ({"title": "x", "size": {"max": 1}, "langs": ["de"]}, "things", ["position", "title", "size_max", "langs"]),
    ],
)
def test_a_document_that_is_a_map_or_one_row(
    tmp_path: Path, document: dict[str, Any], path: str, names: list[str]
) -> None:
    """Its members are no tables: it is the table that its file is named after."""
    found = concluded(tmp_path, document, "things.json")
    (only,) = found.entities
    assert (only.table.path, found.whole) == (path, "things")
    assert [column.name for column in only.columns] == names


def test_what_is_no_reference(tmp_path: Path) -> None:
    """A table's own number is no reference to it, nor are numbers that are only its own keys; `_id_id` is no name."""
    found = concluded(
        tmp_path,
        {
            "orders": [{"id": n, "orderNumber": n, "userId": 1 + n % 2} for n in (1, 2, 3)],
            "items": [{"id": "a", "relatedItemIds": ["b"]}, {"id": "b", "relatedItemIds": ["a"]}],
            "later": [],
        },
    )
    assert references(entity(found, "orders")) == []
    assert [column.name for column in entity(found, "item_related_item_ids").columns][2] == "related_item_id"
    assert [doubt.place for doubt in found.doubts] == ["later"]


def test_misnamed_files(tmp_path: Path) -> None:
    """A file of a folder that is meant as JSON, and would not be read, is refused by name."""
    (tmp_path / "pets.json").write_text("[]")
    (tmp_path / "owners.JSON").write_text("[]")
    (tmp_path / "pets.ndjson").write_text('{"id": 1}\n{"id": }\n')
    with pytest.raises(SourceError) as caught:
        conclude(tmp_path)
    assert [(str(error.file).rpartition("/")[2], error.message.partition(":")[0]) for error in caught.value.errors] == [
        ("owners.JSON", "is not read"),
        ("pets.ndjson", "is a second file of the same name; keep one"),
    ]


def test_large_values(tmp_path: Path) -> None:
    """Values that are decoded member by member show what small ones show."""
    long = "x" * 300_000
    found = concluded(
        tmp_path, {"t": [{"id": 1, "a": {"b": {"c": 1, "long": long}}, "list": [{"n": 1, "long": long}]}]}
    )
    assert columns(entity(found, "t")) == {
        "id": "integer", "a_b_c": "integer a.b.c", "a_b_long": "text a.b.long",
    }  # fmt: skip
    assert entity(found, "t_list").rows == 1
