"""upsert: part of the data moves, nothing is deleted, and what is not in the source is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import PreflightFailed, SourceError
from mock2pg.runs import Run
from mock2pg.settings import Settings
from tests.fix_published import small_rows
from tests.fix_small import small_project


@pytest.fixture
def upsert(settings: Settings) -> MigrationService:
    return MigrationService(settings.model_copy(update={"mode": "upsert"}))


def changes(result: Any) -> dict[str, tuple[int, int, int]]:
    """inserted, updated and deleted of each table in which anything changed."""
    tables = result.summary["publish"]["tables"]
    counts = {name: (table["inserted"], table["updated"], table["deleted"]) for name, table in tables.items()}
    return {name: numbers for name, numbers in counts.items() if any(numbers)}


def test_part_of_the_data_moves_and_the_rest_stays(published_small: Settings) -> None:
    """One row more and one changed may refer to rows that only the target has; what refers to nothing is refused."""
    upsert, rows = MigrationService(published_small.model_copy(update={"mode": "upsert"})), small_rows()
    row = rows["pets"][0]
    part = {"pets": [{**row, "legs": 3}, {**row, "id": "new", "name": "new"}]}
    result = upsert.migrate_all_data(part)
    assert result.success, result.message
    assert changes(result) == {"pets": (1, 1, 0)}
    tables = result.summary["publish"]["tables"]
    assert tables["pets"]["after"] == len(rows["pets"]) + 1
    assert tables["owners"]["after"] == len(rows["owners"])
    assert "rows that it does not have were left alone" in result.report.read_text()
    assert upsert.validate_migration()

    again = upsert.migrate_all_data(part)
    assert (again.success, changes(again)) == (True, {})

    wrong = {"pets": [{**row, "id": "newer", "name": "newer", "ownerId": "nobody"}]}
    refused = upsert.migrate_all_data(wrong)
    assert isinstance(refused.error, PreflightFailed)
    (finding,) = refused.summary["preflight"]["findings"]
    assert finding["table"] == "pets"
    assert finding["what"] == "owner_id: 1 row would refer to no row of owners (newer)"

    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute("UPDATE public.pets SET legs = 9 WHERE id IN ('new', 'pet 1')")
        history = connection.execute("SELECT mode, contracts_sha256 FROM mock2pg.runs ORDER BY run_id").fetchall()
    verified = upsert.verify()
    assert verified.summary["verify"]["tables"]["pets"]["different_keys"] == ["new"]
    assert [mode for mode, _ in history] == ["replace", "upsert", "upsert"]
    assert "`mock2pg migrate` publishes" in verified.as_dict()["error"]["hint"]
    hint = (
        MigrationService(published_small).verify().as_dict()["error"]["hint"]
    )  # part of the rows must not replace all
    assert "`mock2pg plan --mode upsert` shows each change, and `mock2pg migrate --mode upsert` publishes" in hint
    assert len({contracts for _, contracts in history}) == 1


def test_an_upsert_into_nothing_needs_what_it_refers_to(database: str, tmp_path: Path) -> None:
    """References are looked up among the rows of the source and the target ones: here there are none of these."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database, mode="upsert")
    upsert, rows = MigrationService(settings), small_rows()
    refused = upsert.migrate_all_data({"pets": rows["pets"]})
    assert isinstance(refused.error, PreflightFailed)
    assert [finding["table"] for finding in refused.summary["preflight"]["findings"]] == ["pets"]
    result = upsert.migrate_all_data({"owners": rows["owners"]})
    assert result.success, result.message
    assert result.summary["publish"]["tables"]["pets"]["after"] == 0
    assert Run(result.run_id, settings).read("record.json")["mode"] == "upsert"


def test_a_source_of_nothing_that_is_declared_is_refused(upsert: MigrationService) -> None:
    """An upsert of no array at all is a mistake, and so is one under a name that is not declared."""
    assert isinstance(upsert.check({}).error, SourceError)
    assert isinstance(upsert.check({"pupils": []}).error, SourceError)
