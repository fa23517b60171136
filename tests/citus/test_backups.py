"""Backups of distributed tables: the same bytes as of local ones, of one moment, and going back distributes again."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from mock2pg import backups, postgres
from mock2pg import settings as settings_module
from mock2pg.backups import Backup, distributions, exported_rows, sequences, snapshot
from mock2pg.errors import RollbackFailed, TargetChanged
from mock2pg.pipeline import step as steps
from mock2pg.postgres import catalogue, distribution, scripts
from mock2pg.postgres.distribution import Distribution
from mock2pg.postgres.server import binary
from mock2pg.runs import new_run
from mock2pg.step_results import StepResult
from tests.citus import double
from tests.fix_restore import EVERYTHING, back_up, definitions, dumped, execute, go_back
from tests.fix_small import small_project

# A statement a line, as Citus takes some of them only alone: a serial column, an identity, a type of the schema's own,
# keys between distributed tables and to reference tables, a table without a key, a local one, and views.
TABLES = """
CREATE TYPE public.mood AS ENUM ('good', 'bad')
CREATE TABLE public.countries (id text PRIMARY KEY, name text UNIQUE)
CREATE TABLE public.shops (id int PRIMARY KEY, country text, name text)
CREATE TABLE public.orders (id int GENERATED ALWAYS AS IDENTITY, shop_id int, replaces int, mood public.mood, tags text[], at timestamptz DEFAULT '2026-01-01', twice int GENERATED ALWAYS AS (shop_id * 2) STORED, PRIMARY KEY (id, shop_id))
CREATE TABLE public.lines (order_id int, shop_id int, position int, nth serial, PRIMARY KEY (order_id, shop_id, position))
CREATE TABLE public.visits (shop_id int, page text)
CREATE TABLE public.settings (id text PRIMARY KEY, value float8)
SELECT create_reference_table('public.countries')
SELECT create_distributed_table('public.shops', 'id')
SELECT create_distributed_table('public.orders', 'shop_id', colocate_with => 'public.shops')
SELECT create_distributed_table('public.lines', 'shop_id', colocate_with => 'public.shops')
SELECT create_distributed_table('public.visits', 'shop_id', colocate_with => 'none')
ALTER TABLE public.shops ADD FOREIGN KEY (country) REFERENCES public.countries
ALTER TABLE public.orders ADD FOREIGN KEY (replaces, shop_id) REFERENCES public.orders
ALTER TABLE public.orders ADD FOREIGN KEY (shop_id) REFERENCES public.shops
ALTER TABLE public.lines ADD FOREIGN KEY (order_id, shop_id) REFERENCES public.orders ON DELETE CASCADE
CREATE INDEX ON public.orders (at)
CREATE VIEW public.named AS SELECT o.id, s.name FROM public.orders AS o JOIN public.shops AS s ON s.id = o.shop_id
CREATE MATERIALIZED VIEW public.counted AS SELECT shop_id, count(*) AS orders FROM public.orders GROUP BY 1
INSERT INTO public.countries VALUES ('de', 'Germany'), ('fr', 'France')
INSERT INTO public.shops SELECT n, 'de', 'shop ' || n FROM generate_series(1, 20) AS n
INSERT INTO public.orders (shop_id, mood, tags) SELECT n % 20 + 1, 'good', '{a,b}' FROM generate_series(1, 100) AS n
INSERT INTO public.lines (order_id, shop_id, position) SELECT id, shop_id, 1 FROM public.orders
INSERT INTO public.visits SELECT n % 20 + 1, 'home' FROM generate_series(1, 40) AS n
INSERT INTO public.settings VALUES ('vat', 0.19)
REFRESH MATERIALIZED VIEW public.counted
"""  # noqa: E501
ROWS = """
DELETE FROM public.lines WHERE shop_id = 3
UPDATE public.shops SET name = 'other' WHERE id < 5
INSERT INTO public.orders (shop_id, mood) VALUES (4, 'bad')
UPDATE public.orders SET tags = '{c}', at = '2026-02-02', mood = 'bad' WHERE shop_id = 5
INSERT INTO public.countries VALUES ('it', 'Italy')
DELETE FROM public.visits WHERE shop_id = 3
UPDATE public.settings SET value = 0.16
"""
CHANGES = {
    "rows": ROWS,
    "a table more": ROWS + "CREATE TABLE public.more (id int)\nSELECT create_distributed_table('public.more', 'id')",
    "a column more": ROWS + "ALTER TABLE public.orders ADD COLUMN note text",
    "a table less": ROWS + "DROP TABLE public.lines",
    "other keys": "ALTER TABLE public.lines DROP CONSTRAINT lines_order_id_shop_id_fkey",
}


def test_the_statements_of_a_script_are_found() -> None:
    """A semicolon in a text, a name, a comment, a routine's body or a rule ends no statement."""
    found = [
        "-- a; b\nSET x = 'a;b';",
        """\nCREATE TABLE "a;b" (c text DEFAULT E'\\';');""",
        "\nCREATE FUNCTION f() RETURNS int LANGUAGE sql\n    BEGIN ATOMIC\n SELECT CASE WHEN true THEN 1 ELSE 2 END;\n"
        " SELECT 3;\nEND;",
        "\nCREATE PROCEDURE p() LANGUAGE plpgsql AS $_$BEGIN PERFORM 1; PERFORM $$;$$; END$_$;",
        "\nCREATE RULE r AS ON INSERT TO t DO INSTEAD (DELETE FROM u; DELETE FROM v);",
        "\nCREATE VIEW v AS SELECT CASE WHEN a THEN b$1 ELSE c END AS begin FROM d;",
    ]
    assert list(scripts.statements("".join(found) + "\n\n--\n-- complete;\n--\n")) == found


