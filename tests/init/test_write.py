"""The files that init writes: in the form of the sample, small, and the same for the same conclusions."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.contracts.project import BANNED_PROJECT_NAMES

from mock2pg import build, init
from mock2pg.errors import SourceError, UsageError
from mock2pg.init.conclusions import ConcludedColumn, Conclusions, Entity, Reference
from mock2pg.init.writing import project, review, rules
from mock2pg.init.writing.constraint_names import constraint, dbt_name
from mock2pg.init.writing.yaml_text import flow, item
from mock2pg.report.output import UNLIMITED
from mock2pg.staged_tables import SourceColumn, SourceTable
from tests.init.fix_conclusions import DOCUMENT, column, entity, shop


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conclusions by hand in place of those from reading the source."""
    monkeypatch.setattr(init, "_conclude", lambda *_: shop())


def texts(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("concluded")
def test_a_project_has_its_own_files_only(tmp_path: Path) -> None:
    """A project is small and complete, the same byte for byte for the same source, and names no machine path."""
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    into = tmp_path / "a shop"
    init.init(tmp_path / "shop.json", into)
    again = tmp_path / "elsewhere" / "a shop"
    init.init(tmp_path / "shop.json", again)
    found = texts(into)
    assert found == texts(again)
    assert json.loads(found["mock_data/customers.json"]) == DOCUMENT["customers"]
    lines = sum(text.count(b"\n") for file, text in found.items() if file.startswith(("dbt_project/m", "expect")))
    assert lines < 120
    for file, text in found.items():
        assert str(tmp_path).encode() not in text, file
    assert stat.S_IMODE((into / "Makefile").stat().st_mode) & 0o444 == 0o444
    assert not list(tmp_path.glob(".*"))
    ignored = subprocess.run(["git", "init", "-q"], cwd=into, check=True)
    ignored = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=into, check=True, capture_output=True)
    assert b"local.mk" not in ignored.stdout
    assert b"backups/.gitkeep" in ignored.stdout


@pytest.mark.usefixtures("concluded")
def test_the_declarations_are_those_that_were_concluded(tmp_path: Path) -> None:
    """A written `_sources.yml` declares the concluded tables, column by column."""
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    text = project.files(shop(), "shop")["dbt_project/models/_sources.yml"]
    declared = yaml.safe_load(text)["sources"][0]["tables"]
    assert [table["name"] for table in declared] == ["customers", "coupons", "orders"]
    assert [column["name"] for column in declared[0]["columns"]][-1] == "on"
    simple = replace(shop(), entities=shop().entities[:2])
    (tmp_path / "dbt_project" / "models" / "_sources.yml").write_text(
        project.files(simple, "shop")["dbt_project/models/_sources.yml"]
    )
    read = build.sources(tmp_path / "dbt_project")
    assert [replace(table, description="") for table in read] == [each.table for each in simple.entities]


def test_a_rule_is_written_only_where_a_declaration_does_not_say_it() -> None:
    """A closed set and a reference that nearly holds are rules; a table without them has no file."""
    found = project.files(shop(), "shop")
    assert {file for file in found if file.startswith("expectations/")} == {
        "expectations/customers.json",
        "expectations/orders.json",
    }
    (closed,) = json.loads(found["expectations/customers.json"])["expectations"]
    assert closed["kwargs"] == {"column": "status", "value_set": ["active", "closed"]}
    (nearly,) = json.loads(found["expectations/orders.json"])["expectations"]
    assert (nearly["severity"], "1 of 2" in nearly["description"]) == ("warning", True)
    pair = Reference(("a", "b"), "pairs", ("x", "y"), 1, 2, enforced=False)
    suite = rules.suite(entity("odd", column("a"), column("b"), references=(pair,)))
    assert suite
    assert 'p.\\"x\\" = c.\\"a\\" AND p.\\"y\\" = c.\\"b\\"' in suite


def test_a_reference_in_a_circle_is_no_ref() -> None:
    """dbt sees no circle of models: such a foreign key is in the model's meta, where publishing reads it."""
    model = yaml.safe_load(project.files(shop(), "shop")["dbt_project/models/customers.yml"])["models"][0]
    assert [key["type"] for key in model["constraints"]] == ["primary_key"]
    (key,) = model["config"]["meta"]["foreign_keys"]
    assert key == {
        "name": "customers_friend_id_fkey",
        "columns": ["friend_id"],
        "to": "customers",
        "to_columns": ["id"],
        "on_delete": "set null",
    }


def test_a_column_that_the_source_does_not_fill_is_filled_by_the_model() -> None:
    """A constant and an expression are columns of the model, each with the reason in its contract."""
    filled = ConcludedColumn(SourceColumn("made_at", "timestamptz", "", required=True), "", 2, 0, constant="now()")
    text = replace(column("total", "numeric(10,2)"), data_type="text")
    table = SourceTable("orders", "orders", (column("id").declared, text.declared))
    found = Entity(table, 2, (column("id"), text, filled), ("id",), "", target="Order")
    files = project.files(Conclusions((found,), source="x"), "shop")
    assert 'cast("total" as text) as "total",\n        now() as "made_at"' in files["dbt_project/models/Order.sql"]
    model = yaml.safe_load(files["dbt_project/models/Order.yml"])["models"][0]
    assert model["config"]["meta"]["source"] == "orders"
    assert model["columns"][2]["config"]["meta"]["derived"] == "no field of the source fills it"
    assert "made_at" not in files["dbt_project/models/_sources.yml"]


