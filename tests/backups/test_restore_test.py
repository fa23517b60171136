"""The restore test finds whatever does not restore equal, and disturbs no other session."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from mock2pg import postgres
from mock2pg.backups import exported_rows, json_rows, restore_test, restored_rows, snapshot
from mock2pg.backups.snapshot import Snapshot
from mock2pg.backups.staged import State
from mock2pg.errors import BackupFailed, DatabaseError
from mock2pg.postgres import catalogue
from mock2pg.postgres.server import binary
from tests.fix_restore import EVERYTHING, execute

pytestmark = pytest.mark.on_both_servers

SETUP = """
    CREATE TABLE public.t (id int PRIMARY KEY, v jsonb);
    INSERT INTO public.t VALUES (1, 'null'), (2, NULL), (3, '{"a": 1.0}');
    CREATE TABLE public.u (v text);
    INSERT INTO public.u VALUES ('secret'), ('secret'), (NULL);
    CREATE SEQUENCE public.s;
    CREATE VIEW public.w AS SELECT id FROM public.t"""


def state_of(found: Snapshot) -> State:
    """The content of a backup taken now."""
    rows = {
        name: b"".join(exported_rows.rows(found.connection, found.schema, name)).splitlines(keepends=True)
        for name in catalogue.tables(found.connection, found.schema)
    }
    return State(
        found.definitions, {name: len(lines) for name, lines in rows.items()}, found.sequences, rows.__getitem__
    )


@contextmanager
def captured(url: str) -> Iterator[tuple[State, Snapshot]]:
    with snapshot.export(url, "public", binary("pg_dump")) as found:
        yield state_of(found), found


def left_over(connection: postgres.Connection) -> list[Any]:
    return connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname = 'mock2pg_restore_test' UNION ALL"
        " SELECT datname FROM pg_database"
        " WHERE datname = 'mock2pg_restore_test_' || (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchall()


def test_a_valid_backup_passes_and_leaves_nothing_behind(database: str, connection: postgres.Connection) -> None:
    """Rows and definitions are restored and compared, and leftovers of an interrupted restore test are removed."""
    execute(database, EVERYTHING)
    row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None
    postgres.ensure_database(database, f"mock2pg_restore_test_{row[0]}")
    with captured(database) as (state, found):
        proved = restore_test.run(database, state, found, binary("pg_dump"))
    assert proved.definitions == ""
    assert proved.times["restore"] > 0
    assert proved.tables == {
        name: exported_rows.lines_hash(connection, exported_rows.lines(connection, "public", name))
        for name in catalogue.tables(connection, "public")
    }
    assert left_over(connection) == []


def test_nobody_else_reaches_where_it_is_restored(
    database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are in tables of the session alone, and nobody may connect to the scratch database."""
    execute(database, SETUP)
    make, kinds = restored_rows._make, set[tuple[str, ...]]()

    def made(session: postgres.Connection, *table: Any) -> None:
        make(session, *table)
        kinds.update(session.execute("SELECT relpersistence FROM pg_class WHERE xmin = pg_current_xact_id()::xid"))

    monkeypatch.setattr(restored_rows, "_make", made)
    executed, may_connect = restore_test._executed, []

    def looked_at(url: str, *rest: Any) -> str:
        query = "SELECT has_database_privilege('pg_monitor', %s, 'CONNECT')"  # a role that everybody has
        may_connect.append(connection.execute(query, [conninfo.conninfo_to_dict(url)["dbname"]]).fetchone())
        return executed(url, *rest)

    monkeypatch.setattr(restore_test, "_executed", looked_at)
    with captured(database) as (state, found):
        assert restore_test.run(database, state, found, binary("pg_dump")).definitions == ""
    assert may_connect == [(False,)]
    assert kinds == {("t",)}


def changed(change: Callable[[dict[str, list[bytes]]], object]) -> Callable[[State], State]:
    """A copy of the backup with other lines in it."""

    def apply(state: State) -> State:
        lines = {name: list(state.rows(name)) for name in state.tables}
        change(lines)
        return replace(state, rows=lines.__getitem__, tables={name: len(rows) for name, rows in lines.items()})

    return apply


def redefined(change: Callable[[str], str]) -> Callable[[State], State]:
    def apply(state: State) -> State:
        definitions: Mapping[str, str] = state.definitions or {}
        return replace(state, definitions={**definitions, "pre_data": change(definitions["pre_data"])})

    return apply


