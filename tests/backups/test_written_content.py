"""The hashes of a table that was written, from those of the backup and the rows that were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from mock2pg import MigrationService, history, postgres
from mock2pg.backups import exported_rows, written_content
from mock2pg.backups.written_content import Written, WrittenContent
from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.pipeline.steps.publish import proof
from mock2pg.publishing import held_difference, kept_keys
from mock2pg.publishing.merge import Merge
from mock2pg.settings import Settings
from tests.fix_merge import CHILD, PARENT, all_read, build, horizon, table
from tests.fix_published import small_rows

pytestmark = pytest.mark.usefixtures("few_rows_are_many")

TRIGGER = """
    CREATE FUNCTION public.also() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
        AS $$ BEGIN {} RETURN new; END $$;
    CREATE TRIGGER also BEFORE UPDATE ON public.parent FOR EACH ROW WHEN (pg_trigger_depth() < 1)
        EXECUTE FUNCTION public.also()"""
ANOTHER_ROW = "UPDATE public.parent SET created_at = 'epoch' WHERE id = 'stays';"


@pytest.fixture
def parents(connection: postgres.Connection) -> list[Table]:
    """One row to insert, update, delete and keep each."""
    tables = build(connection, [(PARENT, [("stays", "a"), ("differs", "new"), ("new", "c")])])
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY, name text, created_at timestamptz)")
    connection.execute("INSERT INTO public.parent VALUES ('stays', 'a'), ('differs', 'b'), ('gone', 'd')")
    return tables


def written(
    connection: postgres.Connection,
    tables: list[Table],
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> tuple[Written | None, ...]:
    """Publish into tables that nobody wrote into since a backup; return what is known of each, and prove that.

    before, after  are called before and after the rows are written
    """
    since = horizon(connection)
    with connection.transaction():
        merge = Merge(connection, postgres.scratch.NEXT, "public", tables, hold=True)
        then = {each.table.name: all_read(connection, each) for each in merge.merges}
        hashes = {name: each.content for name, each in then.items()}
        published = {name: each.hash for name, each in then.items() if each.hash}
        content = WrittenContent(connection, "public", merge, since, hashes, published)
        before()
        merge.apply(lambda _: 0)
        after()
        found = {each.table.name: content.of(each) for each in merge.merges}
        assert all(found[each.table.name] in (None, all_read(connection, each)) for each in merge.merges)
    return tuple(found[each.name] for each in tables)


@pytest.mark.parametrize(
    ("trigger", "known"),
    [
        ("", True),
        ("new.created_at = 'epoch';", True),  # what is written is read, whoever decided it
        ("new.name = 'another';", False),
        (ANOTHER_ROW, False),
        ("UPDATE public.parent SET name = name WHERE id = 'stays';", False),
        ("DELETE FROM public.parent WHERE id = 'stays';", False),
        ("INSERT INTO public.parent VALUES ('another', 'e');", False),
        ("INSERT INTO public.parent VALUES ('gone', 'd');", False),
        ("RETURN NULL;", False),
    ],
)
def test_it_follows_from_the_rows_that_were_written(
    connection: postgres.Connection, parents: list[Table], trigger: str, known: bool
) -> None:
    """If a trigger writes anything else, or keeps a row from being written, all rows have to be read."""
    if trigger:
        connection.execute(TRIGGER.format(trigger))  # type: ignore[arg-type]
    assert (written(connection, parents)[0] is not None) == known


def test_a_trigger_that_replaces_the_rows_it_deletes_is_noticed(
    connection: postgres.Connection, parents: list[Table]
) -> None:
    """The table has as many rows as it should, and as many were written, but others: without a key of its own, too."""
    connection.execute("ALTER TABLE public.parent DROP CONSTRAINT parent_pkey")
    instead = "INSERT INTO public.parent SELECT new.*; DELETE FROM public.parent WHERE id = 'stays'; RETURN NULL;"
    connection.execute(TRIGGER.format(instead))  # type: ignore[arg-type]
    merge = Merge(connection, postgres.scratch.NEXT, "public", parents, hold=True)
    with (
        pytest.raises(PublishFailed, match="of 3 built rows, 2 are in it"),
        connection.transaction(),
    ):
        merge.apply()
    assert written(connection, parents) == (None,)


def test_a_row_that_goes_in_place_of_another_is_noticed(connection: postgres.Connection, parents: list[Table]) -> None:
    """The table has as many rows as it should, and as many were written."""
    connection.execute(
        "CREATE FUNCTION public.other() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$ BEGIN"
        " DELETE FROM public.parent WHERE id = 'stays'; RETURN NULL; END $$;"
        " CREATE TRIGGER other BEFORE DELETE ON public.parent FOR EACH ROW WHEN (old.id = 'gone')"
        " EXECUTE FUNCTION public.other()"
    )
    assert written(connection, parents) == (None,)
    assert connection.execute("SELECT count(*) FROM public.parent").fetchone() == (3,)


@pytest.mark.parametrize(
    "rule",
    [
        "ON UPDATE TO public.parent DO INSTEAD NOTHING",
        "ON UPDATE TO public.parent DO ALSO DELETE FROM public.parent WHERE id = 'stays'",
    ],
)
def test_a_rule_that_writes_otherwise_is_noticed(
    connection: postgres.Connection, parents: list[Table], rule: str
) -> None:
    """It counts as a trigger does."""
    connection.execute(f"CREATE RULE otherwise AS {rule}")  # type: ignore[arg-type]
    assert written(connection, parents) == (None,)


def test_rows_that_a_savepoint_wrote_are_written(connection: postgres.Connection) -> None:
    """Rows that exchange unique values are written twice, in savepoints: their last versions count."""
    swapped = table("swapped", "id text!", "n integer!", uniques=(("n",),))
    tables = build(connection, [(swapped, [("a", 2), ("b", 1), ("c", 3), ("d", 4)])])
    connection.execute("CREATE TABLE public.swapped (id text PRIMARY KEY, n integer UNIQUE)")
    connection.execute("INSERT INTO public.swapped VALUES ('a', 1), ('b', 2), ('c', 3)")
    assert written(connection, tables)[0] is not None
    assert connection.execute("SELECT count(DISTINCT xmin::text) > 2 FROM public.swapped").fetchone() == (True,)


def test_a_cascade_into_a_table_is_noticed(connection: postgres.Connection) -> None:
    """A foreign key deletes or changes rows of a table that was not to be written."""
    children = [("x", "stays", 1), ("y", "stays", 2), ("z", "stays", 3)]
    tables = build(connection, [(PARENT, [("stays", "a"), ("new", "b"), ("newer", "c")]), (CHILD, children)])
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY, name text)")
    connection.execute("INSERT INTO public.parent VALUES ('stays', 'a'), ('gone', 'd'), ('new', 'b')")
    connection.execute(
        "CREATE TABLE public.child (id text PRIMARY KEY, parent_id text, n integer,"
        " above text DEFAULT 'stays' REFERENCES public.parent ON DELETE SET NULL)"
    )
    connection.execute("INSERT INTO public.child VALUES ('x', 'stays', 1), ('y', 'stays', 2), ('z', 'stays', 3)")
    assert None not in written(connection, tables)
    connection.execute("TRUNCATE public.parent, public.child")
    connection.execute("INSERT INTO public.parent VALUES ('stays', 'a'), ('gone', 'd'), ('new', 'b')")
    connection.execute("INSERT INTO public.child VALUES ('x', 'stays', 1), ('y', 'stays', 2)")
    connection.execute("INSERT INTO public.child VALUES ('z', 'stays', 3, 'gone')")
    parent, child = written(connection, tables)
    assert parent is not None
    assert child is None


def test_rows_under_keys_that_existed_before_stay(connection: postgres.Connection) -> None:
    """A key that an existing row keeps is no part of the table hash; the row is compared under it."""
    named = table("named", "id text!", "name text!", "note text", natural_key=("name",))
    tables = build(connection, [(named, [("u1", "a", "x"), ("u2", "b", "new"), ("u3", "c", "z")])])
    connection.execute("CREATE TABLE public.named (id text PRIMARY KEY, name text UNIQUE, note text)")
    connection.execute("INSERT INTO public.named VALUES ('1', 'a', 'x'), ('2', 'b', 'y'), ('3', 'd', 'z')")
    assert kept_keys.keep(connection, postgres.scratch.NEXT, "public", tables, {}) == {"named": 2}
    assert written(connection, tables)[0] is not None
    assert connection.execute("SELECT id FROM public.named ORDER BY name").fetchall() == [("1",), ("2",), ("u3",)]


@pytest.mark.parametrize("mode", ["upsert", "ensure"])
def test_of_a_table_that_keeps_rows_nothing_follows_but_that_it_stayed(
    connection: postgres.Connection, parents: list[Table], mode: str
) -> None:
    """Its rows are compared as they were before."""
    tables = [replace(each, publish=mode) for each in parents]
    assert written(connection, tables) == (None,)
    assert written(connection, tables) != (None,)


@pytest.mark.parametrize("name", ["parent", "other"])
def test_a_table_that_others_write_into_meanwhile_did_not_stay(
    connection: postgres.Connection, parents: list[Table], database: str, name: str
) -> None:
    """It is not locked when no row of it was to change."""
    other = table("other", "id text!")
    tables = [*build(connection, [(other, [("a",), ("b",), ("c",)]), (PARENT, [("stays", "a"), ("gone", "d")])])]
    connection.execute("CREATE TABLE public.other (id text PRIMARY KEY)")
    connection.execute("INSERT INTO public.other VALUES ('a'), ('b'), ('c')")

    def write() -> None:
        with postgres.connect(database, name="others") as session:
            session.execute(sql.SQL("INSERT INTO {} (id) VALUES ('z')").format(sql.Identifier("public", name)))

    found = dict(zip(("other", "parent"), written(connection, tables, before=write), strict=True))
    assert found[name] is None
    assert found[{"parent": "other", "other": "parent"}[name]] is not None


def test_a_definition_that_changes_meanwhile_is_noticed(connection: postgres.Connection, parents: list[Table]) -> None:
    """A new column gives every row a value, and writes none."""
    change = "ALTER TABLE public.parent ADD flag boolean DEFAULT true"
    assert written(connection, parents, after=lambda: connection.execute(change)) == (None,)


def test_where_most_rows_change_all_are_read_once(
    connection: postgres.Connection, parents: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading those that change before and after would be more work."""
    monkeypatch.setattr(written_content, "_WORTH", 1)
    assert written(connection, parents) == (None,)