@pytest.mark.parametrize(
    "text",
    ["no", "on", "1", "1.5", "0x10", "2026-01-01", "a: b", "a #b", "{{ x }}", "- a", "", " a", "~", "null", "'", '"',
     "a\\b", "line\nbreak", "\x7f\u2028\ufeff", "名前", "😀", "[x]", "a,b", "*", "&a", "!t", "%",
     "@x", "`", "=", "<<", "true", "12:30"],
)  # fmt: skip
def test_yaml_reads_back_what_was_written(text: str) -> None:
    """Any text, as a key and as a value, on one line and on several, is the same when YAML has read it."""
    value = {"name": text, text or "x": [text, {"deep": text}], "more": "x" * 100}
    assert yaml.safe_load(flow(value)) == value
    assert yaml.safe_load(item(value, 4)) == [value]


def test_a_table_may_have_a_name_that_no_file_has() -> None:
    """A model has a plain name then, its table the other as its alias; references and rules follow."""
    items = entity("Order Items", column("a.b", required=True, unique=True), key=("a.b",))
    lines = entity(
        "order_items",
        column("id", references=("Order Items", "a.b"), allowed=("x",)),
        references=(Reference(("id",), "Order Items", ("a.b",), 2, 2),),
    )
    odd = replace(entity("a/b", column("id", allowed=("x",))))
    found = project.files(Conclusions((items, lines, odd)), "shop")
    model = yaml.safe_load(found["dbt_project/models/Order_Items_2.yml"])["models"][0]
    assert (model["name"], model["config"]["alias"]) == ("Order_Items_2", "Order Items")
    assert model["config"]["meta"]["source"] == "Order Items"
    assert found["dbt_project/models/Order_Items_2.sql"] == "select * from {{ source('landing', 'Order Items') }}\n"
    assert "ref('Order_Items_2')" in found["dbt_project/models/order_items.yml"]
    assert 'references: "\\"Order Items\\".\\"a.b\\""' in found["dbt_project/models/_sources.yml"]
    assert json.loads(found["expectations/a_b.json"])["meta"] == {"table": "a/b"}


def test_names_are_those_that_postgresql_and_dbt_take() -> None:
    """A long constraint name is cut to 63 bytes and stays its own; a project's name is one that dbt takes."""
    long = ["ä" * 40, "ä" * 39 + "b"]
    made = {constraint(name, ["column"], "fkey") for name in long}
    assert len(made) == 2
    assert all(len(name.encode()) <= 63 and name.endswith("_fkey") for name in made)
    assert [dbt_name(name) for name in ("My Shop", "1st", "店", "dbt", "a--b")] == [
        "my_shop", "project_1st", "project", "project_dbt", "a_b"]  # fmt: skip
    assert not {dbt_name(name) for name in BANNED_PROJECT_NAMES} & BANNED_PROJECT_NAMES


def test_the_review_says_everything() -> None:
    """INIT.md names every column, reference, doubt and what is left out; its diagram has plain names only."""
    odd = entity("a|b", column('na"me', path="a`b"), column("1st"))
    text = review.page(replace(shop(), entities=(*shop().entities, odd)))
    for word in ("`customer_id`", "2 of 2", "1 of 2", "customers[]", "coupon_id", "It is null in every row", "a\\|b"):
        assert word in text
    diagram = text.split("```mermaid")[1].split("```")[0]
    assert 't4["a|b"] {' in diagram
    assert 'text na_me "na\'me"' in diagram
    assert "text c1st" in diagram


