"""Connections: sessions that behave alike everywhere, and errors that name what is wrong and quote no value."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from mock2pg import postgres
from mock2pg.errors import AlreadyRunning, DatabaseError, LoadFailed, Mock2pgError, UsageError
from mock2pg.postgres.describing import without_rows
from mock2pg.postgres.server import Server, binary

CANARY = "Canary7291"

SCHEMA = """
    CREATE DOMAIN public.positive AS integer CONSTRAINT positive_check CHECK (VALUE > 0);
    CREATE TYPE public.mood AS ENUM ('glad');
    CREATE TABLE public.parents (id text PRIMARY KEY);
    CREATE TABLE public.children (
        id text PRIMARY KEY, parent_id text NOT NULL REFERENCES public.parents, email text UNIQUE, age integer,
        CONSTRAINT age_check CHECK (age < 200), short varchar(5), day date, mood public.mood, number public.positive,
        span tstzrange, EXCLUDE USING gist (span WITH &&));
    CREATE TABLE public.parts (id integer) PARTITION BY LIST (id);
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'no % here', new.id USING DETAIL = new.id, HINT = new.id, ERRCODE = '23514'; END$$;
    CREATE FUNCTION public.claim() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN ASSERT new.id IS NULL, 'bad id ' || new.id; RETURN new; END$$;
    CREATE TABLE public.asserted (id text);
    CREATE TRIGGER claim BEFORE INSERT ON public.asserted FOR EACH ROW EXECUTE FUNCTION public.claim();
    CREATE TABLE public.guarded (id text);
    CREATE TRIGGER refuse BEFORE INSERT ON public.guarded FOR EACH ROW EXECUTE FUNCTION public.refuse();
    CREATE FUNCTION public.misname() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        RAISE WARNING '%', new.id;
        RAISE EXCEPTION 'no' USING CONSTRAINT = new.id, TABLE = new.id, COLUMN = new.id, DATATYPE = new.id,
            SCHEMA = new.id, ERRCODE = '23505'; END$$;
    CREATE TABLE public.misnamed (id text);
    CREATE TRIGGER misname BEFORE INSERT ON public.misnamed FOR EACH ROW EXECUTE FUNCTION public.misname();
    CREATE FUNCTION public.look_up() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN EXECUTE format('SELECT FROM %I', new.id); RETURN new; END$$;
    CREATE TABLE public.looked_up (id text);
    CREATE TRIGGER look_up BEFORE INSERT ON public.looked_up FOR EACH ROW EXECUTE FUNCTION public.look_up();
    CREATE TABLE public.cast_to_table (id text CHECK (quote_ident(id)::regclass IS NOT NULL));
    CREATE TABLE public.cast_to_role (id text CHECK (quote_ident(id)::regrole IS NOT NULL));
    CREATE TABLE public.cast_to_function (id text CHECK (lower(id)::regproc IS NOT NULL));
    CREATE TABLE public.cast_to_operator (id text CHECK (id::regoper IS NOT NULL));
    CREATE TABLE public.cast_with_dots (id text CHECK ((quote_ident(id) || '.a.b.c')::regclass IS NOT NULL));
    INSERT INTO public.parents VALUES ('p');
    INSERT INTO public.children (id, parent_id, span) VALUES ('c', 'p', '[2026-01-01,2026-01-02]');