DAMAGES: dict[str, tuple[Callable[[State], State], str]] = {
    "a value": (changed(lambda rows: rows["u"].append(rows["u"].pop(0).replace(b"secret", b"Secret"))), r"u \(1 row\)"),
    "NULL and a null of JSON": (
        changed(lambda rows: rows.update(t=[line.replace(b'"null"', b"null") for line in rows["t"]])),
        r"t \(1 row\)",
    ),
    "a row twice": (changed(lambda rows: rows["u"].append(rows["u"][0])), r"u \(0 rows\)"),
    "a row less": (changed(lambda rows: rows["u"].pop()), r"u \(1 row\)"),
    "rows fewer than it says": (lambda state: replace(state, tables={"t": 4, "u": 3}), "3 of 4 rows were restored"),
    "a table less": (lambda state: replace(state, tables={"t": 3}), "does not hold the tables of the target schema"),
    "a line that is no JSON": (changed(lambda rows: rows["u"].append(b'{"v":\n')), "cannot be restored for a test"),
    "a value of another type": (
        changed(lambda rows: rows["t"].append(b'{"id":"secret","v":null}\n')),
        "cannot be restored for a test",
    ),
    "a definition": (redefined(lambda text: text.replace("v jsonb", "v json")), "TABLE t"),
    "a definition less": (redefined(lambda text: text.replace("CREATE VIEW", "-- CREATE VIEW", 1)), "be executed"),
    "a definition more": (redefined(lambda text: text + "CREATE VIEW public.x AS SELECT 1;"), "VIEW x"),
    "a sequence": (
        lambda state: replace(state, sequences={"s": {"last_value": 1, "is_called": True}}),
        "SEQUENCE s",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_does_not_restore_equal_is_named(what: str, database: str, connection: postgres.Connection) -> None:
    """The table or the object is named, no value is, and nothing is left behind."""
    execute(database, SETUP)
    damage, message = DAMAGES[what]
    with captured(database) as (state, found), pytest.raises(BackupFailed, match=message) as failed:
        restore_test.run(database, damage(state), found, binary("pg_dump"))
    assert "ecret" not in failed.value.message + failed.value.hint
    assert left_over(connection) == []


@pytest.mark.parametrize(("what", "hashed"), [("equal", 0), ("spelled otherwise", 1), ("changed", 1)])
def test_rows_are_compared_byte_by_byte_over_three_sessions(
    what: str, hashed: int, database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are written as other bytes than the backup's are all restored and compared with the target table."""
    execute(database, "CREATE TABLE public.t (id int PRIMARY KEY, v numeric, at date); INSERT INTO public.t"
            " SELECT n, n / 7.0, date '2026-01-01' + n FROM generate_series(1, 12000) AS n")  # fmt: skip
    content, sessions, queries = exported_rows.content_hash(connection, "public", "t"), set(), []
    made, lines_hash = json_rows.made, exported_rows.lines_hash

    def noted(session: postgres.Connection, *rest: Any) -> tuple[int, bool]:
        sessions.add(session.info.backend_pid)
        return made(session, *rest)

    def counted(session: postgres.Connection, query: sql.Composed) -> str:
        queries.append(query)
        return lines_hash(session, query)

    monkeypatch.setattr(json_rows, "made", noted)
    monkeypatch.setattr(exported_rows, "lines_hash", counted)
    with captured(database) as (state, found):
        lines = list(state.rows("t"))
        if what != "equal":
            lines[7000] = lines[7000].replace(b'"id":', b'"id": ' + (b"10" if what == "changed" else b""))
        found.hashes["t"] = content
        state = replace(state, rows=lambda _: lines, contents={"t": content})
        refused = pytest.raises(BackupFailed, match=r"t \(1 row\)") if what == "changed" else nullcontext()
        with refused:
            assert restore_test.run(database, state, found, binary("pg_dump")).tables == {"t": content}
    assert (len(sessions), len(queries)) == (3, hashed)
    assert left_over(connection) == []


def test_rows_are_restored_over_the_sessions_that_there_are(
    database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has no session left for the other two tests the backup over one."""
    execute(database, "CREATE TABLE public.t AS SELECT n FROM generate_series(1, 12000) AS n")
    begin, begun = restored_rows._transaction, list[str]()

    def last(url: str, snapshot: Snapshot) -> AbstractContextManager[postgres.Connection]:
        begun.append(url)
        if len(begun) > 1:
            raise DatabaseError("too many connections for role")
        return begin(url, snapshot)

    monkeypatch.setattr(restored_rows, "_transaction", last)
    with captured(database) as (state, found):
        assert restore_test.run(database, state, found, binary("pg_dump")).tables
    assert len(begun) == 2
    assert left_over(connection) == []


@pytest.fixture
def modest(database: str, connection: postgres.Connection) -> Iterator[str]:
    """The URL for a role that may read all tables and nothing else."""
    role = f"modest_{secrets.token_hex(4)}"
    connection.execute(f"CREATE ROLE {role} LOGIN")  # type: ignore[call-overload]
    connection.execute(f"GRANT pg_read_all_data TO {role}")  # type: ignore[call-overload]
    yield conninfo.make_conninfo(database, user=role)
    connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")  # type: ignore[call-overload]


def test_it_needs_no_more_rights_and_no_more_locks_than_a_reader(
    database: str, modest: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that may not create a database is told that the definitions were not executed; the rows are proved all the
    same, and writers write meanwhile."""
    execute(database, SETUP)
    modes: set[str] = set()
    hashed = exported_rows.lines_hash

    def watched(*query: Any) -> str:
        rows = connection.execute(
            "SELECT DISTINCT mode FROM pg_locks JOIN pg_class AS c ON c.oid = relation"
            " WHERE relnamespace = 'public'::regnamespace AND pid <> pg_backend_pid()"
        ).fetchall()
        modes.update(mode for (mode,) in rows)
        connection.execute("INSERT INTO public.u VALUES ('another')")
        return hashed(*query)

    monkeypatch.setattr(exported_rows, "lines_hash", watched)
    with captured(modest) as (state, found):
        proved = restore_test.run(modest, state, found, binary("pg_dump"))
    assert proved.definitions == "the role may not create a database for it"
    assert {name: value.split(":")[0] for name, value in proved.tables.items()} == {"t": "3", "u": "3"}
    assert modes == {"AccessShareLock"}
    assert catalogue.rows(connection, "public", "u") == 7


def test_nobody_who_waits_for_a_table_is_waited_for(database: str, connection: postgres.Connection) -> None:
    """A TRUNCATE waits for the backup's snapshot; a restore test that waited for the TRUNCATE would never end."""
    execute(database, SETUP)
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.t'::regclass"
    with postgres.connect(database, name="other", lock_timeout="1min") as other, ThreadPoolExecutor() as threads:
        with captured(database) as (state, found):
            truncated = threads.submit(other.execute, "TRUNCATE public.t")
            while not catalogue.count(connection, psycopg.sql.SQL(waits)):
                assert not truncated.done()
            assert restore_test.run(database, state, found, binary("pg_dump")).tables.keys() == {"t", "u"}
            assert not truncated.done()
        truncated.result()


def test_a_function_finds_the_tables_of_the_application(database: str) -> None:
    """One of a domain's check, which sets a path of its own: a temporary table of the same name would come first."""
    execute(
        database,
        "CREATE TABLE public.t0 (code text); INSERT INTO public.t0 VALUES ('a');"
        " CREATE FUNCTION public.known(text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public"
        " AS 'SELECT EXISTS (SELECT FROM t0 WHERE code = $1)';"
        " CREATE DOMAIN public.code AS text CHECK (public.known(VALUE));"
        " CREATE TABLE public.a (code public.code); INSERT INTO public.a VALUES ('a')",
    )
    with captured(database) as (state, found):
        assert restore_test.run(database, state, found, binary("pg_dump")).definitions == ""


def test_what_the_definitions_need_from_outside_is_told(database: str) -> None:
    """They cannot be executed in an empty database then; that is no fault of the backup, and is not hidden."""
    execute(database, f"CREATE SCHEMA app;\nCREATE TABLE app.x (id int PRIMARY KEY);\n{SETUP};\n"
            "CREATE VIEW public.x AS SELECT * FROM app.x")  # fmt: skip
    with captured(database) as (state, found):
        proved = restore_test.run(database, state, found, binary("pg_dump"))
    assert proved.definitions.startswith('not possible in a scratch database: relation "app.x" does not exist')
    execute(database, "DROP VIEW public.x; CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
            " CREATE TRIGGER x BEFORE INSERT ON public.t EXECUTE FUNCTION app.f()")  # fmt: skip
    with captured(database) as (state, found):
        proved = restore_test.run(database, state, found, binary("pg_dump"))
    assert proved.definitions == 'not possible in a scratch database: schema "app" does not exist (SQLSTATE 3F000)'


def test_a_connection_that_is_lost_is_no_verdict_on_the_backup(
    database: str, connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore test that could not be finished gives the reason, and proves nothing."""
    execute(database, SETUP)

    def cut(*_: Any) -> str:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mock2pg restore test'"
            " AND datname = current_database()"
        )
        raise psycopg.errors.AdminShutdown

    with captured(database) as (state, found):
        monkeypatch.setattr(exported_rows, "lines_hash", cut)
        with pytest.raises(BackupFailed, match="cannot be restored for a test"):
            restore_test.run(database, state, found, binary("pg_dump"))
    assert left_over(connection) == []


def test_a_scratch_database_that_another_role_left_is_told_of(database: str, connection: postgres.Connection) -> None:
    """It is not ours to drop: rows are proved, and why definitions were not is said."""
    execute(database, SETUP)
    row = connection.execute("SELECT oid, datname FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None
    left = f"mock2pg_restore_test_{row[0]}"
    connection.execute("CREATE ROLE restore_tester LOGIN CREATEDB IN ROLE pg_read_all_data")
    connection.execute(f"GRANT CREATE ON DATABASE {row[1]} TO restore_tester")  # type: ignore[arg-type]
    connection.execute(f"CREATE DATABASE {left}")  # type: ignore[arg-type]
    try:
        url = conninfo.make_conninfo(database, user="restore_tester")
        with captured(url) as (state, found):
            proved = restore_test.run(url, state, found, binary("pg_dump"))
        assert set(proved.tables) == {"t", "u"}
        assert "belongs to postgres" in proved.definitions
    finally:
        connection.execute(f"DROP DATABASE {left}")  # type: ignore[arg-type]
        connection.execute("DROP OWNED BY restore_tester; DROP ROLE restore_tester")