def test_the_summary_fits_the_terminal() -> None:
    """It has its columns whatever the names are, and counts the doubts that it does not show; a file has all."""
    wide = replace(shop(), doubts=shop().doubts * 7, entities=(entity("x" * 60, column("y" * 60), key=("y" * 60,)),))
    lines = review.summary(wide, 80)
    assert max(map(len, lines)) <= 80
    assert "  and 4 more in INIT.md" in lines
    assert "…" not in "".join(review.summary(wide, UNLIMITED))


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, concluded: None) -> None:
    """Nothing is written over; an empty folder is filled, also the one that somebody is in."""
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    with pytest.raises(UsageError, match="is not empty"):
        init.init(tmp_path / "shop.json", tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        init.init(tmp_path / "shop.json", tmp_path / "shop.json")
    with pytest.raises(UsageError, match="no source"):
        init.init(tmp_path / "none", tmp_path / "new")
    empty = tmp_path / "empty"
    empty.mkdir()
    place = empty.stat().st_ino
    init.init(tmp_path / "shop.json", empty)
    assert empty.stat().st_ino == place
    assert (empty / "Makefile").exists()


def test_of_two_at_once_one_makes_the_project(tmp_path: Path, concluded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that another init wrote into the folder meanwhile stay as they are, in a new folder and in an old one."""
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    made_by = init.project.made_by
    for place in (tmp_path / "new", tmp_path / "empty"):
        if place.name == "empty":
            place.mkdir()

        def first(place: Path = place) -> str:
            monkeypatch.setattr(init.project, "made_by", made_by)
            init.init(tmp_path / "shop.json", place, name="the first")
            return made_by()

        monkeypatch.setattr(init.project, "made_by", first)
        with pytest.raises(UsageError, match="is not empty"):
            init.init(tmp_path / "shop.json", place, name="the second")
        assert (place / "README.md").read_text().startswith("# the first\n")
        assert init.init(tmp_path / "shop.json", place, updating=True).changes == ()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty", "new", "shop.json"]


@pytest.mark.parametrize("name", ["", "shop.json", "new.json"])
def test_a_source_that_changes_meanwhile_is_refused(
    tmp_path: Path, name: str, concluded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The JSON that a project keeps is the one that was read: a file of it, or of the folder, is what it was."""
    source = tmp_path / "mocks"
    source.mkdir()
    (source / "shop.json").write_text(json.dumps(DOCUMENT))
    copy = init.data.copy

    def written_meanwhile(*words: Any, **named: Any) -> str:
        (source / (name or "shop.json")).write_text("[]")
        return copy(*words, **named)

    monkeypatch.setattr(init.data, "copy", written_meanwhile)
    with pytest.raises(SourceError, match="changed while it was read"):
        init.init(source if name else source / "shop.json", tmp_path / "shop")
    assert [file.name for file in tmp_path.iterdir()] == ["mocks"]
    monkeypatch.setattr(init.data, "copy", copy)
    assert init.init(source, source / "shop").project.exists()  # that a project is written there is no change of it


def test_what_a_killed_init_left_is_removed(tmp_path: Path, concluded: None) -> None:
    """The next one that makes a project there finds it, wherever it wrote it, and takes the folder for empty; what is
    no folder of its own is left alone."""
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    place = tmp_path / "shop"
    for home in (tmp_path, place):
        (home / ".shop.mock2pg-init-abcd1234" / "project").mkdir(parents=True)
    os.mkfifo(tmp_path / ".shop.mock2pg-init-fifo")  # opening it waits for ever
    init.init(tmp_path / "shop.json", place)
    assert [left.name for left in tmp_path.rglob("*.mock2pg-init-*")] == [".shop.mock2pg-init-fifo"]
    assert init.init(tmp_path / "shop.json", tmp_path / ("店" * 80)).project.exists()  # as long as a name may be


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concluded: None) -> None:
    """A project is there with all its files or not at all."""
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(init.project, "made_by", full)
    with pytest.raises(OSError, match="No space"):
        init.init(tmp_path / "shop.json", tmp_path / "shop")
    assert [file.name for file in tmp_path.iterdir()] == ["shop.json"]


def test_a_source_of_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document in which nothing could be a table makes no project."""
    (tmp_path / "x.json").write_text("{}")
    monkeypatch.setattr(init, "_conclude", lambda *_: Conclusions(()))
    with pytest.raises(SourceError, match="nothing that could be a table"):
        init.init(tmp_path / "x.json", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("name", "text", "files", "where"),
    [
        ("db.json", '{"b": [1.0],\n "a": {"x": 1}}', {"a.json": '{"x": 1}\n', "b.json": "[1.0]\n"}, "mock_data"),
        ("db.json", '[{"id": 1}]', {"db.json": '[{"id": 1}]'}, "mock_data"),
        ("db.ndjson", '{"id": 1}\n', {"db.ndjson": '{"id": 1}\n'}, "mock_data"),
        ("db.json", '{"a/b": []}', {"db.json": '{"a/b": []}'}, "mock_data/db.json"),
        ("a $(x) #1.json", '{"a/b": []}', {"a___x___1.json": '{"a/b": []}'}, "mock_data/a___x___1.json"),
        ("db.json", '{"a": [], "A": []}', {"db.json": '{"a": [], "A": []}'}, "mock_data/db.json"),
        ("db.json", '{"db": {"x": 1}}', {"db.json": '{"x": 1}\n'}, "mock_data"),
    ],
)
def test_the_data_are_one_file_for_each_member(
    tmp_path: Path, name: str, text: str, files: dict[str, str], where: str
) -> None:
    """A document's members become files, byte for byte; where a key is no file's name, it stays one document."""
    (tmp_path / name).write_text(text)
    assert init.data.copy(tmp_path / name, tmp_path) == where
    assert {file.name: file.read_text() for file in (tmp_path / "mock_data").iterdir()} == files


def test_a_document_whose_members_are_rows_stays_one(tmp_path: Path) -> None:
    """A map of rows is no folder of entities: its members are not files of their own."""
    (tmp_path / "users.json").write_text('{"u1": {}, "u2": {}}')
    assert init.data.copy(tmp_path / "users.json", tmp_path, whole="users") == "mock_data"
    assert [file.name for file in (tmp_path / "mock_data").iterdir()] == ["users.json"]
