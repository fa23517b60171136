"""The dbt project of the sample."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from mock2pg import postgres
from mock2pg.build import DbtProject, sources
from mock2pg.contracts import tables_from
from mock2pg.errors import LoadFailed
from mock2pg.pages.diagram import er_diagram
from mock2pg.settings import REPOSITORY
from tests.build.test_dbt_project import CANARY, connection_of, unchanged_environment
from tests.fix_small import shared_cache

REAL = REPOSITORY / "dbt_project"

__all__ = ["unchanged_environment"]


@pytest.fixture
def dbt(database: str, tmp_path: Path) -> DbtProject:
    """The real project on a database whose landing tables are empty."""
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
        for table in sources(REAL):
            postgres.scratch.land(connection, table, [], 0)
    return DbtProject(REAL, tmp_path / "target", connection_of(database), shared_cache(tmp_path.parent, "sample"))


@pytest.mark.usefixtures("unchanged_environment")
def test_the_contracts_of_the_project(dbt: DbtProject, tmp_path: Path) -> None:
    """Every target table with its keys, references, checks and reasons, parents first, and again as a run keeps it.

    The documentation has their picture.
    """
    tables = {table.name: table for table in dbt.tables()}
    (tmp_path / "sample-tables.svg").write_text(er_diagram(tuple(tables.values()), alone=True), encoding="utf-8")
    drawn = (REPOSITORY / "docs" / "sample-tables.svg").read_text(encoding="utf-8")
    assert drawn == (tmp_path / "sample-tables.svg").read_text(encoding="utf-8"), f"copy it from {tmp_path} to docs/"
    assert len(tables) == 14
    assert tables_from([table.as_dict() for table in tables.values()]) == tuple(tables.values())
    staged = {table.name for table in sources(REAL)}
    assert {table.source for table in tables.values()} == {None, *staged}
    assert {table.publish for name, table in tables.items() if name != "users"} == {"merge"}
    assert {table.database_columns for table in tables.values()} == {
        (("created_at", "timestamp with time zone not null default now()"),)
    }
    seen: set[str] = set()
    for table in tables.values():
        assert table.primary_key == ("id",)
        assert {key.parent for key in table.foreign_keys} <= seen
        assert {key.on_delete for key in table.foreign_keys} <= {"on delete cascade"}
        seen.add(table.name)
    users, results, meetings = tables["users"], tables["test_results"], tables["meetings"]
    assert (users.publish, users.source, users.uniques) == ("ensure", None, (("email",),))
    assert results.uniques == (("test_id", "student_id"),)
    assert {key.parent for key in results.foreign_keys} == {"tests", "students"}
    assert ("meetings_end_time_check", "end_time > start_time") in meetings.checks
    types = {column.name: (column.data_type, column.not_null) for column in meetings.columns}
    assert (types["participants"], types["start_time"], types["notes"]) == (
        ("text[]", True),
        ("time", True),
        ("text", False),
    )
    assert {name: table.natural_key for name, table in tables.items() if table.natural_key} == {
        "attendance_entries": ("attendance_record_id", "student_id"),
        "class_enrollments": ("class_id", "student_id"),
    }
    derived = {f"{table.name}.{own.name}" for table in tables.values() for own in table.derived if own.derived}
    assert derived == {"meetings.meeting_type", "schedule_exceptions.cancelled"}
    assert all(column.source for table in tables.values() if table.source for column in table.columns)


@pytest.mark.usefixtures("unchanged_environment")
def test_a_build_that_fails_names_the_models_and_no_value(
    dbt: DbtProject, database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A broken check and a broken key are told apart; what the database quoted is nowhere."""
    with postgres.connect(database, name="test") as connection:
        connection.execute(f"""
            INSERT INTO mock2pg_landing.meetings VALUES ('{CANARY}', 'x', 'x', '2026-01-01', '09:00', '08:00', '{{}}',
                '{CANARY}', 'x', 'virtual', 'scheduled', '2026-01-01', NULL);
            INSERT INTO mock2pg_landing.classes SELECT '{CANARY}', 'x', 'x', 'x', 'x', 1, '2026-01-01', '#000000'
                FROM generate_series(1, 2)""")  # type: ignore[arg-type]
    with pytest.raises(LoadFailed) as failed:
        dbt.build()
    lines = failed.value.message.splitlines()
    assert lines[0] == "dbt did not build what the contracts say:"
    assert '  meetings: violates check constraint "meetings_end_time_check"' in lines
    assert '  classes: could not create unique index "classes_pkey"' in lines
    said = capfd.readouterr()
    assert CANARY not in failed.value.message + said.out + said.err
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "manifest.json" for file in kept)
    assert [file for file in kept if CANARY.encode() in file.read_bytes()] == []


def test_the_projects_own_unit_tests_pass(dbt: DbtProject) -> None:
    """The models' logic, looked at by dbt without a row of data, in less than 20 seconds."""
    dbt.tables()
    began = time.process_time()
    outcome = dbt._invoke("build", "--empty", "--exclude-resource-type", "test")
    found = {result.node.name: str(result.status) for result in outcome.result.results}
    assert outcome.success
    units = yaml.safe_load((REAL / "models" / "dependents" / "meetings.yml").read_text())["unit_tests"]
    assert {found[unit["name"]] for unit in units} == {"pass"}
    assert set(found.values()) == {"pass", "success"}
    assert time.process_time() - began < 20
