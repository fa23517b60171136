"""dbt works on its own: parse, build and docs, as somebody who knows dbt types them in dbt_project/."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from mock2pg import MigrationService, build, postgres
from mock2pg import settings as settings_module
from mock2pg.settings import REPOSITORY, Settings
from tests.school.fix_school import new_project

# dbt's commands in one process, for it spends most of its time on being loaded; in the end which of them succeeded.
DBT = """
import sys
from itertools import groupby
from dbt.cli.main import dbtRunner
words = [[*some] for then, some in groupby(sys.argv[1:], lambda word: word == "then") if not then]
print(*[dbtRunner().invoke(each).success for each in words])
"""


def dbt(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run dbt in the project's folder, with what profiles.yml reads and nothing else; `then` separates commands."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(settings.project), "PWD": str(settings.dbt_dir), **more}
    command = [sys.executable, "-P", "-c", DBT, *arguments]
    return subprocess.run(command, cwd=settings.dbt_dir, env=environment, capture_output=True, text=True, check=False)


def copied(parent: Path) -> Path:
    """A project whose dbt project is a copy, for dbt writes into it."""
    project = new_project(parent)
    (project / "dbt_project").unlink()
    ours = shutil.ignore_patterns("target", "logs")
    shutil.copytree(REPOSITORY / "dbt_project", project / "dbt_project", ignore=ours)
    return project


def test_dbt_parses_where_nothing_is_set(tmp_path: Path) -> None:
    """In a fresh copy, without a variable of mock2pg and without a server; and it finds what mock2pg finds."""
    settings = settings_module.load(project=copied(tmp_path))
    done = dbt(settings, "parse")
    assert done.stdout.endswith("True\n"), done.stdout
    build.DbtProject(settings.dbt_dir, tmp_path / "ours", {"MOCK2PG_MACROS": "macros"}, tmp_path / "cache").tables()
    ours, its = (
        json.loads((folder / "manifest.json").read_text(), object_hook=_timeless)
        for folder in (tmp_path / "ours", settings.dbt_dir / "target")
    )
    assert len(ours["nodes"]) > 14
    assert ours.keys() == its.keys()
    assert [name for name in its if ours[name] != its[name] and name != "metadata"] == []


def _timeless(parsed: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parsed.items() if key != "created_at"}


def test_dbt_builds_what_was_loaded_and_documents_it(tmp_path: Path, database: str) -> None:
    """`load --keep` leaves what `dbt build` builds on; `dbt docs generate` lists each table with described columns.

    In the target `published` dbt builds nothing.
    """
    settings = settings_module.load(project=copied(tmp_path), database_url=database, source=Path("mock_data"))
    loaded = MigrationService(settings).load(REPOSITORY / "mock_data", keep=True)
    assert loaded.success, loaded.message
    assert loaded.message.endswith("nothing was published.")
    with postgres.connect(database, name="test") as connection:
        assert postgres.scratch.present(connection) == [postgres.scratch.LANDING, postgres.scratch.NEXT]
        assert postgres.catalogue.oids(connection, "public") == []
    variables = build.profile(postgres.environment(database, settings=True), "public")
    refused = "run", "--target", "published"
    built = "build", "--exclude-resource-type", "unit_test"
    done = dbt(settings, *built, "then", "docs", "generate", "then", *refused, **variables)
    assert done.stdout.endswith("True True False\n"), done.stdout
    assert "dbt builds nothing in the published tables" in done.stdout
    catalog = json.loads((settings.dbt_dir / "target" / "catalog.json").read_text())["nodes"]
    manifest = json.loads((settings.dbt_dir / "target" / "manifest.json").read_text())["nodes"]
    tables = {key: node for key, node in manifest.items() if node["resource_type"] == "model"}
    assert len(tables) == 14
    for key, node in tables.items():
        assert node["description"]
        assert catalog[key]["columns"].keys() >= node["columns"].keys()
