"""Publishing into tables that an application made: exchanges, circles, rows of others, triggers, sequences."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from mock2pg import postgres
from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.publishing import merge
from tests.fix_merge import CHILD, CHILDREN, PARENT, PARENTS, Publish, build, select, table

pytestmark = pytest.mark.on_both_servers

A, B, C, D = (f"0000000{n}-0000-4000-8000-000000000000" for n in range(4))

# What is unique in the target table, the contract's columns, and four values (or rows of values) that are exchanged.
UNIQUE: dict[str, tuple[str, tuple[str, ...], tuple[Any, ...]]] = {
    "text": ("v text UNIQUE", ("v text",), ("a", "b", "c", "d")),
    "text, not null": ("v text NOT NULL UNIQUE", ("v text!",), ("a", "b", "c", "d")),
    "short text": ("v varchar(3) NOT NULL UNIQUE", ("v text!",), ("a", "b", "c", "d")),
    "padded text": ("v char(4) NOT NULL UNIQUE", ("v text!",), ("a", "b", "c", "d")),
    "integer": ("v int NOT NULL UNIQUE", ("v integer!",), (1, 2, 3, 4)),
    "integer at its end": ("v smallint NOT NULL UNIQUE", ("v integer!",), (32767, 2, 3, 4)),
    "numeric": ("v numeric(5,2) NOT NULL UNIQUE", ("v double precision!",), (999.25, 2.0, -3.5, 4.0)),
    "uuid": ("v uuid NOT NULL UNIQUE", ("v text!",), (A, B, C, D)),
    "date": ("v date NOT NULL UNIQUE", ("v date!",), ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")),
    "composite": (
        "v text NOT NULL, w int NOT NULL, UNIQUE (v, w)", ("v text!", "w integer!"),
        (("a", 1), ("a", 2), ("b", 1), ("b", 2)),
    ),
    "composite with a switch": (
        "v bool NOT NULL, w int NOT NULL, UNIQUE (v, w)", ("v boolean!", "w integer!"),
        ((True, 1), (False, 1), (True, 2), (False, 2)),
    ),
    "two at once": (
        "v text NOT NULL UNIQUE, w int NOT NULL UNIQUE", ("v text!", "w integer!"),
        (("a", 1), ("b", 2), ("c", 3), ("d", 4)),
    ),
    "check for a sign": ("v text NOT NULL UNIQUE CHECK (v LIKE '%@%')", ("v text!",), ("a@x", "b@x", "c@x", "d@x")),
    "check for a start": ("v text NOT NULL UNIQUE CHECK (v LIKE '#%')", ("v text!",), ("#a", "#b", "#c", "#d")),
    "check for more than 0": ("v int NOT NULL UNIQUE CHECK (v > 0)", ("v integer!",), (1, 2, 3, 4)),
    "check for less than 5": ("v int NOT NULL UNIQUE CHECK (v < 5)", ("v integer!",), (1, 2, 3, 4)),
    "check for a value": ("v text UNIQUE CHECK (v IS NOT NULL)", ("v text",), ("a", "b", "c", "d")),
    "with a column that is not ours": (
        "v text NOT NULL, tenant int NOT NULL DEFAULT 1, UNIQUE (tenant, v)", ("v text!",), ("a", "b", "c", "d"),
    ),
    "partial": (
        "v text NOT NULL, w bool NOT NULL); CREATE UNIQUE INDEX ON public.t (v) WHERE (w", ("v text!", "w boolean!"),
        (("a", True), ("b", True), ("a", False), ("c", True)),
    ),
    "partial, by a column that is not ours": (
        "v text NOT NULL, gone_at date); CREATE UNIQUE INDEX ON public.t (v) WHERE (gone_at IS NULL", ("v text!",),
        ("a", "b", "c", "d"),
    ),
    "expression": (
        "v text NOT NULL); CREATE UNIQUE INDEX ON public.t (lower(v)", ("v text!",), ("A", "b", "C", "d"),
    ),
    "expression of two": (
        "v text NOT NULL, w text NOT NULL); CREATE UNIQUE INDEX ON public.t ((v || w)", ("v text!", "w text!"),
        (("a", "b"), ("b", "c"), ("c", "d"), ("", "d")),
    ),
    "with more in the index": (
        "v text NOT NULL, w int); CREATE UNIQUE INDEX ON public.t (v) INCLUDE (w", ("v text!", "w integer"),
        (("a", 1), ("b", 2), ("c", 3), ("d", 4)),
    ),
    "generated": (
        "v text NOT NULL, low text GENERATED ALWAYS AS (lower(v)) STORED UNIQUE", ("v text!",), ("A", "b", "C", "d"),
    ),
    "letters of any case": ("v public.citext NOT NULL UNIQUE", ("v text!",), ("A", "b", "C", "d")),
    "nulls that are alike": ("v text UNIQUE NULLS NOT DISTINCT", ("v text",), (None, "b", "c", "d")),
    "exclusion": ("v text NOT NULL, EXCLUDE (v WITH =)", ("v text!",), ("a", "b", "c", "d")),
    "deferrable": ("v text NOT NULL UNIQUE DEFERRABLE", ("v text!",), ("a", "b", "c", "d")),
    "deferred": ("v text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED", ("v text!",), ("a", "b", "c", "d")),
    "parents that may be looked at later": (
        "v text NOT NULL UNIQUE REFERENCES public.t DEFERRABLE", ("v text!",), ("1", "2", "3", "4"),
    ),
}  # fmt: skip

TO_T = table("c", "id text!", "t text!")


def exchanging(what: str, connection: postgres.Connection) -> Table:
    """A table `t` that others refer to, so that none of its rows may go for a moment; and its contract."""
    definition, columns, _ = UNIQUE[what]
    connection.execute("CREATE EXTENSION citext SCHEMA public" if "citext" in definition else "SELECT 1")
    connection.execute(
        f"CREATE TABLE public.t (id text PRIMARY KEY, own text, {definition});"  # type: ignore[arg-type]
        " CREATE TABLE public.c (id text PRIMARY KEY, t text NOT NULL REFERENCES public.t ON DELETE CASCADE, own text)"
    )
    return table("t", "id text!", *columns)


def owned(names: str, values: Any) -> list[tuple[Any, ...]]:
    return [
        (name, *(value if isinstance(value, tuple) else (value,))) for name, value in zip(names, values, strict=True)
    ]


@pytest.mark.parametrize("what", UNIQUE)
def test_unique_values_are_exchanged_where_others_refer_to_the_rows(
    what: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Two that swap, three that rotate, all at once: what refers to them and what is not ours in them stays."""
    t, (a, b, c, d) = exchanging(what, connection), UNIQUE[what][2]
    children = [("x", "1"), ("y", "2"), ("z", "3")]
    publish({t: owned("1234", (a, b, c, d)), TO_T: children})
    connection.execute("UPDATE public.t SET own = 'of ' || id; UPDATE public.c SET own = 'of ' || id")
    last = (a, b, c, d)
    for values in ((b, a, c, d), (c, b, a, d), (a, c, d, b)):
        done = publish({t: owned("1234", values), TO_T: children})
        changed = sum(now != then for now, then in zip(values, last, strict=True))
        assert done == {"t": (4, 4, 0, changed, 0), "c": (3, 3, 0, 0, 0)}
        last = values
    assert select(connection, "SELECT id, own FROM public.t ORDER BY 1") == owned("1234", [f"of {n}" for n in "1234"])
    assert select(connection, "SELECT id, own FROM public.c ORDER BY 1") == owned("xyz", ["of x", "of y", "of z"])


