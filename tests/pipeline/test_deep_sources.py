"""A source of any shape through the whole pipeline: errors with their places, rows left out, and a migration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import ProjectError, SourceError
from tests.fix_small import small_project

REQUIRED = {"required": True}


def project_of(folder: Path, tables: Mapping[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]]) -> Path:
    """A project of these tables: each has its config.meta, and that of its columns, with their type as `type`."""
    small_project(folder)
    models = folder / "dbt_project" / "models"
    for file in models.rglob("*.*"):
        file.unlink()
    (folder / ".cache").unlink(missing_ok=True)
    sources = []
    for name, (meta, columns) in tables.items():
        staged = [
            {"name": column, "data_type": own.get("type", "text"),
             "config": {"meta": {word: value for word, value in own.items() if word not in ("type", "key")}}}
            for column, own in columns.items()
        ]  # fmt: skip
        built = [{"name": column, "data_type": own.get("type", "text")} for column, own in columns.items()]
        key = [column for column, own in columns.items() if own.get("key")]
        model = {"name": name, "columns": built, "constraints": [{"type": "primary_key", "columns": key}]}
        (models / f"{name}.sql").write_text(f"select * from {{{{ source('landing', '{name}') }}}}", encoding="utf-8")
        (models / f"{name}.yml").write_text(yaml.safe_dump({"models": [model]}), encoding="utf-8")
        sources.append({"name": name, "config": {"meta": meta}, "columns": staged})
    declared = {"version": 2, "sources": [{"name": "landing", "schema": "mock2pg_landing", "tables": sources}]}
    (models / "_sources.yml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    return folder


INTEGER = {"type": "integer"}
SHOP = {
    "shops": (
        {"path": "data.shops{}"},
        {"code": {"path": "{}", "key": True, **REQUIRED}, "city": {"path": "address.city", **REQUIRED}},
    ),
    "orders": (
        {"path": "data.shops{}.orders[]", "unique": [["shop", "number"]]},
        {
            "shop": {"path": "data.shops{}", "key": True, **REQUIRED, "references": "shops.code"},
            "number": {**INTEGER, "key": True, **REQUIRED},
        },
    ),
    "items": (
        {"path": "data.shops{}.orders[].items[]"},
        {
            "shop": {"path": "data.shops{}", "key": True, **REQUIRED},
            "number": {**INTEGER, "path": "data.shops{}.orders[].number", "key": True, **REQUIRED},
            "position": {**INTEGER, "path": "[]", "key": True, **REQUIRED},
            "sku": {"blank": True, **REQUIRED},
        },
    ),
    "settings": ({"single": True}, {"theme": {"key": True, **REQUIRED}, "more": {"type": "jsonb", "rest": True}}),
}
SOUND: dict[str, Any] = {
    "data": {
        "shops": {
            "north": {
                "address": {"city": "Oslo"},
                "orders": [
                    {"number": 1, "items": [{"sku": "b"}, {"sku": "a"}, {"sku": "b"}]},
                    {"number": 2, "items": []},
                ],
            },
            "south.1": {"address": {"city": "Rome"}, "orders": [{"number": 1, "items": [{"sku": "c"}]}]},
        }
    },
    "settings": {"theme": "dark", "beta": {"on": True}},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_of(tmp_path_factory.mktemp("shop"), SHOP)


def faulty() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(SOUND))
    north = document["data"]["shops"]["north"]
    north["address"]["zip"] = "0150"
    north["orders"][0]["items"][1]["sku"] = 5
    north["orders"][0]["items"][2]["skew"] = "b"
    north["orders"][1]["items"] = {"0": {"sku": "a"}}
    document["data"]["shops"]["south.1"]["orders"] += [{"number": 1, "items": []}]
    return document


def test_faults_at_any_depth_are_told_with_their_places(project: Path) -> None:
    """The entity, its row, the field with each position on the way, and a pointer that repeats no key of a map."""
    result = MigrationService(settings_module.load(project=project)).check(faulty())
    assert sorted((error.subject, error.message, error.pointer) for error in result.errors) == [
        (
            "data.shops{0}.address.zip (id north)",
            "is not a declared key, so its value would be lost",
            "/data/shops/north/address/zip",
        ),
        (
            "data.shops{0}.orders[0].items[1].sku (id north)",
            "must be text: a JSON string; found a whole number",
            "/data/shops/north/orders/0/items/1/sku",
        ),
        (
            "data.shops{0}.orders[0].items[2].skew (id north)",
            "is not a declared key, so its value would be lost",
            "/data/shops/north/orders/0/items/2/skew",
        ),
        (
            "data.shops{0}.orders[1].items (id north)",
            "must be a JSON array; found an object",
            "/data/shops/north/orders/1/items",
        ),
        *(
            (
                f"data.shops{{1}}.orders[{n}].number (id south.1)",
                "must be the only row with its data.shops{} and number",
                at,
            )
            for n, at in enumerate(["/data/shops"] * 2)
        ),
    ]


def test_lines_and_columns_are_those_of_the_source(project: Path, tmp_path: Path) -> None:
    """Inside objects and maps of a file, as inside its arrays."""
    text = json.dumps(faulty(), indent=1)
    (tmp_path / "shop.json").write_text(text, encoding="utf-8")
    errors = MigrationService(settings_module.load(project=project)).check(tmp_path / "shop.json").errors
    lines = text.split("\n")
    found = {(lines[(error.line or 0) - 1].strip().rstrip(",["), (error.column or 1) - 1) for error in errors}
    assert {('"zip": "0150"', 5), ('"skew": "b"', 8), ('"items": {', 15), ('"sku": 5', 15)} <= found


def test_a_row_is_left_out_with_all_that_is_inside_it(project: Path) -> None:
    """Of a nested array that is none, the row around it is left out; each row is counted at its own path."""
    settings = settings_module.load(project=project, on_error="quarantine", max_refused="100%")
    document = faulty()
    del document["data"]["shops"]["north"]["address"]["zip"]
    result = MigrationService(settings).check(document)
    assert result.success, result.message
    read = {
        path: (account["read"], account["refused"]) for path, account in result.summary["check"]["entities"].items()
    }
    assert read == {
        "data.shops{}": (2, 0),
        "data.shops{}.orders[]": (4, 3),
        "data.shops{}.orders[].items[]": (4, 3),
        "settings": (1, 0),
    }
    refused = [
        json.loads(line) for line in (project / "runs" / result.run_id / "refused.jsonl").read_text().splitlines()
    ]
    assert [(line["path"].rpartition(".")[2], line["pointer"], line["reasons"][0]["field"]) for line in refused] == [
        ("items[]", "/data/shops/north/orders/0/items/1", "orders[0].items[1].sku"),
        ("items[]", "/data/shops/north/orders/0/items/2", "orders[0].items[2].skew"),
        ("orders[]", "/data/shops/north/orders/1", "orders[1].items"),
        ("orders[]", "/data/shops", "orders[0].number"),
        ("items[]", "/data/shops", ""),
        ("orders[]", "/data/shops", "orders[1].number"),
    ]


def test_a_key_that_nothing_takes_may_be_left_out(project: Path) -> None:
    """With `warn` it is a warning wherever it is: of a row, of an object inside one, of an object on the way."""
    document = json.loads(json.dumps(SOUND))
    document["data"]["total"] = 3
    document["data"]["shops"]["north"]["address"]["zip"] = "0150"
    document["data"]["shops"]["north"]["orders"][0]["open"] = True
    result = MigrationService(settings_module.load(project=project, unknown_fields="warn")).check(document)
    assert result.success, result.message
    assert sorted((error.severity, error.subject) for error in result.errors) == [
        ("warning", "data.shops{0}.address.zip (id north)"),
        ("warning", "data.shops{0}.orders[0].open (id north)"),
        ("warning", "data.total"),
    ]


def test_a_document_of_any_shape_is_migrated_and_proven(project: Path, database: str) -> None:
    """A map, arrays in arrays, a single object and the rest of a row arrive, also a second time, unchanged."""
    service = MigrationService(settings_module.load(project=project, database_url=database))
    result = service.migrate_all_data(SOUND)
    assert result.success, result.message
    with postgres.connect(database, name="test") as connection:
        query = "SELECT shop, number, position, sku FROM public.items ORDER BY shop, number, position"
        assert connection.execute(query).fetchall() == [
            ("north", 1, 0, "b"),
            ("north", 1, 1, "a"),
            ("north", 1, 2, "b"),
            ("south.1", 1, 0, "c"),
        ]
        assert connection.execute("SELECT theme, more FROM public.settings").fetchall() == [
            ("dark", {"beta": {"on": True}})
        ]
    assert service.validate_migration()


@pytest.mark.parametrize("document", [{}, {"shop": []}, {"data": 5}])
def test_a_document_that_fits_nothing_declared_is_told_so_in_one_sentence(
    document: dict[str, Any], project: Path, tmp_path: Path
) -> None:
    """Not one entity after the other is called missing, and the command that makes a project is named."""
    file = tmp_path / "other.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    error = MigrationService(settings_module.load(project=project)).check(file).error
    assert isinstance(error, SourceError)
    if "data" in document:
        assert [f"{each.subject}: {each.message}" for each in error.errors] == [
            "data: must be an object",
            "settings: is missing",
        ]
    else:
        assert error.message == f"{file} holds nothing that _sources.yml declares: data, settings"
        assert error.hint == f"Run `mock2pg init {file} --into FOLDER`: it makes a project for it."


def test_a_staged_column_in_no_target_table_is_refused(database: str, tmp_path: Path) -> None:
    """Its values would be checked and then lost: the project is refused before anything is published."""
    project = project_of(tmp_path, {"notes": ({}, {"id": {"key": True, **REQUIRED}, "text": {}})})
    model = project / "dbt_project" / "models" / "notes.yml"
    document = yaml.safe_load(model.read_text(encoding="utf-8"))
    document["models"][0]["columns"].pop()
    model.write_text(yaml.safe_dump(document), encoding="utf-8")
    (model.parent / "notes.sql").write_text("select id from {{ source('landing', 'notes') }}", encoding="utf-8")
    service = MigrationService(settings_module.load(project=project, database_url=database))
    result = service.migrate_all_data({"notes": [{"id": "1", "text": "x"}]})
    assert isinstance(result.error, ProjectError)
    assert result.error.message.splitlines()[1:] == ["  notes.text"]
