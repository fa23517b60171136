"""Publishing built rows into target tables, as the publish step does."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from mock2pg import postgres
from mock2pg.backups import exported_rows, snapshot, written_content
from mock2pg.backups.written_content import Written, WrittenContent
from mock2pg.contracts import Column, ForeignKey, Table
from mock2pg.postgres import unwritten
from mock2pg.publishing import creation, held_difference, merge
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference, Horizon

Rows = Iterable[tuple[Any, ...]]
Publish = Callable[..., dict[str, tuple[int, int, int, int, int]]]


def table(name: str, *columns: str, key: tuple[str, ...] = ("id",), **more: Any) -> Table:
    """A contract; a column is `name type` or `name type!` for one that is never null."""
    made = []
    for column in columns:
        own, _, kind = column.replace("double ", "double_").rpartition(" ")
        made.append(Column(own, kind.rstrip("!").replace("_", " "), kind.endswith("!"), own, None))
    return Table(name, tuple(made), key, **more)


PARENT = table(
    "parent", "id text!", "name text", database_columns=(("created_at", "timestamptz NOT NULL DEFAULT now()"),)
)
CHILD = table(
    "child", "id text!", "parent_id text!", "n integer",
    uniques=(("parent_id", "n"),), checks=(("n_check", "n < 100"),),
    foreign_keys=(ForeignKey(("parent_id",), "parent", ("id",), "on delete cascade"),),
    database_columns=(("created_at", "timestamptz NOT NULL DEFAULT clock_timestamp()"),),
)  # fmt: skip
PARENTS, CHILDREN = [("1", "a"), ("2", "b")], [("x", "1", 1), ("y", "2", 1)]


def build(connection: postgres.Connection, pairs: Iterable[tuple[Table, Rows]]) -> list[Table]:
    """Fill the scratch schema as dbt would."""
    pairs = list(pairs)
    postgres.scratch.recreate(connection)
    for each, rows in pairs:
        creation.create(connection, postgres.scratch.NEXT, replace(each, database_columns=()))
        values = sql.SQL(", ").join(sql.Placeholder() * len(each.columns))
        home = sql.Identifier(postgres.scratch.NEXT, each.name).as_string().replace("%", "%%")
        insert = sql.SQL("INSERT INTO {} VALUES ({})").format(sql.SQL(home), values)  # type: ignore[arg-type]
        for row in rows:
            connection.execute(insert, row)
    return [each for each, _ in pairs]


@pytest.fixture
def publish(
    connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Publish:
    """Builds tables with these rows and publishes them: before, after, inserted, updated, deleted of each.

    One test in four publishes as into large tables, always the same ones.
    """
    large = zlib.crc32(request.node.nodeid.encode()) % 4 == 0
    if large:
        monkeypatch.setattr(held_difference, "_MANY_ROWS", 0)
        monkeypatch.setattr(written_content, "_WORTH", 100)

    def run(
        built: dict[Table, Rows] | list[tuple[Table, Rows]], target: str = "public", allowed: Collection[str] = ()
    ) -> Any:
        tables = build(connection, built.items() if isinstance(built, dict) else built)
        how = _publish_into_large if large else merge.publish
        with connection.transaction():
            done = how(connection, postgres.scratch.NEXT, target, tables, allowed)
        return {name: (d.before, d.after, d.inserted, d.updated, d.deleted) for name, d in done.items()}

    return run


def _publish_into_large(
    connection: postgres.Connection, built: str, target: str, tables: list[Table], allowed: Collection[str]
) -> dict[str, Difference]:
    """Hold what differs; hashes that follow from what was written must be those of all rows."""
    since, names = horizon(connection, target), postgres.catalogue.tables(connection, target)
    hashes = {name: exported_rows.content_hash(connection, target, name) for name in names}
    merged = merge.Merge(connection, built, target, tables, hold=True)
    published = {each.table.name: table_hash(connection, each) for each in merged.merges if not each.created}
    merged.refuse_referencing_rows(allowed)
    content = WrittenContent(connection, target, merged, since, hashes, published)
    done = merged.apply()
    for each in merged.merges:
        found = content.of(each)
        assert found in (None, all_read(connection, each))
    return done


def all_read(connection: postgres.Connection, each: TableMerge) -> Written:
    """Return what all rows of the table give."""
    content = exported_rows.content_hash(connection, each.target_schema, each.table.name)
    return Written(content, table_hash(connection, each))


def table_hash(connection: postgres.Connection, each: TableMerge) -> str:
    return postgres.row_hashes.table_hash(connection, each.target, each.table)


def horizon(connection: postgres.Connection, schema: str = "public") -> Horizon:
    """Return the horizon of a backup that is taken now."""
    (transaction,) = connection.execute(f"SELECT {unwritten.HORIZON}").fetchone() or ("",)  # type: ignore[arg-type]
    return Horizon(transaction, snapshot.defined(connection, schema))


def select(connection: postgres.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


@pytest.fixture
def few_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows are held, and proven by what was written of them."""
    monkeypatch.setattr(held_difference, "_MANY_ROWS", 3)
    monkeypatch.setattr(written_content, "_WORTH", 9)
