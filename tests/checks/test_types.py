"""Declared rules hold for columns of every type."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.spellings import FORMATS
from tests.fix_small import DBT_PROJECT

VALUES: dict[str, tuple[Any, Any]] = {  # two of each type
    "text": ("a", "b"), "integer": (1, 2), "bigint": (2**60, 2**60 + 1), "numeric": (1.50, 1.25),
    "boolean": (True, False), "double precision": (0.1, 0.2), "date": ("2024-01-01", "2024-01-02"),
    "time": ("14:00", "14:01"), "timestamp": ("2024-01-01T00:00:00", "2024-01-01T00:00:01"),
    "jsonb": ({"a": 1}, {"a": 2}),
    "timestamptz": ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.001Z"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001"),
    "numeric(10,2)": (2.25, 2.26), "numeric(40,2)": (3.5, 3.25), "text[]": (["a"], ["b"]), "integer[]": ([1], [2]),
    "numeric(10,2)[]": ([1.5], [1.25]), "timestamptz[]": (["2024-01-01T00:00:00.000Z"], []),
}  # fmt: skip


def test_values_of_every_type_are_unique_and_refer(tmp_path: Path) -> None:
    """A duplicate and a reference to nothing are found at their rows, whatever the type; equal numbers are equal."""
    assert VALUES.keys() >= FORMATS.keys()
    names = {f"c{number}": kind for number, kind in enumerate(VALUES)}
    wanted = {name: {"unique": True} for name in names}, {name: {"references": f"parents.{name}"} for name in names}
    tables = [
        {"name": table, "columns": [{"name": n, "data_type": names[n], "config": {"meta": meta[n]}} for n in names]}
        for table, meta in zip(("parents", "children"), wanted, strict=True)
    ]
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    (tmp_path / "dbt_project" / "dbt_project.yml").write_text(DBT_PROJECT)
    declared = {"sources": [{"name": "landing", "schema": "mock2pg_landing", "tables": tables}]}
    (tmp_path / "dbt_project" / "models" / "_sources.yml").write_text(yaml.safe_dump(declared))
    one, other = (json.dumps({n: VALUES[kind][which] for n, kind in names.items()}) for which in (0, 1))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "parents.json").write_text(f"[{one}, {one.replace('1.5,', '1.50,')}]")
    (tmp_path / "in" / "children.json").write_text(f"[{one}, {other}]")
    (tmp_path / "expectations").mkdir()
    between = [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": name, "min_value": low, "max_value": 9e18},
            "severity": "warning",
            "meta": {"message": "should be more"},
        }
        for name, kind in names.items()
        if kind in ("integer", "bigint", "numeric", "numeric(10,2)", "double precision")
        for low in (0, 10)
        if kind != "bigint" or low == 0
    ]
    rules = json.dumps({"name": "children", "expectations": between})
    (tmp_path / "expectations" / "children.json").write_text(rules)
    result = MigrationService(settings_module.load(project=tmp_path)).check(tmp_path / "in")
    found = Counter((error.entity, error.row, error.field) for error in result.errors if error.severity == "critical")
    warned = Counter(names[error.field] for error in result.errors if error.severity == "warning")
    assert warned == {"integer": 2, "numeric": 2, "numeric(10,2)": 2, "double precision": 2}
    assert found == Counter(
        [("parents", row, name) for row in (1, 2) for name in names] + [("children", 2, name) for name in names]
    )
