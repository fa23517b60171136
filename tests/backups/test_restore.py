"""Going back: a dump of the database after a restore equals the dump from before, whatever was in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from mock2pg import backups, postgres
from mock2pg.backups import diff, dump, exported_rows, json_rows, refilled_tables, restore
from mock2pg.backups.staged import Staged, State
from mock2pg.errors import BackupFailed, BackupRefused, RollbackFailed
from mock2pg.postgres import catalogue
from mock2pg.postgres.server import binary
from mock2pg.publishing import merge, table_merge
from mock2pg.step_results import Difference, RowChanges
from tests.fix_postgres import new_database
from tests.fix_restore import CHANGED, EVERYTHING, Trial, back_up, dumped, execute, go_back, state_of


def test_rows_and_sequences_come_back_into_the_tables_that_are_there(
    trial: Trial, database: str, connection: postgres.Connection
) -> None:
    """Only rows move between equal definitions: no table is recreated."""
    query = "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    execute(database, EVERYTHING + "DROP RULE quiet ON public.counts")  # no row could be taken away again
    before = connection.execute(query).fetchall()
    restored = trial("SELECT 1", CHANGED, "merge")
    assert connection.execute(query).fetchall() == before
    assert restored.tables["counts"].deleted == 1
    assert restored.dropped == ()


DEFINITIONS_CHANGED = {
    "added": """
        CREATE TABLE public.more (id int); ALTER TABLE public.parent ADD more int;
        ALTER TYPE public.mood ADD VALUE 'sad';
        CREATE FUNCTION public.more() RETURNS public.parent LANGUAGE sql AS 'SELECT NULL::public.parent';
        CREATE DOMAIN public.more_tags AS public.tags; CREATE VIEW public.more_named AS SELECT * FROM public.named""",
    "changed": """
        COMMENT ON TABLE public.parent IS NULL; REVOKE ALL ON public.parent FROM pg_monitor;
        ALTER TABLE public.child DISABLE ROW LEVEL SECURITY; ALTER SEQUENCE public.down INCREMENT 1 CACHE 1;
        DROP INDEX public.by_code; ALTER TABLE public.parent ALTER t TYPE varchar;
        ALTER TABLE public.parent RENAME number TO n""",
    "dropped": """
        DROP TABLE public.parent CASCADE; DROP TABLE public.rest; DROP FUNCTION public.twice CASCADE;
        DROP AGGREGATE public.total(integer); DROP COLLATION public.plainly""",
    "all dropped": """
        DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;
        GRANT USAGE ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS 'standard public schema'""",
}


@pytest.mark.parametrize("what", DEFINITIONS_CHANGED)
def test_definitions_come_back(what: str, trial: Trial, connection: postgres.Connection) -> None:
    """Every kind of object is as it was, also after others were added, changed or dropped."""
    restored = trial(EVERYTHING, CHANGED + DEFINITIONS_CHANGED[what], "recreate")
    assert connection.execute("SELECT * FROM public.on_kept").fetchone() == (3,)  # filled, not only defined
    assert restored.dropped == (("more",) if what == "added" else ())


_RESET = "DROP SCHEMA {0} CASCADE; CREATE SCHEMA {0}"
SCHEMAS = (
    _RESET,
    f"{_RESET}; GRANT ALL ON SCHEMA {{0}} TO PUBLIC; GRANT ALL ON SCHEMA {{0}} TO postgres",
    f"{_RESET}; COMMENT ON SCHEMA {{0}} IS 'ours'",
    "REVOKE ALL ON SCHEMA {0} FROM PUBLIC; COMMENT ON SCHEMA {0} IS NULL",
    "ALTER SCHEMA {0} OWNER TO pg_monitor",
    "ALTER SCHEMA {0} OWNER TO postgres; GRANT USAGE ON SCHEMA {0} TO pg_monitor WITH GRANT OPTION",
    f"{_RESET}; ALTER SCHEMA {{0}} OWNER TO pg_monitor; REVOKE ALL ON SCHEMA {{0}} FROM pg_monitor",
)


@pytest.mark.parametrize(
    ("version", "schema", "setups"),
    [("server", "public", SCHEMAS), ("older_server", "public", SCHEMAS), ("server", 'My "App"', SCHEMAS[::3])],
    ids=["server", "older server", "odd name"],
)
def test_the_schema_itself_comes_back(
    version: str, schema: str, setups: tuple[str, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Its owner, grants and comment, whether it came with the database or was made later, in each version's way."""
    name = sql.Identifier(schema).as_string()
    with new_database(request.getfixturevalue(version), template="template0") as url:
        execute(url, f"CREATE SCHEMA IF NOT EXISTS {name}")
        for number, setup in enumerate(setups):
            execute(url, setup.format(name))
            before = dumped(url)
            backup = back_up(url, tmp_path / str(number), schema)
            changes = (f"CREATE TYPE {name}.more AS ENUM ()", f"DROP SCHEMA {name} CASCADE", setups[number - 1])
            execute(url, changes[number % 3].format(name))
            go_back(url, backup, schema)
            assert dumped(url) == before, setup


