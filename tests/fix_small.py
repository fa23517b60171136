"""A project of two entities, for tests of the mechanism: a migration of it takes a fraction of the sample's time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, list[dict[str, Any]]]

_COLUMNS = {
    "owners": {"id": "text", "name": "text"},
    "pets": {"id": "text", "owner_id": "text", "name": "text", "legs": "integer"},
}
_META = {"id": {"unique": True}, "name": {"blank": True}, "owner_id": {"path": "ownerId", "blank": True}}
_CONSTRAINTS = {
    "owners": [{"name": "owners_pkey", "type": "primary_key", "columns": ["id"]}],
    "pets": [
        {"type": "primary_key", "columns": ["id"]},
        {"type": "unique", "columns": ["name"]},
        {"type": "check", "name": "pets_legs_check", "expression": "legs >= 0"},
        {"type": "foreign_key", "columns": ["owner_id"], "to": "ref('owners')", "to_columns": ["id"],
         "expression": "on delete cascade"},
    ],
}  # fmt: skip


DBT_PROJECT = """
name: mock2pg
config-version: 2
profile: mock2pg
macro-paths: ["{{ env_var('MOCK2PG_MACROS', 'macros') }}"]
flags: {send_anonymous_usage_stats: false, log_level_file: none}
on-run-start: "{{ refuse_to_build_published() }}"
models:
  mock2pg:
    +schema: mock2pg_next
    +materialized: table
    +unlogged: true
    +contract: {enforced: true}
    +meta: {database_columns: {created_at: "timestamp with time zone not null default now()"}}
vars: {mode: replace}
"""


def small_project(folder: Path) -> Path:
    """Two entities of a test's own, with the package's macros, profile and notebooks."""
    _write(folder / "dbt_project" / "dbt_project.yml", DBT_PROJECT)
    if base := next(filter(_of_process, folder.parents), None):
        (folder / ".cache").symlink_to(shared_cache(base, "small"), target_is_directory=True)
    _write(folder / "expectations" / "README.md", "What is declared is enough here.")
    models = folder / "dbt_project" / "models"
    sources = []
    for name, columns in _COLUMNS.items():
        _write(models / "core" / f"{name}.sql", f"select * from {{{{ source('landing', '{name}') }}}}")
        required = [{"type": "not_null"}]
        contract = [{"name": column, "data_type": kind, "constraints": required} for column, kind in columns.items()]
        model = {"name": name, "constraints": _CONSTRAINTS[name], "columns": contract}
        _write(models / "core" / f"{name}.yml", yaml.safe_dump({"models": [model]}))
        given = [
            {"name": column, "data_type": kind, "config": {"meta": {"required": True, **_META.get(column, {})}}}
            for column, kind in columns.items()
        ]
        sources.append({"name": name, "columns": given})
    landing = {"name": "landing", "schema": "mock2pg_landing", "tables": sources}
    _write(models / "_sources.yml", yaml.safe_dump({"version": 2, "sources": [landing]}))
    return folder


def model_alone(project: Path, name: str, config: str = "{}") -> None:
    """A model whose one row, 1 and k, comes from no source."""
    models = project / "dbt_project" / "models"
    _write(models / f"{name}.sql", "select '1'::text as id, 'k'::text as name")
    columns = "[{name: id, data_type: text, constraints: [{type: not_null}]}, {name: name, data_type: text}]"
    keys = "[{type: primary_key, columns: [id]}]"
    _write(
        models / f"{name}.yml",
        f"models: [{{name: {name}, config: {config}, constraints: {keys}, columns: {columns}}}]",
    )


def shared_cache(folder: Path, of: str) -> Path:
    """One for all projects of a kind, given the folder where pytest keeps theirs: what dbt has parsed for its server
    counts for no other process."""
    cache = folder / f".cache of {of}"
    cache.mkdir(exist_ok=True)
    return cache


def _of_process(folder: Path) -> bool:
    """Return True for the folder where pytest keeps the folders of this process."""
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


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
