"""The target decides how its tables are distributed; what Citus does not take is refused before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import psycopg
import pytest

from mock2pg import history, postgres
from mock2pg.contracts import ForeignKey, Table
from mock2pg.distributed_keys import widened
from mock2pg.postgres import distribution, existing_tables
from mock2pg.publishing import built_tables, creation, merge
from mock2pg.publishing.preflight import distributed_tables
from mock2pg.publishing.preflight.distribution import effective
from tests.fix_merge import build, table

THERE = """
    CREATE TABLE public.t (id text, tenant text, PRIMARY KEY (id, tenant));
"""
BY_TENANT, REFERENCE = (
    "SELECT create_distributed_table('public.t', 'tenant')",
    "SELECT create_reference_table('public.t')",
)
BY_HAND = "Correct config.meta.distribution, or change the table by hand: SELECT "

# the target, what the model declares, what holds, and what is said of it
CASES = {
    "an absent table gets what is declared": ("", "tenant", "tenant", ""),
    "an absent table that declares nothing is local": ("", "", "", ""),
    "a local table stays local": (THERE, "", "", ""),
    "as declared": (THERE + BY_TENANT, "tenant", "tenant", ""),
    "a reference table as declared": (THERE + REFERENCE, "reference", "reference", ""),
    "nothing is declared": (
        THERE + BY_TENANT, "", "tenant", "kept, and declared by no model: t is distributed by tenant"),
    "local, and declared by a column": (
        THERE, "tenant", "",
        "the table is local. " + BY_HAND + """create_distributed_table('"public"."t"', 'tenant')"""),
    "local, and declared a reference table": (
        THERE, "reference", "", "the table is local. " + BY_HAND + """create_reference_table('"public"."t"')"""),
    "local, and its keys are without the column": (
        "CREATE TABLE public.t (id text PRIMARY KEY, tenant text, n int UNIQUE, up text REFERENCES public.t)",
        "tenant", "",
        BY_HAND.removesuffix("SELECT ") + 'ALTER TABLE "public"."t" DROP CONSTRAINT "t_pkey"; ALTER TABLE'
        ' "public"."t" ADD PRIMARY KEY ("id", "tenant"); ALTER TABLE "public"."t" DROP CONSTRAINT "t_n_key"; ALTER'
        ' TABLE "public"."t" ADD UNIQUE ("n", "tenant"); SELECT'
        """ create_distributed_table('"public"."t"', 'tenant'). Drop the foreign keys t_up_fkey of t before, and"""),
    "by another column": (
        THERE + BY_TENANT, "id", "tenant",
        "t: its model declares distributed by id, and the table is distributed by tenant. " + BY_HAND
        + """alter_distributed_table('"public"."t"', distribution_column := 'id')"""),
    "a reference table, and declared by a column": (
        THERE + REFERENCE, "tenant", "reference", "the table is a reference table. " + BY_HAND
        + """undistribute_table('"public"."t"'); SELECT create_distributed_table('"public"."t"', 'tenant')"""),
}  # fmt: skip


def test_a_table_that_exists_keeps_its_distribution(doubled: str) -> None:
    """A new one gets the declared one; a declaration that differs is a conflict with the statement to run by hand."""
    with postgres.connect(doubled, name="test") as connection:
        for case, (there, declared, holds, said) in CASES.items():
            with connection.transaction(force_rollback=True):
                connection.execute(there or "SELECT 1")  # type: ignore[arg-type]
                tables = [table("t", "id text!", "tenant text!", key=("id",), distribution=declared)]
                found = effective(connection, "public", tables)
            assert [each.distribution for each in found.tables] == [holds], case
            told = [*map(str, found.findings), *found.notes]
            assert len(told) == bool(said), (case, told)
            assert said in "".join(told), case
            assert bool(found.findings) == (declared not in ("", holds)), case


def test_a_declaration_has_no_effect_without_citus(database: str) -> None:
    """A project that declares distributions migrates into PostgreSQL alone; the run says that its tables are local."""
    declared = [table("t", "id text!", key=("id",), distribution="reference"), table("u", "id text!", key=("id",))]
    with postgres.connect(database, name="test") as connection:
        found = effective(connection, "public", declared)
    assert [each.distribution for each in found.tables] == ["", ""]
    assert found.findings == ()
    assert found.notes == ("1 model declares a distribution, and the target has no Citus: local tables",)


def child(*, how: str = "tenant", parent: str = "p", action: str = "", columns: Sequence[str] = ("p_id",)) -> Table:
    to = ("id",) if len(columns) == 1 else ("id", "tenant")
    keys = (ForeignKey(tuple(columns), parent, to, action),)
    return table("c", "id text!", "tenant text!", "p_id text!", foreign_keys=keys, distribution=how)


def parent(how: str = "tenant", kind: str = "text") -> Table:
    return table("p", "id text!", f"tenant {kind}!", uniques=(("id", "tenant"),), distribution=how)


def circle(column: str) -> list[Table]:
    """Two tables that refer to each other; the column of the first is as given."""
    return [
        table(name, "id text!", "tenant text!", f"other {kind}", distribution="tenant",
              foreign_keys=(ForeignKey(("other",), to, ("id",)),))
        for name, to, kind in (("a", "b", column), ("b", "a", "text!"))
    ]  # fmt: skip


CIRCLE = (
    "CREATE TABLE public.a (id text, tenant text, other text, PRIMARY KEY (id, tenant));"
    "CREATE TABLE public.b (LIKE public.a INCLUDING INDEXES); SELECT create_distributed_table('public.a', 'tenant');"
    "SELECT create_distributed_table('public.b', 'tenant', colocate_with => 'public.a');"
    "ALTER TABLE public.a ADD FOREIGN KEY (other, tenant) REFERENCES public.b {0};"
    "ALTER TABLE public.b ADD FOREIGN KEY (other, tenant) REFERENCES public.a; "
)


EXISTING = "CREATE TABLE public.{0} (id text, tenant {1}, PRIMARY KEY (id, tenant)); "
DISTRIBUTED = EXISTING + "SELECT create_distributed_table('public.{0}', 'tenant'); "
TRIGGER = (
    "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';"
    " CREATE TRIGGER told BEFORE INSERT ON public.p FOR EACH ROW EXECUTE FUNCTION public.f()"
)
KEY = "c: Citus does not take the foreign key (p_id) to p"

# the target, the contracts, and what is said, if anything
REFUSED: dict[str, tuple[str, list[Table], str]] = {
    "a key within a tenant": ("", [parent(), child()], ""),
    "a key that has the column": ("", [parent(), child(columns=("p_id", "tenant"))], ""),
    "a key to a reference table": ("", [parent("reference"), child(action="on delete set null")], ""),
    "a key to a reference table, from a local one": ("", [parent("reference"), child(how="")], ""),
    "a key to a local table": ("", [parent(""), child()], KEY + ": p is a local table. Declare another distribution"),
    "a key from a reference table": (
        "", [parent(), child(how="reference")], KEY + ": c is a reference table, and p is distributed"),
    "a key from a local table": ("", [parent(), child(how="")], KEY + ": c is a local table, and p is distributed"),
    "a key to another distribution": (
        "", [parent("id"), child()], KEY + ": it does not refer from the distribution column tenant to p's, id"),
    "a key between types": (
        "", [parent(kind="integer"), child()], KEY + ": the distribution columns are text and integer"),
    "a key to an existing table of another type": (
        DISTRIBUTED.format("p", "varchar(9)"), [parent(), child()],
        KEY + ": the distribution columns are text and character varying"),
    "a key of an existing table": (DISTRIBUTED.format("c", "text"), [parent("id"), child()], ""),
    "set null": (
        "", [parent(), child(action="on delete set null")],
        KEY + " on delete set null: tenant is the distribution column, and part of the key. Use another action"),
    "set default": ("", [parent(), child(action="ON DELETE SET DEFAULT")], KEY + " ON DELETE SET DEFAULT"),
    "cascade": ("", [parent(), child(action="on delete cascade")], ""),
    "an update that cascades": ("", [parent(), child(action="on update cascade")], KEY + " on update cascade"),
    "a column that may be null": (
        "", [table("t", "id text!", "tenant text", distribution="tenant")],
        "t: rows are distributed by tenant, which may be null. Give the column a not_null constraint"),
    "parents that are apart": (
        DISTRIBUTED.format("p", "text") + EXISTING.format("q", "text")
        + "INSERT INTO double_partition VALUES ('public.q', 'h', 'tenant', 99, 's')",
        [parent(), table("q", "id text!", "tenant text!", distribution="tenant"),
         table("c", "id text!", "tenant text!", "p_id text!", distribution="tenant",
               foreign_keys=(ForeignKey(("p_id",), "p", ("id",)), ForeignKey(("p_id",), "q", ("id",))))],
        "c: it refers to p, q, and these tables are not colocated"),
    "a trigger": (
        DISTRIBUTED.format("p", "text") + TRIGGER, [parent()],
        "p: the table has the trigger told, and Citus disables and restores none. Drop it by hand: DROP TRIGGER"),
    "a trigger of a local table": (
        EXISTING.format("p", "text") + TRIGGER, [parent(""), child(how="reference", parent="c")], ""),
    "a columnar table": (
        "CREATE ACCESS METHOD columnar TYPE TABLE HANDLER heap_tableam_handler;"
        " SET LOCAL default_table_access_method = columnar; " + DISTRIBUTED.format("p", "text"), [parent()],
        """p: the table is columnar, which takes no UPDATE and no DELETE. Change it by hand: SELECT """
        """alter_table_set_access_method('"public"."p"', 'heap')"""),
    "a transaction that is left over": (
        "INSERT INTO double_lost VALUES (2, true); INSERT INTO pg_dist_transaction VALUES (2, 'citus_0_7_7_7')",
        [parent()], "node worker-2:5432: 1 transaction of Citus is prepared and not ended. Run the command again"),
    "a node that does not answer": (
        "INSERT INTO double_lost VALUES (1, false)", [parent()], "node worker-1:5432 does not answer. Run the command"),
    "a circle": (
        CIRCLE.format(""), circle("text!"), "a, b refer to each other, and Citus looks at each key at once. Make a"),
    "a circle that may be null": (CIRCLE.format(""), circle("text"), ""),
    "a circle that is deferred": (CIRCLE.format("DEFERRABLE INITIALLY DEFERRED"), circle("text!"), ""),
    "a circle that is new": ("", circle("text!"), ""),
    "a table that refers to itself": (
        "", [table("c", "id text!", "tenant text!", "p_id text!", distribution="tenant",
                   foreign_keys=(ForeignKey(("p_id",), "c", ("id",)),))], ""),
}  # fmt: skip


def test_what_citus_does_not_take_is_a_conflict(doubled: str) -> None:
    """It is named with what to do, before anything is built; what Citus takes is not."""
    with postgres.connect(doubled, name="test") as connection:
        for case, (there, tables, said) in REFUSED.items():
            with connection.transaction(force_rollback=True):
                connection.execute(there or "SELECT 1")  # type: ignore[arg-type]
                found = [*map(str, effective(connection, "public", tables).findings)]
            assert len(found) == bool(said), (case, found)
            assert said in "".join(found), case


def test_keys_of_a_table_that_is_altered_are_judged(doubled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --alter a table that a migration created gets the keys of its contract, as a new one does."""
    there, tables, _ = REFUSED["a key of an existing table"]
    monkeypatch.setattr(history, "owned", lambda *_: {"c": {}})
    with postgres.connect(doubled, name="test") as connection:
        connection.execute(there)  # type: ignore[arg-type]
        found = effective(connection, "public", tables, alter=True).findings
    assert [each.table for each in found] == ["c"]
    assert "tenant to p's, id" in found[0].what


