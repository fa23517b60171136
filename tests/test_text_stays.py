"""A value that the source spells as text stays that text in a text column: nothing is converted there and back."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from tests.fix_merge import select
from tests.fix_small import DBT_PROJECT

# column: the staged type and format, the contract's type, that of the application's column, and a value of the JSON
COLUMNS = {
    "id": ("bigint", "text", "bigint", "text", "9007199254740993"),
    "starts": ("time", "", "time", "text", "14:00"),
    "ends": ("time", "HH:MM:SS", "text", "varchar(12)", "15:30:00"),
    "seen": ("timestamptz", "", "timestamptz", "text", "2026-03-02T09:00:00.000Z"),
    "edited": ("timestamptz", "YYYY-MM-DDTHH:MM:SS+00:00", "text", "text", "2026-03-02T09:00:00+00:00"),
    "made": ("timestamptz", "", "timestamptz", "timestamp(3)", "2026-03-02T09:00:00.120Z"),
    "planned": ("timestamp", "YYYY-MM-DD HH:MM:SS.sss", "text", "text", "2026-03-02 09:00:00.100"),
    "price": ("numeric(10,4)", "text", "numeric(10,4)", "text", "18.0000"),
    "fee": ("numeric(10,2)", "", "numeric(10,2)", "numeric", 19.9),
    "share": ("numeric(10,2)", "", "text", "text", 0.5),
    "token": ("uuid", "", "uuid", "text", "123e4567-e89b-12d3-a456-426614174000"),
    "open": ("boolean", "text", "boolean", "text", "true"),
}
CHANGED = {"starts": "14:01", "edited": "2026-03-02T09:00:01+00:00", "price": "18.5000", "share": 0.25}


def project(folder: Path) -> Path:
    """A project of one table, whose model casts what the contract calls text."""
    core = folder / "dbt_project" / "models" / "core"
    core.mkdir(parents=True)
    (folder / "dbt_project" / "dbt_project.yml").write_text(DBT_PROJECT)
    staged = [
        {"name": name, "data_type": kind, "config": {"meta": {"format": form, "required": True}}}
        for name, (kind, form, *_) in COLUMNS.items()
    ]
    landing = {"name": "landing", "schema": "mock2pg_landing", "tables": [{"name": "lessons", "columns": staged}]}
    (core.parent / "_sources.yml").write_text(yaml.safe_dump({"sources": [landing]}))
    contract = [{"name": name, "data_type": kind} for name, (_, _, kind, *_) in COLUMNS.items()]
    key = {"type": "primary_key", "columns": ["id"]}
    (core / "lessons.yml").write_text(
        yaml.safe_dump({"models": [{"name": "lessons", "constraints": [key], "columns": contract}]})
    )
    cast = ", ".join(f"{name}::{kind} as {name}" for name, (_, _, kind, *_) in COLUMNS.items())
    (core / "lessons.sql").write_text(f"select {cast} from {{{{ source('landing', 'lessons') }}}}")
    return folder


def test_a_row_that_holds_the_jsons_text_is_not_updated(
    tmp_path: Path, database: str, connection: postgres.Connection
) -> None:
    """An application's columns of text keep each spelling, whatever type is declared; a change arrives as spelled."""
    columns = ", ".join(f"{name} {own}" for name, (*_, own, _) in COLUMNS.items())
    connection.execute(f"CREATE TABLE public.lessons ({columns}, PRIMARY KEY (id))")  # type: ignore[arg-type]
    row = {name: value for name, (*_, value) in COLUMNS.items()}
    connection.execute("INSERT INTO public.lessons VALUES (" + ", ".join(["%s"] * len(row)) + ")", [*row.values()])  # type: ignore[arg-type]
    before = select(connection, "SELECT * FROM public.lessons")
    service = MigrationService(settings_module.load(project=project(tmp_path), database_url=database))
    source = tmp_path / "lessons.json"
    source.write_text(json.dumps([row]))
    planned = service.plan(tmp_path / "lessons.json")
    assert planned.summary["plan"]["tables"]["lessons"]["updated"] == 0, planned.message
    result = service.migrate_all_data(source)
    assert result.success, [result.message, *map(str, result.errors)]
    assert result.summary["publish"]["tables"]["lessons"]["unchanged"] == 1
    assert select(connection, "SELECT * FROM public.lessons") == before
    source.write_text(json.dumps([row | CHANGED]))
    assert service.migrate_all_data(source).summary["publish"]["tables"]["lessons"]["updated"] == 1
    (after,) = select(connection, f"SELECT {', '.join(CHANGED)} FROM public.lessons")
    assert after == tuple(str(value) for value in CHANGED.values())
    assert service.validate_migration()
