"""The tables of schema mock2pg: numbered by the server, upgraded step by step, and used only as mock2pg made them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from importlib import resources

import pytest
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from mock2pg import history, postgres
from mock2pg.errors import SchemaRefused
from mock2pg.history import events, layout
from tests.history.test_runs import FINDINGS, record

EVENT = events.Event("backup", "succeeded", "me", "public", "e")


@pytest.fixture
def other(connection: postgres.Connection) -> Iterator[str]:
    """A role that owns nothing here."""
    name = f"other_{secrets.token_hex(4)}"
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    connection.execute("RESET ROLE")
    connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(sql.Identifier(name)))


def first_version(connection: postgres.Connection) -> None:
    """The tables of before there were versions: three runs and two events, while the clock went back."""
    connection.execute("CREATE SCHEMA mock2pg")
    connection.execute(layout.step(1))
    for run, published in (("a", "2026-01-01 10:00+00"), ("b", "2026-01-01 12:00+00"), ("c", "2026-01-01 11:00+00")):
        connection.execute(
            "INSERT INTO mock2pg.runs (run_id, command, operator, started_at, published_at, target_schema,"
            " published_run, backup_id, tables, owned, version)"
            " VALUES (%s, 'migrate', 'me', %s, %s, 'public', %s, %s, %s, %s, '1')",
            [run, published, published, run, f"backup-{run}", Jsonb({}), Jsonb({})],
        )
    for run, happened in (("a", "2026-01-01 10:30+00"), ("d", "2026-01-01 12:30+00")):
        connection.execute(
            "INSERT INTO mock2pg.events (happened_at, kind, run_id, outcome, target_schema, operator, host)"
            " VALUES (%s, 'migrate', %s, 'succeeded', 'public', 'me', 'here')",
            [happened, run],
        )


@pytest.mark.parametrize("number", range(1, layout.VERSION + 1))
def test_the_list_of_each_version_is_what_its_step_makes(connection: postgres.Connection, number: int) -> None:
    """history/<version>.txt beside each step holds what the tables then consist of."""
    connection.execute("CREATE SCHEMA mock2pg")
    for each in range(1, number + 1):
        connection.execute(layout.step(each))
    listed = resources.files("mock2pg").joinpath("history", f"{number:04}.txt").read_text().splitlines()
    assert layout.inventory(connection) == set(listed)
    assert layout.version(connection) == number


@pytest.mark.parametrize("earlier", range(1, layout.VERSION))
def test_an_earlier_version_is_upgraded_with_its_rows(connection: postgres.Connection, earlier: int) -> None:
    """In one transaction; rows keep the order in which they were added, whatever the clock said then."""
    first_version(connection)
    for each in range(2, earlier + 1):
        connection.execute(layout.step(each))
    for reading in (history.newest, history.backups_needed):
        with pytest.raises(SchemaRefused, match=rf"have version {earlier}.*needs version {layout.VERSION}") as refused:
            reading(connection, "public")
        assert "Run `mock2pg plan`: it upgrades them" in refused.value.hint
    assert f"have version {earlier}" in events.add(connection, [EVENT])

    assert layout.upgrade(connection, "1s") == earlier
    assert layout.upgrade(connection, "1s") is None
    newest = history.newest(connection, "public")
    assert newest is not None
    assert (newest.run_id, newest.findings) == ("c", None)
    assert [row.run_id for row in history.after(connection, "public", {"run_id": "a", "command": "migrate"})] == [
        "b",
        "c",
    ]
    assert [entry["run_id"] for entry in events.listed(connection, None)] == ["d", "c", "b", "a", "a"]
    record(connection, "e")
    assert events.add(connection, [EVENT]) == ""
    assert [(entry["run_id"], entry["kind"]) for entry in events.listed(connection, 2)] == [
        ("e", "backup"),
        ("e", "published"),
    ]
    with pytest.raises(errors.InsufficientPrivilege, match="only takes new rows"):
        connection.execute("DELETE FROM mock2pg.runs")


def test_who_could_add_rows_before_an_upgrade_can_afterwards(connection: postgres.Connection, other: str) -> None:
    """The right to fill some columns, which init-roles gave in an earlier version, is extended to what was added."""
    first_version(connection)
    connection.execute(layout.step(2))
    columns = "run_id, command, operator, started_at, target_schema, published_run, mode, input_sha256,"
    columns += " contracts_sha256, backup_id, present_backup_id, tables, owned, version"
    connection.execute(
        sql.SQL(
            "GRANT USAGE ON SCHEMA mock2pg TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA mock2pg TO {0};"
            f"GRANT INSERT ({columns}) ON mock2pg.runs TO {{0}}"  # type: ignore[arg-type]
        ).format(sql.Identifier(other))
    )
    assert layout.upgrade(connection, "1s") == 2
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(other)))
    record(connection, "e", findings=FINDINGS)
    row = history.of(connection, "e", "migrate")
    assert row is not None
    assert row.findings == FINDINGS
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        connection.execute("UPDATE mock2pg.runs SET found = NULL")


def test_an_upgrade_that_fails_changes_nothing(connection: postgres.Connection, database: str) -> None:
    """A lock that is not given is an error, and the tables stay as they were."""
    first_version(connection)
    with postgres.connect(database, name="reader") as reader, reader.transaction():
        reader.execute("SELECT FROM mock2pg.runs")
        with pytest.raises(layout.DatabaseError, match="cannot upgrade the tables of schema mock2pg"):
            layout.upgrade(connection, "50ms")
    assert layout.version(connection) == 1


def test_a_role_that_may_not_upgrade_says_who_can(connection: postgres.Connection, other: str) -> None:
    """The owner's command is the hint."""
    first_version(connection)
    role = sql.Identifier(other)
    connection.execute(
        sql.SQL(
            "GRANT USAGE ON SCHEMA mock2pg TO {0}; GRANT INSERT, SELECT ON mock2pg.runs TO {0}; SET ROLE {0}"
        ).format(role)
    )
    with pytest.raises(SchemaRefused, match="only postgres may upgrade them") as refused:
        layout.upgrade(connection, "1s")
    assert "As postgres, run `mock2pg init-roles | psql" in refused.value.hint


