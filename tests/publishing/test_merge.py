"""Publishing: the target tables hold exactly the built rows afterwards, and stay the tables that they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from mock2pg import postgres
from mock2pg.contracts import ForeignKey
from mock2pg.errors import LoadFailed, PublishFailed
from mock2pg.postgres import catalogue
from mock2pg.publishing import creation, plan_fingerprint
from tests.fix_merge import CHILD, CHILDREN, PARENT, PARENTS, Publish, Rows, build, select, table

pytestmark = pytest.mark.on_both_servers


def test_absent_tables_are_made_as_the_contracts_say(connection: postgres.Connection, publish: Publish) -> None:
    """Types, keys, uniques, checks, references with an index each, and the columns that the database fills."""
    other = table(
        "other", "id text!", "child_id text", "day date", foreign_keys=(ForeignKey(("child_id",), "child", ("id",)),)
    )
    done = publish([(PARENT, PARENTS), (CHILD, CHILDREN), (other, [])])
    assert done == {"parent": (0, 2, 2, 0, 0), "child": (0, 2, 2, 0, 0), "other": (0, 0, 0, 0, 0)}
    constraints = select(
        connection,
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND contype <> 'n' ORDER BY 1",
    )
    assert constraints == [
        ("child_parent_id_fkey", "FOREIGN KEY (parent_id) REFERENCES public.parent(id) ON DELETE CASCADE"),
        ("child_parent_id_n_key", "UNIQUE (parent_id, n)"),
        ("child_pkey", "PRIMARY KEY (id)"),
        ("n_check", "CHECK ((n < 100))"),
        ("other_child_id_fkey", "FOREIGN KEY (child_id) REFERENCES public.child(id)"),
        ("other_pkey", "PRIMARY KEY (id)"),
        ("parent_pkey", "PRIMARY KEY (id)"),
    ]
    indexes = select(connection, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    assert [name for (name,) in indexes] == [
        "child_parent_id_n_key", "child_pkey", "other_child_id_idx", "other_pkey", "parent_pkey",
    ]  # fmt: skip
    columns = [(own.name, own.data_type) for own in catalogue.columns(connection, "public", "child")["child"].values()]
    assert columns == [
        ("id", "text"), ("parent_id", "text"), ("n", "integer"), ("created_at", "timestamp with time zone"),
    ]  # fmt: skip
    query = "SELECT relpersistence::text FROM pg_class WHERE oid = 'public.child'::regclass"
    assert select(connection, query) == [("p",)]  # what dbt builds is unlogged


def test_rows_are_merged_by_difference(connection: postgres.Connection, publish: Publish) -> None:
    """New rows are inserted, changed ones updated, missing ones deleted, and equal ones not touched."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    before = select(connection, "SELECT id, xmin::text, created_at FROM public.parent ORDER BY 1")
    assert publish({PARENT: PARENTS, CHILD: CHILDREN}) == {"parent": (2, 2, 0, 0, 0), "child": (2, 2, 0, 0, 0)}
    done = publish({PARENT: [("1", "a"), ("2", None), ("3", "c")], CHILD: [("z", "3", 1), ("y", "2", 7)]})
    assert done == {"parent": (2, 3, 1, 1, 0), "child": (2, 2, 1, 1, 1)}
    assert select(connection, "SELECT id, name FROM public.parent ORDER BY 1") == [("1", "a"), ("2", None), ("3", "c")]
    assert select(connection, "SELECT id, parent_id, n FROM public.child ORDER BY 1") == [("y", "2", 7), ("z", "3", 1)]
    after = select(connection, "SELECT id, xmin::text, created_at FROM public.parent ORDER BY 1")
    assert after[0] == before[0]  # not even written to
    assert after[1][2] == before[1][2]  # what the database filled stays
    assert publish({PARENT: [], CHILD: []}) == {"parent": (3, 0, 0, 0, 3), "child": (2, 0, 0, 0, 2)}


IDENTITY = """
    SELECT c.oid::text, c.relname, c.relkind::text, c.relacl::text, obj_description(c.oid) FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT oid::text, conname, pg_get_constraintdef(oid), conrelid::text, obj_description(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT oid::text, tgname, pg_get_triggerdef(oid), tgenabled::text, NULL
        FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT last_value::text, is_called::text, 'sequence', NULL, NULL FROM public.numbers ORDER BY 1, 2, 3"""