"""

PROVOKED = {
    "unique": ("INSERT INTO public.children (id, parent_id, email) VALUES ('d', 'p', '{}')", "children_email_key"),
    "primary key": ("INSERT INTO public.parents SELECT '{}' FROM generate_series(1, 2)", "parents_pkey"),
    "check": ("INSERT INTO public.children (id, parent_id, email, age) VALUES ('d', 'p', '{}', 300)", "age_check"),
    "not null": ("INSERT INTO public.children (id, email) VALUES ('d', '{}')", "parent_id"),
    "foreign key": ("INSERT INTO public.children (id, parent_id) VALUES ('d', '{}')", "children_parent_id_fkey"),
    "referred to": ("DELETE FROM public.parents WHERE id = 'p' OR id = '{}'", "children_parent_id_fkey"),
    "exclusion": ("INSERT INTO public.children (id, parent_id, span) VALUES ('{}', 'p', '[2026-01-01,)')", "span_excl"),
    "integer": ("SELECT '{}'::integer", "invalid input syntax for type integer"),
    "date": ("SELECT '{}'::date", "invalid input syntax for type date"),
    "range of integer": ("SELECT ('9999999999' || length('{}'))::integer", "out of range for type integer"),
    "uuid": ("SELECT '{}'::uuid", "invalid input syntax for type uuid"),
    "json": ("SELECT '{}'::json", "invalid input syntax for type json"),
    "enum": ("INSERT INTO public.children (mood) SELECT '{}'::text::public.mood", "invalid input value for enum"),
    "domain": ("SELECT (0 * length('{}'))::public.positive", "positive_check"),
    "array": ("SELECT ('{{' || '{}')::text[]", "malformed array literal"),
    "too long": (
        "INSERT INTO public.children (id, parent_id, short) VALUES ('d', 'p', '{} long')",
        "too long for type",
    ),
    "partition": ("INSERT INTO public.parts SELECT 7291 + 0 * length('{}')", "no partition of relation"),
    "raised": ("INSERT INTO public.guarded VALUES ('{}')", 'the function "refuse" raised an exception'),
    "asserted": ("INSERT INTO public.asserted VALUES ('{}')", 'the function "claim" raised an exception'),
    "misnamed": ("INSERT INTO public.misnamed VALUES ('{}')", 'the function "misname" raised an exception (SQLSTATE'),
    "looked up": ("INSERT INTO public.looked_up VALUES ('{}')", 'the function "look_up" failed: undefined'),
    "cast to table": ("INSERT INTO public.cast_to_table VALUES ('{}')", "(SQLSTATE 42"),
    "cast to role": ("INSERT INTO public.cast_to_role VALUES ('{}')", "(SQLSTATE 42"),
    "cast to function": ("INSERT INTO public.cast_to_function VALUES ('{}')", "(SQLSTATE 42"),
    "cast to operator": ("INSERT INTO public.cast_to_operator VALUES ('{}')", "(SQLSTATE 42"),
    "cast with dots": ("INSERT INTO public.cast_with_dots VALUES ('{}')", "improper relation name"),
    "day": ("SELECT make_date(7291, 13 + 0 * length('{}'), 1)", "date field value out of range"),
    "character": ("SELECT chr(72910000 + 0 * length('{}'))", "requested character too large for encoding"),
    "regular expression": ("SELECT 'a' ~ ('(' || '{}')", "invalid regular expression"),
    "time zone": ("SELECT now() AT TIME ZONE '{}'", "time zone"),
    "syntax": ("SELEC '{}'", "syntax error"),
    "table": ("SELECT '{}' FROM public.nowhere", "public.nowhere"),
}

SPELLINGS = {
    "a word": CANARY,
    "double quotes": f'say "{CANARY}" twice "{CANARY}"',
    "one double quote": f'x" {CANARY}',
    "single quotes": f"it''s {CANARY}''s",
    "line breaks": f'first\n{CANARY}\n"{CANARY}',
    "like a name": f'column "{CANARY}" of table "{CANARY}" violates unique constraint "{CANARY}"',
    "like a detail": f"(id)=({CANARY}) {CANARY}",
}


@pytest.fixture
def provoked(database: str) -> str:
    with postgres.connect(database, name="test") as connection:
        connection.execute("SET search_path = public; CREATE EXTENSION IF NOT EXISTS plpgsql")
        connection.execute(SCHEMA)  # type: ignore[arg-type]
    return database


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_database_error_quotes_a_value(spelling: str, provoked: str) -> None:
    """Violated constraints, values that cannot be cast and exceptions of triggers name objects, never cells."""
    with postgres.connect(provoked, name="test") as connection:
        connection.execute("UPDATE public.children SET email = " + f"'{SPELLINGS[spelling]}'")  # type: ignore[arg-type]
        for name, (query, expected) in PROVOKED.items():
            with pytest.raises(Mock2pgError) as failed, postgres.named(LoadFailed, "cannot try"):
                connection.execute(query.format(SPELLINGS[spelling]))  # type: ignore[arg-type]
            said = str(failed.value.as_dict())
            assert isinstance(failed.value, LoadFailed), name
            assert expected in failed.value.message, name
            assert "SQLSTATE" in failed.value.message, name
            assert CANARY.lower() not in said.lower(), (name, said)
            assert "7291" not in said, (name, said)


def test_a_name_of_the_catalogue_is_shown_wherever_it_comes_from(provoked: str) -> None:
    """Names that exist in the catalogue are no secret: a trigger's name and a cast's table are kept."""
    with postgres.connect(provoked, name="test") as connection:
        with pytest.raises(
            DatabaseError, match="raised an exception, table parents, column parents, constraint parents"
        ):
            _try(connection, "INSERT INTO public.misnamed VALUES ('parents')")
        connection.execute("CREATE ROLE mock2pg_nobody; GRANT USAGE ON SCHEMA public TO mock2pg_nobody")
        with pytest.raises(DatabaseError, match="permission denied for table guarded"):
            _try(connection, "SET ROLE mock2pg_nobody; SELECT FROM public.guarded")
        connection.execute("RESET ROLE; DROP OWNED BY mock2pg_nobody; DROP ROLE mock2pg_nobody")


def test_a_name_that_is_missing_is_shown_where_no_row_is_read(provoked: str) -> None:
    """A definition quotes names only; a cast of a cell to a name gives the same error, and so does a function."""
    trigger = "CREATE TRIGGER x BEFORE INSERT ON public.parents EXECUTE FUNCTION nowhere.f()"
    with postgres.connect(provoked, name="test") as connection:
        with pytest.raises(DatabaseError, match=r"schema \(a value\) does not exist"):
            _try(connection, trigger)
        with without_rows(connection):
            with pytest.raises(DatabaseError, match='schema "nowhere" does not exist'):
                _try(connection, trigger)
            with pytest.raises(DatabaseError, match="a function in the database raised an exception"):
                _try(connection, f"DO $$BEGIN RAISE 'schema \"{CANARY}\"' USING ERRCODE = '3F000'; END$$")
            with pytest.raises(DatabaseError, match=r"type integer: \(a value\) "):
                _try(connection, f"SELECT '{CANARY}'::text::integer")
        for kind in ("regnamespace", "regrole", "regtype", "regclass"):
            with pytest.raises(DatabaseError, match=r"\(a value\) does not exist"):
                _try(connection, f"SELECT value::{kind} FROM (SELECT '{CANARY}'::text AS value) AS cells")


@pytest.mark.parametrize(("at", "fails"), [("commit", False), ("rollback", True)])
def test_an_interrupt_at_the_end_of_a_block_leaves_no_session(
    database: str, monkeypatch: pytest.MonkeyPatch, at: str, fails: bool
) -> None:
    """It is closed, and what it holds is given back."""

    def pressed(_: postgres.Connection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(psycopg.Connection, at, pressed)
    with pytest.raises(KeyboardInterrupt), postgres.connect(database, name="test") as connection:  # noqa: PT012
        if fails:
            raise ValueError
    assert connection.closed


def test_names_are_looked_up_after_the_session_is_closed(provoked: str) -> None:
    """An error is described where it is caught, which may be outside of the connection's block."""
    for query, told in (
        ("INSERT INTO public.children (id, parent_id) VALUES ('d', 'x')", "children_parent_id_fkey"),
        ("INSERT INTO public.guarded VALUES ('x')", 'the function "refuse" raised'),
    ):
        with (
            pytest.raises(DatabaseError, match=told),
            postgres.named(DatabaseError, "cannot try"),
            postgres.connect(provoked, name="test") as connection,
        ):
            connection.execute(query)  # type: ignore[arg-type]