def test_no_clock_and_no_writer_decides_what_came_last(connection: postgres.Connection) -> None:
    """The server fills its own columns, also for the owner and in a session whose role is replica."""
    record(connection, "a")
    connection.execute("SET session_replication_role = replica")
    connection.execute(
        "INSERT INTO mock2pg.runs (id, run_id, command, operator, started_at, published_at, target_schema, tables,"
        " owned, version, database_user, client_address, application)"
        " VALUES (999, 'forged', 'migrate', 'me', now(), '2099-01-01', 'public', '{}', '{}', '1', 'x', '::1', 'x')"
    )
    connection.execute(
        "INSERT INTO mock2pg.events (id, happened_at, kind, outcome, target_schema, operator, host, database_user)"
        " VALUES (999, '2099-01-01', 'x', 'x', 'public', 'me', 'x', 'x')"
    )
    rows = connection.execute(
        "SELECT id < 9, database_user, application, published_at < now() + interval '1 minute' FROM mock2pg.runs"
        " UNION ALL SELECT id < 9, database_user, application, happened_at < now() + interval '1 minute'"
        " FROM mock2pg.events"
    ).fetchall()
    assert set(rows) == {(True, "postgres", "mock2pg test", True)}
    assert len(rows) == 3
    record(connection, "b")
    connection.execute("ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only")
    connection.execute("UPDATE mock2pg.runs SET published_at = now() + interval '1 hour' WHERE run_id = 'a'")
    connection.execute("ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only")
    assert history.newest(connection, "public").run_id == "b"  # type: ignore[union-attr]
    later = history.after(connection, "public", {"run_id": "a", "command": "migrate"})
    assert [row.run_id for row in later] == ["forged", "b"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO mock2pg.schema_version VALUES (99)", "have version 99, and this mock2pg knows none later than"),
        ("ALTER TABLE mock2pg.runs DROP owned", "missing: column runs.owned: jsonb not null"),
        ("ALTER TABLE mock2pg.runs ALTER mode TYPE varchar", "not expected: column runs.mode: character varying"),
        ("ALTER TABLE mock2pg.runs ADD CHECK (run_id <> 'x')", "not expected: constraint of runs: CHECK"),
        ("ALTER TABLE mock2pg.events DISABLE TRIGGER server_columns", "server_columns BEFORE INSERT .* enabled D"),
        ("CREATE TRIGGER t BEFORE INSERT ON mock2pg.runs EXECUTE FUNCTION mock2pg.refuse_change()", "trigger of runs"),
        ("CREATE RULE r AS ON INSERT TO mock2pg.events DO ALSO NOTHING", "not expected: rule of events: r"),
        ("ALTER TABLE mock2pg.settings ENABLE ROW LEVEL SECURITY", "not expected: table settings .row-level security"),
        ("CREATE TABLE public.c () INHERITS (mock2pg.runs)", "not expected: inheritance of runs"),
        ("CREATE OR REPLACE FUNCTION mock2pg.refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
         " 'BEGIN RETURN NULL; END'", "not expected: function refuse_change"),
        ("ALTER TABLE mock2pg.runs RENAME TO r; CREATE VIEW mock2pg.runs AS SELECT * FROM mock2pg.r",
         "not expected: table runs .is none"),
    ],
)  # fmt: skip
def test_tables_that_mock2pg_did_not_make_so_are_refused(
    connection: postgres.Connection, statement: str, said: str
) -> None:
    """A later version, a column that is gone, a trigger that was added: named before anything is read or written."""
    layout.create(connection)
    assert layout.present(connection)
    connection.execute(statement)  # type: ignore[arg-type]
    for use in (lambda: history.newest(connection, "public"), lambda: record(connection, "1")):
        with pytest.raises(SchemaRefused, match=said):
            use()
    assert events.add(connection, [EVENT]) != ""


def test_what_their_owner_puts_beside_them_does_not_matter(connection: postgres.Connection) -> None:
    """An index for a dashboard, or a view on the history."""
    layout.create(connection)
    connection.execute(
        "CREATE INDEX ON mock2pg.runs (operator); CREATE VIEW mock2pg.mine AS SELECT run_id FROM mock2pg.runs"
    )
    assert layout.present(connection)


@pytest.mark.parametrize("grantee", ["PUBLIC", "other"])
def test_default_privileges_open_the_tables_to_nobody(
    connection: postgres.Connection, other: str, grantee: str
) -> None:
    """Whoever could add a trigger to them, or rows, would run code with our rights or make up a history."""
    role = sql.SQL("PUBLIC") if grantee == "PUBLIC" else sql.Identifier(other)
    for kind in ("SCHEMAS", "TABLES", "SEQUENCES"):
        statement = f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO {{}}"
        connection.execute(sql.SQL(statement).format(role))  # type: ignore[arg-type]
    layout.create(connection)
    open_to = connection.execute(
        "SELECT relname, privilege_type FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'mock2pg'::regnamespace"
        " AND grantee <> relowner UNION ALL SELECT nspname, privilege_type FROM pg_namespace, aclexplode(nspacl)"
        " WHERE nspname = 'mock2pg' AND grantee <> nspowner"
    ).fetchall()
    assert open_to == [("schema_version", "SELECT")]  # to all, who may ask which version it is
