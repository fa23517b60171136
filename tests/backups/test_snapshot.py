"""A backup is of one moment, however busy others are meanwhile."""

from __future__ import annotations

import json
import random
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from mock2pg import backups, postgres
from mock2pg.backups import Backup, dump, exported_rows, snapshot
from mock2pg.encoding import TABLE_HASH_POSTGRES
from mock2pg.errors import BackupFailed
from mock2pg.postgres.server import binary
from tests.fix_restore import back_up, execute

pytestmark = pytest.mark.on_both_servers

Rows = list[dict[str, Any]]


def read(backup: Backup) -> tuple[dict[str, Rows], str]:
    """The rows of each table, and the definitions."""
    opened = backups.open_backup(backup.file.parent, backup.id)
    text = {name: b"".join(backups.rows(opened, name)) for name in opened.tables}
    rows = {name: [json.loads(line.rstrip(b",")) for line in text[name].splitlines()] for name in opened.tables}
    return rows, "".join(opened.header["definitions"].values())


def columns(definitions: str, table: str) -> list[str]:
    """The columns that the definitions give a table."""
    found = re.search(rf"(?s)CREATE TABLE public\.{table} \((.*?)\n\);", definitions)
    assert found is not None
    return re.findall(r"\n    (\w+) ", found[1])


class Writer:
    """Moves rows from one table to the other and back, and defines something anew each time that it is asked to.

    Whatever it does, every id is in one of the tables, and all that carries the version carries the same one.
    """

    def __init__(self, url: str) -> None:
        self._url, self._random = url, random.Random(1)
        self.asked, self.stopped, self.moves, self.version = threading.Event(), threading.Event(), 0, 0
        self._thread = threading.Thread(target=self._run)
        execute(
            url,
            "CREATE TABLE public.a (id int PRIMARY KEY, v int);\nCREATE TABLE public.b (v int, id int PRIMARY KEY);\n"
            "INSERT INTO public.a SELECT n, n FROM generate_series(1, 200) AS n;\n"
            "CREATE VIEW public.version0 AS SELECT 1",
        )

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with postgres.connect(self._url, name="writer") as connection:
            while not self.stopped.is_set():
                source, target = self._random.sample(["a", "b"], 2)
                self._move(connection, source, target)
                self.stopped.wait(0.002)  # a processor's whole time would show no more
                if self.asked.is_set() and self._random.random() < 0.1:
                    self.asked.clear()
                    self._define(connection, source, target)

    def _move(self, connection: postgres.Connection, source: str, target: str) -> None:
        connection.execute(
            f"WITH gone AS (DELETE FROM public.{source} WHERE id % 7 = {self._random.randrange(7)} RETURNING id, v)"  # type: ignore[arg-type]
            f" INSERT INTO public.{target} (id, v) SELECT id, v FROM gone"
        )
        self.moves += 1

    def _define(self, connection: postgres.Connection, source: str, target: str) -> None:
        """A column that comes and goes, every row written anew, a table that is emptied, a view that is replaced."""
        self.version += 1
        connection.execute(
            f"BEGIN; INSERT INTO public.{target} (id, v) SELECT id, v FROM public.{source}; TRUNCATE public.{source};"  # type: ignore[arg-type]
            f" ALTER TABLE public.a ADD v{self.version} float DEFAULT random();"
            f" ALTER TABLE public.a DROP IF EXISTS v{self.version - 1}; ALTER TABLE public.a ALTER v TYPE bigint;"
            f" DROP VIEW public.version{self.version - 1}; CREATE VIEW public.version{self.version} AS SELECT 1; COMMIT"
        )


def test_backups_while_others_move_rows_and_define_anew_are_each_of_one_moment(database: str, tmp_path: Path) -> None:
    """Every row is in each backup once, its columns are those of its definitions, and each restores."""
    versions = []
    with Writer(database) as writer:
        for number in range(4):
            before = writer.moves
            writer.asked.set()
            rows, definitions = read(back_up(database, tmp_path, moment=f"2026-01-01T00:00:00.00{number}Z"))
            assert sorted(row["id"] for row in rows["a"] + rows["b"]) == list(range(1, 201))
            assert {tuple(row) for row in rows["a"]} <= {tuple(columns(definitions, "a"))}
            (version,) = re.findall(r"CREATE VIEW public\.version(\d+)", definitions)
            assert columns(definitions, "a")[2:] == ([f"v{version}"] if version != "0" else [])
            versions.append(int(version))
            assert writer.moves > before
    assert versions == sorted(versions)
    assert writer.version > 0


