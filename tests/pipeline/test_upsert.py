"""upsert: part of the data moves, nothing is deleted, and what is not in the source is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from mock2pg import MigrationService, postgres
from mock2pg.errors import CheckFailed, PreflightFailed, SourceError
from mock2pg.runs import Run
from mock2pg.settings import Settings
from tests.fix_project import Document


@pytest.fixture
def upsert(settings: Settings) -> MigrationService:
    return MigrationService(settings.model_copy(update={"mode": "upsert"}))


def changes(result: Any) -> dict[str, tuple[int, int, int]]:
    """inserted, updated and deleted of each table in which anything changed."""
    tables = result.summary["publish"]["tables"]
    counts = {name: (table["inserted"], table["updated"], table["deleted"]) for name, table in tables.items()}
    return {name: numbers for name, numbers in counts.items() if any(numbers)}


def test_part_of_the_data_moves_and_the_rest_stays(published: Settings, document: Document) -> None:
    """One row more and one changed, which refer to rows that are only live; what refers to nothing is refused."""
    upsert = MigrationService(published.model_copy(update={"mode": "upsert"}))
    row = document["tests"][0]
    part = {"tests": [{**row, "title": "changed"}, {**row, "id": "new"}]}
    result = upsert.migrate_all_data(part)
    assert result.success, result.message
    assert changes(result) == {"tests": (1, 1, 0)}
    tables = result.summary["publish"]["tables"]
    assert tables["tests"]["after"] == len(document["tests"]) + 1
    assert tables["students"]["after"] == len(document["students"])
    assert "rows that it does not have were left alone" in result.report.read_text()
    assert upsert.validate_migration()

    again = upsert.migrate_all_data(part)
    assert (again.success, changes(again)) == (True, {})

    wrong = {"tests": [{**row, "id": "newer", "classId": "nowhere"}]}
    refused = upsert.migrate_all_data(wrong)
    assert isinstance(refused.error, PreflightFailed)
    (finding,) = refused.summary["preflight"]["findings"]
    assert finding["table"] == "tests"
    assert finding["what"] == "class_id: 1 row would refer to no row of classes (newer)"

    with postgres.connect(published.url, name="test") as connection:
        connection.execute("UPDATE public.tests SET title = 'other' WHERE id = 'new'")
        connection.execute("UPDATE public.tests SET title = 'other' WHERE id = %s", [document["tests"][1]["id"]])
        history = connection.execute("SELECT mode, contracts_sha256 FROM mock2pg.runs ORDER BY run_id").fetchall()
    verified = upsert.verify()
    assert verified.summary["verify"]["tables"]["tests"]["different_keys"] == ["new"]
    assert [mode for mode, _ in history] == ["replace", "upsert", "upsert"]
    assert len({contracts for _, contracts in history}) == 1


def test_an_upsert_into_nothing_needs_what_it_refers_to(upsert: MigrationService, document: Document) -> None:
    """References are looked up among the rows of the source and the live ones: here there are none of these."""
    names = ("students", "classes", "tests")
    refused = upsert.migrate_all_data({name: document[name] for name in names[1:]})
    assert isinstance(refused.error, PreflightFailed)
    assert [finding["table"] for finding in refused.summary["preflight"]["findings"]] == ["class_enrollments"]
    result = upsert.migrate_all_data({name: document[name] for name in names})
    assert result.success, result.message
    assert result.summary["publish"]["tables"]["meetings"]["after"] == 0
    assert Run(result.run_id, upsert.settings).read("record.json")["mode"] == "upsert"


def test_what_is_there_is_checked_all_the_same(upsert: MigrationService, document: Document) -> None:
    """A row that is wrong by itself is refused; a rule that needs rows of others is said not to be judged."""
    document["tests"][0]["totalPoints"] = 0
    result = upsert.check({"tests": document["tests"]})
    assert isinstance(result.error, CheckFailed)
    assert "could not be judged" in result.error.message
    assert [error.field for error in result.errors if error.severity == "critical"] == ["totalPoints"]
    assert upsert.check({"tests": []}).success


def test_a_source_of_nothing_that_is_declared_is_refused(upsert: MigrationService) -> None:
    """An upsert of no array at all is a mistake, and so is one under a name that is not declared."""
    assert isinstance(upsert.check({}).error, SourceError)
    assert isinstance(upsert.check({"pupils": []}).error, SourceError)