def test_what_cannot_be_merged_is_made_anew(trial: Trial) -> None:
    """The tables are dropped and recreated when moving rows alone does not lead back."""
    setup = """
        CREATE TABLE public.t (id int PRIMARY KEY);
        CREATE TABLE public.log (id int PRIMARY KEY);
        CREATE RULE r AS ON DELETE TO public.t DO ALSO INSERT INTO public.log VALUES (old.id);
        INSERT INTO public.t VALUES (1)"""
    trial(setup, "INSERT INTO public.t VALUES (2)", "recreate")


@pytest.mark.parametrize(
    ("setup", "change"),
    [
        ("CREATE TABLE public.t (id int PRIMARY KEY, n text UNIQUE);\nCREATE TABLE public.u (id int PRIMARY KEY,"
         " t int REFERENCES public.t ON DELETE CASCADE);\nINSERT INTO public.t VALUES (1, 'a'), (2, 'b');\n"
         "INSERT INTO public.u VALUES (1, 1)",
         "UPDATE public.t SET n = '' WHERE id = 1;\nUPDATE public.t SET n = 'a' WHERE id = 2;\n"
         "UPDATE public.t SET n = 'b' WHERE id = 1"),
        ("CREATE TABLE public.t (id int PRIMARY KEY, u int);\n"
         "CREATE TABLE public.u (id int PRIMARY KEY, t int REFERENCES public.t);\n"
         "ALTER TABLE public.t ADD FOREIGN KEY (u) REFERENCES public.u;\nINSERT INTO public.t VALUES (1);\n"
         "INSERT INTO public.u VALUES (1, 1);\nUPDATE public.t SET u = 1",
         "UPDATE public.t SET u = NULL;\nDELETE FROM public.u;\nDELETE FROM public.t"),
        ("CREATE TABLE public.t (v text);\nINSERT INTO public.t VALUES ('a'), ('a'), (NULL)", "DELETE FROM public.t"),
        ("CREATE TABLE public.t ();\nINSERT INTO public.t DEFAULT VALUES", "DELETE FROM public.t"),
        ("CREATE TABLE public.t (g int GENERATED ALWAYS AS (1) STORED);\nINSERT INTO public.t DEFAULT VALUES",
         "INSERT INTO public.t DEFAULT VALUES"),
        ("CREATE TABLE public.t (id int PRIMARY KEY);\nCREATE TABLE public.u (t int REFERENCES public.t);\n"
         "INSERT INTO public.t VALUES (1);\nINSERT INTO public.u VALUES (1), (1)",
         "INSERT INTO public.t VALUES (2);\nUPDATE public.u SET t = 2;\nDELETE FROM public.t WHERE id = 1"),
        ("CREATE TABLE public.t (id int PRIMARY KEY);\nCREATE SEQUENCE public.s;\nINSERT INTO public.t VALUES (1)",
         'CREATE TABLE public."More ""x"" $1*" (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY,'
         " t int REFERENCES public.t);\nCREATE VIEW public.v AS SELECT id FROM public.t;\n"
         "CREATE MATERIALIZED VIEW public.m AS SELECT id FROM public.v;\nCREATE SEQUENCE public.q;\n"
         "CREATE TABLE public.p (id int DEFAULT nextval('public.q')) PARTITION BY LIST (id);\n"
         "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES IN (1);\nGRANT SELECT ON public.p TO pg_monitor;\n"
         "COMMENT ON TABLE public.p IS 'x';\nCREATE INDEX i ON public.p (id);\nUPDATE public.t SET id = 2"),
        ("CREATE TABLE public.t (id int PRIMARY KEY, v text);\n"
         "CREATE TABLE public.u (more date) INHERITS (public.t);\n"
         "CREATE TABLE public.w (PRIMARY KEY (id)) INHERITS (public.t);\n"
         "INSERT INTO public.t VALUES (1, 'a'), (2, 'b');\n"
         "INSERT INTO public.u VALUES (1, 'c', '2026-01-01'), (7, 'd', NULL);\nINSERT INTO public.w VALUES (1, 'e')",
         "UPDATE ONLY public.t SET v = 'x';\nDELETE FROM ONLY public.t WHERE id = 2;\n"
         "INSERT INTO public.u VALUES (2, 'y');\nINSERT INTO public.t VALUES (3, 'z');\nDELETE FROM public.w"),
    ],
    ids=["exchange", "circle", "no key", "no columns", "generated", "no key, a parent", "added", "inheritance"],
)  # fmt: skip
def test_rows_are_moved_wherever_that_leads_back(setup: str, change: str, trial: Trial) -> None:
    """Rows that exchange a unique value, tables that refer to each other, that have no key, or that were added since,
    need no table to be made anew."""
    trial(setup, change, "merge")