CHANGES = {
    "a table that is emptied": "TRUNCATE public.a",
    "a table that is written anew": "ALTER TABLE public.a ALTER v TYPE text",
    "a column more": "ALTER TABLE public.a ADD w int DEFAULT 1",
    "a column renamed": "ALTER TABLE public.a RENAME v TO w",
    "a table dropped": "DROP TABLE public.a",
    "a table renamed": "ALTER TABLE public.a RENAME TO z",
    "a table more": "CREATE TABLE public.z (id int)",
    "an index more": "CREATE INDEX i ON public.a (v)",
    "a function replaced": "CREATE OR REPLACE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "a comment": "COMMENT ON TABLE public.a IS 'another'",
    "a comment on the schema": "COMMENT ON SCHEMA public IS 'another'",
    "a comment on a constraint": "COMMENT ON CONSTRAINT a_pkey ON public.a IS 'another'",
    "a comment on a function": "COMMENT ON FUNCTION public.f() IS 'another'",
    "a comment on a type": "COMMENT ON TYPE public.mood IS 'another'",
    "a mapping of words": "ALTER TEXT SEARCH CONFIGURATION public.words ADD MAPPING FOR word WITH simple",
    "a domain of another schema": "ALTER DOMAIN other.short ADD CHECK (length(value) < 5) NOT VALID",
    "an option of a foreign table": "ALTER FOREIGN TABLE public.far OPTIONS (SET rows '2')",
    "a grant": "GRANT SELECT ON public.a TO PUBLIC",
    "a label more": "ALTER TYPE public.mood ADD VALUE 'glad'",
    "a schema dropped": "DROP SCHEMA public CASCADE",
}


_BEFORE = (
    "CREATE TYPE public.mood AS ENUM ('so so');\nCREATE TABLE public.a (id int PRIMARY KEY, v int);\n"
    "INSERT INTO public.a VALUES (1, 2);\nCREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
    "CREATE TEXT SEARCH CONFIGURATION public.words (PARSER = pg_catalog.default)"
)


_ELSEWHERE = """
    CREATE SCHEMA other; CREATE DOMAIN other.short AS text; CREATE TABLE public.words (word other.short);
    CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper;
    CREATE FOREIGN TABLE public.far (id int) SERVER elsewhere OPTIONS (rows '1')"""


def test_any_change_of_a_definition_is_noticed(connection: postgres.Connection) -> None:
    """Each has another number than the state before it, and that state has its own again when it is undone."""
    connection.execute(_BEFORE)
    connection.execute(_ELSEWHERE)
    before = snapshot.defined(connection, "public")
    for what, statement in CHANGES.items():
        with connection.transaction(force_rollback=True):
            connection.execute(statement)  # type: ignore[call-overload]
            assert snapshot.defined(connection, "public") != before, what
        assert snapshot.defined(connection, "public") == before, what