@pytest.mark.parametrize(
    ("backup", "now", "changed", "kept"),
    [
        ({}, {}, {}, []),
        ({"a": "x"}, {"a": "x"}, {}, []),
        ({"a": "x"}, {}, {"DISTRIBUTION a": "removed"}, []),
        ({"a": "x"}, {"a": "y"}, {"DISTRIBUTION a": "changed"}, []),
        ({}, {"a": "x"}, {}, ["a"]),
        ({"gone": "x"}, {}, {}, []),
    ],
)
def test_nothing_is_undistributed(
    backup: dict[str, str], now: dict[str, str], changed: dict[str, str], kept: list[str]
) -> None:
    """A table is distributed again as it was, and one that was local stays distributed."""
    before, after = ({name: Distribution("distributed", each) for name, each in all_.items()} for all_ in (backup, now))
    assert distributions.changed(before, after, ["a"]) == changed
    assert list(distributions.kept(before, after, ["a"])) == kept


def test_the_header_has_the_distribution_and_both_ways_restore_it(doubled: str, tmp_path: Path) -> None:
    """By difference the built tables are distributed as the target tables; made again, tables are before their rows."""
    set_up(doubled)
    backup = back_up(doubled, tmp_path)
    assert {name: each["colocation"] for name, each in backup.header["distribution"].items()} == {
        "countries": 1, "lines": 25, "orders": 25, "shops": 25, "visits": 10000,
    }  # fmt: skip
    before, found = definitions(doubled), len(double.calls(doubled))
    for change, way, calls in (
        ("rows", "merge", [
            "create_reference_table(mock2pg_restore_test.countries)",
            "create_reference_table(mock2pg_restore_test.mock2pg_gone_0)",
            "create_distributed_table(mock2pg_restore_test.shops, id, \"public\".\"shops\")",
            "create_distributed_table(mock2pg_restore_test.mock2pg_gone_4, id, \"public\".\"shops\")",
            "create_distributed_table(mock2pg_restore_test.orders, shop_id, \"public\".\"orders\")",
            "create_distributed_table(mock2pg_restore_test.mock2pg_gone_2, shop_id, \"public\".\"orders\")",
            "create_distributed_table(mock2pg_restore_test.lines, shop_id, \"public\".\"lines\")",
            "create_distributed_table(mock2pg_restore_test.mock2pg_gone_1, shop_id, \"public\".\"lines\")",
        ]),
        ("a column more", "recreate", [
            "create_reference_table(public.countries)",
            "create_distributed_table(public.lines, shop_id, none, 4)",
            "create_distributed_table(public.orders, shop_id, \"public\".\"lines\")",
            "create_distributed_table(public.shops, id, \"public\".\"lines\")",
            "create_distributed_table(public.visits, shop_id, none, 4)",
        ]),
    ):  # fmt: skip
        run(doubled, CHANGES[change])
        assert go_back(doubled, backup).way == way
        assert double.calls(doubled)[found:] == calls
        assert definitions(doubled) == before
        assert columns(doubled) == {"countries": "reference", "lines": "shop_id", "orders": "shop_id", "shops": "id",
                                    "visits": "shop_id"}  # fmt: skip
        found += len(calls)
    with postgres.connect(doubled, name="test") as connection:
        assert not catalogue.schema_exists(connection, "mock2pg_restore_test")