def test_a_table_stays_the_table_that_it_was(connection: postgres.Connection, publish: Publish) -> None:
    """Its oid, keys, indexes, views, grants, triggers, comments and own columns survive any change of rows."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    connection.execute("""
        CREATE SEQUENCE public.numbers START 5; SELECT nextval('public.numbers');
        ALTER TABLE public.parent ADD own int DEFAULT 7;
        CREATE INDEX by_name ON public.parent (lower(name));
        CREATE VIEW public.named AS SELECT id, name, count(*) FROM public.parent GROUP BY id;
        COMMENT ON TABLE public.parent IS 'ours'; COMMENT ON COLUMN public.parent.name IS 'theirs';
        GRANT SELECT ON public.parent TO pg_monitor;
        CREATE FUNCTION public.noted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
        CREATE TRIGGER noted BEFORE UPDATE ON public.parent FOR EACH ROW EXECUTE FUNCTION public.noted();
        UPDATE public.parent SET own = 8 WHERE id = '1'""")
    before = select(connection, IDENTITY)
    publish({PARENT: [("1", "changed"), ("3", "new")], CHILD: [("x", "3", 5)]})
    assert select(connection, IDENTITY) == before
    assert select(connection, "SELECT id, own FROM public.parent ORDER BY 1") == [("1", 8), ("3", 7)]
    assert select(connection, "SELECT id, name FROM public.named ORDER BY 1") == [("1", "changed"), ("3", "new")]


def test_an_ensured_table_leaves_other_rows_alone(connection: postgres.Connection, publish: Publish) -> None:
    """Rows that are there are neither changed nor deleted; a row that is missing is added, once."""
    ensured = replace(PARENT, publish="ensure")
    assert publish({ensured: [("1", "a")]}) == {"parent": (0, 1, 1, 0, 0)}
    connection.execute(
        "INSERT INTO public.parent VALUES ('9', 'z'); UPDATE public.parent SET name = 'own' WHERE id = '1'"
    )
    assert publish({ensured: [("1", "a"), ("2", "b")]}) == {"parent": (2, 3, 1, 0, 0)}
    rows = [("1", "own"), ("2", "b"), ("9", "z")]
    assert select(connection, "SELECT id, name FROM public.parent ORDER BY 1") == rows
    assert publish({ensured: []}) == {"parent": (3, 3, 0, 0, 0)}


def test_a_table_that_lacks_a_column_is_refused(connection: postgres.Connection, publish: Publish) -> None:
    """Publishing alters no table: the column is named, and nothing changed."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    connection.execute("ALTER TABLE public.child DROP COLUMN n")
    with pytest.raises(PublishFailed, match="table child is there but has no column n"):
        publish({PARENT: [], CHILD: []})
    assert len(select(connection, "SELECT FROM public.parent")) == 2