def test_triggers_that_change_what_is_put_back_do_not_fire(trial: Trial) -> None:
    """Only where they would: and each is afterwards what it was, enabled, enabled always, or disabled."""
    setup = """
        CREATE TABLE public.t (id int PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id);
        CREATE TABLE public.low PARTITION OF public.t FOR VALUES FROM (0) TO (10);
        CREATE TABLE public.rest PARTITION OF public.t DEFAULT;
        CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN new.at := clock_timestamp(); RETURN new; END';
        CREATE TRIGGER f BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();
        CREATE TRIGGER g BEFORE UPDATE ON public.low FOR EACH ROW EXECUTE FUNCTION public.f();
        CREATE TRIGGER h BEFORE DELETE ON public.rest FOR EACH ROW EXECUTE FUNCTION public.f();
        CREATE CONSTRAINT TRIGGER i AFTER UPDATE ON public.rest DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            EXECUTE FUNCTION public.f();
        ALTER TABLE public.low ENABLE ALWAYS TRIGGER g;
        ALTER TABLE public.rest DISABLE TRIGGER h;
        ALTER TABLE public.rest ENABLE REPLICA TRIGGER i;
        INSERT INTO public.t VALUES (1), (20), (30)"""
    trial(setup, "UPDATE public.t SET id = id + 1;\nDELETE FROM public.t WHERE id = 31", "merge")


def test_identity_columns_that_are_no_key_do_not_stand_in_the_way(trial: Trial) -> None:
    """PostgreSQL updates no column that is always generated: rows are merged around it."""
    setup = "CREATE TABLE public.t (id text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);\n"
    trial(f"{setup}INSERT INTO public.t (id, v) VALUES ('1', 'a')", "UPDATE public.t SET v = 'b'", "merge")


def test_another_schema_with_an_odd_name_comes_back(trial: Trial) -> None:
    """With its grants and its comment, and without a look at what is elsewhere."""
    setup = """CREATE SCHEMA "My ""Schema"" $1"; COMMENT ON SCHEMA "My ""Schema"" $1" IS 'x';
        GRANT USAGE ON SCHEMA "My ""Schema"" $1" TO pg_monitor;
        CREATE TABLE "My ""Schema"" $1".t (id int PRIMARY KEY); CREATE TABLE public.t (id int);
        INSERT INTO public.t VALUES (1); INSERT INTO "My ""Schema"" $1".t VALUES (1)"""
    trial(setup, 'DROP SCHEMA "My ""Schema"" $1" CASCADE', "recreate", 'My "Schema" $1')


