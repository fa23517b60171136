"""mock2pg.runs: what was published when, in the transaction that published it."""

from __future__ import annotations

import pytest

from mock2pg import MigrationService, history, postgres
from mock2pg.contracts import Column, ForeignKey, Table
from mock2pg.errors import SchemaRefused
from mock2pg.settings import Settings
from tests.fix_published import small_rows

TABLE = {
    "before": 0, "after": 1, "inserted": 1, "updated": 0, "deleted": 0, "created": False, "hash": "1:2:3",
    "content": "1:2:3",
}  # fmt: skip
FINDINGS = history.Findings(
    hashes={"t": "1:2:3"},
    definitions_sha256="d",
    redefined=True,
    contracts=(
        Table(
            "t",
            (Column("id", "text", True, "id", None), Column("n", "integer", False, None, "why")),
            ("id",),
            checks=(("n_check", "n > 0"),),
            foreign_keys=(ForeignKey(("n",), "p", ("id",)),),
        ),
    ),
    kept_keys={"t": 3},
)


def record(
    connection: postgres.Connection,
    run_id: str,
    command: str = "migrate",
    schema: str = "public",
    findings: history.Findings | None = None,
    published: str | None = None,
) -> None:
    history.record(
        connection,
        run_id=run_id,
        command=command,
        operator="Zoë 'O'Neil'",
        started_at="2026-11-22T10:30:00.000Z",
        schema=schema,
        published_run=run_id if command == "migrate" else published,
        input_sha256=None,
        backup_id="backup-x",
        tables={"t": TABLE},
        owned={},
        version="1",
        findings=findings,
    )


def test_the_newest_row_names_the_published_run(connection: postgres.Connection) -> None:
    """Of its own schema, and by the moment at which it was published; before the first there is none."""
    assert history.newest(connection, "public") is None
    for run_id, command in (("2", "migrate"), ("1", "migrate"), ("1", "rollback")):
        record(connection, run_id, command)
    record(connection, "9", schema="another")
    newest = history.newest(connection, "public")
    assert newest is not None
    assert (newest.run_id, newest.command, newest.published_run, newest.backup_id) == (
        "1",
        "rollback",
        None,
        "backup-x",
    )
    assert history.newest(connection, "a third") is None
    rows = connection.execute("SELECT tables->'t'->>'inserted', operator FROM mock2pg.runs").fetchall()
    assert set(rows) == {("1", "Zoë 'O'Neil'")}


def test_what_was_rolled_back_was_not_published(connection: postgres.Connection) -> None:
    """The row is committed or rolled back with its transaction, and so is the table that is made for the first one."""
    with pytest.raises(ZeroDivisionError), connection.transaction():  # noqa: PT012  the fault comes after the row
        record(connection, "1")
        raise ZeroDivisionError
    assert history.newest(connection, "public") is None
    assert not postgres.catalogue.schema_exists(connection, "mock2pg")
    record(connection, "2")
    with pytest.raises(ZeroDivisionError), connection.transaction():  # noqa: PT012
        record(connection, "3")
        raise ZeroDivisionError
    newest = history.newest(connection, "public")
    assert newest is not None
    assert newest.run_id == "2"


DAMAGED = {
    "jsonb_set(tables, '{t,hash}', '\"Canary7291\"')": "hash of table t",
    "jsonb_set(tables, '{t,content}', '\"1:2:\"')": "content of table t",
    "jsonb_set(tables, '{t,hash}', 'null')": "hash of table t",
    "jsonb_set(tables, '{t,after}', '\"Canary7291\"')": "after of table t",
    "jsonb_set(tables, '{t,after}', '-1')": "after of table t",
    "jsonb_set(tables, '{t,after}', '1.5')": "after of table t",
    "tables #- '{t,created}'": "created of table t",
    "jsonb_set(tables, '{t}', '7')": "before of table t, after of table t, .*, and 3 more",
    "'[]'": "tables",
    "tables, owned = '[]'": "owned",
    'tables, owned = \'{"t": {"oid": "x", "contract": {}}}\'': "owned",
    'tables, owned = \'{"t": {"oid": 1, "contract": {}}}\'': "owned",
    "tables, found = '\"Canary7291\"'": "found",
    "tables, found = found - 'hashes'": "found",
    "tables, found = jsonb_set(found, '{hashes,t}', '\"Canary7291\"')": "the hash of t in found",
    "tables, found = jsonb_set(found, '{contracts,0,columns}', '7')": "found",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_row_that_somebody_changed_is_refused(connection: postgres.Connection, damage: str) -> None:
    """Each column or hash that mock2pg did not write so is named, without its value; nothing is taken from the row."""
    record(connection, "1", findings=FINDINGS)
    assert history.newest(connection, "public") is not None
    connection.execute("ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only")
    connection.execute(f"UPDATE mock2pg.runs SET tables = {damage}")  # type: ignore[arg-type]
    connection.execute("ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only")
    told = f"^the row of run 1 in mock2pg.runs is not as mock2pg wrote it: {DAMAGED[damage]}$"
    for read in (
        lambda: history.newest(connection, "public"),
        lambda: history.of(connection, "1", "migrate"),
        lambda: history.after(connection, "public", None),
    ):
        with pytest.raises(SchemaRefused, match=told) as refused:
            read()
        assert "ALTER SCHEMA mock2pg RENAME TO mock2pg_before" in refused.value.hint


def test_every_command_says_that_the_history_is_damaged(published_small: Settings) -> None:
    """A hash that is none is no fault of mock2pg: each command names its run and its table."""
    service = MigrationService(published_small)
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute("ALTER TABLE mock2pg.runs DISABLE TRIGGER append_only")
        connection.execute("UPDATE mock2pg.runs SET tables = jsonb_set(tables, '{pets,hash}', '\"Canary7291\"')")
        connection.execute("UPDATE mock2pg.runs SET tables = jsonb_set(tables, '{pets,updated}', '\"Canary7291\"')")
        connection.execute("ALTER TABLE mock2pg.runs ENABLE ALWAYS TRIGGER append_only")
    told = "is not as mock2pg wrote it: updated of table pets, hash of table pets"
    for command in (
        service.verify,
        service.take_backup,
        lambda: service.migrate_all_data(small_rows()),
        lambda: service.plan(small_rows()),
        lambda: service.rollback(service.backups()[0]["id"]),
    ):
        error = command().error
        assert isinstance(error, SchemaRefused), error
        assert told in error.message
    for read in (service.status, service.history, service.past_runs):
        with pytest.raises(SchemaRefused, match=told):
            read()
    (failed,) = [check for check in service.doctor() if check["verdict"] == "failed"]
    assert told in failed["found"]
    assert "ALTER SCHEMA mock2pg RENAME TO mock2pg_before" in failed["remedy"]