def _try(connection: postgres.Connection, query: str) -> None:
    with postgres.named(DatabaseError, "cannot try"):
        connection.execute(query)  # type: ignore[arg-type]


def test_an_error_says_where_to_look(provoked: str) -> None:
    """The condition, the table, the column or constraint, and the state that one can look up."""
    with (
        postgres.connect(provoked, name="test") as connection,
        pytest.raises(DatabaseError) as failed,
        postgres.named(DatabaseError, "cannot try"),
    ):
        connection.execute("INSERT INTO public.children (id, parent_id) VALUES ('d', 'x')")
    assert failed.value.message == (
        'cannot try: insert or update on table "children" violates foreign key constraint "children_parent_id_fkey",'
        " table children, constraint children_parent_id_fkey (SQLSTATE 23503)"
    )
    assert failed.value.hint == DatabaseError.hint


def test_a_lost_connection_has_a_hint_of_its_own(database: str, connection: postgres.Connection) -> None:
    """Nothing is to be corrected in the tables, whatever the step was: the server comes first."""
    with postgres.connect(database, name="test") as other:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [other.info.backend_pid])
        with pytest.raises(LoadFailed) as failed, postgres.named(LoadFailed, "cannot try"):
            other.execute("SELECT 1")
    assert failed.value.hint.startswith("Run the command again when the server accepts connections.")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{CANARY}@127.0.0.1:1/db",
        f"postgresql://u:{CANARY}@nowhere.invalid/db",
        f"postgresql://u:{CANARY}@127.0.0.1:1/db?sslmode=wrong",
        f"postgresql://u:{CANARY}@{'a' * 300}/db",
        f"postgresql://u:{CANARY}@h..x/db",
        f"postgresql://u:{CANARY}\ud800@h/db",
        f"postgresql://u:%zz{CANARY}@h/db",
        f"host=127.0.0.1 port=1 user=u password={CANARY}",
        f"host=127.0.0.1 password={CANARY} {CANARY} oops",
        f"password='{CANARY}",
        f'password="{CANARY} x"',
        f'host=127.0.0.1 pass"{CANARY}"word=1',
        CANARY,
    ],
)
def test_a_connection_that_fails_names_no_credential(url: str) -> None:
    """Whatever is wrong with the URL, no part of it that might be the password is in the error."""
    with pytest.raises(DatabaseError) as failed:
        postgres.connect(url, name="test")
    assert failed.value.message.startswith("cannot connect: ")
    assert CANARY not in str(failed.value.as_dict())


