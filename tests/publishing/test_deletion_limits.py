"""Limits of the rows that a run may delete."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.publishing.deletion_limits import DeletionLimits
from mock2pg.step_results import Difference


@pytest.mark.parametrize(
    ("limit", "before", "deleted", "refused"),
    [
        ("50%", 100, 99, False), ("50%", 101, 50, False), ("50%", 101, 51, True), ("0%", 101, 1, True),
        ("8", 20, 9, True), ("8", 20, 8, False), ("0", 1000, 1, True), ("100%", 1000, 999, False),
    ],
)  # fmt: skip
def test_the_limit_is_a_number_or_a_share(limit: str, before: int, deleted: int, refused: bool) -> None:
    """A share counts for tables of more than 100 rows; a number counts for all."""
    differences = {"a": Difference(before, before - deleted, 0, 0, deleted)}
    with pytest.raises(PublishFailed) if refused else nullcontext():
        DeletionLimits(limit).refuse([Table("a", (), ("id",))], differences)


def test_an_entity_or_a_table_may_be_emptied_by_name() -> None:
    """Of the two names that a table has, its own and its array's, either will do."""
    differences, tables = {"a": Difference(3, 0, 0, 0, 3)}, [Table("a", (), ("id",), source="staged")]
    entities = {"staged": "anArray"}
    assert DeletionLimits(entities=entities).refusals(tables, differences) == [
        ("a", "would be emptied of 3 rows", "If that is intended: --allow-empty anArray")
    ]
    for name in ("a", "anArray"):
        assert DeletionLimits(allow_empty=frozenset({name}), entities=entities).refusals(tables, differences) == []
