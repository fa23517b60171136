"""The page of the target tables: what it says of each column, and where that comes from."""

from __future__ import annotations

import json
from typing import Any

from mock2pg.contracts import Column, ForeignKey, Table
from mock2pg.report import target_tables
from mock2pg.report.target_tables import ShownColumn, described

OWNERS = Table("owners", (Column("id", "text", True, "id", None),), ("id",), source="owners")
VISITS = Table(
    "visits",
    (
        Column("id", "uuid", True, "id", None),
        Column("owner_id", "text", True, "owner_id", None),
        Column("at", "timestamptz", False, "at", None, "timestamptz", "YYYY-MM-DDTHH:MM:SSZ"),
        Column("note", "text", True, "note", None),
        Column("kind", "text", True, None, "two spellings become one"),
    ),
    ("id",),
    foreign_keys=(ForeignKey(("owner_id",), "owners", ("id",), "on delete cascade"),),
    source="visits",
    database_columns=(("created_at", "timestamp with time zone not null default now()"),),
)


def manifest(**visits: Any) -> bytes:
    columns = {
        "id": {"meta": {"uuid5": ["owner_id", "at"]}},
        "at": {"meta": {"path": "when.at", "required": True}},
        "note": {"meta": {"path": "."}},
        "owner_id": {"meta": {}},
    }
    model = {"name": "visits_model", "alias": "visits", "resource_type": "model", "description": "One row per visit."}
    return json.dumps(
        {
            "nodes": {"model.x.visits": {**model, "columns": {"at": {"description": "In `UTC`."}}, **visits}},
            "sources": {"source.x.visits": {"name": "visits", "columns": columns}},
        }
    ).encode()


def test_a_column_says_where_its_values_are_in_the_json() -> None:
    """A path, or in words what it is instead; with type, keys, references and the description of the model's YAML."""
    owners, visits = described([VISITS, OWNERS], manifest(), {"visits": "owners[].visits[]", "owners": "owners"})
    assert (visits.path, visits.description, visits.referred) == ("owners[].visits[]", "One row per visit.", ())
    assert (owners.path, owners.description, owners.referred) == ("owners", "", ("visits",))
    assert visits.columns == (
        ShownColumn("id", "uuid", False, ("PK",), origin="UUIDv5 of owner_id, at"),
        ShownColumn("owner_id", "text", False, ("FK",), (("owners", "id", "on delete cascade"),), "owner_id"),
        ShownColumn("at", "timestamptz", True, path="when.at", format="YYYY-MM-DDTHH:MM:SSZ", description="In `UTC`."),
        ShownColumn("note", "text", False, origin="the element itself"),
        ShownColumn("kind", "text", False, origin="no key of the JSON", derived="two spellings become one"),
        ShownColumn(
            "created_at",
            "timestamptz",
            False,
            origin="filled by the database",
            definition="timestamp with time zone not null default now()",
        ),
    )


def test_contracts_are_shown_without_a_manifest_that_can_be_read() -> None:
    """A run whose manifest is gone, or of another version of dbt, has its tables by the contracts alone."""
    for unread in (b"", b"{", manifest(columns=["at"])):
        (visits,) = described([VISITS], unread, {})
        assert (visits.path, visits.description) == ("", "")
        assert visits.columns[2].path == "at"


def test_many_tables_are_drawn_by_their_keys() -> None:
    """The report has columns of up to 20 tables; the page of the tables has them all."""
    assert "2 more" not in target_tables.picture([VISITS, OWNERS])
    assert "4 more" in target_tables.picture([VISITS, OWNERS], only_keys=True)