@pytest.mark.parametrize(
    "body",
    [
        "new.name := upper(new.name); RETURN new;",
        "RETURN NULL;",
        "INSERT INTO public.parent VALUES ('7', 'made up') ON CONFLICT DO NOTHING; RETURN new;",
    ],
    ids=["alters", "swallows", "adds"],
)
def test_a_trigger_that_changes_what_is_written_is_noticed(
    body: str, connection: postgres.Connection, publish: Publish
) -> None:
    """The rows to be are checked before they are written: nothing is published then."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    connection.execute(
        f"CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$"  # type: ignore[arg-type]
    )
    connection.execute(
        "CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON public.parent FOR EACH ROW"
        " WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.spoil()"
    )
    with pytest.raises(PublishFailed, match="table parent: of 3 built rows, ") as failed:
        publish({PARENT: [("1", "a"), ("2", "changed"), ("3", "c")], CHILD: CHILDREN})
    assert "trigger" in failed.value.hint
    assert select(connection, "SELECT id, name FROM public.parent ORDER BY 1") == PARENTS


ODD = table(
    "Sel\"ect 'x'", "user text!", "Order integer!", "a\"b text", "%s text", "{x} text", "l text", "b text",
    key=("Order", "user"), uniques=(("a\"b",),), checks=(("Check it", '"{x}" <> \'%s\' AND "%s" <> \'{}\''),),
)  # fmt: skip
ODD_CHILD = table(
    "table", "id text!", "the Order integer", "the user text",
    foreign_keys=(ForeignKey(("the Order", "the user"), ODD.name, ("Order", "user"), "ON DELETE CASCADE"),),
)  # fmt: skip


def test_names_of_any_kind_and_another_schema(connection: postgres.Connection, publish: Publish) -> None:
    """Mixed case, blanks, quotes, reserved words, signs of format strings, and a key of several columns."""
    connection.execute('CREATE SCHEMA "My Schema"')
    rows = [("u", 1, "a", "%", "{}", "l", "b"), ("u", 2, None, None, None, None, None)]
    done = publish([(ODD, rows), (ODD_CHILD, [("1", 1, "u")])], "My Schema")
    assert done == {ODD.name: (0, 2, 2, 0, 0), "table": (0, 1, 1, 0, 0)}
    rows = [("u", 1, "a", "changed", "{}", "l", "b"), ("v", 2, None, None, None, None, None)]
    done = publish([(ODD, rows), (ODD_CHILD, [("1", 2, "v")])], "My Schema")
    assert done == {ODD.name: (2, 2, 1, 1, 1), "table": (1, 1, 0, 1, 0)}
    assert sorted(select(connection, 'SELECT * FROM "My Schema"."Sel""ect \'x\'"'), key=str) == rows
    assert catalogue.tables(connection, "public") == []


def test_long_names_stay_apart(publish: Publish) -> None:
    """Names of keys and indexes that PostgreSQL would cut to the same 63 bytes do not collide."""
    long = "ü" + "x" * 55
    keys = tuple(ForeignKey((column,), "parent", ("id",)) for column in ("a", "b"))
    wide = table(long, "id text!", "a text", "b text", uniques=(("a", "b"), ("b", "a")), foreign_keys=keys)
    assert publish([(PARENT, PARENTS), (wide, [("1", "1", "2")])])[long] == (0, 1, 1, 0, 0)


def test_values_that_are_equal_but_not_the_same_are_changes(connection: postgres.Connection, publish: Publish) -> None:
    """1.0 and 1 in a jsonb, 0 and -0 in a float, and what a target column of another type calls equal."""
    values = table("t", "id text!", "j jsonb", "f double precision", "c text", "n text")
    publish({values: [("1", "1.0", 0.0, "A", "1.0"), ("2", "1", -0.0, "a", "1")]})
    connection.execute("ALTER TABLE public.t ALTER n TYPE numeric USING n::numeric")
    swapped = [("1", "1", -0.0, "a", "1"), ("2", "1.0", 0.0, "A", "1.0")]
    assert publish({values: swapped}) == {"t": (2, 2, 0, 2, 0)}
    found = select(connection, "SELECT id, j::text, f::text, c, n::text FROM public.t ORDER BY 1")
    assert found == [("1", "1", "-0", "a", "1"), ("2", "1.0", "0", "A", "1.0")]
    assert publish({values: swapped}) == {"t": (2, 2, 0, 0, 0)}


def test_a_row_may_move_away_from_a_parent_that_goes(connection: postgres.Connection, publish: Publish) -> None:
    """A cascade does not take a row that refers to another parent from now on, nor what the database filled in it."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    before = select(connection, "SELECT id, created_at FROM public.child ORDER BY 1")
    done = publish({PARENT: [("2", "b"), ("3", "c")], CHILD: [("x", "3", 1), ("y", "2", 1)]})
    assert done == {"parent": (2, 2, 1, 0, 1), "child": (2, 2, 0, 1, 0)}
    assert select(connection, "SELECT id, created_at FROM public.child ORDER BY 1") == before


