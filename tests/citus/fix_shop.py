"""A shop of many tenants: a project whose tables can be local, reference, or distributed by the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.fix_declared import Entity, declared_project

Document = dict[str, list[dict[str, Any]]]


def _refers(columns: Sequence[str], to: str, **more: str) -> dict[str, Any]:
    return {"type": "foreign_key", "columns": list(columns), "to": f"ref('{to}')", "to_columns": ["id"], **more}


ENTITIES = (
    Entity("countries", {"id": "text!", "name": "text!"}, constraints=[{"type": "unique", "columns": ["name"]}]),
    Entity(
        "shops", {"id": "integer!", "country": "text!", "name": "text!"},
        constraints=[_refers(["country"], "countries")],
    ),
    Entity(
        "products",
        {"id": "integer!", "shop_id": "integer!", "sku": "text!", "price": "numeric(10,2)!", "tags": "text[]"},
        constraints=[{"type": "unique", "columns": ["sku"]}, _refers(["shop_id"], "shops")],
    ),
    Entity(
        "orders",
        {"id": "integer!", "shop_id": "integer!", "number": "integer!", "placed_at": "timestamptz!",
         "replaces": "integer", "details": "jsonb"},
        constraints=[{"type": "unique", "columns": ["number"]}, _refers(["shop_id"], "shops")],
        foreign_keys=[{"columns": ["replaces"], "to": "orders", "to_columns": ["id"]}],
    ),
    Entity(
        "order_lines",
        {"order_id": "integer!", "position": "integer!", "shop_id": "integer!", "product_id": "integer!",
         "quantity": "integer!"},
        key=["order_id", "position"],
        constraints=[
            _refers(["order_id"], "orders", expression="on delete cascade"),
            _refers(["product_id"], "products"),
        ],
    ),
    Entity("settings", {"id": "text!", "value": "double precision"}),
)  # fmt: skip

# table -> its distribution, where it has one
LAYOUTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "local": {},
        "reference": dict.fromkeys([entity.name for entity in ENTITIES], "reference"),
        "mixed": {"countries": "reference", "shops": "reference", "settings": "id"},
        "tenant": {
            "countries": "reference", "shops": "id", "products": "shop_id", "orders": "shop_id",
            "order_lines": "shop_id",
        },
    }
)  # fmt: skip


def shop_project(folder: Path, layout: str) -> Path:
    """The project, with the distributions of the layout declared."""
    how = LAYOUTS[layout]
    return declared_project(folder, [replace(each, distribution=how.get(each.name, "")) for each in ENTITIES])


def first() -> Document:
    """Three shops, each with products, orders and lines; order 12 replaces 11."""
    shops = [{"id": n, "country": "de" if n < 3 else "fr", "name": f"Shop {n}"} for n in (1, 2, 3)]
    products = [
        {"id": 10 * n + k, "shop_id": n, "sku": f"S{n}-{k}", "price": n + k / 4, "tags": [f"t{k}", "all"]}
        for n in (1, 2, 3)
        for k in (1, 2, 3)
    ]
    orders = [
        {"id": 10 * n + k, "shop_id": n, "number": 100 * n + k, "placed_at": f"2026-0{k}-0{n}T10:00:00.000Z",
         "replaces": 10 * n + 1 if k == 2 else None, "details": {"gift": k == 1}}
        for n in (1, 2, 3)
        for k in (1, 2, 3)
    ]  # fmt: skip
    lines = [
        {"order_id": order["id"], "position": p, "shop_id": order["shop_id"], "product_id": 10 * order["shop_id"] + p,
         "quantity": p}
        for order in orders
        for p in (1, 2)
    ]  # fmt: skip
    return {
        "countries": [{"id": "de", "name": "Germany"}, {"id": "fr", "name": "France"}],
        "shops": shops, "products": products, "orders": orders, "order_lines": lines,
        "settings": [{"id": "vat", "value": 0.19}, {"id": "zero", "value": -0.0}, {"id": "none", "value": None}],
    }  # fmt: skip


def changed() -> Document:
    """Changed, added and removed rows; two products exchange their unique sku; the self reference moves on."""
    document = first()
    document["shops"][0]["name"] = "Shop One"
    document["products"][0]["sku"], document["products"][1]["sku"] = "S1-2", "S1-1"
    document["products"][3]["tags"] = ["other"]
    document["orders"][2]["placed_at"] = "2027-01-01T00:00:00.000Z"
    document["orders"][2]["replaces"] = 12
    document["order_lines"] = [line for line in document["order_lines"] if line["order_id"] != 33]
    document["orders"] = [order for order in document["orders"] if order["id"] != 33]
    document["orders"].append({"id": 14, "shop_id": 1, "number": 104, "placed_at": "2026-05-05T00:00:00.000Z",
                               "replaces": 13, "details": None})  # fmt: skip
    document["settings"][0]["value"] = 0.16
    return document


def moved() -> Document:
    """As the first, but order 23 with its lines belongs to shop 3 now."""
    document = first()
    order = next(order for order in document["orders"] if order["id"] == 23)
    order["shop_id"] = 3
    for line in document["order_lines"]:
        if line["order_id"] == 23:
            line["shop_id"], line["product_id"] = 3, 30 + line["position"]
    return document
