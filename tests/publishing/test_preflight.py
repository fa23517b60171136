"""Preflight: everything that prevents publishing is named at once, with what to do, and the target is not written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mock2pg import postgres
from mock2pg.contracts import ForeignKey, Table
from mock2pg.publishing import merge, preflight
from mock2pg.publishing.deletion_limits import DeletionLimits
from mock2pg.publishing.preflight.findings import Preflight
from tests.fix_merge import CHILD, CHILDREN, PARENT, PARENTS, Rows, build, select, table

pytestmark = pytest.mark.on_both_servers

T = table("t", "id text!", "a text", "n integer", key=("id",))
ROWS = [("1", "x", 1), ("2", "y", 2), ("3", "z", None)]


def look(
    connection: postgres.Connection,
    pairs: Sequence[tuple[Table, Rows]],
    limits: DeletionLimits | None = None,
    *,
    backups: Path = Path("/"),
    writes: bool = True,
) -> Preflight:
    """As the step does it: in one transaction, which is not rolled back."""
    tables = build(connection, pairs)
    with postgres.repeatable_read(connection):
        return preflight.look(
            connection,
            postgres.scratch.NEXT,
            "public",
            tables,
            limits or DeletionLimits(),
            backups=preflight.Backups(backups),
            writes=writes,
        )


def said(connection: postgres.Connection, pairs: Sequence[tuple[Table, Rows]], **more: Any) -> list[str]:
    return [f"{finding.table}: {finding.what}" for finding in look(connection, pairs, **more).findings]


def test_absent_tables_and_tables_of_the_contract_have_nothing_in_the_way(connection: postgres.Connection) -> None:
    """Neither before the first publication nor after it; and the differences are known."""
    pairs = [(PARENT, PARENTS), (CHILD, CHILDREN)]
    first = look(connection, pairs)
    assert first.findings == ()
    assert first.differences is not None
    assert first.differences["child"].created
    merge.publish(connection, postgres.scratch.NEXT, "public", build(connection, pairs))
    again = look(connection, [(PARENT, [("1", "new")]), (CHILD, [("x", "1", 9)])])
    assert again.findings == ()
    assert again.differences is not None
    assert (again.differences["child"].updated, again.differences["child"].deleted) == (1, 1)


CASES = [
    # the target, as an application made it; what is said of it when T with ROWS is to be published
    ("CREATE VIEW public.t AS SELECT 1 AS id", ["t: public.t is a view, and rows are published into tables"]),
    (
        "CREATE TABLE public.whole (id text, a text, n int) PARTITION BY LIST (a);"
        "CREATE TABLE public.t PARTITION OF public.whole DEFAULT",
        ["t: public.t is a partition of another table, and rows are published into tables"],
    ),
    ("CREATE SEQUENCE public.t", ["t: public.t is a sequence, and rows are published into tables"]),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY)",
        ["t: column a is missing", "t: column n is missing"],
    ),
    (
        "CREATE TABLE public.t (id text, a text, n int); INSERT INTO public.t VALUES ('1'), ('1'), ('2')",
        ["t: 1 value of its key (id) are in more than one target row"],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a varchar(1), n smallint)",
        [],
    ),
    (
        "CREATE TABLE public.t (id int PRIMARY KEY, a int, n boolean)",
        [
            "t: column a is integer, which does not accept what is built:"
            " invalid input syntax for type integer: (a value) (SQLSTATE 22P02)",
            "t: column n is boolean, which would change 1 value of the built ones",
        ],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own text NOT NULL, fine text NOT NULL DEFAULT '')",
        ["t: column own is NOT NULL without a default, and no model fills it"],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int NOT NULL)",
        ["t: column n is NOT NULL, and 1 row would have no value in it"],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text CHECK (a <> 'y'), n int,"
        " CONSTRAINT few CHECK (n < 2) NOT VALID, CONSTRAINT odd CHECK (10 / (n - 1) < 5))",
        [
            "t: check few would be violated by 1 row (2)",
            "t: check odd cannot be judged: division by zero (SQLSTATE 22012)",
            "t: check t_a_check would be violated by 1 row (2)",
        ],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int); CREATE UNIQUE INDEX half ON public.t ((n > 0));"
        "CREATE UNIQUE INDEX fine ON public.t (lower(a)) WHERE n > 0",
        ["t: unique index half would be violated by two rows"],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own text DEFAULT 'same' UNIQUE,"
        " CONSTRAINT apart EXCLUDE (own WITH =))",
        [
            "t: unique constraint apart would be violated by two rows",
            "t: unique constraint t_own_key would be violated by two rows",
        ],
    ),
    (
        "CREATE TABLE public.letters (a text PRIMARY KEY); INSERT INTO public.letters VALUES ('x');"
        "CREATE TABLE public.t (id text PRIMARY KEY, a text REFERENCES public.letters, n int)",
        ["t: t_a_fkey: 2 rows would refer to no row of letters (2, 3)"],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text GENERATED ALWAYS AS (upper(id)) STORED, n int)",
        ["t: column a is generated, and would differ from what is built in 3 rows"],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int GENERATED ALWAYS AS IDENTITY);"
        "INSERT INTO public.t OVERRIDING SYSTEM VALUE VALUES ('1', 'x', 7)",
        [
            "t: column n is GENERATED ALWAYS AS IDENTITY, and 1 row would change in it",
            "t: column n is NOT NULL, and 1 row would have no value in it",
        ],
    ),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own serial UNIQUE, at timestamptz DEFAULT now())",
        [],
    ),
    (
        "CREATE TABLE public.t (own int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, id text UNIQUE, a text, n int)",
        [],
    ),
]


@pytest.mark.parametrize(("target", "expected"), CASES)
def test_each_difference_of_a_target_table_is_named(
    target: str, expected: list[str], connection: postgres.Connection
) -> None:
    """Each difference is named with its table, its column and its number of rows, and never a value."""
    connection.execute(target)  # type: ignore[arg-type]
    preflight = look(connection, [(T, ROWS)])
    assert [f"{finding.table}: {finding.what}" for finding in preflight.findings] == expected
    assert all(finding.to_do for finding in preflight.findings)
    left = select(connection, "SELECT relname FROM pg_class WHERE relname LIKE 'mock2pg%'")
    assert left == []


@pytest.mark.parametrize(("target", "expected"), [case for case in CASES if "TABLE public.t (" in case[0]])
def test_the_preflight_says_yes_exactly_when_publishing_goes(
    target: str, expected: list[str], connection: postgres.Connection
) -> None:
    """A merge that it accepts can be published, and one that it refuses cannot."""
    connection.execute(target)  # type: ignore[arg-type]
    tables = build(connection, [(T, ROWS)])
    try:
        with connection.transaction():
            merge.publish(connection, postgres.scratch.NEXT, "public", tables)
    except Exception:
        assert expected
    else:
        assert expected == [] or "are in more than one target row" in expected[0]


def test_everything_is_named_at_once(connection: postgres.Connection) -> None:
    """Neither a table nor a column that does not take the rows hides what is wrong with another one."""
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY); CREATE VIEW public.child AS SELECT 1 AS x")
    connection.execute("""
        CREATE TABLE public.u (id uuid PRIMARY KEY, n int, own text NOT NULL);
        CREATE TABLE public.t (id text PRIMARY KEY, a varchar(1) UNIQUE CHECK (a <> 'y'), b boolean CHECK (b) UNIQUE,
            d text REFERENCES public.parent, e text NOT NULL, own text NOT NULL DEFAULT '', more int NOT NULL,
            CHECK (a <> '' OR b))""")
    t = table("t", "id text!", "a text", "b text", "c text", "d text", "e text", key=("id",))
    rows = [("1", "y", "odd", "", "9", "e"), ("2", "y", "odd", "", None, None)]
    u = table("u", "id text!", "n integer", key=("id",))
    found = said(connection, [(PARENT, PARENTS), (CHILD, CHILDREN), (t, rows), (u, [("no uuid", 1)])])
    assert found == [
        "parent: column name is missing",
        "child: public.child is a view, and rows are published into tables",
        "t: column c is missing",
        "t: column b is boolean, which does not accept what is built: invalid input syntax for type boolean: (a value)"
        " (SQLSTATE 22P02)",
        "u: column id is uuid, which does not accept what is built: invalid input syntax for type uuid: (a value)"
        " (SQLSTATE 22P02)",
        "u: column own is NOT NULL without a default, and no model fills it",
        "t: column more is NOT NULL without a default, and no model fills it",
        "t: column e is NOT NULL, and 1 row would have no value in it",
        "t: check t_a_check would be violated by 2 rows (1, 2)",
        "t: unique constraint t_a_key would be violated by two rows",
        "t: t_d_fkey: 1 row would refer to no row of parent (1)",
    ]


BEFORE_BUILD = [
    # the target, rows in the source, what is found before anything is built
    ("", 3, []),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, own text NOT NULL, other text NOT NULL, fine int DEFAULT 1)",
        3,
        ["column a is missing", "column n is missing", "column own is NOT NULL", "column other is NOT NULL"],
    ),
    ("CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own text NOT NULL)", 3, ["column own is NOT NULL"]),
    ("CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own text NOT NULL)", 0, []),
    (
        "CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own text NOT NULL);"
        "INSERT INTO public.t VALUES ('1', 'x', 1, '')",
        3,
        [],
    ),
]


@pytest.mark.parametrize(("target", "rows", "expected"), BEFORE_BUILD)
def test_conflicts_that_the_catalogue_shows_are_found_before_anything_is_built(
    target: str, rows: int, expected: list[str], connection: postgres.Connection
) -> None:
    """Missing columns and columns that nothing fills are listed together; the latter where new rows are certain."""
    connection.execute(target)  # type: ignore[arg-type]
    staged = replace(T, source="staged")
    found = preflight.before_build(connection, "public", [staged], {"staged": rows})
    assert [finding.what.removesuffix(" without a default, and no model fills it") for finding in found] == expected
    assert not postgres.catalogue.schema_exists(connection, postgres.scratch.NEXT)


def test_a_look_advances_no_sequence(connection: postgres.Connection) -> None:
    """The rows as they would be are made without drawing a number, also by a function of the application's."""
    connection.execute("""
        CREATE SEQUENCE public.free; CREATE FUNCTION public.next_id() RETURNS int LANGUAGE sql AS
            $$ SELECT nextval('public.free')::int $$;
        CREATE TABLE public.t (id text PRIMARY KEY, a text, n int, own serial UNIQUE, mine int DEFAULT public.next_id(),
            CHECK (n > 0))""")
    assert look(connection, [(T, ROWS)]).findings == ()
    for name in ("t_own_seq", "free"):
        assert select(connection, f"SELECT last_value, is_called FROM public.{name}") == [(1, False)]