def test_a_backup_that_does_not_hold_all_rows_is_noticed(database: str) -> None:
    """Rows are counted as they come back; when one is missing, nothing changes."""
    execute(database, "CREATE TABLE public.t (v text);\nINSERT INTO public.t VALUES ('a'), ('b')")
    with postgres.connect(database, name="test") as connection:
        definitions = dump.definitions(connection, database, "public", binary("pg_dump"))
    state = State(definitions, {"t": 2}, {}, lambda table: [b'{"v":"a"}\n'])
    with (
        postgres.connect(database, name="test") as connection,
        pytest.raises(RollbackFailed, match="table t: 1 of 2 rows were restored"),
        connection.transaction(),
    ):
        restore.restore(connection, "public", Staged(connection, state), definitions)
    with postgres.connect(database, name="test") as connection:
        assert catalogue.rows(connection, "public", "t") == 2


@pytest.mark.parametrize("earlier", [False, True])
def test_only_the_rows_of_tables_that_differ_are_loaded(earlier: bool, database: str, tmp_path: Path) -> None:
    """The backup has the content hash of each table; one of an earlier version has none, so all its rows are read."""
    execute(database, "CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY, v text);"
            "INSERT INTO public.a VALUES (1); INSERT INTO public.b VALUES (1, 'x'), (2, 'y'), (3, 'z')")  # fmt: skip
    before, backup, loaded = dumped(database), back_up(database, tmp_path), []
    execute(database, "DELETE FROM public.b WHERE id = 1; UPDATE public.b SET v = 'w' WHERE id = 2;"
            "INSERT INTO public.b VALUES (4, 'new')")  # fmt: skip
    opened = backups.open_backup(tmp_path, backup.id)

    def rows(table: str) -> Iterator[bytes]:
        loaded.append(table)
        return backups.rows(opened, table)

    state = State.of(opened.header, opened.tables, rows, {} if earlier else opened.contents)
    with postgres.connect(database, name="rollback") as connection, connection.transaction():
        staged = Staged(connection, state)
        changes = diff.changes(connection, "public", staged)
        restored = restore.restore(connection, "public", staged, state.definitions)
    assert loaded == (["a", "b"] if earlier else ["b"])
    assert changes["b"].counts == RowChanges(restored=1, removed=1, changed=1)
    assert restored.tables == {"a": Difference(1, 1, 0, 0, 0), "b": Difference(3, 3, 1, 1, 1)}
    assert dumped(database) == before


def test_a_restore_that_fails_late_changes_nothing(database: str, tmp_path: Path) -> None:
    """Sequences, too, are as they were before the attempt."""
    execute(database, EVERYTHING)
    backup = back_up(database, tmp_path)
    execute(database, CHANGED + ";\nCREATE TABLE public.more ()")
    before = dumped(database)
    state = state_of(backups.open_backup(tmp_path, backup.id))
    state = replace(state, definitions={**(state.definitions or {}), "post_data": "SELECT 1 / 0"})
    with (
        postgres.connect(database, name="test") as connection,
        pytest.raises(psycopg.errors.DivisionByZero),
        connection.transaction(),
    ):
        restore.restore(connection, "public", Staged(connection, state), None)
    assert dumped(database) == before


def test_a_lock_that_is_not_given_is_no_reason_to_make_tables_anew(database: str, tmp_path: Path) -> None:
    """A lock timeout on one table does not lead to dropping all of them."""
    execute(database, "CREATE TABLE public.t (id int PRIMARY KEY);\nINSERT INTO public.t VALUES (1)")
    backup = back_up(database, tmp_path)
    execute(database, "DELETE FROM public.t")
    state = state_of(backups.open_backup(tmp_path, backup.id))
    with (
        postgres.connect(database, name="other") as other,
        other.transaction(),
        postgres.connect(database, name="test") as connection,
    ):
        other.execute("LOCK TABLE public.t IN SHARE MODE")
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable), connection.transaction():
            restore.restore(connection, "public", Staged(connection, state), state.definitions)