def test_a_new_row_may_have_the_unique_values_of_one_that_goes(publish: Publish) -> None:
    """Ids that were made anew for the same natural keys."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    done = publish({PARENT: PARENTS, CHILD: [("v", "1", 1), ("w", "2", 1)]})
    assert done["child"] == (2, 2, 2, 0, 2)


def test_rows_may_exchange_their_unique_values(connection: postgres.Connection, publish: Publish) -> None:
    """Two rows that swap, and three that rotate; what the database and others filled in them stays."""
    publish({PARENT: PARENTS, CHILD: [("x", "1", 1), ("y", "1", 2), ("z", "1", 3)]})
    connection.execute("ALTER TABLE public.child ADD own text, ADD g text GENERATED ALWAYS AS (id || own) STORED")
    connection.execute("UPDATE public.child SET own = 'of ' || id")
    before = select(connection, "SELECT id, created_at, own, g FROM public.child ORDER BY 1")
    for order in ([2, 1, 3], [3, 2, 1], [1, 3, 2]):
        rows = [(own, "1", n) for own, n in zip("xyz", order, strict=True)]
        assert publish({PARENT: PARENTS, CHILD: rows})["child"][2:] in [(0, 2, 0), (0, 3, 0)]
        assert select(connection, "SELECT id, parent_id, n FROM public.child ORDER BY 1") == rows
    assert select(connection, "SELECT id, created_at, own, g FROM public.child ORDER BY 1") == before


def test_rows_of_others_follow_their_parent_where_that_is_allowed(
    connection: postgres.Connection, publish: Publish
) -> None:
    """Rows of tables that are not ours are changed by their own keys only when that is allowed by name."""
    publish({PARENT: PARENTS})
    connection.execute("CREATE SCHEMA app; CREATE TABLE app.stars (p text REFERENCES public.parent ON DELETE CASCADE)")
    connection.execute("CREATE TABLE public.pins (p text REFERENCES public.parent ON DELETE SET NULL)")
    connection.execute("INSERT INTO app.stars VALUES ('1'), ('2'); INSERT INTO public.pins VALUES ('1'), ('2')")
    with pytest.raises(PublishFailed) as refused:
        publish({PARENT: [("1", "changed")]})
    assert refused.value.message == (
        "other rows refer to rows that would be deleted or changed:"
        " 1 row of public.pins (pins_p_fkey) refer to parent and would be changed by ON DELETE SET NULL;"
        " 1 row of app.stars (stars_p_fkey) refer to parent and would be changed by ON DELETE CASCADE"
    )
    assert select(connection, "SELECT p FROM app.stars ORDER BY 1") == [("1",), ("2",)]
    assert publish({PARENT: [("1", "changed")]}, allowed=["stars", "pins"]) == {"parent": (2, 1, 0, 1, 1)}
    assert select(connection, "SELECT p FROM app.stars") == [("1",)]
    assert sorted(select(connection, "SELECT p FROM public.pins"), key=str) == [("1",), (None,)]


def test_nothing_is_seen_before_all_of_it_is_committed(
    database: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Another session reads the old rows of every table, without waiting, until the transaction ends."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    seen: list[Any] = []
    with postgres.connect(database, name="reader") as reader:
        reader.execute("SET lock_timeout = '1s'")
        query = "SELECT (SELECT count(*) FROM public.parent), (SELECT count(*) FROM public.child WHERE n = 9)"
        with connection.transaction(force_rollback=True):
            publish({PARENT: [("1", "changed")], CHILD: [("x", "1", 9)]})
            seen += [select(reader, query), select(connection, query)]
        seen.append(select(reader, query))
    assert seen == [[(2, 0)], [(1, 1)], [(2, 0)]]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([("x", "nowhere", 1)], "child_parent_id_fkey"),
        ([("x", "1", 1), ("y", "1", 1)], "child_parent_id_n_key"),
        ([("x", "1", 100)], "n_check"),
    ],
)
def test_a_broken_constraint_is_named_and_nothing_is_published(
    rows: Rows, named: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Keys and checks hold for tables that are there and for those that are made."""
    with pytest.raises(PublishFailed, match=named), postgres.named(PublishFailed, "cannot publish"):
        publish({PARENT: PARENTS, CHILD: rows})
    assert catalogue.tables(connection, "public") == []
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    with pytest.raises(PublishFailed, match=named), postgres.named(PublishFailed, "cannot publish"):
        publish({PARENT: [("1", "changed"), ("2", "b")], CHILD: rows})
    assert select(connection, "SELECT id, name FROM public.parent ORDER BY 1") == PARENTS


def test_a_lock_that_is_not_given_ends_it(database: str, connection: postgres.Connection, publish: Publish) -> None:
    """Publishing waits no longer than it was told to."""
    publish({PARENT: PARENTS})
    with postgres.connect(database, name="other") as other, other.transaction():
        other.execute("LOCK TABLE public.parent IN SHARE MODE")
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            publish({PARENT: []})
    assert len(select(connection, "SELECT FROM public.parent")) == 2


def test_a_reference_that_dbt_does_not_build_is_proven_before_anything_is_published(
    connection: postgres.Connection,
) -> None:
    """Every constraint of a circle that built rows break is named with its table."""
    node = table("Node", "id integer!", "Boss integer", "list integer")
    keys = [ForeignKey((name,), to, ("id",)) for name, to in (("Boss", "Node"), ("list", "list"))]
    built = [(node, [(1, 2, None), (2, 1, 1)]), (table("list", "id integer!"), [(1,)])]
    for each in build(connection, built):
        creation.constrain(connection, postgres.scratch.NEXT, each)
    creation.prove(connection, postgres.scratch.NEXT, {"Node": keys})
    for each in build(connection, [(node, [(1, 3, 2), (2, 1, 1)]), built[1]]):
        creation.constrain(connection, postgres.scratch.NEXT, each)
    with pytest.raises(LoadFailed) as failed:
        creation.prove(connection, postgres.scratch.NEXT, {"Node": keys})
    assert failed.value.message.splitlines()[1:] == [
        '  Node: violates foreign key constraint "Node_Boss_fkey"',
        '  Node: violates foreign key constraint "Node_list_fkey"',
    ]


def test_a_reviewed_plan_sees_a_change_of_any_column(connection: postgres.Connection) -> None:
    """In a table that is to be altered, too, whatever its columns are called."""
    connection.execute("CREATE TABLE public.x AS SELECT 1 AS t, 2 AS v")
    before = plan_fingerprint._whole(connection, "public", table("x", "t integer"))
    connection.execute("UPDATE public.x SET v = 3")
    assert plan_fingerprint._whole(connection, "public", table("x", "t integer")) != before