def test_what_was_tried_is_named() -> None:
    """Host, port, database and user are no secrets, and a host that does not resolve is the one to correct."""
    with pytest.raises(DatabaseError, match=r"nowhere\.invalid.*\(host nowhere.invalid, port 7, database db, user u\)"):
        postgres.connect(f"postgresql://u:{CANARY}@nowhere.invalid:7/db", name="test")


def test_a_wrong_user_or_database_is_named(server: Server) -> None:
    """Hosts, ports, roles and databases are names, and names say what to correct."""
    with pytest.raises(DatabaseError, match='invalid sslmode value: "sometimes"'):
        postgres.connect(f"postgresql://u:{CANARY}@127.0.0.1:1/db?sslmode=sometimes", name="test")
    with pytest.raises(DatabaseError, match=r"host 'nowhere\.invalid'"):
        postgres.connect(f"postgresql://u:{CANARY}@nowhere.invalid/db", name="test")
    with pytest.raises(DatabaseError, match=r'server at "127\.0\.0\.1", port 1 failed: Connection refused'):
        postgres.connect(f"postgresql://u:{CANARY}@127.0.0.1:1/db", name="test")
    with pytest.raises(DatabaseError, match='database "nowhere" does not exist'):
        postgres.connect(server.url("nowhere"), name="test")
    with pytest.raises(DatabaseError, match='role "nobody_here" does not exist'):
        postgres.connect(server.url("postgres").replace("postgres@", "nobody_here@", 1), name="test")


