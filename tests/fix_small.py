"""A project of two entities, for tests of the mechanism: a migration of it takes a fraction of the sample's time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mock2pg.settings import REPOSITORY
from tests.fix_project import shared_cache

Document = dict[str, list[dict[str, Any]]]

_COLUMNS = {
    "owners": {"id": "text", "name": "text"},
    "pets": {"id": "text", "ownerId": "text", "name": "text", "legs": "integer"},
}
_CONSTRAINTS = {
    "owners": [{"type": "primary_key", "columns": ["id"]}],
    "pets": [
        {"type": "primary_key", "columns": ["id"]},
        {"type": "unique", "columns": ["name"]},
        {"type": "check", "name": "pets_legs_check", "expression": "legs >= 0"},
        {"type": "foreign_key", "columns": ["owner_id"], "to": "ref('owners')", "to_columns": ["id"],
         "expression": "on delete cascade"},
    ],
}  # fmt: skip


def small_project(folder: Path) -> Path:
    """The project's own macros, tests and notebooks with two entities of a test's own."""
    shutil.copytree(
        REPOSITORY / "dbt_project",
        folder / "dbt_project",
        ignore=shutil.ignore_patterns("models", "target", "logs", "no_*.sql", "tests.yml"),
    )
    if base := next(filter(_of_process, folder.parents), None):
        (folder / ".cache").symlink_to(shared_cache(base, "small"), target_is_directory=True)
    (folder / "notebooks").symlink_to(REPOSITORY / "notebooks", target_is_directory=True)
    models = folder / "dbt_project" / "models"
    sources = []
    for name, columns in _COLUMNS.items():
        snake = {key: "owner_id" if key == "ownerId" else key for key in columns}
        selected = ", ".join(f'"{key}" as {own}' for key, own in snake.items())
        _write(models / "staging" / f"stg_{name}.sql", f"select {selected} from {{{{ source('landing', '{name}') }}}}")
        _write(models / "core" / f"{name}.sql", f"select * from {{{{ ref('stg_{name}') }}}}")
        required = [{"type": "not_null"}]
        contract = [{"name": snake[k], "data_type": t, "constraints": required} for k, t in columns.items()]
        model = {"name": name, "constraints": _CONSTRAINTS[name], "columns": contract}
        _write(models / "core" / f"{name}.yml", yaml.safe_dump({"models": [model]}))
        given = [{"name": k, "data_type": t, "config": {"meta": {"required": True}}} for k, t in columns.items()]
        sources.append({"name": name, "config": {"meta": {"path": name}}, "columns": given})
        _suites(folder / "expectations" / "suites", name, columns)
    landing = {"name": "landing", "schema": "mock2pg_landing", "tables": sources}
    _write(models / "staging" / "_sources.yml", yaml.safe_dump({"version": 2, "sources": [landing]}))
    return folder


def _of_process(folder: Path) -> bool:
    """Whether a folder is the one where pytest keeps the folders of this process."""
    return folder.name.startswith("popen-gw") or folder.parent.name.startswith("pytest-of-")


def small_document(*pets: str, owners: Sequence[str] = ("Ann", "Bob")) -> Document:
    """Rows whose ids are their names; a pet is `name`, or `name:legs`."""
    rows = [pet.partition(":") for pet in pets]
    return {
        "owners": [{"id": name, "name": name} for name in owners],
        "pets": [
            {"id": name, "name": name, "ownerId": owners[number % len(owners)], "legs": int(legs or 4)}
            for number, (name, _, legs) in enumerate(rows)
        ],
    }


def _suites(folder: Path, name: str, columns: dict[str, str]) -> None:
    types = {**dict.fromkeys(columns, "its declared type"), ".": "an object"}
    staged = [
        {"type": "expect_values_to_fit_their_types", "kwargs": {"types": types}, "severity": "critical"},
        {"type": "expect_only_declared_keys", "kwargs": {}, "severity": "critical"},
        {"type": "expect_values_to_be_given", "kwargs": {"columns": list(columns)}, "severity": "critical"},
    ]
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}, "severity": "critical",
              "description": "Every id stands once.", "meta": {"field": "id", "message": "must be unique"}}  # fmt: skip
    for kind, rules in (("staged", [*staged, unique]), ("built", [unique])):
        suite = {"name": name, "meta": {"table": name}, "expectations": rules}
        _write(folder / kind / f"{name}.json", json.dumps(suite))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
