"""Backing a database up, going back, and looking at the whole of it, as the steps and a person do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mock2pg import backups, postgres
from mock2pg.backups import Backup, added_objects, dump, restore, restore_test, snapshot
from mock2pg.backups.staged import Staged, State
from mock2pg.errors import RollbackFailed
from mock2pg.postgres import distribution
from mock2pg.postgres.server import binary
from mock2pg.settings import REPOSITORY

Trial = Callable[..., restore.Restored]

# One of each kind of object that a schema may hold, and statements that change its rows and no definition.
EVERYTHING = (REPOSITORY / "tests" / "data" / "everything.sql").read_text(encoding="utf-8")
CHANGED = (REPOSITORY / "tests" / "data" / "everything_changed.sql").read_text(encoding="utf-8")


VERSION = re.compile(r"(?m)^ALTER TABLE .* SET \(pg_attver=\d+\);\n")  # of a column, in newer minor releases


def definitions(url: str, schema: str = "public") -> bytes:
    """The definitions of a schema, as pg_dump writes them, without its rows."""
    command = [binary("pg_dump"), "--restrict-key=x", "--schema-only", f"--schema={schema}", url]
    return VERSION.sub("", subprocess.run(command, capture_output=True, text=True, check=True).stdout).encode()


def dumped(url: str, schema: str = "*") -> str:
    """A database or schema as pg_dump has it; rows sorted, for their place on the disk is no part of them."""
    command = [binary("pg_dump"), "--restrict-key=x", url, *([f"--schema={schema}"] if schema != "*" else [])]
    text = VERSION.sub("", subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return re.sub(r"(?ms)(?<= FROM stdin;\n).*?(?=^\\\.$)", lambda rows: "\n".join(sorted(rows[0].split("\n"))), text)


def back_up(url: str, folder: Path, schema: str = "public", moment: str = "2026-01-01T00:00:00.000Z") -> Backup:
    """A backup file as the backup step writes it; its restore test must pass, of the definitions too."""
    with snapshot.export(url, schema, binary("pg_dump")) as found:
        with backups.Writer(folder, moment) as writer:
            backup = snapshot.save(
                found, writer, found.header(moment, backups.FORMAT, run_id="a-run", command="backup")
            )
        state = state_of(backups.open_backup(folder, backup.id))
        tested = restore_test.run(url, state, found, binary("pg_dump"))
    # what the schema refers to is in another schema, or there is no right to make a database
    outside = "does not exist" in tested.definitions or "may not create a database" in tested.definitions
    assert outside or tested.definitions in ("", "there is no schema")
    return backup


def go_back(url: str, backup: Backup, schema: str = "public") -> restore.Restored:
    """Restore as the rollback step does it."""
    opened = backups.open_backup(backup.file.parent, backup.id)
    with postgres.connect(url, name="rollback") as connection, postgres.named(RollbackFailed, "cannot roll back"):
        program, state = binary("pg_dump"), state_of(opened)
        current = dump.definitions(connection, url, schema, program)
        added = added_objects.find(connection, url, schema, program, state.definitions, current)
        with connection.transaction():
            distribution.begin(connection, "5s")
            staged = Staged(connection, state)
            return restore.restore(connection, schema, staged, current, added)


def state_of(backup: Backup) -> State:
    """The content of an opened backup."""
    return State.of(backup.header, backup.tables, lambda table: backups.rows(backup, table), backup.contents)


def execute(url: str, script: str) -> None:
    """Run statements in one transaction."""
    with postgres.connect(url, name="test") as connection:
        connection.execute(script)  # type: ignore[arg-type]


@pytest.fixture
def trial(database: str, tmp_path: Path) -> Trial:
    """Sets up, backs up, changes, restores; the dumps before and after are equal."""

    def run(setup: str, change: str, way: str, schema: str = "public") -> restore.Restored:
        execute(database, setup)
        before = dumped(database)
        backup = back_up(database, tmp_path / "backups", schema)
        execute(database, change)
        assert dumped(database) != before
        restored = go_back(database, backup, schema)
        assert dumped(database) == before
        assert restored.way == way
        return restored

    return run