def test_a_row_of_another_tenant_than_its_parent_is_a_conflict(doubled: str) -> None:
    """The database would refuse the widened key; the rows are named by their keys."""
    parents = [("1", "north"), ("2", "south")]
    children = [("x", "north", "1"), ("y", "north", "2"), ("z", "north", "3")]
    said = "c: p_id: 1 row would refer to a row of p with another tenant (y). Correct the rows in the source"
    exists = (
        "CREATE TABLE public.p (id text, tenant text, UNIQUE (id, tenant)); CREATE TABLE public.c (p_id text, t text)"
    )
    with postgres.connect(doubled, name="test") as connection:
        for there, tables, told in (
            ("SELECT 1", [parent(), child()], [said]),
            ("SELECT 1", [parent("reference"), child()], []),
            ("SELECT 1", [parent(""), child(how="")], []),
            (exists, [parent(), child()], []),
            (
                "ALTER TABLE public.c ADD FOREIGN KEY (p_id, t) REFERENCES public.p (id, tenant)",
                [parent(), child()],
                [],
            ),
            (
                "ALTER TABLE public.c RENAME t TO tenant",
                [parent(), child()],
                [said],
            ),
        ):
            connection.execute(there)  # type: ignore[arg-type]
            built = build(connection, zip(tables, (parents, children), strict=True))
            found = distributed_tables.of_rows(connection, postgres.scratch.NEXT, "public", built)
            assert [str(each).partition(", or")[0] for each in found] == told