def test_every_session_spells_values_alike(database: str, connection: postgres.Connection) -> None:
    """Settings of a role or a database do not change how values are written."""
    name = connection.info.dbname
    for setting in ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "extra_float_digits = 0",
                    "search_path = 'public'", "IntervalStyle = 'iso_8601'", "bytea_output = 'escape'"):  # fmt: skip
        connection.execute(f'ALTER DATABASE "{name}" SET {setting}')  # type: ignore[arg-type]
    values = (
        r"SELECT '2026-01-02 03:04+00'::timestamptz::text, 0.1::float8::text || (1/3.0)::float8, '\x00'::bytea::text,"
    )
    with postgres.connect(database, name="test") as opened:
        row = opened.execute(values + " '1 day'::interval::text, current_setting('search_path')").fetchone()
        assert row == ("2026-01-02 03:04:00+00", "0.10.3333333333333333", r"\x00", "1 day", "")
        assert opened.info.encoding == "utf-8"


def test_a_policy_that_would_hide_rows_is_an_error(connection: postgres.Connection) -> None:
    """Rows that row-level security hides would be missing from a backup."""
    role = f"reader_{connection.info.dbname}"
    connection.execute(f'CREATE ROLE "{role}"; GRANT USAGE ON SCHEMA public TO "{role}"')  # type: ignore[arg-type]
    connection.execute("CREATE TABLE public.t (id int); ALTER TABLE public.t ENABLE ROW LEVEL SECURITY")
    connection.execute(f'GRANT SELECT ON public.t TO "{role}"; SET ROLE "{role}"')  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        connection.execute("SELECT * FROM public.t")
    connection.execute(f'RESET ROLE; DROP OWNED BY "{role}"; DROP ROLE "{role}"')  # type: ignore[arg-type]


def test_a_reading_session_cannot_write(database: str) -> None:
    """`read_only` holds against our own mistakes."""
    with (
        postgres.connect(database, name="test", read_only=True) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        connection.transaction(),
    ):
        connection.execute("CREATE TABLE public.t ()")


def test_the_second_run_is_told_who_holds_the_lock(database: str, server: Server) -> None:
    """One run at a time per database; another database is another matter, and the lock ends with its block."""
    with postgres.advisory_lock(database, "migrate 2026-11-22"):
        with pytest.raises(AlreadyRunning) as refused, postgres.advisory_lock(database, "second"):
            raise AssertionError("both ran")
        with postgres.advisory_lock(server.url("postgres"), "elsewhere"):
            pass
    said = refused.value.message
    assert said.startswith("another run holds the lock on this database: server process ")
    assert ", user postgres, mock2pg migrate 2026-11-22, since 20" in said
    with postgres.advisory_lock(database, "third"):
        pass


def test_a_run_that_dies_frees_the_lock(database: str) -> None:
    """A session that ends for whatever reason holds nothing."""
    with pytest.raises(psycopg.Error), postgres.advisory_lock(database, "first"):  # noqa: PT012
        with postgres.connect(database, name="killer") as killer:
            killer.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            killer.execute("SELECT pg_sleep(0.1)")
        with postgres.advisory_lock(database, "second"):
            raise psycopg.OperationalError("both would have run but for the death of the first")


