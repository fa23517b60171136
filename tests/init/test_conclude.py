"""What `conclude` says of documents in the shapes that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mock2pg.init.conclude import conclude
from mock2pg.init.conclusions import Conclusions, Entity


def concluded(folder: Path, document: Any, name: str = "db.json") -> Conclusions:
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return conclude(folder / name)


def entity(conclusions: Conclusions, name: str) -> Entity:
    return next(found for found in conclusions.entities if found.name == name)


def types(found: Entity) -> dict[str, str]:
    return {column.name: column.target_type for column in found.columns}


def test_flat_arrays_with_references(tmp_path: Path) -> None:
    """Arrays become tables in the order of their references, with keys, types and evidence."""
    found = concluded(
        tmp_path,
        {
            "orders": [{"id": 1, "customerId": "c1", "placedAt": "2024-05-01T10:00:00.000Z", "total": 12.50}],
            "customers": [{"id": "c1", "name": "A", "vip": True}, {"id": "c2", "name": "B", "vip": None}],
        },
    )
    assert [one.name for one in found.entities] == ["customers", "orders"]
    orders, customers = entity(found, "orders"), entity(found, "customers")
    assert orders.primary_key == customers.primary_key == ("id",)
    assert types(orders) == {
        "id": "integer", "customer_id": "text", "placed_at": "timestamptz", "total": "numeric",
    }  # fmt: skip
    assert [(one.columns, one.parent, one.evidence, one.enforced) for one in orders.references] == [
        (("customer_id",), "customers", "1 of 1", True)
    ]
    assert [column.declared.required for column in customers.columns] == [True, True, False]
    assert found.source == "db.json"


@pytest.mark.parametrize("shape", ["document", "folder", "lines", "array"])
def test_every_form_of_source(tmp_path: Path, shape: str) -> None:
    """A document, a folder, NDJSON and a bare array of the same rows show the same table."""
    rows = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]
    source = tmp_path / "pets.json"
    if shape == "document":
        source.write_text(json.dumps({"pets": rows}))
    elif shape == "array":
        source.write_text(json.dumps(rows))
    elif shape == "lines":
        source = tmp_path / "pets.ndjson"
        source.write_text("\n".join(map(json.dumps, rows)))
    else:
        source = tmp_path / "mocks"
        source.mkdir()
        (source / "pets.json").write_text(json.dumps(rows))
    (pets,) = conclude(source).entities
    assert (pets.name, pets.table.path, pets.rows, pets.primary_key) == ("pets", "pets", 2, ("id",))
