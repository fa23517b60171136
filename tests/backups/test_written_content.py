"""The content hash of a table that was written, from that of the backup and the rows that were written."""

from __future__ import annotations

import pytest
from psycopg import sql

from mock2pg import postgres
from mock2pg.backups import exported_rows
from mock2pg.backups.written_content import WrittenContent
from mock2pg.publishing import held_difference
from mock2pg.publishing.merge import Merge
from mock2pg.step_results import Horizon
from tests.fix_merge import PARENT, build, horizon

TRIGGER = """
    CREATE FUNCTION public.also() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
        AS $$ BEGIN {} RETURN new; END $$;
    CREATE TRIGGER also BEFORE UPDATE ON public.parent FOR EACH ROW WHEN (pg_trigger_depth() < 1)
        EXECUTE FUNCTION public.also()"""


@pytest.mark.parametrize(
    ("trigger", "known"),
    [
        ("", True),
        ("new.created_at = 'epoch';", True),  # what is written is read, whoever decided it
        ("UPDATE public.parent SET created_at = 'epoch' WHERE id = 'stays';", False),
        ("DELETE FROM public.parent WHERE id = 'stays';", False),
        ("RETURN NULL;", False),
    ],
)
def test_it_follows_from_the_rows_that_were_written(
    connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch, trigger: str, known: bool
) -> None:
    """If a trigger writes anything else, or keeps a row from being written, all rows have to be read."""
    monkeypatch.setattr(held_difference, "_MANY_ROWS", 3)
    tables = build(connection, [(PARENT, [("stays", "a"), ("differs", "new"), ("new", "c")])])
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY, name text, created_at timestamptz)")
    connection.execute("INSERT INTO public.parent VALUES ('stays', 'a'), ('differs', 'b'), ('gone', 'd')")
    if trigger:
        connection.execute(TRIGGER.format(trigger))  # type: ignore[arg-type]
    with connection.transaction():
        before = exported_rows.content_hash(connection, "public", "parent")
        merge = Merge(connection, postgres.scratch.NEXT, "public", tables, hold=True)
        (each,) = merge.merges
        assert each.looks_at_differences
        content = WrittenContent(connection, "public", merge, horizon(connection), {"parent": before})
        done = merge.apply(lambda _: postgres.catalogue.rows(connection, "public", "parent"))["parent"]
        found = content.of(each, done)
        assert found == (exported_rows.content_hash(connection, "public", "parent") if known else None)


def test_without_the_horizon_of_the_backup_nothing_follows(connection: postgres.Connection) -> None:
    """A table into which others wrote since has no hash here, and a small one is compared as a whole."""
    tables = build(connection, [(PARENT, [("a", "b")])])
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY, name text)")
    merge = Merge(connection, postgres.scratch.NEXT, "public", tables, hold=True)
    (each,) = merge.merges
    assert not each.looks_at_differences
    known: Horizon | None
    for known, hashes in ((None, {"parent": "0:0:0"}), (horizon(connection), {})):
        content = WrittenContent(connection, "public", merge, known, hashes)
        assert content.of(each, merge.differences["parent"]) is None


def test_the_rows_that_change_are_found_by_joins(
    connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL looks for none of them one by one, which would take hours for many."""
    monkeypatch.setattr(held_difference, "_MANY_ROWS", 1)
    tables = build(connection, [(PARENT, [("stays", "a"), ("differs", "new")])])
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY, name text)")
    connection.execute("INSERT INTO public.parent VALUES ('stays', 'a'), ('differs', 'b'), ('gone', 'd')")
    computed, plans = exported_rows.lines_hash, list[str]()

    def explained(session: postgres.Connection, query: sql.Composed) -> str:
        plans.append("\n".join(row[0] for row in session.execute(sql.SQL("EXPLAIN {}").format(query))))
        return computed(session, query)

    monkeypatch.setattr(exported_rows, "lines_hash", explained)
    merge = Merge(connection, postgres.scratch.NEXT, "public", tables, hold=True)
    WrittenContent(connection, "public", merge, horizon(connection), {"parent": "3:0:0"})
    assert len(plans) == 2
    assert not [plan for plan in plans if "SubPlan" in plan]
