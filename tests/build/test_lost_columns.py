"""Staged columns that reach no target table."""

from __future__ import annotations

from typing import Any

import pytest

from mock2pg.build import lost_columns
from mock2pg.contracts import Column, Table
from mock2pg.errors import ProjectError
from mock2pg.staged_tables import SourceColumn, SourceTable

NOTES = (SourceColumn("id", "text", "id"), SourceColumn("note", "text", "note"), SourceColumn("a b", "text", '"a b"'))
ORDERS = SourceTable("orders", "orders", (*NOTES, SourceColumn("key", "text", "key", uuid5=("id",))))
ITEMS = SourceTable(
    "items", "orders[].items[]", (SourceColumn("order_id", "text", "orders[].id"), SourceColumn("sku", "text", "sku"))
)


def model(name: str, raw_code: str, *, source: str = "", of: str = "") -> dict[str, Any]:
    sources = [["landing", source]] if source else []
    return {"unique_id": name, "raw_code": raw_code, "sources": sources, "depends_on": {"nodes": [of] if of else []}}


def target(source: str, *columns: str) -> Table:
    return Table(source, tuple(Column(name, "text", False, name, None) for name in columns), ("id",), source=source)


def test_a_staged_column_that_no_model_takes_is_named() -> None:
    """Neither a contract nor the SQL of a model has it. What is made of others, or of a row around, is not lost."""
    models = [model("m", "select id from x", source="orders"), model("n", "select * from y", source="items")]
    with pytest.raises(ProjectError) as refused:
        lost_columns.refuse(models, [target("orders", "id"), target("items")], [ORDERS, ITEMS])
    assert refused.value.message.splitlines()[1:] == ["  orders.note", "  orders.a b", "  items.sku"]


def test_a_column_that_a_model_makes_something_else_of_is_not_lost() -> None:
    """A model that reads the staged table, itself or through another one, may name the column in its SQL."""
    models = [
        model("m", "select * from x", source="orders"),
        model("n", """select upper(Note) || "a b" as all_of_it from m""", of="m"),
    ]
    lost_columns.refuse(models, [target("orders", "id")], [ORDERS])
    with pytest.raises(ProjectError):
        lost_columns.refuse([models[0], {**models[1], "depends_on": {"nodes": []}}], [target("orders", "id")], [ORDERS])
