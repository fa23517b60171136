"""Matching and comparing rows: which key is which, whose rows are whose, and when content is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mock2pg import postgres
from mock2pg.contracts import Column, ForeignKey, Table
from mock2pg.publishing import kept_keys, merge, preflight
from mock2pg.publishing.deletion_limits import DeletionLimits
from tests.fix_merge import Rows, build, select, table
from tests.fix_postgres import OlderServer, new_database

T = table("t", "id text!", "name text")


@pytest.fixture
def with_icu(older_server: OlderServer) -> Iterator[postgres.Connection]:
    """A database of a server that knows nondeterministic collations."""
    with (
        new_database(older_server, template="template1") as url,
        postgres.connect(url, name="test") as opened,
    ):
        opened.execute("CREATE COLLATION public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        yield opened


def published(connection: postgres.Connection, *pairs: tuple[Table, Rows]) -> dict[str, tuple[int, int, int]]:
    """Return what publishing inserts, updates and deletes, after a preflight without findings."""
    tables = build(connection, pairs)
    assert look(connection, tables) == []
    with connection.transaction():
        done = merge.publish(connection, postgres.scratch.NEXT, "public", tables)
    return {name: (d.inserted, d.updated, d.deleted) for name, d in done.items()}


def looked(connection: postgres.Connection, tables: list[Table]) -> preflight.Preflight:
    with connection.transaction():
        return preflight.look(
            connection, postgres.scratch.NEXT, "public", tables, DeletionLimits(), backups=preflight.Backups(Path("/"))
        )


def look(connection: postgres.Connection, tables: list[Table]) -> list[str]:
    return [f"{finding.table}: {finding.what}" for finding in looked(connection, tables).findings]


CHILD = table(
    "child", "id text!", "parent text", foreign_keys=(ForeignKey(("parent",), "t", ("id",), "on update cascade"),)
)


def test_a_change_of_case_is_a_change(with_icu: postgres.Connection) -> None:
    """Of content, of a unique value, and of a key, which is the same key all the same."""
    with_icu.execute("""
        CREATE TABLE public.t (id text COLLATE public.ci PRIMARY KEY, name text COLLATE public.ci UNIQUE);
        CREATE TABLE public.child (id text PRIMARY KEY, parent text REFERENCES public.t);
        CREATE TABLE public.theirs (t text REFERENCES public.t)""")
    published(with_icu, (T, [("a", "ann"), ("b", "bob")]), (CHILD, [("1", "a")]))
    with_icu.execute("INSERT INTO public.theirs VALUES ('b')")
    changed: list[tuple[Table, Rows]] = [(T, [("A", "ann"), ("b", "BOB")]), (CHILD, [("1", "A")])]
    assert published(with_icu, *changed) == {"t": (0, 2, 0), "child": (0, 1, 0)}
    assert select(with_icu, 'SELECT id, name FROM public.t ORDER BY id COLLATE "C"') == [("A", "ann"), ("b", "BOB")]
    assert published(with_icu, *changed) == {"t": (0, 0, 0), "child": (0, 0, 0)}


def test_keys_that_a_collation_calls_equal_are_refused(with_icu: postgres.Connection) -> None:
    """Two rows cannot both be in the table; where no index forbids it, they are two."""
    with_icu.execute("CREATE TABLE public.t (id text COLLATE public.ci PRIMARY KEY, name text)")
    tables = build(with_icu, [(T, [("a", "x"), ("A", "y")])])
    assert look(with_icu, tables) == ["t: unique constraint t_pkey would be violated by two rows"]
    with_icu.execute(
        "ALTER TABLE public.t DROP CONSTRAINT t_pkey; INSERT INTO public.t VALUES ('A', 'old'), ('a', 'x')"
    )
    assert published(with_icu, (T, [("a", "x"), ("A", "y")])) == {"t": (0, 1, 0)}


@pytest.mark.parametrize("kind", ["public.citext", "public.words", "varchar(9)", "char(9)", "text"])
def test_text_of_any_kind_is_compared_by_bytes(kind: str, connection: postgres.Connection) -> None:
    """A key of citext is matched as its index matches it, and its spelling is content."""
    connection.execute("CREATE EXTENSION citext SCHEMA public; CREATE DOMAIN public.words AS public.citext")
    connection.execute(f"CREATE TABLE public.t (id {kind} PRIMARY KEY, name {kind} UNIQUE)")  # type: ignore[arg-type]
    published(connection, (T, [("a", "ann"), ("b", "bob")]))
    rows = [("A", "Ann"), ("b", "bob")]
    as_one = kind in ("public.citext", "public.words")
    assert published(connection, (T, rows)) == {"t": (0, 1, 0) if as_one else (1, 0, 1)}
    assert [(key.rstrip(), name.rstrip()) for key, name in select(connection, "SELECT * FROM public.t")] == [
        ("b", "bob"), ("A", "Ann")
    ]  # fmt: skip


def test_rows_of_an_inheriting_table_belong_to_it(connection: postgres.Connection) -> None:
    """They are neither deleted, changed, compared nor counted, whatever their key; the same key is said beforehand."""
    connection.execute("""
        CREATE TABLE public.t (id text PRIMARY KEY, name text);
        CREATE TABLE public.archive (at date) INHERITS (public.t);
        CREATE TABLE public.deeper () INHERITS (public.archive);
        CREATE TABLE public.refers (t text REFERENCES public.t);
        INSERT INTO public.t VALUES ('1', 'old'), ('gone', 'gone');
        INSERT INTO public.archive VALUES ('1', 'theirs', '2020-01-01'), ('9', 'theirs', NULL);
        INSERT INTO public.deeper VALUES ('2', 'theirs', NULL)""")
    rows = [("1", "new"), ("2", "two")]
    tables = build(connection, [(T, rows)])
    found = looked(connection, tables)
    assert [caution.partition(";")[0] for caution in found.cautions] == [
        "public.archive inherits from t and holds 1 row with a key (id) of the source",
        "public.deeper inherits from t and holds 1 row with a key (id) of the source",
    ]
    theirs = select(connection, "SELECT tableoid, t.* FROM public.t WHERE name = 'theirs'")
    for way in ("merge", "upsert", "ensure"):
        done = published(connection, (replace(T, publish=way), rows))
        if way == "merge":
            assert done == {"t": (1, 1, 1)}
        assert select(connection, "SELECT * FROM ONLY public.t ORDER BY 1") == rows
        assert select(connection, "SELECT tableoid, t.* FROM public.t WHERE name = 'theirs'") == theirs
    connection.execute("INSERT INTO public.refers VALUES ('1')")
    (key,) = postgres.catalogue.foreign_keys(connection, "public")
    assert postgres.catalogue.orphans(connection, key) == 0
    connection.execute("SET session_replication_role = replica; DELETE FROM ONLY public.t WHERE id = '1'")
    assert postgres.catalogue.orphans(connection, key) == 1  # a row of the archive is none that it could refer to
    connection.execute("INSERT INTO public.t VALUES ('1', 'new')")
    assert postgres.row_hashes.contract_hash(connection, "public", T).startswith("2:")


def test_rows_of_partitions_are_the_tables_own(connection: postgres.Connection) -> None:
    """A partition inherits too, and is no table of others."""
    connection.execute("""
        CREATE TABLE public.t (id text PRIMARY KEY, name text) PARTITION BY LIST (id);
        CREATE TABLE public.one PARTITION OF public.t FOR VALUES IN ('1');
        CREATE TABLE public.rest PARTITION OF public.t DEFAULT;
        INSERT INTO public.t VALUES ('1', 'old'), ('gone', 'gone')""")
    assert published(connection, (T, [("1", "new"), ("2", "two")])) == {"t": (1, 1, 1)}


def test_a_text_column_takes_the_text_of_the_json(connection: postgres.Connection) -> None:
    """Whichever of contract and table says text, and whoever made the table; a derived value is PostgreSQL's text."""
    of_time = Column("a", "time", False, "a", None, "time")
    columns = (
        of_time,
        replace(of_time, name="b", data_type="text"),
        replace(of_time, name="c", derived="why"),
        replace(of_time, name="d"),
    )
    built = [("1", "14:00", "14:00:00", "14:00", "14:00"), ("2", None, None, None, None)]
    for name, kind in (("there", "varchar(8)"), ("new", "")):
        if kind:
            made = f"CREATE TABLE public.there (id text PRIMARY KEY, a {kind}, b {kind}, c {kind}, d time)"
            connection.execute(made)  # type: ignore[arg-type]
        t = Table(name, (Column("id", "text", True, "id", None), *columns), ("id",), source=name)
        assert published(connection, (t, built)) == {name: (2, 0, 0)}
        (row, _) = select(connection, f"SELECT id, a::text, b, c::text, d::text FROM public.{name} ORDER BY id")
        assert row == ("1", "14:00" if kind else "14:00:00", "14:00", "14:00:00", "14:00:00")
        assert published(connection, (t, built)) == {name: (0, 0, 0)}