def test_a_rollback_says_and_refuses_what_others_distributed(doubled: str, tmp_path: Path) -> None:
    """Dropped tables come back distributed as they were; what others distribute otherwise is their change."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=doubled, backup_restore_test="never")

    def step(name: str, **given: object) -> StepResult:
        return steps.run_in_process(name, new_run(settings), given)

    empty = step("backup").data["backup_id"]
    set_up(doubled)
    before, now = dumped(doubled, "public"), columns(doubled)
    full = step("rollback", backup_id=empty, discard_changes=True).data["present_backup_id"]
    assert columns(doubled) == {}
    step("rollback", backup_id=full)
    assert (dumped(doubled, "public"), columns(doubled)) == (before, now)
    execute(doubled, "DELETE FROM pg_catalog.double_partition WHERE logicalrelid = 'public.visits'::regclass")
    with pytest.raises(TargetChanged, match=r"definitions: DISTRIBUTION visits \(removed\)"):
        step("rollback", backup_id=full)
    step("rollback", backup_id=full, discard_changes=True)
    assert columns(doubled) == now
    execute(doubled, "SELECT create_reference_table('public.settings')")
    shown = step("rollback", backup_id=full, show=True)
    assert "settings stays distributed" in shown.data["cautions"][0]
    step("rollback", backup_id=full)
    assert columns(doubled) == {**now, "settings": "reference"}


def test_a_backup_of_an_earlier_version_leaves_tables_distributed(doubled: str, tmp_path: Path) -> None:
    """Its header has no distribution; tables that are made again are distributed as they were just before."""
    set_up(doubled)
    now = columns(doubled)
    backup = back_up(doubled, tmp_path)
    state = {name: each for name, each in backup.header.items() if name != "distribution"}
    with backups.Writer(tmp_path, "2026-01-02T00:00:00.000Z") as writer:
        writer.begin({**state, "timestamp": "2026-01-02T00:00:00.000Z"})
        for name in backup.tables:
            writer.table(name, (line.rstrip(b",\n") + b",\n" for line in backups.rows(backup, name)))
        earlier = writer.finish()
    for change in ("rows", "a column more"):
        run(doubled, CHANGES[change])
        go_back(doubled, earlier)
        assert columns(doubled) == now


def test_writers_wait_until_the_rows_are_read(doubled: str, tmp_path: Path) -> None:
    """Not for the restore test; and where no table is distributed they do not wait at all."""
    write = "SET lock_timeout = '100ms'; INSERT INTO public.settings VALUES ('more', 1)"
    execute(doubled, "CREATE TABLE public.settings (id text, value float8)")
    with snapshot.export(doubled, "public", binary("pg_dump")):
        execute(doubled, write)
    execute(doubled, "DROP TABLE public.settings")
    set_up(doubled)
    with (
        snapshot.export(doubled, "public", binary("pg_dump")) as exported,
        backups.Writer(tmp_path, "2026-01-01T00:00:00.000Z") as writer,
    ):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            execute(doubled, write)
        snapshot.save(exported, writer, {"format": backups.FORMAT})
        execute(doubled, write)


def test_the_scratch_database_of_a_restore_test_needs_no_citus(doubled: str, tmp_path: Path) -> None:
    """The extension is not made there: it takes a superuser, and no definition needs it."""
    set_up(doubled)
    execute(
        doubled,
        """INSERT INTO pg_depend SELECT 'pg_class'::regclass, 'public.shops'::regclass, 0,
        'pg_extension'::regclass, 99999, 0, 'n'""",
    )
    back_up(doubled, tmp_path)  # whose definitions are executed


def test_a_row_has_the_bytes_that_row_to_json_gives_it(doubled: str, tmp_path: Path) -> None:
    """Of every type, with NULL, and under any column's name, which a shard would lose; and all of it comes back."""
    execute(doubled, EVERYTHING)
    before, backup = dumped(doubled, "public"), back_up(doubled, tmp_path)
    execute(doubled, "COMMENT ON TABLE public.parent IS NULL")
    assert go_back(doubled, backup).way == "recreate"  # statement by statement
    assert dumped(doubled, "public") == before
    execute(
        doubled,
        r"""CREATE TABLE public.odd ("a""b" int, "c\d" text, "tab	é" text, "%s {x}" numeric);
        INSERT INTO public.odd VALUES (1, E'"\\\n\x01', NULL, 'NaN'), (NULL, NULL, NULL, NULL);
        CREATE TABLE public.bare (); INSERT INTO public.bare DEFAULT VALUES""",
    )
    with postgres.connect(doubled, name="test") as connection:
        there = {name: _lines(connection, name) for name in catalogue.tables(connection, "public")}
        connection.__dict__["citus"] = False
        assert there == {name: _lines(connection, name) for name in there}
        assert sum(len(rows) for rows, _ in there.values()) > 10