@pytest.mark.citus
def test_citus_itself_takes_what_is_no_conflict(citus_url: str) -> None:
    """The tables of each case are made as publishing makes them: Citus refuses the keys that are conflicts."""
    with postgres.connect(citus_url, name="test") as connection:
        for case, (there, tables, said) in REFUSED.items():
            if there or "circle" in case or case == "a column that may be null":
                continue
            by_name = {each.name: widened(each, {each.name: each for each in tables}) for each in tables}
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")
                for each in by_name.values():
                    creation.create(connection, "public", each)
                    if each.distribution:
                        distribution.distribute(connection, "public", each.name, each.distribution)
                for each in by_name.values():
                    creation.constrain(connection, "public", each)
                with pytest.raises(psycopg.Error) if said else nullcontext():
                    for each in by_name.values():
                        creation.refer(connection, "public", each)


@pytest.mark.citus
def test_tables_of_a_cluster_are_read_for_a_project(citus_url: str) -> None:
    """Distributions, and whether there are rows, which Citus does not count in every form of the question."""
    with postgres.connect(citus_url, name="test") as connection:
        connection.execute(DISTRIBUTED.format("p", "text"))  # type: ignore[arg-type]
        connection.execute(EXISTING.format("c", "text"))  # type: ignore[arg-type]
        connection.execute("SELECT create_reference_table('public.c'); INSERT INTO public.c VALUES ('1', 'north')")
        found = existing_tables.read(connection, "public")
    assert [(each.name, each.distribution, each.holds_rows) for each in found] == [
        ("c", "reference", True), ("p", "tenant", False),
    ]  # fmt: skip