@pytest.mark.parametrize(
    ("column", "more", "doubt"),
    [
        ("text", "", []),
        ("text DEFAULT nextval('public.free')", "", []),
        ("text DEFAULT gen_random_uuid()", "", []),
        (
            "text DEFAULT nextval(('public.' || 'free')::regclass)",
            "",
            ["t.a: its default draws from an unknown sequence"],
        ),
        ("text DEFAULT 'X' || nextval('public.free')", "", ["t.a: its default makes a text from public.free"]),
        (
            "text DEFAULT public.next_of('public.free')",
            "",
            ["t.a: its default calls public.next_of, and the sequence that it draws from is unknown"],
        ),
        (
            "text",
            "CREATE TRIGGER give BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.give('public.free')",
            ["t: trigger give draws from an unknown sequence"],
        ),
    ],
)
def test_a_next_value_that_cannot_be_told_is_named(
    column: str, more: str, doubt: list[str], connection: postgres.Connection
) -> None:
    """Publishing goes, and the application's next row may be refused: that is said beforehand, with the column."""
    connection.execute("""
        CREATE SEQUENCE public.free; CREATE FUNCTION public.next_of(name text) RETURNS text LANGUAGE sql AS
            $$ SELECT nextval(name::regclass)::text $$;
        CREATE FUNCTION public.give() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN NEW.a := coalesce(NEW.a, nextval(tg_argv[0]::regclass)::text); RETURN NEW; END $$""")
    connection.execute(f"CREATE TABLE public.t (id text PRIMARY KEY, a {column}, n int); {more}")  # type: ignore[arg-type]
    preflight = look(connection, [(T, ROWS)])
    assert preflight.findings == ()
    assert [caution.partition(";")[0] for caution in preflight.cautions] == doubt


