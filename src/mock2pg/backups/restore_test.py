"""The restore test: a backup is restored once, and must come out equal to the target schema.

The rows go into temporary tables, in a transaction that sees the backup's own snapshot and is rolled back: the target
tables are locked as by any reader, and no leftover is possible. Their content is compared with the target tables.

The definitions name their schema, so that they can be executed only where it has that name: in a scratch database
without rows, whose definitions must then equal those of the target schema. The role must be allowed to create a
database, and the schema must not refer to others. Otherwise the reason is reported.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from mock2pg import progress
from mock2pg.backups import dump, privileges, restored_rows, sequences
from mock2pg.backups.snapshot import Snapshot
from mock2pg.backups.staged import State
from mock2pg.errors import BackupFailed, DatabaseError, RollbackFailed
from mock2pg.postgres import catalogue, drop_objects, schemas, scratch
from mock2pg.postgres.connection import connect, named, one_row
from mock2pg.postgres.databases import database_url, drop_database
from mock2pg.postgres.describing import described, without_rows
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.runs import Times
from mock2pg.text import counted

RESTORE, COMPARE = restored_rows.RESTORE, restored_rows.COMPARE
_NO_RIGHT = "42501"  # to an owner's role, or to an extension
_ONE_AT_A_TIME = 0x6D6F636D  # an advisory lock: the scratch database has one name


@dataclass(frozen=True)
class RestoreTest:
    """The result of a restore test that passed.

    tables       table -> content hash, of the restored rows and of the target table
    definitions  the reason why the definitions were not executed; empty when they were, and are equal
    times        seconds that RESTORE took (rows into tables without keys, definitions without rows), and COMPARE
    """

    tables: dict[str, str]
    definitions: str
    times: Times


def run(url: str, state: State, snapshot: Snapshot, program: Path) -> RestoreTest:
    """Restore and compare. Raises BackupFailed naming the tables and objects that do not come out equal.

    state     the content of the backup, read from its file
    snapshot  the snapshot from which the backup was written
    program   pg_dump
    """
    times = Times({RESTORE: 0.0, COMPARE: 0.0})
    with named(BackupFailed, "the backup cannot be restored for a test"):
        try:
            tables = _rows(url, state, snapshot, times)
        except RollbackFailed as error:
            raise BackupFailed(f"the backup does not restore: {error.message}") from error
        return RestoreTest(tables, _definitions(url, state, snapshot, program, times), times)


def _rows(url: str, state: State, snapshot: Snapshot, times: Times) -> dict[str, str]:
    names = catalogue.tables(snapshot.connection, snapshot.schema)
    if list(state.tables) != names:
        raise BackupFailed("the backup does not hold the tables of the target schema")
    found, different = {}, []
    rows = sum(state.tables.values())
    progress.expect(rows, "restore test")
    with restored_rows.sessions(url, snapshot, rows) as sessions:
        code = OwnersCode(sessions[0], snapshot.schema, values=True)
        for number, name in enumerate(names):
            progress.detail(f"restore test of {name}")
            found[name], missing = restored_rows.compare(sessions, code, snapshot, state, name, number, times)
            if missing is not None:
                different.append(f"{name} ({counted(missing, 'row')})")
    if different:
        raise BackupFailed(
            f"the backup does not restore equal to the target tables: {', '.join(different)}",
            hint="Report the types of the columns to the authors of mock2pg. The backup was removed.",
        )
    return found


def _definitions(url: str, state: State, snapshot: Snapshot, program: Path, times: Times) -> str:
    """Return the reason why the definitions were not executed; empty when they were."""
    if state.definitions is None:
        return "there is no schema"
    oid, collate, ctype, may = one_row(
        snapshot.connection,
        "SELECT d.oid, d.datcollate, d.datctype, r.rolcreatedb OR r.rolsuper FROM pg_database AS d, pg_roles AS r"
        " WHERE d.datname = current_database() AND r.rolname = current_user",
    )
    if not may:
        return "the role may not create a database for it"
    name = f"{scratch.RESTORED}_{oid}"  # the same each time, so that the leftover of an interrupted process is found
    if owner := schemas.other_owner(snapshot.connection, name):
        return f"the database {name} belongs to {owner}"
    snapshot.connection.execute("SELECT pg_advisory_lock(%s)", [_ONE_AT_A_TIME])
    try:
        drop_database(url, name)
        with connect(url, name="restore test") as connection:
            database = sql.Identifier(name)
            connection.execute(
                sql.SQL(
                    "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE {} LC_CTYPE {}"
                    " ALLOW_CONNECTIONS false"
                ).format(database, sql.Literal(collate), sql.Literal(ctype))
            )
            # whoever connected could create objects in it, and keep it from being dropped
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))
        return _executed(database_url(url, name), state, snapshot, program, times)
    except psycopg.Error as error:
        if isinstance(error, psycopg.ProgrammingError) and error.sqlstate != _NO_RIGHT and _stands_alone(snapshot):
            raise BackupFailed(f"the definitions of the backup cannot be executed: {described(error)}") from error
        return f"not possible in a scratch database: {described(error)}"
    except DatabaseError as error:
        return f"not possible in a scratch database: {error.message}"
    finally:
        with suppress(DatabaseError):  # one that another role left is reported above, and is not ours to drop
            drop_database(url, name)
        snapshot.connection.execute("SELECT pg_advisory_unlock(%s)", [_ONE_AT_A_TIME])


def _stands_alone(snapshot: Snapshot) -> bool:
    """Return True when the definitions need nothing that an empty database lacks."""
    return not drop_objects.needs_others(snapshot.connection, snapshot.schema)


def _executed(url: str, state: State, snapshot: Snapshot, program: Path, times: Times) -> str:
    assert state.definitions is not None  # noqa: S101
    with connect(url, name="restore test") as connection:
        with times.of(RESTORE), without_rows(connection), connection.transaction():
            for extension, home in drop_objects.extensions(snapshot.connection, snapshot.schema):
                if extension == "citus":  # no definition needs it; it takes a superuser, and a background process
                    continue
                scratch.create(connection, home)
                connection.execute(
                    sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {} CASCADE").format(
                        sql.Identifier(extension), sql.Identifier(home)
                    )
                )
            privileges.reset(connection, snapshot.schema)
            code = OwnersCode(connection, snapshot.schema, used=True)
            dump.define(connection, state.definitions["pre_data"], code)
            sequences.restart(connection, snapshot.schema, state.sequences)
            dump.define(connection, state.definitions["post_data"], code)
        with times.of(COMPARE):
            again = dump.definitions(connection, url, snapshot.schema, program)
            positions = sequences.positions(connection, snapshot.schema)
    changed = dump.changed_entries(snapshot.definitions, again)
    moved = [f"SEQUENCE {name}" for name, position in snapshot.sequences.items() if positions.get(name) != position]
    if changed or moved:
        raise BackupFailed(
            f"the backup does not restore equal to the target schema: {', '.join([*changed, *moved])}",
            hint="Report how these objects are defined to the authors of mock2pg. The backup was removed.",
        )
    return ""
