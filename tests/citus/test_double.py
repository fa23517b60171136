"""The double refuses what Citus refuses, so that a test on it can fail."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from mock2pg import postgres
from mock2pg.postgres import distribution
from mock2pg.postgres.distribution import Distribution
from tests.citus import double

TABLES = """
    CREATE TABLE shops (id int PRIMARY KEY);
    CREATE TABLE orders (id int, shop_id int NOT NULL REFERENCES shops, PRIMARY KEY (id, shop_id));
    CREATE TABLE narrow (id int PRIMARY KEY, shop_id int NOT NULL);
"""


def test_distributions_are_read_as_they_were_made(doubled: str) -> None:
    """A reference table, a distributed one with its column, and no local one."""
    with postgres.connect(doubled, name="test") as connection:
        connection.execute("SET search_path = public")
        connection.execute(TABLES)
        assert distribution.of_schema(connection, "public") == {}
        distribution.distribute(connection, "public", "shops", "reference")
        distribution.distribute(connection, "public", "orders", "shop_id")
        found = distribution.of_schema(connection, "public")
        assert {name: each.declared for name, each in found.items()} == {"orders": "shop_id", "shops": "reference"}
        assert found["shops"] == Distribution("reference", colocation=1)
        assert found["orders"].shards == 4
        connection.execute("DROP TABLE orders")
        assert list(distribution.of_schema(connection, "public")) == ["shops"]
    assert double.calls(doubled) == [
        "create_reference_table(shops)",
        "create_distributed_table(orders, shop_id, default)",
    ]


@pytest.mark.parametrize(
    ("table", "how", "error"),
    [
        ("narrow", "shop_id", psycopg.errors.FeatureNotSupported),
        ("orders", "shop_id", psycopg.errors.FeatureNotSupported),  # what it refers to is a local table
        ("shops", "name", psycopg.errors.UndefinedColumn),
    ],
)
def test_the_double_refuses_what_citus_refuses(doubled: str, table: str, how: str, error: type[Exception]) -> None:
    """A key without the column, a reference to a local table, a column that is not there."""
    with postgres.connect(doubled, name="test") as connection:
        connection.execute("SET search_path = public")
        connection.execute(TABLES)
        with pytest.raises(error):
            distribution.distribute(connection, "public", table, how)


@pytest.mark.citus
def test_the_cluster_answers_as_the_double_does(citus_url: str) -> None:
    """A real cluster's catalogue gives what the double's gives."""
    with postgres.connect(citus_url, name="test") as connection:
        connection.execute("SET search_path = public")
        connection.execute(TABLES)
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            distribution.distribute(connection, "public", "narrow", "shop_id")
        distribution.distribute(connection, "public", "shops", "reference")
        distribution.distribute(connection, "public", "orders", "shop_id")
        connection.execute("CREATE TABLE more (shop_id int NOT NULL)")
        distribution.distribute(connection, "public", "more", "shop_id", sql.Identifier("public", "orders"))
        found = distribution.of_schema(connection, "public")
        assert {name: each.declared for name, each in found.items()} == {
            "more": "shop_id", "orders": "shop_id", "shops": "reference",
        }  # fmt: skip
        assert found["more"].colocation == found["orders"].colocation
        connection.execute("DROP TABLE orders")
        assert list(distribution.of_schema(connection, "public")) == ["more", "shops"]