def test_a_sequence_of_another_schema_that_is_moved_is_named(connection: postgres.Connection) -> None:
    """A rollback does not move it back: no backup holds its position. One that is ahead already is not moved."""
    connection.execute("""
        CREATE SCHEMA far; CREATE SEQUENCE far.s; CREATE SEQUENCE far.ahead START 100; CREATE SEQUENCE public.own;
        CREATE TABLE public.t (id text PRIMARY KEY, a text, n int DEFAULT nextval('far.s'))""")
    told = "t.n: publishing moves sequence far.s of another schema past the values that the column will hold"
    assert look(connection, [(T, ROWS)]).cautions == (f"{told}; a rollback does not move it back",)
    for other in ("far.ahead", "public.own"):
        connection.execute(f"ALTER TABLE public.t ALTER n SET DEFAULT nextval('{other}')")  # type: ignore[arg-type]
        assert look(connection, [(T, ROWS)]).cautions == ()


def test_rows_that_stay_count_for_what_must_be_unique(connection: postgres.Connection) -> None:
    """In a table that keeps the rows of others, a new row may be like one of those."""
    connection.execute("CREATE TABLE public.t (id text PRIMARY KEY, a text UNIQUE, n int)")
    connection.execute("INSERT INTO public.t VALUES ('9', 'x', 1)")
    assert said(connection, [(T, ROWS)]) == []
    for publish in ("upsert", "ensure"):
        found = said(connection, [(replace(T, publish=publish), ROWS)])
        assert found == ["t: unique constraint t_a_key would be violated by two rows"]