def test_the_version_of_a_column_is_no_definition() -> None:
    """Newer minor releases keep it among a column's options, where an older pg_dump sees it; each ALTER changes it."""
    script = "-- head\n-- Name: t; Type: TABLE; Schema: public; Owner: me\n\n{}\nALTER TABLE public.t OWNER TO me;\n"
    alter = 'ALTER TABLE ONLY public."a t" ALTER COLUMN "b c" SET ({});\n'
    for read, kept in (
        ("pg_attver=83025896", ""),
        ("pg_attver=83025896, n_distinct=5", "n_distinct=5"),
        ("n_distinct=5, pg_attver=83025896", "n_distinct=5"),
        ("n_distinct=5, pg_attver=1, n_distinct_inherited=3", "n_distinct=5, n_distinct_inherited=3"),
        ("n_distinct=5", "n_distinct=5"),
    ):
        found = dump._plain(script.format(alter.format(read)), "public")
        assert found == script.format(alter.format(kept) if kept else "")


def test_a_functions_line_ends_come_back(trial: Trial, database: str) -> None:
    """A definition is text of its author's, byte for byte."""
    body = "SELECT 1 -- one\r\n + 2 -- two\r + 3\n"
    create = f"CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS '{body}'"
    trial(create, "DROP FUNCTION public.f()", "recreate")
    with postgres.connect(database, name="test") as connection:
        assert connection.execute("SELECT prosrc FROM pg_proc WHERE proname = 'f'").fetchone() == (body,)


def test_a_pg_dump_that_fails_has_a_name_and_shows_no_password(database: str) -> None:
    """Its own words are kept as far as they quote nothing."""
    url = psycopg.conninfo.make_conninfo(database, password="Canary7291")
    with (
        postgres.connect(database, name="test") as connection,
        pytest.raises(BackupFailed, match="pg_dump failed: ") as failed,
    ):
        dump.definitions(connection, url, "public", binary("pg_dump"), snapshot="no such snapshot")
    assert "Canary" not in failed.value.message


@pytest.mark.parametrize("change", ["DELETE FROM public.t", "ALTER TABLE public.t ADD COLUMN more int"])
def test_a_backup_that_changes_while_it_is_restored_changes_nothing(change: str, database: str, tmp_path: Path) -> None:
    """Rows that were not compared before never get into the target tables, by either way."""
    execute(database, "CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1), (2)")
    backup = back_up(database, tmp_path)
    execute(database, change)
    before = dumped(database)
    state = state_of(backups.open_backup(tmp_path, backup.id))
    backup.file.write_bytes(backup.file.read_bytes().replace(b'{"id":2}', b'{"id":3}'))
    with postgres.connect(database, name="rollback") as connection:
        current = dump.definitions(connection, database, "public", binary("pg_dump"))
        refused = pytest.raises(BackupRefused, match=r"was changed after it was opened \(table t\)")
        with refused, connection.transaction():
            staged = Staged(connection, state)
            restore.restore(connection, "public", staged, current)
    assert dumped(database) == before