@pytest.mark.citus
def test_existing_tables_in_a_circle_are_filled_and_emptied(citus_url: str) -> None:
    """Citus looks at each key at once: the table comes last whose key is never NULL, whatever its name."""
    staff = table("a_staff", "id text!", "t text!", "unit text!", distribution="t",
                  foreign_keys=(ForeignKey(("unit",), "b_units", ("id",)),))  # fmt: skip
    units = table("b_units", "id text!", "t text!", "head text", distribution="t",
                  foreign_keys=(ForeignKey(("head",), "a_staff", ("id",)),))  # fmt: skip
    with postgres.connect(citus_url, name="test") as connection:
        for each, column in ((staff, "unit text NOT NULL"), (units, "head text")):
            connection.execute(
                f"CREATE TABLE public.{each.name} (id text, t text NOT NULL, {column}, PRIMARY KEY (id, t))"
            )  # type: ignore[arg-type]
            distribution.distribute(connection, "public", each.name, "t")
        connection.execute("ALTER TABLE public.a_staff ADD FOREIGN KEY (unit, t) REFERENCES public.b_units (id, t)")
        connection.execute("ALTER TABLE public.b_units ADD FOREIGN KEY (head, t) REFERENCES public.a_staff (id, t)")
        tables = effective(connection, "public", [staff, units])
        assert tables.findings == ()
        members, heads = [("1", "x", "u"), ("2", "y", "v")], [("u", "x", "1"), ("v", "y", None)]
        for rows, inserted, deleted in (((members, heads), 2, 0), (((), ()), 0, 2)):
            built = build(connection, zip(tables.tables, rows, strict=True))
            built_tables.distribute(connection, postgres.scratch.NEXT, "public", built)
            with connection.transaction():
                distribution.begin(connection, "5s")
                done = merge.publish(connection, postgres.scratch.NEXT, "public", built)
            assert {(each.inserted, each.deleted) for each in done.values()} == {(inserted, deleted)}