def test_a_reference_is_looked_up_among_the_rows_to_be(connection: postgres.Connection) -> None:
    """A parent that goes is none; one that comes, or that stays in a table of others, is."""
    parent = table("p", "id text!", key=("id",))
    child = table("c", "id text!", "p text", key=("id",))
    connection.execute("CREATE TABLE public.p (id text PRIMARY KEY)")
    connection.execute("CREATE TABLE public.c (id text PRIMARY KEY, p text REFERENCES public.p)")
    connection.execute("INSERT INTO public.p VALUES ('old')")
    rows = [("1", "new"), ("2", "old"), ("3", None)]
    assert said(connection, [(parent, [("new",)]), (child, rows)]) == [
        "c: c_p_fkey: 1 row would refer to no row of p (2)"
    ]
    for publish in ("upsert", "ensure"):
        assert said(connection, [(replace(parent, publish=publish), [("new",)]), (child, rows)]) == []
    agreed = replace(child, foreign_keys=(ForeignKey(("p",), "p", ("id",)),))
    assert said(connection, [(parent, [("new",)]), (agreed, rows)]) == []  # which the built tables have shown


def test_losses_and_rows_of_others_are_named(connection: postgres.Connection) -> None:
    """Before a backup is taken, not only while publishing."""
    merge.publish(connection, postgres.scratch.NEXT, "public", build(connection, [(PARENT, PARENTS)]))
    connection.execute("CREATE TABLE public.pins (p text REFERENCES public.parent)")
    connection.execute("INSERT INTO public.pins VALUES ('1')")
    limits = DeletionLimits("50%", entities={"source": "parents"})
    found = look(connection, [(replace(PARENT, source="source"), [])], limits).findings
    assert [str(finding) for finding in found] == [
        "parent: would be emptied of 2 rows. If that is intended: --allow-empty parents",
        "1 row of public.pins (pins_p_fkey) refer to parent and prevent their deletion. Keep those rows in the input,"
        " change the rows that refer to them, or name the table: --allow-cascade TABLE",
    ]