def _lines(connection: postgres.Connection, table: str) -> tuple[list[str], str]:
    query = exported_rows.lines(connection, "public", table)
    rows = sorted(line for (line,) in connection.execute(query).fetchall())
    return rows, exported_rows.lines_hash(connection, query)


ELSEWHERE = {
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "German",
    "extra_float_digits": "-5",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
}


@pytest.mark.citus
def test_workers_that_are_set_otherwise_spell_values_alike(citus_url: str) -> None:
    """A row on a shard is read as on the coordinator, whatever the worker's database is set to."""
    script = """
        CREATE TABLE public.events (tenant int, id int, at timestamptz, on_day date, ratio float8, took interval,
            raw bytea, PRIMARY KEY (id, tenant));
        INSERT INTO public.events SELECT n, n, '2026-01-02 03:04:05+00', '2026-01-02', 0.1::float8 + 0.2,
            interval '1 month 2 days 3 hours', '\\x00ff' FROM generate_series(1, 40) AS n"""
    execute(citus_url, script)
    with postgres.connect(citus_url, name="test") as connection:
        database = connection.info.dbname
        try:
            for name, value in ELSEWHERE.items():
                _set_workers(connection, database, f"SET {name} = '{value}'")
            with connection.transaction():
                local = _lines(connection, "events")
            distribution.distribute(connection, "public", "events", "tenant")
            with postgres.repeatable_read(connection):
                assert _lines(connection, "events") == local
        finally:
            _set_workers(connection, database, "RESET ALL")


@pytest.mark.citus
@pytest.mark.parametrize("change", CHANGES)
def test_all_of_a_schema_comes_back(citus_url: str, tmp_path: Path, change: str) -> None:
    """Rows, definitions, sequences and distribution of reference, distributed and local tables."""
    set_up(citus_url)
    before = content(citus_url)
    backup = back_up(citus_url, tmp_path)
    run(citus_url, CHANGES[change])
    assert content(citus_url) != before
    assert go_back(citus_url, backup).way == ("merge" if change in ("rows", "a table more") else "recreate")
    assert content(citus_url) == before


@pytest.mark.citus
def test_a_table_that_was_local_stays_distributed(citus_url: str, tmp_path: Path) -> None:
    """Its rows come back; a rollback that would give it keys which a distributed table cannot have is refused."""
    execute(citus_url, "CREATE TABLE public.notes (id int PRIMARY KEY, shop_id int)")
    execute(citus_url, "INSERT INTO public.notes SELECT n, n FROM generate_series(1, 20) AS n")
    backup = back_up(citus_url, tmp_path)
    execute(citus_url, "SELECT create_distributed_table('public.notes', 'id')")
    for change in ("DELETE FROM public.notes", "ALTER TABLE public.notes ADD COLUMN more text"):
        execute(citus_url, change)
        go_back(citus_url, backup)
        assert columns(citus_url) == {"notes": "id"}
        with postgres.connect(citus_url, name="test") as connection:
            assert catalogue.rows(connection, "public", "notes") == 20
    execute(citus_url, "DROP TABLE public.notes; CREATE TABLE public.notes (id int, shop_id int)")
    execute(citus_url, "SELECT create_distributed_table('public.notes', 'shop_id')")
    with pytest.raises(RollbackFailed, match=r"are distributed now that were local .*\(notes\)"):
        go_back(citus_url, backup)
    assert columns(citus_url) == {"notes": "shop_id"}


