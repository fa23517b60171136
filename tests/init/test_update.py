"""init --update: what a person edited is shown and never overwritten."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mock2pg import cli, init
from mock2pg.errors import ProjectError, UsageError
from mock2pg.init.conclusions import Conclusions
from tests.init.fix_conclusions import DOCUMENT, column, entity, shop


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch) -> list[Conclusions]:
    """Conclusions by hand in place of those from reading the source; a test replaces them."""
    found = [shop()]
    monkeypatch.setattr(init, "_conclude", lambda *_: found[-1])
    return found


@pytest.fixture
def source(tmp_path: Path, concluded: list[Conclusions]) -> Path:
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    init.init(tmp_path / "shop.json", tmp_path / "shop", name="My shop")
    return tmp_path / "shop.json"


def acts(source: Path) -> dict[str, str]:
    done = init.init(source, source.parent / "shop", updating=True)
    return {change.file: change.act for change in done.changes}


def test_the_same_again_changes_nothing(source: Path) -> None:
    """A source that is as it was gives no diff, under the name that the project has."""
    assert acts(source) == {}
    shown = CliRunner().invoke(cli.command, ["init", str(source), "--into", str(source.with_suffix("")), "--update"])
    assert (shown.exit_code, shown.output) == (0, "Nothing to update: init would write the same files.\n")


def test_files_that_nobody_edited_follow_the_source(source: Path, concluded: list[Conclusions]) -> None:
    """A table that is new, changed or gone is written, rewritten or removed; a second update has nothing to do."""
    project = source.with_suffix("")
    customers, _, orders = shop().entities
    orders = replace(orders, columns=(*orders.columns, column("note")))
    concluded.append(replace(shop(), entities=(customers, orders, entity("tags", column("id")))))
    done = acts(source)
    assert done["dbt_project/models/coupons.sql"] == "removed"
    assert done["dbt_project/models/tags.yml"] == "new"
    assert done["dbt_project/models/_sources.yml"] == "written"
    assert "note" in (project / "dbt_project/models/orders.yml").read_text()
    assert not (project / "dbt_project/models/coupons.sql").exists()
    assert acts(source) == {}


def test_an_edited_file_is_never_overwritten(source: Path, concluded: list[Conclusions]) -> None:
    """It is listed with its diff at every update, a deleted one stays away, and both stay so."""
    project = source.with_suffix("")
    edited = project / "dbt_project/models/orders.yml"
    edited.write_text(edited.read_text() + "# mine\n")
    (project / "expectations/customers.json").unlink()
    assert acts(source) == {"dbt_project/models/orders.yml": "edited", "expectations/customers.json": "deleted"}
    orders = shop().entities[2]
    concluded.append(
        replace(shop(), entities=(*shop().entities[:2], replace(orders, columns=(*orders.columns, column("note")))))
    )
    for _ in range(2):
        shown = CliRunner().invoke(cli.command, ["init", str(source), "--into", str(project), "--update"])
        assert "-# mine" in shown.output
        assert "+      - {name: note, data_type: text}" in shown.output
        assert "dbt_project/models/orders.yml: left as it is: you edited it" in shown.output
        assert edited.read_text().endswith("# mine\n")
        assert not (project / "expectations/customers.json").exists()
    edited.write_text(edited.read_text().removesuffix("# mine\n"))
    assert acts(source)["dbt_project/models/orders.yml"] == "written"  # it is as init left it


def test_no_value_of_the_data_is_printed(source: Path) -> None:
    """Data that changed are written, and no diff shows them."""
    source.write_text(json.dumps({**DOCUMENT, "orders": [{"id": "o3", "secret": "a secret value"}]}))
    shown = CliRunner().invoke(cli.command, ["init", str(source), "--into", str(source.with_suffix("")), "--update"])
    assert "mock_data/orders.json: rewritten: you had not edited it\n  Next        cd " in shown.output
    assert "a secret value" not in shown.output
    assert "a secret value" in (source.with_suffix("") / "mock_data/orders.json").read_text()


def test_nothing_outside_of_the_project_is_touched(source: Path) -> None:
    """A link that a person made is as an edited file: what it leads to is neither written, removed nor shown; and a
    record that names files of others is damaged."""
    project, outside = source.with_suffix(""), source.with_name("outside")
    (project / "mock_data").rename(outside)
    (project / "mock_data").symlink_to(outside)
    (project / "INIT.md").rename(outside / "INIT.md")
    (project / "INIT.md").symlink_to(outside / "INIT.md")
    before = {file.name: file.read_bytes() for file in outside.iterdir()}
    source.write_text(json.dumps({**DOCUMENT, "orders": [], "new": []}))
    assert acts(source) == {"mock_data/orders.json": "edited", "mock_data/new.json": "edited"}
    assert {file.name: file.read_bytes() for file in outside.iterdir()} == before
    record = project / ".mock2pg-init.json"
    for name in ("../outside/INIT.md", str(outside / "INIT.md")):
        known = json.loads(record.read_text())
        known["written"][name] = hashlib.sha256(before["INIT.md"]).hexdigest()
        record.write_text(json.dumps(known))
        with pytest.raises(ProjectError, match="cannot be read"):
            acts(source)
        assert (outside / "INIT.md").exists()


def test_only_a_project_of_init_is_updated(tmp_path: Path, source: Path) -> None:
    """A folder without the record of init is refused, and a record that is damaged is named."""
    with pytest.raises(UsageError, match="init did not make"):
        init.init(source, tmp_path, updating=True)
    (source.with_suffix("") / ".mock2pg-init.json").write_text("{}")
    with pytest.raises(ProjectError, match="cannot be read"):
        init.init(source, source.with_suffix(""), updating=True)


def test_a_project_of_tables_is_updated_from_the_tables(source: Path) -> None:
    """Nobody says --from-target again: without the tables each contract would be written as if there were none."""
    project = source.with_name("of tables")
    init.init(source, project, completed=lambda found: found)
    again = ["init", str(source), "--into", str(project), "--update"]
    shown = CliRunner().invoke(cli.command, again, env={"DATABASE_URL": None})
    assert shown.exit_code == 2
    assert "DATABASE_URL is not set" in shown.output


def test_the_command_says_what_comes_next(tmp_path: Path, concluded: list[Conclusions]) -> None:
    """The terminal shows the tables, the doubts and the two next commands; --json all of it."""
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    words = ["init", str(tmp_path / "shop.json"), "--into"]
    shown = CliRunner().invoke(cli.command, [*words, str(tmp_path / "a shop")])
    assert shown.exit_code == 0
    assert "orders.coupon_id: 1 of 2 is in coupons" in shown.output
    assert shown.output.endswith(f"  Next        cd '{tmp_path}/a shop' && make migrate\n")
    found = json.loads(CliRunner().invoke(cli.command, [*words, str(tmp_path / "b"), "--json"]).output)
    assert [table["name"] for table in found["tables"]] == ["customers", "coupons", "orders"]
    assert found["doubts"] == [{"place": "orders.coupon_id", "message": "1 of 2 is in coupons: row 2 is not."}]


def test_a_source_that_is_no_json_is_refused_with_its_places(tmp_path: Path) -> None:
    """The command names file, line and column of what is wrong, and leaves nothing."""
    (tmp_path / "db.json").write_text('{"a": [\n  1,\n')
    shown = CliRunner().invoke(cli.command, ["init", str(tmp_path / "db.json"), "--into", str(tmp_path / "new")])
    assert shown.exit_code == 3
    assert "db.json:3:1: is not JSON: it ends too early" in shown.output
    assert not (tmp_path / "new").exists()