# Each by which a conflict is found, or a value is parked, in another way.
TAKEN = [
    "text", "text, not null", "short text", "integer", "numeric", "uuid", "date", "composite", "two at once",
    "check for a sign", "check for more than 0", "with a column that is not ours", "partial", "expression", "generated",
    "letters of any case", "nulls that are alike", "exclusion", "deferred",
]  # fmt: skip


@pytest.mark.parametrize("what", TAKEN)
def test_a_new_row_takes_the_value_of_one_that_goes_or_changes(
    what: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Also while that one is still referred to, by rows that then move to the new one and keep what is not ours."""
    t, (a, b, c, d) = exchanging(what, connection), UNIQUE[what][2]
    publish({t: owned("12", (a, b)), TO_T: [("x", "1"), ("y", "2")]})
    connection.execute("UPDATE public.c SET own = 'of ' || id")
    done = publish({t: owned("923", (a, c, d)), TO_T: [("x", "9"), ("y", "2")]})
    assert done == {"t": (2, 3, 2, 1, 1), "c": (2, 2, 0, 1, 0)}
    done = publish({t: owned("8273", (d, a, b, c)), TO_T: [("x", "8"), ("y", "7")]})
    assert done == {"t": (3, 4, 2, 2, 1), "c": (2, 2, 0, 2, 0)}
    assert select(connection, "SELECT own FROM public.c ORDER BY 1") == [("of x",), ("of y",)]


# Nothing else may stand here, even for a moment.
STRICT = {
    "check": ("text NOT NULL UNIQUE CHECK (v ~ '^[a-c]$')", ("a", "b", "c"), "t_v_key"),
    "type": ("public.mood NOT NULL UNIQUE", ("sad", "so so", "glad"), "t_v_key"),
    "reference": ("text NOT NULL UNIQUE REFERENCES public.other", ("a", "b", "c"), "t_v_key"),
}


@pytest.mark.parametrize(
    ("on_delete", "what"),
    [
        *((action, "check") for action in (None, "NO ACTION", "RESTRICT", "CASCADE", "SET NULL")),
        *((action, what) for action in (None, "CASCADE") for what in ("type", "reference")),
    ],
)
def test_where_no_other_value_may_stand_for_a_moment(
    on_delete: str | None, what: str, connection: postgres.Connection, publish: Publish
) -> None:
    """The rows are put in anew, with what is not ours; where that would move others, the key is named."""
    kind, (a, b, c), named = STRICT[what]
    t = table("t", "id text!", "v text!")
    connection.execute(f"""
        CREATE TYPE public.mood AS ENUM ('sad', 'so so', 'glad');
        CREATE TABLE public.other (id text PRIMARY KEY); INSERT INTO public.other VALUES ('a'), ('b'), ('c');
        CREATE TABLE public.t (n int GENERATED ALWAYS AS IDENTITY, id text PRIMARY KEY, v {kind}, own text,
            g text GENERATED ALWAYS AS (id || own) STORED)""")  # type: ignore[arg-type]
    publish({t: [("1", a), ("2", b), ("3", c)]})
    connection.execute("UPDATE public.t SET own = 'of ' || id")
    if on_delete:
        connection.execute(f"CREATE TABLE public.c (t text REFERENCES public.t ON DELETE {on_delete})")  # type: ignore[arg-type]
        connection.execute("INSERT INTO public.c VALUES ('1'), ('2')")
    query, rotated = "SELECT n, id, own, g, v::text FROM public.t ORDER BY id", [("1", b), ("2", c), ("3", a)]
    before = select(connection, query)
    if on_delete in (None, "NO ACTION"):
        assert publish({t: rotated})["t"] == (3, 3, 0, 3, 0)
        assert [row[:4] for row in select(connection, query)] == [row[:4] for row in before]
    else:
        with pytest.raises(PublishFailed, match=named), postgres.named(PublishFailed, "cannot publish"):
            publish({t: rotated})
        assert select(connection, query) == before
    if on_delete:
        assert select(connection, "SELECT t FROM public.c ORDER BY 1") == [("1",), ("2",)]


@pytest.mark.parametrize("moved", [0, 4])
def test_what_stands_for_a_moment_is_in_nobodys_way(
    moved: int, connection: postgres.Connection, publish: Publish
) -> None:
    """A parked value is neither one of the target nor one to be, at either end."""
    t = exchanging("integer", connection)
    publish({t: [("1", 1), ("2", 2), ("3", 3)]})
    assert publish({t: [("1", 2), ("2", 1), ("3", moved), ("4", 4 - moved)]})["t"] == (3, 4, 1, 3, 0)


@pytest.mark.parametrize("kind", ["ensure", "upsert"])
def test_a_row_that_stays_keeps_its_unique_value(kind: str, connection: postgres.Connection, publish: Publish) -> None:
    """A row of others that stays, and has the value of a new row prevents publishing, and is not written to."""
    t = exchanging("text", connection)
    publish({t: [("1", "a"), ("2", "b")]})
    kept = table("t", "id text!", "v text", publish=kind)
    with pytest.raises(PublishFailed, match="t_v_key"), postgres.named(PublishFailed, "cannot publish"):
        publish({kept: [("2", "b"), ("3", "a")]})
    assert select(connection, "SELECT id, v FROM public.t ORDER BY 1") == [("1", "a"), ("2", "b")]


def test_two_rows_that_are_alike_are_refused_by_the_keys_name(
    connection: postgres.Connection, publish: Publish
) -> None:
    """A conflict that no order of writing resolves leaves the target as it was."""
    t = exchanging("expression", connection)
    publish({t: [("1", "a"), ("2", "b")]})
    with pytest.raises(PublishFailed, match="t_lower_idx"), postgres.named(PublishFailed, "cannot publish"):
        publish({t: [("1", "B"), ("2", "b")]})
    assert select(connection, "SELECT id, v FROM public.t ORDER BY 1") == [("1", "a"), ("2", "b")]


ACTIONS = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "NO ACTION DEFERRABLE INITIALLY DEFERRED"]
NODE = table("node", "id text!", "boss text", "v text")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_table_that_refers_to_itself(action: str, connection: postgres.Connection, publish: Publish) -> None:
    """A chain comes, turns round, moves below a new row, and goes, in whatever order its rows stand."""
    connection.execute(
        "CREATE TABLE public.node (id text PRIMARY KEY, v text NOT NULL UNIQUE, own text,"
        f" boss text REFERENCES public.node ON DELETE {action})"  # type: ignore[arg-type]
    )
    chain = [("1", None, "a"), ("2", "1", "b"), ("3", "2", "c"), ("4", "3", "d")]
    assert publish({NODE: chain[::-1]})["node"] == (0, 4, 4, 0, 0)
    connection.execute("UPDATE public.node SET own = 'of ' || id")
    turned = [("1", "2", "a"), ("2", "3", "c"), ("3", "4", "b"), ("4", None, "d")]
    assert publish({NODE: turned})["node"] == (4, 4, 0, 4, 0)
    below = [("0", None, "z"), ("1", "0", "a"), ("2", "0", "c"), ("3", "5", "b"), ("5", "0", "d")]
    assert publish({NODE: below})["node"] == (4, 5, 2, 3, 1)
    owns = [("0", None), ("1", "of 1"), ("2", "of 2"), ("3", "of 3"), ("5", None)]
    assert select(connection, "SELECT id, own FROM public.node ORDER BY 1") == owns
    assert publish({NODE: [("1", "1", "a")]})["node"] == (5, 1, 0, 1, 4)
    assert publish({NODE: []})["node"] == (1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("size", "null", "action"),
    [
        *((2, null, each) for null in ("", "NOT NULL") for each in ACTIONS if not (null and each == "SET NULL")),
        *((3, null, each) for null in ("", "NOT NULL") for each in ("RESTRICT", "CASCADE")),
    ],
)
def test_a_circle_of_tables(
    size: int, null: str, action: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Rows come, move on, and go together, though none of the tables could be first."""
    names = "abc"[:size]
    tables = [table(name, "id text!", "to_next text" + "!" * bool(null)) for name in names]
    for name in names:
        connection.execute(f"CREATE TABLE public.{name} (id text PRIMARY KEY, to_next text {null}, own text)")  # type: ignore[arg-type]
    for name, following in zip(names, names[1:] + names[0], strict=True):
        connection.execute(
            f"ALTER TABLE public.{name} ADD FOREIGN KEY (to_next) REFERENCES public.{following} ON DELETE {action}"  # type: ignore[arg-type]
        )
    assert set(publish({each: [("1", "1"), ("2", "2")] for each in tables}).values()) == {(0, 2, 2, 0, 0)}
    for name in names:
        connection.execute(f"UPDATE public.{name} SET own = 'of ' || id")  # type: ignore[arg-type]
    assert set(publish({each: [("1", "2"), ("2", "1")] for each in tables}).values()) == {(2, 2, 0, 2, 0)}
    assert set(publish({each: [("2", "3"), ("3", "2")] for each in tables}).values()) == {(2, 2, 1, 1, 1)}
    for name in names:
        assert select(connection, f"SELECT id, own FROM public.{name} ORDER BY 1") == [("2", "of 2"), ("3", None)]
    assert set(publish({each: [] for each in tables}).values()) == {(2, 0, 0, 0, 2)}


@pytest.mark.parametrize("when", ["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
def test_a_deferred_constraint_is_checked_before_the_rows_are_written(
    when: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Not only when the transaction ends, where a failure would have no name."""
    connection.execute(
        "CREATE TABLE public.parent (id text PRIMARY KEY, name text, own text);"
        f" CREATE TABLE public.child (id text PRIMARY KEY, parent_id text REFERENCES public.parent {when},"  # type: ignore[arg-type]
        f" n int UNIQUE {when})"
    )
    publish({PARENT: PARENTS, CHILD: [("x", "1", 1), ("y", "2", 2)]})
    assert publish({PARENT: [("2", "b")], CHILD: [("x", "2", 2), ("y", "2", 1)]})["child"] == (2, 2, 0, 2, 0)
    for rows, named in (
        ([("x", "nowhere", 1)], "child_parent_id_fkey"),
        ([("x", "2", 1), ("y", "2", 1)], "child_n_key"),
    ):
        tables = build(connection, [(PARENT, PARENTS), (CHILD, rows)])
        with connection.transaction(force_rollback=True), pytest.raises(psycopg.errors.IntegrityError, match=named):
            merge.publish(connection, postgres.scratch.NEXT, "public", tables)


T = table("t", "id text!", "v text")
OURS = "CREATE TABLE public.t (id text PRIMARY KEY, v text);"


def refused(
    connection: postgres.Connection, pairs: list[tuple[Table, list[tuple[Any, ...]]]], allowed: tuple[str, ...] = ()
) -> str:
    """Return why it is not published; the target was not even opened for writing, which is seen in the locks."""
    tables = build(connection, pairs)
    with connection.transaction():
        merged = merge.Merge(connection, postgres.scratch.NEXT, "public", tables)
        with pytest.raises(PublishFailed) as failed:
            merged.refuse_referencing_rows(allowed)
        assert written_to(connection) == []
    return failed.value.message.removeprefix("other rows refer to rows that would be deleted or changed: ")


def written_to(connection: postgres.Connection) -> list[str]:
    """The tables of the schema public that this transaction holds a lock for writing on."""
    rows = select(
        connection,
        "SELECT DISTINCT c.relname FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation WHERE l.pid ="
        " pg_backend_pid() AND l.mode <> 'AccessShareLock' AND c.relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    return [name for (name,) in rows]


# Tables that are not ours, the one that is named, and how many of its rows; `{action}` is the key's.
STRANGERS = {
    "same schema": ("CREATE TABLE public.s (t text DEFAULT '2' REFERENCES public.t {action});", "public.s (s_t_fkey)"),
    "another schema": ("CREATE SCHEMA app; CREATE TABLE app.s (t text DEFAULT '2' REFERENCES public.t {action});",
                       "app.s (s_t_fkey)"),
    "partitions": ("CREATE TABLE public.s (t text DEFAULT '2' REFERENCES public.t {action}) PARTITION BY LIST (t);"
                   " CREATE TABLE public.s1 PARTITION OF public.s FOR VALUES IN ('1');"
                   " CREATE TABLE public.s2 PARTITION OF public.s DEFAULT;", "public.s (s_t_fkey)"),
    "odd names": ('CREATE SCHEMA "%s"; CREATE TABLE "%s"."{{x}}" ("select" text DEFAULT \'2\','
                  ' CONSTRAINT "A b" FOREIGN KEY ("select") REFERENCES public.t {action});', "%s.{x} (A b)"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("action", "where"),
    [
        *((action, "same schema") for action in ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")),
        *((action, where) for action in ("RESTRICT", "CASCADE") for where in STRANGERS if where != "same schema"),
    ],
)
def test_rows_of_others_keep_what_they_refer_to(
    action: str, where: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Each key is named with its number of rows before anything is written; where it acts, that may be allowed."""
    script, named = STRANGERS[where]
    connection.execute(OURS)
    publish({T: [("1", "a"), ("2", "b"), ("3", "c")]})
    connection.execute(script.replace("{action}", f"ON DELETE {action}").replace("{{x}}", "{x}"))  # type: ignore[arg-type]
    home = '"%s"."{x}"' if where == "odd names" else named.split()[0]
    connection.execute(f"INSERT INTO {home} VALUES ('1'), ('1'), ('2')")  # type: ignore[arg-type]
    acts = action not in ("NO ACTION", "RESTRICT")
    what = f"would be changed by ON DELETE {action}" if acts else "prevent their deletion"
    message = f"2 rows of {named} refer to t and {what}"
    left = [("2", "changed"), ("3", "c")]
    name = named.split(" ")[0]
    assert refused(connection, [(T, left)]) == message
    assert refused(connection, [(T, left)], ("other." + name.split(".")[1], "other")) == message
    if acts:
        assert publish({T: left}, allowed=[name])["t"] == (3, 2, 0, 1, 1)
        rows = {"CASCADE": ["2"], "SET NULL": ["2", None, None], "SET DEFAULT": ["2", "2", "2"]}[action]
        assert [row for (row,) in select(connection, f"SELECT * FROM {home}")] == rows
    else:
        assert refused(connection, [(T, left)], (name,)) == message


def test_what_a_cascade_reaches_through_other_tables_is_refused_too(
    connection: postgres.Connection, publish: Publish
) -> None:
    """All of it at once, until each table is allowed by name; a circle has an end."""
    connection.execute(OURS)
    publish({T: [("1", "a"), ("2", "b")]})
    connection.execute("""
        CREATE TABLE public.s (id int PRIMARY KEY, t text REFERENCES public.t ON DELETE CASCADE,
            up int REFERENCES public.s ON DELETE CASCADE);
        CREATE TABLE public.s_notes (id int PRIMARY KEY, s int REFERENCES public.s ON DELETE CASCADE);
        CREATE TABLE public.s_marks (s_notes int REFERENCES public.s_notes);
        INSERT INTO public.s VALUES (1, '1', NULL), (2, '1', NULL), (3, '2', NULL), (4, '2', 1);
        INSERT INTO public.s_notes VALUES (1, 1), (2, 3), (3, 2); INSERT INTO public.s_marks VALUES (1), (1), (2)""")
    rows = [(T, [("2", "b")])]
    chain = [
        "2 rows of public.s (s_t_fkey) refer to t and would be changed by ON DELETE CASCADE",
        "2 rows of public.s_notes (s_notes_s_fkey) refer to s and would be changed by ON DELETE CASCADE",
        "2 rows of public.s_marks (s_marks_s_notes_fkey) refer to s_notes and prevent their deletion",
        "1 row of public.s (s_up_fkey) refer to s and would be changed by ON DELETE CASCADE",
    ]
    assert sorted(refused(connection, rows).split("; ")) == sorted(chain)
    assert refused(connection, rows, ("s",)).split("; ") == chain[1:3]
    assert refused(connection, rows, ("s", "s_notes")).split("; ") == chain[2:3]
    connection.execute("DELETE FROM public.s_marks WHERE s_notes = 1")
    publish(dict(rows), allowed=["public.s", "public.s_notes"])
    assert select(connection, "SELECT id FROM public.s") == [(3,)]
    assert select(connection, "SELECT id FROM public.s_notes") == [(2,)]


def test_rows_that_hang_below_rows_of_ours_that_go(connection: postgres.Connection, publish: Publish) -> None:
    """Our own rows go as the input says, also by a cascade; what others hang below them is theirs."""
    publish({PARENT: PARENTS, CHILD: CHILDREN})
    connection.execute("CREATE TABLE public.s (c text REFERENCES public.child ON DELETE CASCADE)")
    connection.execute("INSERT INTO public.s VALUES ('x'), ('x')")
    message = "2 rows of public.s (s_c_fkey) refer to child and would be changed by ON DELETE CASCADE"
    assert refused(connection, [(PARENT, PARENTS[1:]), (CHILD, CHILDREN[1:])]) == message
    done = publish({PARENT: PARENTS[1:], CHILD: [("x", "2", 2), ("y", "2", 1)]})
    assert done == {"parent": (2, 1, 0, 0, 1), "child": (2, 2, 0, 1, 0)}
    assert select(connection, "SELECT c FROM public.s") == [("x",), ("x",)]


def test_a_key_that_leads_to_a_partition_of_ours(connection: postgres.Connection, publish: Publish) -> None:
    """A partition's rows are those of its table."""
    connection.execute("""
        CREATE TABLE public.t (id text PRIMARY KEY, v text) PARTITION BY LIST (id);
        CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES IN ('1');
        CREATE TABLE public.t2 PARTITION OF public.t DEFAULT""")
    publish({T: [("1", "a"), ("2", "b")]})
    connection.execute("CREATE TABLE public.s (t text REFERENCES public.t1 ON DELETE CASCADE)")
    connection.execute("INSERT INTO public.s VALUES ('1')")
    message = "1 row of public.s (s_t_fkey) refer to t and would be changed by ON DELETE CASCADE"
    assert refused(connection, [(T, [("2", "b")])]) == message


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE", "SET NULL"])
def test_rows_of_ours_that_stay_are_not_changed_by_a_key(
    action: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Rows of others in a table of ours, and columns that are not ours, are theirs."""
    connection.execute(
        OURS + "CREATE TABLE public.kept (id text PRIMARY KEY, t text REFERENCES public.t ON DELETE " + action + ");"
        "CREATE TABLE public.own (id text PRIMARY KEY, v text, t text REFERENCES public.t ON DELETE " + action + ")"  # type: ignore[arg-type]
    )
    own = table("own", "id text!", "v text")
    what = "prevent their deletion" if action == "NO ACTION" else f"would be changed by ON DELETE {action}"
    for kind in ("ensure", "upsert"):
        kept = table("kept", "id text!", "t text", publish=kind)
        publish({T: [("1", "a"), ("2", "b")], kept: [], own: [("x", "a"), ("y", "b")]})
        connection.execute("UPDATE public.own SET t = '1' WHERE id = 'x'")
        connection.execute("INSERT INTO public.kept VALUES ('of others', '1') ON CONFLICT DO NOTHING")
        messages = [f"1 row of public.{name} ({name}_t_fkey) refer to t and {what}" for name in ("kept", "own")]
        pairs = [(T, [("2", "b")]), (kept, [("new", "2")]), (own, [("x", "changed"), ("y", "b")])]
        assert refused(connection, pairs).split("; ") == messages  # type: ignore[arg-type]
        gone = [(T, [("2", "b")]), (kept, []), (own, [("y", "b")])]
        assert refused(connection, gone) == messages[0]  # type: ignore[arg-type]
    moved = table("kept", "id text!", "t text", publish="upsert")
    assert publish({T: [("2", "b")], moved: [("of others", "2")], own: [("y", "b")]})["kept"] == (1, 1, 0, 1, 0)


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE", "SET NULL"])
def test_a_value_that_others_refer_to_may_not_change_unasked(
    action: str, connection: postgres.Connection, publish: Publish
) -> None:
    """A key may lead to a unique column that the input changes."""
    connection.execute("CREATE TABLE public.t (id text PRIMARY KEY, v text UNIQUE)")
    publish({T: [("1", "a"), ("2", "b")]})
    connection.execute(f"CREATE TABLE public.s (v text REFERENCES public.t (v) ON UPDATE {action})")  # type: ignore[arg-type]
    connection.execute("INSERT INTO public.s VALUES ('a')")
    what = "prevent their change" if action == "NO ACTION" else f"would be changed by ON UPDATE {action}"
    changed = [("1", "c"), ("2", "d")]
    assert refused(connection, [(T, changed)]) == f"1 row of public.s (s_v_fkey) refer to t and {what}"
    assert publish({T: [("1", "a"), ("2", "d")]})["t"] == (2, 2, 0, 1, 0)
    if action != "NO ACTION":
        assert publish({T: changed}, allowed=["s"])["t"] == (2, 2, 0, 1, 0)
        assert select(connection, "SELECT v FROM public.s") == [("c" if action == "CASCADE" else None,)]


def test_a_reference_by_another_equality_than_the_types_own_name(
    connection: postgres.Connection, publish: Publish
) -> None:
    """Letters of any case refer to each other, though no search path leads to their operator."""
    connection.execute("CREATE EXTENSION citext SCHEMA public")
    connection.execute("CREATE TABLE public.t (id public.citext PRIMARY KEY, v text)")
    publish({T: [("a", "a"), ("b", "b")]})
    connection.execute("CREATE TABLE public.s (t public.citext REFERENCES public.t ON DELETE CASCADE)")
    connection.execute("INSERT INTO public.s VALUES ('A')")
    message = "1 row of public.s (s_t_fkey) refer to t and would be changed by ON DELETE CASCADE"
    assert refused(connection, [(T, [("b", "b")])]) == message


AUDIT = """
    CREATE TABLE public.audit (n int GENERATED ALWAYS AS IDENTITY, what text, old text, new text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        INSERT INTO public.audit (what, old, new) VALUES (tg_when || ' ' || tg_op || ' ' || tg_level,
            CASE WHEN tg_level = 'ROW' AND tg_op <> 'INSERT' THEN old.id || old.v END,
            CASE WHEN tg_level = 'ROW' AND tg_op <> 'DELETE' THEN new.id || new.v END);
        IF tg_op = 'DELETE' THEN RETURN old; ELSE RETURN new; END IF; END$$;
    CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON public.t FOR EACH ROW EXECUTE FUNCTION public.note();
    CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON public.t FOR EACH ROW EXECUTE FUNCTION public.note();
    CREATE TRIGGER c BEFORE INSERT OR UPDATE OR DELETE ON public.t EXECUTE FUNCTION public.note();
    CREATE TRIGGER d AFTER INSERT OR UPDATE OR DELETE ON public.t EXECUTE FUNCTION public.note();"""


def test_triggers_fire_for_the_rows_that_change(connection: postgres.Connection, publish: Publish) -> None:
    """Once before and after each row and each kind of change, as an application's own statement would; else never."""
    connection.execute(OURS)
    publish({T: [("1", "a"), ("2", "b"), ("3", "c")]})
    connection.execute(AUDIT)  # type: ignore[arg-type]
    publish({T: [("1", "a"), ("2", "B"), ("4", "d")]})
    rows = select(connection, "SELECT what, old, new FROM public.audit ORDER BY n")
    assert rows == [
        (f"{when} {act} {level}", *(values if level == "ROW" else (None, None)))
        for act, values in (("DELETE", ("3c", None)), ("UPDATE", ("2b", "2B")), ("INSERT", (None, "4d")))
        for when, level in (("BEFORE", "STATEMENT"), ("BEFORE", "ROW"), ("AFTER", "ROW"), ("AFTER", "STATEMENT"))
    ]
    assert publish({T: [("1", "a"), ("2", "B"), ("4", "d")]})["t"] == (3, 3, 0, 0, 0)
    assert select(connection, "SELECT count(*) FROM public.audit") == [(12,)]


def test_triggers_see_an_exchange_as_changes_of_its_rows_alone(
    connection: postgres.Connection, publish: Publish
) -> None:
    """Parking a value is one update more of the conflicting rows; no other row is written to."""
    connection.execute("CREATE TABLE public.t (id text PRIMARY KEY, v text NOT NULL UNIQUE)")
    publish({T: [(str(n), f"v{n}") for n in range(5)]})
    connection.execute(AUDIT)  # type: ignore[arg-type]
    publish({T: [("0", "v1"), ("1", "v0"), ("2", "v2"), ("3", "x"), ("4", "v4")]})
    rows = select(
        connection,
        "SELECT left(old, 1), count(*), count(*) FILTER (WHERE new IN ('0v1', '1v0', '3x'))"
        " FROM public.audit WHERE what = 'AFTER UPDATE ROW' GROUP BY 1 ORDER BY 1",
    )
    assert rows == [("0", 2, 1), ("1", 2, 1), ("3", 1, 1)]


@pytest.mark.parametrize(("force", "owner"), [("", False), ("FORCE ", False), ("FORCE ", True), ("", True)])
def test_row_level_security_is_named_where_it_applies(
    force: str, owner: bool, connection: postgres.Connection, publish: Publish
) -> None:
    """Half of the rows are not the table: who does not see all of them publishes nothing."""
    connection.execute(OURS)
    publish({T: [("1", "a"), ("2", "b")]})
    tables, role = build(connection, [(T, [("1", "c")])]), f"of_{connection.info.dbname}"
    connection.execute(f"""
        CREATE ROLE {role}; GRANT USAGE ON SCHEMA public, mock2pg_next TO {role};
        GRANT SELECT ON mock2pg_next.t TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON public.t TO {role};
        ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; CREATE POLICY partly ON public.t USING (id = '1')""")  # type: ignore[arg-type]
    try:
        forced = force and "FORCE ROW LEVEL SECURITY, "
        connection.execute(f"ALTER TABLE public.t {forced}OWNER TO {role if owner else 'CURRENT_USER'}")  # type: ignore[arg-type]
        connection.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
        named = postgres.named(PublishFailed, "cannot publish")
        if owner and not force:
            with named, connection.transaction():
                done = merge.publish(connection, postgres.scratch.NEXT, "public", tables)
            assert (done["t"].updated, done["t"].deleted) == (1, 1)
        else:
            with pytest.raises(PublishFailed, match='affected by row-level security policy for table "t"'):  # noqa: SIM117
                with named, connection.transaction():
                    merge.publish(connection, postgres.scratch.NEXT, "public", tables)
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}")  # type: ignore[arg-type]
    left = [("1", "c")] if owner and not force else [("1", "a"), ("2", "b")]
    assert select(connection, "SELECT id, v FROM public.t ORDER BY 1") == left


ODD = table('Sel"ect %s {x}', 'The "Id" x text!', "number integer!", "{v} text!", key=("number", 'The "Id" x'))
REFERS = table("order", "id text!", "User text", "group integer")


def test_names_and_keys_of_any_kind_exchange(connection: postgres.Connection, publish: Publish) -> None:
    """A composite key, mixed case, reserved words and signs of format strings, in a schema of the same kind."""
    connection.execute("""
        CREATE SCHEMA "My %s {schema}";
        CREATE TABLE "My %s {schema}"."Sel""ect %s {x}" ("The ""Id"" x" text, number int, "{v}" varchar(9) NOT NULL,
            "Own %s" serial, PRIMARY KEY ("The ""Id"" x", number), CONSTRAINT "U {} %" UNIQUE ("{v}"));
        CREATE TABLE "My %s {schema}"."order" (id text PRIMARY KEY, "User" text, "group" int,
            FOREIGN KEY ("User", "group") REFERENCES "My %s {schema}"."Sel""ect %s {x}" ON DELETE CASCADE)""")
    rows = [("a", 1, "x"), ("a", 2, "y"), ("b", 1, "z")]
    publish([(ODD, rows), (REFERS, [("1", "a", 1), ("2", "b", 1)])], "My %s {schema}")
    rotated = [("a", 1, "y"), ("a", 2, "z"), ("b", 1, "x")]
    done = publish([(ODD, rotated), (REFERS, [("1", "a", 2), ("2", "b", 1)])], "My %s {schema}")
    assert done == {ODD.name: (3, 3, 0, 3, 0), "order": (2, 2, 0, 1, 0)}
    query = 'SELECT * FROM "My %s {schema}"."Sel""ect %s {x}" ORDER BY 1, 2'
    assert select(connection, query) == [(*row, n) for n, row in enumerate(rotated, 1)]


NUMBERED = table("t", "id integer!", "v text")


# Everything that a column can draw its next value from.
DRAWN = """
    CREATE SCHEMA elsewhere; CREATE SEQUENCE public.free; CREATE SEQUENCE elsewhere.far;
    CREATE SEQUENCE elsewhere."S x";
    CREATE SEQUENCE public.down INCREMENT -1;
    CREATE FUNCTION public.plain() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN nextval('elsewhere.far'); END $$;
    CREATE FUNCTION public.quoted() RETURNS int LANGUAGE sql AS $$ SELECT nextval('elsewhere."S x"'::regclass)::int $$;
    CREATE FUNCTION public.on_path() RETURNS int LANGUAGE sql SET search_path = elsewhere AS
        $$ SELECT nextval('far')::int $$;
    CREATE FUNCTION public.known() RETURNS int LANGUAGE sql BEGIN ATOMIC; SELECT nextval('public.free')::int; END;
    CREATE FUNCTION public.secret(name text DEFAULT 'public.free') RETURNS int LANGUAGE sql AS
        $$ SELECT nextval(name::regclass)::int $$;
    CREATE FUNCTION public.code() RETURNS text LANGUAGE sql AS $$ SELECT gen_random_uuid()::text $$;
    CREATE FUNCTION public.give() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.id := coalesce(NEW.id, nextval('public.free')); RETURN NEW; END $$;
    CREATE FUNCTION public.hide() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.id := coalesce(NEW.id, nextval(tg_argv[0]::regclass)); RETURN NEW; END $$;
"""


@pytest.mark.parametrize(
    ("column", "used", "ids", "following"),
    [
        ("serial", "", [], 1),
        ("serial", "", [1], 2),
        ("serial", "SELECT nextval('public.t_id_seq')", [1, 7], 8),
        ("bigserial", "SELECT setval('public.t_id_seq', 50)", [1, 7], 51),
        ("int GENERATED ALWAYS AS IDENTITY", "", [1, 7], 8),
        ("int GENERATED BY DEFAULT AS IDENTITY (START 5)", "", [4], 5),
        ("int GENERATED BY DEFAULT AS IDENTITY (START 5)", "", [5], 6),
        ("int GENERATED ALWAYS AS IDENTITY (INCREMENT 10 START 5)", "", [6, 25], 35),
        ("int GENERATED BY DEFAULT AS IDENTITY (START 1 INCREMENT 10)", "", [25], 31),
        ("int GENERATED BY DEFAULT AS IDENTITY (INCREMENT 10)", "SELECT nextval('public.t_id_seq')", [11], 21),
        ("int GENERATED BY DEFAULT AS IDENTITY (START -1 INCREMENT -1)", "", [-7, 5], -8),
        ("int GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT -7 MINVALUE -99 MAXVALUE 100)", "", [50], 44),
        ("int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 9 CYCLE)", "", [9], 1),
        ("int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 9)", "", [9], None),
        ("int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 9)", "", [12], 1),
        ("int DEFAULT nextval('public.free')", "", [7], 8),
        ("int DEFAULT nextval('public.down')", "SELECT nextval('public.down')", [-7, 7], -8),
        ("int DEFAULT nextval('public.down')", "SELECT setval('public.down', -9)", [-7], -10),
        ("int DEFAULT nextval('elsewhere.far')", "", [7], 8),
        ("int DEFAULT nextval('elsewhere.far'::text)", "", [7], 8),
        ("numeric DEFAULT nextval('elsewhere.far')", "", [7], 8),
        ("serial", "ALTER TABLE public.t ALTER id SET DEFAULT nextval('elsewhere.far')", [7], 8),
        ("int DEFAULT public.plain()", "", [7], 8),
        ("int DEFAULT 1000 + public.quoted()", "", [7], 1008),
        ("int DEFAULT public.on_path()", "", [7], 8),
        ("int DEFAULT public.known()", "", [7], 8),
        ("text DEFAULT nextval('public.free')", "", [7, 10], "11"),
        ("varchar(9) DEFAULT 'X' || nextval('public.free')", "", [7], "X8"),
        ("text DEFAULT public.code()", "UPDATE pg_proc SET prosrc = 'SELECT 1' WHERE proname = 'code'", [7], "1"),
        ("int", "CREATE TRIGGER give BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.give()", [7], 8),
    ],
)
def test_the_application_goes_on_inserting(
    column: str, used: str, ids: list[int], following: Any, connection: postgres.Connection, publish: Publish
) -> None:
    """The next value comes after those that rows hold, in the direction and steps of its sequence, and never earlier
    than it would have come.
    """
    connection.execute(DRAWN)  # type: ignore[arg-type]
    connection.execute(f"CREATE TABLE public.t (id {column} PRIMARY KEY, v text)")  # type: ignore[arg-type]
    connection.execute(used or "SELECT 1")  # type: ignore[arg-type]
    publish({NUMBERED: [(n, "a") for n in ids]})
    insert = "INSERT INTO public.t (v) VALUES ('of the application') RETURNING id"
    if following is None:
        with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded):
            connection.execute(insert)  # type: ignore[arg-type]
    else:
        assert select(connection, insert) == [(following,)]
    before = select(connection, "SELECT sum(last_value) FROM pg_sequences")
    publish({NUMBERED: [(n, "a") for n in ids]})
    assert select(connection, "SELECT sum(last_value) FROM pg_sequences") == before


def test_tables_that_share_a_sequence(connection: postgres.Connection, publish: Publish) -> None:
    """It continues after the values of both."""
    connection.execute("CREATE SEQUENCE public.both")
    for name in ("t", "u"):
        column = "id int PRIMARY KEY DEFAULT nextval('public.both')"
        connection.execute(f"CREATE TABLE public.{name} ({column}, v text)")  # type: ignore[arg-type]
    other = table("u", "id integer!", "v text")
    for rows in ((3, 9), (20, 12)):
        publish({NUMBERED: [(rows[0], "a")], other: [(rows[1], "a")]})
        for name in ("t", "u"):
            insert = f"INSERT INTO public.{name} (v) VALUES ('b') RETURNING id"
            assert select(connection, insert) == [(max(rows) + 1 + (name == "u"),)]


def test_a_sequence_is_set_right_where_nothing_is_inserted(connection: postgres.Connection, publish: Publish) -> None:
    """A sequence that fell behind catches up; one that is right is not touched, and a rollback puts it back."""
    connection.execute("CREATE TABLE public.t (id serial PRIMARY KEY, v text); INSERT INTO public.t VALUES (7, 'a')")
    query = "SELECT last_value, is_called, pg_relation_filenode('public.t_id_seq') FROM public.t_id_seq"
    before = select(connection, query)
    tables = build(connection, [(NUMBERED, [(7, "a")])])
    with connection.transaction(force_rollback=True):
        merge.publish(connection, postgres.scratch.NEXT, "public", tables)
        assert select(connection, query)[0][:2] == (8, False)
    assert select(connection, query) == before
    publish({NUMBERED: [(7, "a")]})
    after = select(connection, query)
    publish({NUMBERED: [(7, "changed")]})
    assert select(connection, query) == after


def test_a_role_that_does_not_own_a_sequence_sets_it(connection: postgres.Connection, publish: Publish) -> None:
    """The right to use and to update it is enough."""
    connection.execute("CREATE TABLE public.t (id serial PRIMARY KEY, v text)")
    tables = build(connection, [(NUMBERED, [(7, "a")])])
    with connection.transaction(force_rollback=True):
        connection.execute("""
            CREATE ROLE passing; GRANT USAGE ON SCHEMA mock2pg_next, public TO passing;
            GRANT SELECT ON mock2pg_next.t TO passing; GRANT SELECT, INSERT ON public.t TO passing;
            GRANT SELECT, UPDATE ON public.t_id_seq TO passing; SET LOCAL ROLE passing""")
        merge.publish(connection, postgres.scratch.NEXT, "public", tables)
        assert select(connection, "SELECT nextval('public.t_id_seq')") == [(8,)]


OTHER_TYPES = """
    CREATE EXTENSION citext SCHEMA public; CREATE TYPE public.mood AS ENUM ('so so', 'glad');
    CREATE DOMAIN public.small AS integer CHECK (VALUE < 10)"""
# A target column's type, what is built, and what the target then holds; None where that cannot be.
OTHERS = {
    "enum": ("public.mood", "text", "so so", "so so"), "no such label": ("public.mood", "text", "bad", None),
    "enough room": ("varchar(3)", "text", "abc", "abc"), "too short": ("varchar(3)", "text", "abcd", None),
    "blanks too many": ("varchar(3)", "text", "abc ", None), "padded": ("char(5)", "text", "ab", "ab"),
    "padded away": ("char(5)", "text", "ab ", None),
    "numeric": ("numeric(5,2)", "double precision", 1.25, "1.25"),
    "digits too many": ("numeric(5,1)", "double precision", 1.25, None),
    "numeric too small": ("numeric(3,2)", "double precision", 10.5, None),
    "half as exact": ("real", "double precision", 0.1, None),
    "exact all the same": ("real", "double precision", 0.5, "0.5"),
    "citext": ("public.citext", "text", "Ab", "Ab"), "domain": ("public.small", "integer", 5, "5"),
    "against the domain": ("public.small", "integer", 50, None), "smallint": ("smallint", "integer", 50000, None),
    "bigint": ("bigint", "integer", 7, "7"), "date as text": ("text", "date", "2024-02-29", "2024-02-29"),
    "date as moment": ("timestamptz", "date", "2024-02-29", "2024-02-29 00:00:00+00"),
    "text as date": ("date", "text", "2024-02-29", "2024-02-29"), "no date": ("date", "text", "2024-02-30", None),
    "another way to write it": ("date", "text", "29 Feb 2024", None),
    "json": ("json", "jsonb", '{"a": 1.0}', '{"a": 1.0}'),
    "text as uuid": ("uuid", "text", A, A), "uuid in capitals": ("uuid", "text", A.upper().replace("4", "A"), None),
    "list as varchars": ("varchar(2)[]", "text[]", ["ab", "c"], "{ab,c}"),
    "in a list": ("varchar(2)[]", "text[]", ["abc"], None),
    "no cast": ("jsonb", "text[]", ["a"], None), "boolean as integer": ("integer", "boolean", True, "1"),
}  # fmt: skip


def test_target_columns_of_other_types(connection: postgres.Connection, publish: Publish) -> None:
    """A value is kept exactly, there and back."""
    kept = {what: case for what, case in OTHERS.items() if case[3] is not None}
    connection.execute(OTHER_TYPES)
    own = ", ".join(f'"The {what}" {kind}' for what, (kind, *_) in kept.items())
    connection.execute(f"CREATE TABLE public.t (id text PRIMARY KEY, {own})")  # type: ignore[arg-type]
    t = table("t", "id text!", *(f"The {what} {built}" for what, (_, built, *_) in kept.items()))
    rows = [("1", *(value for _, _, value, _ in kept.values())), ("2", *[None] * len(kept))]
    assert publish({t: rows})["t"] == (0, 2, 2, 0, 0)
    texts = ", ".join(f'"The {what}"::text' for what in kept)
    found = [*(target for *_, target in kept.values())], [None] * len(kept)
    assert [list(row) for row in select(connection, f"SELECT {texts} FROM public.t ORDER BY id")] == [*found]
    assert publish({t: rows})["t"] == (2, 2, 0, 0, 0)


def test_target_columns_that_cannot_hold_a_value(connection: postgres.Connection) -> None:
    """It is refused by its column before anything is written; none is cut."""
    connection.execute(OTHER_TYPES)
    for what, (kind, built, value, target) in OTHERS.items():
        if target is not None:
            continue
        connection.execute(f'CREATE TABLE public.t (id text PRIMARY KEY, "The V" {kind})')  # type: ignore[arg-type]
        tables = build(connection, [(table("t", "id text!", f"The V {built}"), [("1", value), ("2", None)])])
        with connection.transaction():
            with pytest.raises(PublishFailed, match=r"table t: column The V is .+, which ") as failed:  # noqa: SIM117
                with connection.transaction():
                    merge.Merge(connection, postgres.scratch.NEXT, "public", tables)
            assert written_to(connection) == [], what
        assert str(value) not in failed.value.message
        assert select(connection, "SELECT FROM public.t") == []
        connection.execute("DROP TABLE public.t")


def test_columns_that_are_not_ours_keep_their_values(connection: postgres.Connection, publish: Publish) -> None:
    """Defaults, generated and identity columns of either kind: of old rows as they were, of new ones the database's."""
    connection.execute("""
        CREATE TABLE public.t (id text PRIMARY KEY, a int GENERATED ALWAYS AS IDENTITY, v text,
            b int GENERATED BY DEFAULT AS IDENTITY (START 10), d text NOT NULL DEFAULT 'of the database',
            g text GENERATED ALWAYS AS (id || v) STORED, e text)""")
    publish({T: [("1", "a"), ("2", "b")]})
    connection.execute("UPDATE public.t SET b = 99, d = 'own', e = 'own' WHERE id = '1'")
    publish({T: [("1", "changed"), ("2", "b"), ("3", "c")]})
    assert select(connection, "SELECT * FROM public.t ORDER BY 1") == [
        ("1", 1, "changed", 99, "own", "1changed", "own"),
        ("2", 2, "b", 11, "of the database", "2b", None),
        ("3", 3, "c", 12, "of the database", "3c", None),
    ]


def test_a_generated_column_that_we_have_too(connection: postgres.Connection, publish: Publish) -> None:
    """It is left to the database, which must come to the same value."""
    connection.execute(
        "CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text,"
        " g text GENERATED ALWAYS AS (upper(v)) STORED)"
    )
    t = table("t", "id integer!", "v text", "g text")
    assert publish({t: [(5, "a", "A"), (6, "b", "B")]})["t"] == (0, 2, 2, 0, 0)
    assert publish({t: [(5, "c", "C"), (6, "b", "B")]})["t"] == (2, 2, 0, 1, 0)
    with pytest.raises(PublishFailed, match="table t: of 1 built rows, 0 are in it unchanged"):
        publish({t: [(5, "c", "c")]})


@pytest.mark.parametrize("action", ["", "ON UPDATE RESTRICT", "ON UPDATE CASCADE", "DEFERRABLE"])
def test_a_value_that_rows_of_ours_refer_to_may_change_with_them(
    action: str, connection: postgres.Connection, publish: Publish
) -> None:
    """Though it is no primary key: rows on both sides are changed and inserted in one statement."""
    connection.execute(
        "CREATE TABLE public.parent (id text PRIMARY KEY, code text NOT NULL UNIQUE);"
        "CREATE TABLE public.child (id text PRIMARY KEY, code text NOT NULL"
        f" REFERENCES public.parent (code) {action})"  # type: ignore[arg-type]
    )
    parent, child = table("parent", "id text!", "code text!"), table("child", "id text!", "code text!")
    publish({parent: [("1", "a"), ("2", "b")], child: [("x", "a"), ("y", "b"), ("z", "a")]})
    found = publish({parent: [("1", "A"), ("2", "b"), ("3", "c")], child: [("x", "A"), ("y", "c"), ("w", "A")]})
    assert found == {"parent": (2, 3, 1, 1, 0), "child": (3, 3, 1, 2, 1)}
    assert select(connection, "SELECT id, code FROM public.child ORDER BY 1") == [("w", "A"), ("x", "A"), ("y", "c")]
