"""Conclusions by hand: a shop with all that a project is written from."""

from __future__ import annotations

from dataclasses import replace

from mock2pg.init.conclusions import ConcludedColumn, Conclusions, Doubt, Entity, Reference
from mock2pg.staged_tables import SourceColumn, SourceTable

DOCUMENT = {
    "customers": [
        {"id": 1, "name": "Ann", "status": "active", "friendId": None, "on": True},
        {"id": 2, "name": "Bob", "status": "closed", "friendId": 1, "on": False},
    ],
    "orders": [
        {"id": "o1", "customerId": 1, "couponId": "x", "total": "12.50"},
        {"id": "o2", "customerId": 2, "couponId": "gone", "total": "3.00"},
    ],
}


def column(
    name: str, data_type: str = "text", path: str = "", allowed: tuple[str, ...] = (), **words: object
) -> ConcludedColumn:
    declared = SourceColumn(name, data_type, path or name, **words)  # type: ignore[arg-type]
    return ConcludedColumn(declared, f"2 of 2 are {data_type}", 2, 2, allowed)


def entity(
    name: str,
    *columns: ConcludedColumn,
    key: tuple[str, ...] = ("id",),
    path: str = "",
    references: tuple[Reference, ...] = (),
) -> Entity:
    table = SourceTable(name, path or name, tuple(each.declared for each in columns))
    return Entity(table, 2, columns, key, "unique in 2 rows", references=references)


def shop() -> Conclusions:
    customers = entity(
        "customers",
        column("id", "integer", required=True, unique=True),
        column("name", required=True),
        column("status", required=True, blank=True, allowed=("active", "closed")),
        column("friend_id", "integer", "friendId", references=("customers", "id")),
        column("on", "boolean", required=True),
        references=(Reference(("friend_id",), "customers", ("id",), 1, 1, cyclic=True, on_delete="set null"),),
    )
    coupons = replace(entity("coupons", column("id", required=True, unique=True)), rows=2)
    orders = entity(
        "orders",
        column("id", required=True, unique=True),
        column("customer_id", "integer", "customerId", required=True, references=("customers", "id")),
        column("coupon_id", path="couponId", required=True),
        column("total", "numeric(10,2)", required=True, format="text"),
        references=(
            Reference(("customer_id",), "customers", ("id",), 2, 2),
            Reference(("coupon_id",), "coupons", ("id",), 1, 2, enforced=False),
        ),
    )
    doubts = (Doubt("orders.coupon_id", "1 of 2 is in coupons: row 2 is not."),)
    left_out = (Doubt("customers[].x", "It is null in every row."),)
    return Conclusions((customers, coupons, orders), doubts, left_out, source="shop.json")