def test_what_is_compared_with_the_target_has_been_analysed(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else analyses a temporary table, and of one that is taken for small each row is looked for in all rows."""
    publish, found = merge.publish, dict[str, float]()

    def looked(connection: postgres.Connection, *given: Any) -> dict[str, Difference]:
        query = "SELECT relname, reltuples FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
        found.update(connection.execute(query).fetchall())
        return publish(connection, *given)

    monkeypatch.setattr(merge, "publish", looked)
    setup = "CREATE TABLE public.kept (id int PRIMARY KEY); INSERT INTO public.kept SELECT generate_series(0, 1000)"
    trial(setup, "DELETE FROM public.kept WHERE id > 0", "merge")
    assert found["kept"] == 1000


def test_a_table_that_was_empty_when_it_was_analysed_is_not_scanned_for_each_row(
    database: str, tmp_path: Path, connection: postgres.Connection
) -> None:
    """PostgreSQL would take it for empty while it fills, and need hours for 100,000 rows."""
    execute(
        database,
        "CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 2000);"
        "CREATE TABLE public.more (id int PRIMARY KEY)",
    )
    backup = back_up(database, tmp_path)
    execute(database, "TRUNCATE public.t; INSERT INTO public.more VALUES (1)")
    connection.execute("ANALYZE public.t")
    asked = list[str]()

    def noted(merging: table_merge.TableMerge) -> str:
        asked.append(new_rows(merging))
        return asked[-1]

    new_rows = table_merge.TableMerge.new_rows.fget
    assert new_rows is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_merge.TableMerge, "new_rows", property(noted))
        assert go_back(database, backup).tables["t"] == Difference(0, 2000, 2000, 0, 0)
    assert "{built} AS b" in asked


EMPTIED = """
    CREATE TABLE public.parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "50% of" numeric(5,2), t timestamptz);
    INSERT INTO public.parent ("50% of", t) SELECT n, now() FROM generate_series(1, 50) AS n;
    CREATE TABLE public.child (parent_id int REFERENCES public.parent DEFERRABLE INITIALLY DEFERRED, v text);
    INSERT INTO public.child SELECT id, 'ä"\' || id FROM public.parent;
    CREATE TABLE public.same (id int PRIMARY KEY); INSERT INTO public.same VALUES (1)"""


@pytest.mark.parametrize("why_not", ["", "another table differs", "a trigger", "a reference to itself"])
def test_tables_that_were_emptied_are_only_filled(
    why_not: str, trial: Trial, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is compared as it is written: no row is matched or hashed, unless more is to do or code may run."""
    change, merged, hashed = "TRUNCATE public.parent, public.child", list[str](), list[str]()
    publish, content_hash = merge.publish, exported_rows.content_hash

    def noted(*given: Any) -> dict[str, Difference]:
        merged.append("")
        return publish(*given)

    def reading(connection: postgres.Connection, schema: str, name: str) -> str:
        hashed.append(name)
        return content_hash(connection, schema, name)

    monkeypatch.setattr(merge, "publish", noted)
    monkeypatch.setattr(exported_rows, "content_hash", reading)
    execute(database, EMPTIED)
    if why_not == "another table differs":
        change += "; INSERT INTO public.same VALUES (2)"
    if why_not == "a trigger":
        execute(database, "CREATE TRIGGER t BEFORE INSERT ON public.same FOR EACH ROW"
                " EXECUTE FUNCTION suppress_redundant_updates_trigger()")  # fmt: skip
    if why_not == "a reference to itself":
        execute(database, "ALTER TABLE public.parent ADD other int REFERENCES public.parent")
    restored = trial("SELECT 1", change, "merge")
    assert restored.tables["parent"] == Difference(0, 50, 50, 0, 0)
    assert bool(merged) == bool(why_not)
    if not why_not:
        assert sorted(hashed) == ["child", "parent", "same"]  # before: afterwards none


@pytest.mark.parametrize("wrong", ["rows that are not as in the backup", "rows that change later"])
def test_what_fills_a_table_is_proven(wrong: str, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another way is taken when it is not as in the backup."""
    fill, batches = refilled_tables.fill, list[bool]()

    def unlike(connection: postgres.Connection, query: sql.Composed, lines: bytes) -> tuple[int, bool]:
        made, equal = json_rows.made(connection, query, lines)
        batches.append(equal)
        return made, equal and len(batches) > 1

    def spoiled(connection: postgres.Connection, *given: Any) -> dict[str, Difference]:
        found = fill(connection, *given)
        connection.execute("UPDATE public.child SET v = 'spoiled' WHERE parent_id = 7")
        return found

    if wrong == "rows that change later":
        monkeypatch.setattr(refilled_tables, "fill", spoiled)
    else:
        monkeypatch.setattr(refilled_tables, "made", unlike)
    trial(EMPTIED, "TRUNCATE public.parent, public.child", "recreate")
