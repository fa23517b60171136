"""mock2pg.runs: what was published when, in the transaction that published it."""

from __future__ import annotations

import pytest

from mock2pg import history, postgres
from mock2pg.contracts import Column, ForeignKey, Table

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
) -> None:
    history.record(
        connection,
        run_id=run_id,
        command=command,
        operator="Zoë 'O'Neil'",
        started_at="2026-11-22T10:30:00.000Z",
        schema=schema,
        published_run=run_id if command == "migrate" else None,
        input_sha256=None,
        backup_id="backup-x",
        tables={"t": {"inserted": 1}},
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