def test_the_lock_waits_for_nobody(database: str) -> None:
    """A second run fails at once; it does not queue."""
    refusals: list[BaseException] = []

    def second() -> None:
        try:
            with postgres.advisory_lock(database, "second"):
                pass
        except AlreadyRunning as refused:
            refusals.append(refused)

    with postgres.advisory_lock(database, "first"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(5)
        assert len(refusals) == 1


def test_a_database_is_made_once(server: Server) -> None:
    """Two first runs at once make one database, in UTF-8; odd names are names."""
    url, name = server.url("postgres"), 'odd "name" ü'
    faults: list[BaseException] = []

    def ensure() -> None:
        try:
            postgres.ensure_database(url, name)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=ensure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with postgres.connect(postgres.database_url(url, name), name="test") as connection:
        assert postgres.describe_database(connection)["name"] == name
        postgres.drop_database(url, name)  # whoever is connected
    with pytest.raises(DatabaseError):
        postgres.connect(postgres.database_url(url, name), name="test")
    postgres.drop_database(url, name)  # it is gone: that is no error


def test_another_encoding_is_refused(server: Server) -> None:
    """JSON is UTF-8; a database of another encoding cannot hold it."""
    url = server.url("postgres")
    with postgres.connect(url, name="test") as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with (
            postgres.connect(server.url("latin"), name="test") as connection,
            pytest.raises(UsageError, match="encoded in LATIN1"),
        ):
            postgres.describe_database(connection)
    finally:
        postgres.drop_database(url, "latin")


def test_a_program_that_we_start_reaches_the_same_database(database: str) -> None:
    """The session in libpq's own variables: pg_dump and psql need no argument, so none shows a password."""
    variables = postgres.environment(database)
    assert variables["PGDATABASE"] == database.rpartition("/")[2].partition("?")[0]
    done = subprocess.run(
        [binary("psql"), "-Atc", "SELECT current_database()"],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == variables["PGDATABASE"]


def test_the_password_of_the_url_is_handed_on(database: str) -> None:
    """Password and certificates are part of the session, wherever the URL has them."""
    url = psycopg.conninfo.make_conninfo(database, password="p@ss'w\\ord", sslmode="disable", sslrootcert="/ca.pem")
    variables: dict[str, Any] = postgres.environment(url)
    assert variables["PGPASSWORD"] == "p@ss'w\\ord"
    assert (variables["PGSSLMODE"], variables["PGSSLROOTCERT"]) == ("disable", "/ca.pem")


@pytest.mark.parametrize(
    ("hostaddr", "name", "said"),
    [("", "/run/x", ""), ("127.0.0.1", "localhost", ""), ("::1", "", ""), ("127.8.0.1", "127.8.0.1", ""),
     ("10.0.0.5", "db.example", "db.example"), ("2001:db8::1", "", "2001:db8::1")],
)  # fmt: skip
def test_a_server_is_here_or_elsewhere(hostaddr: str, name: str, said: str) -> None:
    """A socket and a loopback address are this machine, whatever name led there."""
    connection = SimpleNamespace(info=SimpleNamespace(hostaddr=hostaddr, host=name))
    assert postgres.host(connection) == said  # type: ignore[arg-type]


def test_the_tests_own_server_is_here(connection: postgres.Connection) -> None:
    """A real connection through a socket."""
    assert postgres.host(connection) == ""


def test_a_session_of_ours_is_not_ended_for_being_idle(database: str, connection: postgres.Connection) -> None:
    """A lock is held, and a moment seen, for as long as others of our sessions work, whatever the database says."""
    name = connection.info.dbname
    newer = ("transaction_timeout",) if connection.info.server_version >= 170000 else ()
    for setting in ("idle_session_timeout", "idle_in_transaction_session_timeout", *newer):
        connection.execute(f"ALTER DATABASE {name} SET {setting} = '200ms'")  # type: ignore[arg-type]
    with postgres.advisory_lock(database, "first"), postgres.connect(database, name="other") as other:
        with other.transaction():
            other.execute("SELECT 1")
            time.sleep(0.6)
            other.execute("SELECT 1")
        assert postgres.lock_holder(connection)


@pytest.mark.parametrize(("given", "seconds"), [("", 10), ("30", 30), ("0", 10), ("-1", 10)])
def test_no_attempt_to_connect_waits_for_ever(given: str, seconds: int, database: str) -> None:
    """A program that we start gets no such limit either; one in the URL counts."""
    url = psycopg.conninfo.make_conninfo(database, connect_timeout=given or None)
    assert postgres.session.connect_timeout(url) == seconds
    assert postgres.environment(url)["PGCONNECT_TIMEOUT"] == str(seconds)