@pytest.mark.citus
def test_a_role_that_is_no_superuser_backs_up_and_goes_back(citus_url: str, tmp_path: Path) -> None:
    """By difference, and anew; only what Citus does for no other role is refused, by name."""
    execute(citus_url, "DROP ROLE IF EXISTS mock2pg_test_plain")
    execute(citus_url, "CREATE ROLE mock2pg_test_plain LOGIN")
    execute(citus_url, "GRANT CREATE, USAGE ON SCHEMA public TO mock2pg_test_plain")
    with postgres.connect(citus_url, name="test") as connection:
        database = connection.info.dbname
    execute(citus_url, f"GRANT CREATE ON DATABASE {database} TO mock2pg_test_plain")
    url = conninfo.make_conninfo(citus_url, user="mock2pg_test_plain")
    try:
        set_up(url)
        before, backup = content(url), back_up(url, tmp_path)
        run(url, CHANGES["rows"])
        assert go_back(url, backup).way == "merge"
        assert content(url) == before
        run(url, CHANGES["a column more"])
        with pytest.raises(RollbackFailed, match="table lines cannot be dropped and distributed again"):
            go_back(url, backup)
        run(url, "DROP TABLE public.lines")  # with its serial column
        assert go_back(url, backup).way == "recreate"
        assert content(url) == before
    finally:
        execute(citus_url, "DROP OWNED BY mock2pg_test_plain CASCADE")
        execute(citus_url, "DROP ROLE mock2pg_test_plain")


@pytest.mark.citus
def test_a_backup_of_many_shards_is_of_one_moment(citus_url: str, tmp_path: Path) -> None:
    """An application moves amounts between shards, and to a reference table, all the time: no backup has half of it."""
    for name, how in (("accounts", "create_distributed_table('public.accounts', 'id')"),
                      ("banks", "create_reference_table('public.banks')")):  # fmt: skip
        execute(citus_url, f"CREATE TABLE public.{name} (id int PRIMARY KEY, amount int)")
        execute(citus_url, f"SELECT {how}")
        execute(citus_url, f"INSERT INTO public.{name} SELECT n, 100 FROM generate_series(1, 16) AS n")
    done, moved = threading.Event(), 0

    def move() -> None:
        nonlocal moved
        with postgres.connect(citus_url, name="writer", lock_timeout="1min") as connection:
            while not done.is_set():
                one, other = moved % 16 + 1, (moved * 7 + 3) % 16 + 1
                with connection.transaction():
                    connection.execute("UPDATE public.accounts SET amount = amount - 1 WHERE id = %s", [one])
                    connection.execute("UPDATE public.accounts SET amount = amount + 2 WHERE id = %s", [other])
                    connection.execute("UPDATE public.banks SET amount = amount - 1 WHERE id = %s", [one])
                moved += 1

    writer = threading.Thread(target=move)
    writer.start()
    try:
        for number in range(10):
            moment, seen = f"2026-01-01T00:00:{number:02}.000Z", moved
            with (
                snapshot.export(citus_url, "public", binary("pg_dump")) as exported,
                backups.Writer(tmp_path, moment) as file,
            ):
                backup = snapshot.save(exported, file, {"format": backups.FORMAT, "timestamp": moment})
            assert sum(amounts(backup)) == 3200
            while moved == seen:  # it goes on after each
                done.wait(0.01)
    finally:
        done.set()
        writer.join()


def amounts(backup: Backup) -> list[int]:
    return [
        int(number)
        for table in backup.tables
        for number in re.findall(rb'"amount":(-?\d+)', b"".join(backups.rows(backup, table)))
    ]


def set_up(url: str) -> None:
    """The tables, distributed; the double finds its functions by the path as Citus's are found."""
    run(url, TABLES)


def run(url: str, statements: str) -> None:
    for statement in filter(None, statements.split("\n")):
        execute(url, statement)


def columns(url: str) -> dict[str, str]:
    with postgres.connect(url, name="test") as connection:
        return {name: each.declared for name, each in distribution.of_schema(connection, "public").items()}


def content(url: str) -> object:
    """Definitions, content hashes, positions of sequences, and which tables are colocated."""
    with postgres.connect(url, name="test") as connection, postgres.repeatable_read(connection):
        hashes = {name: _lines(connection, name) for name in catalogue.tables(connection, "public")}
        positions, found = sequences.positions(connection, "public"), distribution.of_schema(connection, "public")
        counted = connection.execute("SELECT shop_id, orders FROM public.counted ORDER BY 1").fetchall()
    groups = {name: (each.declared, each.shards, sorted(n for n, o in found.items() if o.colocation == each.colocation))
              for name, each in found.items()}  # fmt: skip
    return definitions(url), hashes, positions, groups, counted


def _set_workers(connection: postgres.Connection, database: str, setting: str) -> None:
    statement = f"SET citus.enable_ddl_propagation TO off; ALTER DATABASE {database} {setting}"
    rows = connection.execute("SELECT success FROM run_command_on_workers(%s)", [statement]).fetchall()
    assert rows == [(True,)] * len(rows) != []