ENROLMENT = table(
    "t", "id text!", "a text!", "b text!", "note text", uniques=(("a", "b"),), natural_key=("a", "b")
)  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "uuid"])
def test_an_existing_row_keeps_the_key_that_we_would_invent(kind: str, connection: postgres.Connection) -> None:
    """It is found by its natural key: unchanged where it says the same, updated where not, and still referred to."""
    ours = [f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-5000-8000-000000000000" for n in range(1, 5)]
    own = "99999999-0000-4000-8000-000000000000"
    connection.execute(f"""
        CREATE TABLE public.t (id {kind} PRIMARY KEY, a text, b text, note text, UNIQUE (a, b));
        CREATE TABLE public.seats (t {kind} REFERENCES public.t);
        INSERT INTO public.t VALUES ('{own}', '1', 'x', 'same'), ('{ours[2]}', '2', 'x', NULL),
            ('{ours[3]}', '8', '8', '8');
        INSERT INTO public.seats VALUES ('{own}')""")  # type: ignore[arg-type]
    # the third key is that of another row of ours, to which it goes; the fourth row is gone
    rows = [(ours[0], "1", "x", "same"), (ours[1], "2", "x", "y"), (ours[2], "3", "x", None)]
    tables = build(connection, [(ENROLMENT, rows)])
    with connection.transaction():
        assert kept_keys.keep(connection, postgres.scratch.NEXT, "public", tables, {}) == {"t": 1}
        assert kept_keys.keep(connection, postgres.scratch.NEXT, "public", tables, {}) == {}
        done = merge.publish(connection, postgres.scratch.NEXT, "public", tables)["t"]
    assert (done.inserted, done.updated, done.deleted, done.unchanged) == (1, 1, 1, 1)
    assert select(connection, "SELECT id::text, a, b, note FROM public.t ORDER BY a") == [
        (own, "1", "x", "same"), *rows[1:]
    ]  # fmt: skip