def test_without_the_horizon_of_the_backup_nothing_follows(
    connection: postgres.Connection, parents: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table into which others wrote since has no hash here, and a small one is compared as a whole."""
    monkeypatch.setattr(held_difference, "_MANY_ROWS", 4)
    content = {"parent": exported_rows.content_hash(connection, "public", "parent")}
    for known, hashes in ((None, content), (horizon(connection), {}), (horizon(connection), content)):
        merge = Merge(connection, postgres.scratch.NEXT, "public", parents, hold=True)
        (each,) = merge.merges
        assert WrittenContent(connection, "public", merge, known, hashes, {}).of(each) is None


def test_the_table_hash_follows_only_from_one_that_is_known(
    connection: postgres.Connection, parents: list[Table]
) -> None:
    """The content hash is known of every backup, the table hash of what a run published."""
    content, since = exported_rows.content_hash(connection, "public", "parent"), horizon(connection)
    with connection.transaction():
        merge = Merge(connection, postgres.scratch.NEXT, "public", parents, hold=True)
        (each,) = merge.merges
        found = WrittenContent(connection, "public", merge, since, {"parent": content}, {})
        merge.apply(lambda _: 0)
        assert found.of(each) == replace(all_read(connection, each), hash=None)


def test_the_rows_that_change_are_found_by_joins(
    connection: postgres.Connection, parents: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL looks for none of them one by one, which would take hours for many."""
    asked, plans = written_content.one_row, list[str]()

    def explained(session: postgres.Connection, query: sql.Composed) -> Any:
        plans.append("\n".join(row[0] for row in session.execute(sql.SQL("EXPLAIN {}").format(query))))
        return asked(session, query)

    monkeypatch.setattr(written_content, "one_row", explained)
    assert written(connection, parents) != (None,)
    assert len(plans) == 2
    assert not [plan for plan in plans if "SubPlan" in plan]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables of which all target rows are read for their table hash."""
    names, computed = list[str](), postgres.row_hashes.table_hash

    def noted(connection: postgres.Connection, rows: sql.Composable, each: Table, *own: Any) -> str:
        if "public" in rows.as_string(connection):
            names.append(each.name)
        return computed(connection, rows, each, *own)

    monkeypatch.setattr(postgres.row_hashes, "table_hash", noted)
    return names


def test_a_migration_reads_no_row_that_stays_to_prove_it(published_small: Settings, hashed: list[str]) -> None:
    """The history records what all rows give."""
    document = small_rows()
    document["pets"][0]["name"] = "another"
    document["pets"].pop()
    result = MigrationService(published_small).migrate_all_data(document)
    assert result.success, result.message
    assert hashed == []
    with postgres.connect(published_small.url, name="test", read_only=True) as connection:
        row = history.newest(connection, "public")
        assert row
        assert row.findings
        for each in row.findings.contracts:
            rows, known = postgres.catalogue.own_rows(connection, "public", each.name), row.tables[each.name]
            assert known["hash"] == postgres.row_hashes.table_hash(connection, rows, each)
            assert known["content"] == exported_rows.content_hash(connection, "public", each.name)


def test_a_row_that_stays_and_that_a_trigger_changes_fails_the_proof(
    published_small: Settings, hashed: list[str]
) -> None:
    """All rows are read then, and nothing is published."""
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute(
            "CREATE FUNCTION public.also() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$ BEGIN"
            " UPDATE public.pets SET legs = 9 WHERE name = 'pet 7'; RETURN new; END $$;"
            " CREATE TRIGGER also AFTER UPDATE ON public.pets FOR EACH ROW WHEN (pg_trigger_depth() < 1)"
            " EXECUTE FUNCTION public.also()"
        )
    document = small_rows()
    document["pets"][0]["name"] = "another"
    result = MigrationService(published_small).migrate_all_data(document)
    assert isinstance(result.error, PublishFailed)
    assert "table pets: of 132 built rows, 131 are in it unchanged" in result.error.message
    assert "pets" in hashed


def test_a_table_that_others_changed_before_is_read_as_a_whole(published_small: Settings, hashed: list[str]) -> None:
    """The hash that a run left is that of a table which still holds what it left."""
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute("UPDATE public.pets SET legs = 9 WHERE name = 'pet 7'")
    result = MigrationService(published_small).migrate_all_data(small_rows())
    assert result.success, result.message
    assert hashed == ["pets"]


def test_a_hash_under_another_contract_is_not_known(published_small: Settings) -> None:
    """It is over other columns, or another spelling of their values."""
    with postgres.connect(published_small.url, name="test", read_only=True) as connection:
        row = history.newest(connection, "public")
        assert row
        assert row.findings
        pets, owners = row.findings.contracts[::-1]
        contents = {name: each["content"] for name, each in row.tables.items()}
        found = proof.published_hashes(
            connection, "public", [replace(pets, columns=pets.columns[:-1]), owners], contents
        )
        assert found == {owners.name: row.tables[owners.name]["hash"]}


@pytest.mark.parametrize("left", [{}, {"pets": {}}, {"pets": {"hash": "0:0:0"}}, {"pets": {"content": "0:0:0"}}])
def test_a_hash_that_the_history_does_not_have_is_not_known(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch, left: dict[str, Any]
) -> None:
    """A row that its owner has changed does not keep a migration from reading all rows."""
    with postgres.connect(published_small.url, name="test", read_only=True) as connection:
        row = history.newest(connection, "public")
        assert row
        assert row.findings
        monkeypatch.setattr(history, "newest", lambda *_: replace(row, tables=left))
        found = proof.published_hashes(connection, "public", row.findings.contracts, {"pets": "0:0:0"})
        assert found == {}
