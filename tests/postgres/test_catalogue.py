"""The catalogue: tables, keys, counts, and rows that refer to nothing."""

from __future__ import annotations

import pytest

from mock2pg import postgres
from mock2pg.postgres import catalogue
from mock2pg.postgres.target_records import TargetForeignKey, TargetUnique

SCHEMA = """
    CREATE SCHEMA "My Schema";
    CREATE TABLE "My Schema"."order" ("the id" int, "Part" text, v numeric(5,2), g int GENERATED ALWAYS AS (1) STORED,
        PRIMARY KEY ("Part", "the id"));
    CREATE TABLE "My Schema".child (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b int, "A" text, gone int,
        "self" int REFERENCES "My Schema".child ON DELETE SET NULL,
        CONSTRAINT "To order" FOREIGN KEY ("A", b) REFERENCES "My Schema"."order" ("Part", "the id") MATCH SIMPLE);
    ALTER TABLE "My Schema".child DROP COLUMN gone;
    CREATE TABLE "My Schema".parts (id int, v text) PARTITION BY LIST (id);
    CREATE TABLE "My Schema".part1 PARTITION OF "My Schema".parts FOR VALUES IN (1);
    CREATE VIEW "My Schema".a_view AS SELECT 1 AS x;
    CREATE MATERIALIZED VIEW "My Schema".kept AS SELECT 1 AS x;
    CREATE SEQUENCE "My Schema".numbers;
    CREATE TABLE public.elsewhere (id int PRIMARY KEY);
    ALTER TABLE "My Schema".parts ADD FOREIGN KEY (id) REFERENCES public.elsewhere;
"""


@pytest.fixture
def filled(connection: postgres.Connection) -> postgres.Connection:
    connection.execute(SCHEMA)
    return connection


def test_tables_are_those_that_hold_rows_of_their_own(filled: postgres.Connection) -> None:
    """Views, sequences and partitions are no tables; another schema's tables are not this one's."""
    assert catalogue.tables(filled, "My Schema") == ["child", "order", "parts"]
    assert catalogue.tables(filled, "my schema") == []
    assert catalogue.schema_exists(filled, "My Schema")
    assert not catalogue.schema_exists(filled, "my schema")


def test_columns_and_primary_keys(filled: postgres.Connection) -> None:
    """Columns stand in their order without the dropped ones, a key's columns in the key's order."""
    columns = catalogue.columns(filled, "My Schema", "order")["order"].values()
    assert [(column.name, column.data_type) for column in columns] == [
        ("the id", "integer"), ("Part", "text"), ("v", "numeric(5,2)"), ("g", "integer"),
    ]  # fmt: skip
    assert [column.generated for column in columns] == [False, False, False, True]
    both = catalogue.columns(filled, "My Schema", "child", "order")
    assert [*both["child"]] == ["n", "b", "A", "self"]
    assert [*both["order"].values()] == [*columns]
    id_, b, *_ = both["child"].values()
    assert (id_.identity_always, b.identity_always) == (True, False)
    assert (id_.not_null, id_.has_default, id_.draws) == (True, True, True)
    assert (b.not_null, b.has_default, b.draws) == (False, False, False)
    assert catalogue.primary_key(filled, "My Schema", "order") == ("Part", "the id")
    assert catalogue.primary_key(filled, "My Schema", "parts") == ()


def test_foreign_keys(filled: postgres.Connection) -> None:
    """Each key once, with its columns in pairs; those of partitions belong to their root."""
    to_order, to_self, away = [
        TargetForeignKey("To order", "child", ("A", "b"), "My Schema", "order", ("Part", "the id"), "My Schema"),
        TargetForeignKey("child_self_fkey", "child", ("self",), "My Schema", "child", ("n",), "My Schema", "SET NULL"),
        TargetForeignKey("parts_id_fkey", "parts", ("id",), "public", "elsewhere", ("id",), "My Schema"),
    ]
    assert catalogue.foreign_keys(filled, "My Schema") == [to_order, to_self, away]
    assert catalogue.references_to(filled, "My Schema") == [to_order, to_self]
    assert catalogue.references_to(filled, "public") == [away]
    filled.execute('ALTER TABLE "My Schema".parts ADD UNIQUE (id, v)')
    filled.execute(
        'CREATE TABLE public.to_part (i int, v text, FOREIGN KEY (i, v) REFERENCES "My Schema".part1 (id, v))'
    )
    of_a_part = TargetForeignKey("to_part_i_v_fkey", "to_part", ("i", "v"), "My Schema", "parts", ("id", "v"), "public")
    assert catalogue.references_to(filled, "My Schema") == [to_order, to_self, of_a_part]


def test_orphans_are_counted(filled: postgres.Connection) -> None:
    """Rows whose parent is not there, as when keys were not enforced; a NULL refers to nothing."""
    filled.execute("""
        SET session_replication_role = replica;
        INSERT INTO "My Schema"."order" VALUES (1, 'x');
        INSERT INTO "My Schema".child (b, "A", "self")
            VALUES (1, 'x', NULL), (2, 'x', 1), (1, 'y', 9), (1, NULL, 9), (NULL, 'y', NULL);
        INSERT INTO "My Schema".parts VALUES (1, 'a');
        SET session_replication_role = DEFAULT""")
    keys = catalogue.foreign_keys(filled, "My Schema")
    assert [catalogue.orphans(filled, key) for key in keys] == [2, 2, 1]
    assert catalogue.rows(filled, "My Schema", "child") == 5


def test_what_keeps_rows_from_being_alike(filled: postgres.Connection) -> None:
    """Unique constraints and indexes but the primary key, with what expressions and predicates look at."""
    filled.execute("""
        ALTER TABLE "My Schema"."order" ADD UNIQUE (v, "Part"), ADD w text, ADD x text, ADD y text COLLATE "POSIX",
            ADD z text GENERATED ALWAYS AS (w || x) STORED UNIQUE;
        CREATE UNIQUE INDEX ON "My Schema"."order" ("Part") INCLUDE (v);
        CREATE UNIQUE INDEX ON "My Schema"."order" (x, lower("Part")) INCLUDE (v);
        CREATE UNIQUE INDEX ON "My Schema"."order" (w) WHERE v IS NULL;
        CREATE UNIQUE INDEX ON "My Schema"."order" (y COLLATE "C");
        ALTER TABLE "My Schema"."order" ADD EXCLUDE (v WITH =, w WITH =)""")
    assert catalogue.uniques(filled, "My Schema", "order") == [
        TargetUnique(("w", "x", "z"), ("w", "x", "z"), plain=False),
        TargetUnique(("Part", "v"), ("Part", "v"), plain=True),
        TargetUnique(("Part",), ("Part", "v"), plain=True),
        TargetUnique(("Part", "v", "x"), ("Part", "v", "x"), plain=False),
        TargetUnique(("w",), ("v", "w"), plain=True),
        TargetUnique(("y",), ("y",), plain=False),
        TargetUnique(("v", "w"), ("v", "w"), plain=False),
    ]