@pytest.mark.parametrize("at", ["before the definitions are read", "after"])
@pytest.mark.parametrize("what", ["a table that is emptied", "a column renamed", "a table dropped", "a schema dropped"])
def test_what_is_defined_anew_while_a_backup_begins_makes_it_begin_again(
    what: str, at: str, database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of the state after the change, whole: never the rows of one moment and the columns of another."""
    execute(database, _BEFORE)
    reading, looks = dump.definitions, []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        looks.append(1)
        if len(looks) == 1 and at != "after":
            connection.execute(CHANGES[what])  # type: ignore[call-overload]
        try:
            return reading(*arguments, **more)
        finally:
            if len(looks) == 1 and at == "after":
                connection.execute(CHANGES[what])  # type: ignore[call-overload]

    monkeypatch.setattr(dump, "definitions", interrupted)
    with snapshot.export(database, "public", binary("pg_dump")) as found:
        assert len(looks) == 2
        assert found.definitions == reading(connection, database, "public", binary("pg_dump"))
        for table in postgres.catalogue.tables(connection, "public"):
            seen, now = (exported_rows.lines(session, "public", table) for session in (found.connection, connection))
            assert exported_rows.lines_hash(found.connection, seen) == exported_rows.lines_hash(connection, now)


def test_types_of_other_schemas_are_part_of_the_definitions(connection: postgres.Connection) -> None:
    """A label that is renamed there changes what rows hold, though nobody writes them."""
    connection.execute("""
        CREATE SCHEMA types;
        CREATE TYPE types.mood AS ENUM ('glad');
        CREATE TYPE types.cell AS (deep text);
        CREATE TYPE types.moods AS RANGE (subtype = types.mood);
        CREATE DOMAIN types.cells AS types.cell[];
        CREATE TYPE types.pair AS (moods types.moods, cells types.cells);
        CREATE TYPE types.unused AS ENUM ('glad');
        CREATE TABLE public.a (id int PRIMARY KEY, pairs types.pair[]);
        INSERT INTO public.a VALUES (1, ARRAY['("[glad,]","{\\"(b)\\"}")'::types.pair])""")

    def seen(statement: str) -> tuple[bool, bool]:
        """Return whether the statement changes what the rows hold, and whether it changes the definitions."""
        before = exported_rows.content_hash(connection, "public", "a"), snapshot.defined(connection, "public")
        connection.execute(statement)  # type: ignore[call-overload]
        after = exported_rows.content_hash(connection, "public", "a"), snapshot.defined(connection, "public")
        return before[0] != after[0], before[1] != after[1]

    assert seen("ALTER TYPE types.mood RENAME VALUE 'glad' TO 'sad'") == (True, True)
    assert seen("ALTER TYPE types.cell ADD ATTRIBUTE more text") == (True, True)
    assert seen("ALTER TYPE types.unused RENAME VALUE 'glad' TO 'sad'") == (False, False)


def test_rows_that_only_move_do_not_make_a_backup_begin_again(
    database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write of the server itself does not count either."""
    execute(database, "CREATE TABLE public.a (id serial PRIMARY KEY);\nINSERT INTO public.a DEFAULT VALUES")
    reading, looks = dump.definitions, []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        looks.append(1)
        for statement in ("INSERT INTO public.a DEFAULT VALUES", "VACUUM FREEZE ANALYZE public.a", "CHECKPOINT"):
            connection.execute(statement)  # type: ignore[call-overload]
        return reading(*arguments, **more)

    monkeypatch.setattr(dump, "definitions", interrupted)
    with snapshot.export(database, "public", binary("pg_dump")) as found:
        assert looks == [1]
        assert b"".join(exported_rows.rows(found.connection, "public", "a")) == b'{"id":1},\n'


@pytest.mark.parametrize("before", [True, False])
def test_a_table_that_stays_locked_stops_the_backup(
    before: bool, database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits as long as it may, whether pg_dump meets the lock or the reading of rows; then it says so."""
    execute(database, "CREATE TABLE public.a (id int PRIMARY KEY)")
    reading = dump.definitions

    def locking(*arguments: Any, **more: Any) -> Any:
        lock = "BEGIN; LOCK TABLE public.a"
        if before:
            connection.execute(lock)
        found = reading(*arguments, **more)
        if not before:
            connection.execute(lock)
        return found

    monkeypatch.setattr(dump, "definitions", locking)
    with (
        pytest.raises(BackupFailed, match=r"a lock was not given in time; table public.a is locked by server process"),
        snapshot.export(database, "public", binary("pg_dump"), lock_timeout="50ms", attempts=1),
    ):
        pass
    connection.execute("ROLLBACK")


def test_definitions_that_never_stand_still_stop_the_backup(
    database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many attempts it gives up, and says why."""
    reading = dump.definitions

    def busy(*arguments: Any, **more: Any) -> Any:
        connection.execute("CREATE OR REPLACE VIEW public.v AS SELECT 1")
        return reading(*arguments, **more)

    monkeypatch.setattr(dump, "definitions", busy)
    with (
        pytest.raises(BackupFailed, match="being changed by others, or locked, at each of 3 attempts"),
        snapshot.export(database, "public", binary("pg_dump"), attempts=3),
    ):
        pass


def test_two_backups_at_once_do_not_disturb_each_other(database: str, tmp_path: Path) -> None:
    """Both are valid, and their restore tests ran one after the other."""
    execute(database, "CREATE TABLE public.a (id int PRIMARY KEY);\nINSERT INTO public.a VALUES (1)")
    made: list[Backup] = []
    threads = [
        threading.Thread(target=lambda moment: made.append(back_up(database, tmp_path, moment=moment)), args=[moment])
        for moment in ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({backups.open_backup(tmp_path, each.id).id for each in made}) == 2


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_postgresql_and_python_compute_the_same_content_hash(
    rows: int, database: str, connection: postgres.Connection
) -> None:
    """A backup is compared with the target table by it, whatever the version of the server."""
    execute(database, "CREATE TABLE public.t (n int, v text); INSERT INTO public.t"
            f" SELECT n, chr(1000 + n) || '\n' FROM generate_series(1, {rows}) AS n")  # fmt: skip
    content = exported_rows.ContentHash()
    for _ in exported_rows.rows(connection, "public", "t", content):
        pass
    query = exported_rows.lines(connection, "public", "t")
    hashes = sql.SQL("SELECT encode(sha256(convert_to(l.line, 'UTF8')), 'hex') AS hash FROM ({}) AS l").format(query)
    documented = connection.execute(sql.SQL(TABLE_HASH_POSTGRES).format(hashes=hashes)).fetchone()
    assert (str(content),) == (exported_rows.lines_hash(connection, query),) == documented