def test_what_the_role_may_not_do_is_named_with_its_grant(connection: postgres.Connection) -> None:
    """Reading for all that a backup reads, writing for what would be written; a plan needs no right to write."""
    merge.publish(connection, postgres.scratch.NEXT, "public", build(connection, [(PARENT, PARENTS)]))
    connection.execute("CREATE TABLE public.other (id serial)")
    connection.execute("CREATE ROLE reader_of_preflight")
    try:
        connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO reader_of_preflight")  # type: ignore[arg-type]
        connection.execute("DROP SCHEMA mock2pg_landing, mock2pg_next CASCADE; SET ROLE reader_of_preflight")
        changed = [(PARENT, [("1", "changed"), ("3", "new")]), (CHILD, [])]
        found = look(connection, changed).findings
        assert [finding.what for finding in found] == [
            'reader_of_preflight has no SELECT on table "public"."other"',
            'reader_of_preflight has no SELECT on sequence "public"."other_id_seq"',
            'reader_of_preflight has no SELECT on table "public"."parent"',
        ]
        assert 'GRANT SELECT ON TABLE "public"."parent" TO "reader_of_preflight"' in found[2].to_do
        connection.execute("RESET ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_preflight")
        connection.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader_of_preflight")
        connection.execute("SET ROLE reader_of_preflight")
        assert look(connection, changed, writes=False).findings == ()
        assert [finding.what.partition(" has no ")[2] for finding in look(connection, changed).findings] == [
            'INSERT on table "public"."parent"', 'UPDATE on table "public"."parent"',
            'DELETE on table "public"."parent"', 'CREATE on schema "public"',
        ]  # fmt: skip
        connection.execute("""RESET ROLE; CREATE TABLE public.t (id text PRIMARY KEY, a text, n serial);
            GRANT SELECT, INSERT ON public.t TO reader_of_preflight;
            GRANT CREATE ON SCHEMA public TO reader_of_preflight;
            GRANT SELECT ON public.t_n_seq TO reader_of_preflight; SET ROLE reader_of_preflight""")
        assert look(connection, [(T, [("1", "x", 0)])]).findings == ()  # which the sequence never gives
        (behind,) = look(connection, [(T, [("1", "x", 1)])]).findings
        assert behind.what == 'reader_of_preflight has no UPDATE on sequence "public"."t_n_seq"'
        connection.execute("RESET ROLE; ALTER TABLE public.parent ENABLE ROW LEVEL SECURITY; DROP TABLE public.t")
        connection.execute("SET ROLE reader_of_preflight")
        (hidden,) = look(connection, changed, writes=False).findings
        assert hidden.what == "row-level security would hide rows from reader_of_preflight"
    finally:
        connection.execute("RESET ROLE; DROP SCHEMA IF EXISTS mock2pg_landing, mock2pg_next CASCADE")
        connection.execute("DROP OWNED BY reader_of_preflight; DROP ROLE reader_of_preflight")


def test_a_disk_that_is_too_small_is_named(
    connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For the backup and, where the server is on this machine, for the rows."""
    merge.publish(connection, postgres.scratch.NEXT, "public", build(connection, [(PARENT, PARENTS)]))
    connection.execute("ANALYZE public.parent")
    free = {"backups": 100, "data": 100}

    def usage(folder: Path) -> Any:
        which = "backups" if os.fspath(folder).startswith(str(tmp_path)) else "data"
        return shutil._ntuple_diskusage(0, 0, free[which])  # type: ignore[attr-defined]

    monkeypatch.setattr("mock2pg.publishing.preflight.disk_space.shutil.disk_usage", usage)
    found = said(connection, [(PARENT, [*PARENTS, ("3", "new")])], backups=tmp_path / "not there" / "backups")
    assert [line.partition(" for ")[2] for line in found] == [
        "the backup in backups/, and 100 are free", "the rows in the server's data directory, and 100 are free",
    ]  # fmt: skip
    free.update(backups=1 << 30, data=1 << 30)
    assert said(connection, [(PARENT, [*PARENTS, ("3", "new")])], backups=tmp_path) == []
