"""A snapshot of a schema: definitions and rows as of the same moment, however busy others are.

To a snapshot from before, a table that TRUNCATE emptied or ALTER TABLE wrote anew looks empty, and pg_dump mixes what
was defined then with what is defined now. So the tables are locked against that (ACCESS SHARE, as every reader does),
and the catalogue is compared with the snapshot's: if anything was defined anew in between, all of it is begun again.
pg_dump has ended by then: it must not wait behind somebody who waits for us.

In Citus each node has snapshots of its own. So another session holds a SHARE lock on the tables, from before the first
snapshot until the rows are read: writers wait that long, readers do not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import sql

from mock2pg import history, progress
from mock2pg.backups import distributions, dump, exported_rows, materialized_views, sequences
from mock2pg.errors import BackupFailed
from mock2pg.postgres import catalogue, distribution, locks, unwritten
from mock2pg.postgres.connection import Connection, connect, named, one_row
from mock2pg.postgres.databases import describe_database
from mock2pg.postgres.transactions import repeatable_read
from mock2pg.publishing import others_code, writers
from mock2pg.settings import LOCK_TIMEOUT
from mock2pg.step_results import Horizon

T_co = TypeVar("T_co", covariant=True)

# The parts of a schema, by their place in the catalogue: below a table (or another relation), or in the schema.
_BELOW = {
    "pg_class": "oid", "pg_attribute": "attrelid", "pg_attrdef": "adrelid", "pg_index": "indrelid",
    "pg_trigger": "tgrelid", "pg_rewrite": "ev_class", "pg_policy": "polrelid", "pg_inherits": "inhrelid",
    "pg_sequence": "seqrelid", "pg_partitioned_table": "partrelid", "pg_foreign_table": "ftrelid",
}  # fmt: skip
_INSIDE = {
    "pg_namespace": "oid", "pg_constraint": "connamespace", "pg_type": "typnamespace", "pg_proc": "pronamespace",
    "pg_collation": "collnamespace", "pg_operator": "oprnamespace", "pg_statistic_ext": "stxnamespace",
    "pg_default_acl": "defaclnamespace", "pg_ts_config": "cfgnamespace", "pg_ts_dict": "dictnamespace",
    "pg_opclass": "opcnamespace", "pg_opfamily": "opfnamespace", "pg_conversion": "connamespace",
}  # fmt: skip
_DEFINED = """
    WITH RECURSIVE home AS (SELECT oid FROM pg_namespace WHERE nspname = %s),
    relations AS (
        SELECT oid FROM pg_class WHERE relnamespace IN (TABLE home)
        UNION SELECT inhrelid FROM pg_inherits JOIN relations ON inhparent = oid),
    types AS (  -- of the columns, and what these types consist of, wherever they are
        SELECT atttypid AS oid FROM pg_attribute WHERE attrelid IN (TABLE relations) AND atttypid >= 16384
        UNION SELECT part.oid FROM types JOIN pg_type AS t ON t.oid = types.oid, LATERAL (
            VALUES (t.typelem), (t.typbasetype)
            UNION ALL SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid
            UNION ALL SELECT rngtypid FROM pg_range WHERE to_jsonb(pg_range)->>'rngmultitypid' = t.oid::text
            UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid) AS part (oid)
        WHERE part.oid >= 16384),
    records AS (SELECT typrelid FROM pg_type WHERE oid IN (TABLE types) AND typrelid <> 0)
    SELECT sum(hashtextextended(place || ' ' || version, 0)) FROM ("""
_DEFINED += " UNION ALL ".join(
    [
        f"SELECT '{name} ' || {column} AS place, xmin::text AS version FROM {name} WHERE {column} IN (TABLE {whose})"  # noqa: S608
        for where, whose in ((_BELOW, "relations"), (_INSIDE, "home"))
        for name, column in where.items()
    ]
    + ["SELECT 'comment ' || objoid, xmin::text FROM pg_description"  # of anything but a relation: wherever it is
       " WHERE objoid IN (TABLE relations) OR objoid IN (TABLE home)"
       " OR objoid >= 16384 AND classoid <> 'pg_class'::regclass",
       "SELECT 'mapping ' || mapcfg, xmin::text FROM pg_ts_config_map"
       " WHERE mapcfg IN (SELECT oid FROM pg_ts_config WHERE cfgnamespace IN (TABLE home))",
       "SELECT 'pg_enum ' || e.oid, e.xmin::text FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid"
       " WHERE t.typnamespace IN (TABLE home) OR t.oid IN (TABLE types)",
       "SELECT 'type ' || oid, xmin::text FROM pg_type WHERE oid IN (TABLE types)",
       "SELECT 'domain ' || oid, xmin::text FROM pg_constraint WHERE contypid IN (TABLE types)",
       "SELECT 'part ' || attrelid, xmin::text FROM pg_attribute WHERE attrelid IN (TABLE records)"]
)  # fmt: skip
_DEFINED += ") AS found"


@dataclass(frozen=True)
class Snapshot:
    """A schema as of one snapshot. `connection` sees it until its transaction ends.

    name    what pg_export_snapshot() returned, for SET TRANSACTION SNAPSHOT in other sessions
    horizon  to tell later what was written since
    hashes  table -> content hash of its rows, once `save` has read them
    lock    the session that keeps writers out until then, in Citus
    """

    connection: Connection
    schema: str
    definitions: Mapping[str, str] | None
    sequences: Mapping[str, Mapping[str, Any]]
    name: str = ""
    horizon: Horizon | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    lock: Connection | None = None

    def header(self, timestamp: str, form: str, *, run_id: str, command: str) -> dict[str, Any]:
        """Return the head of a backup: everything that comes before its rows.

        run_id   the run that takes it
        command  what follows it: migrate, rollback, or nothing (backup)
        """
        database, published = describe_database(self.connection), history.newest(self.connection, self.schema)
        return {
            "format": form,
            "timestamp": timestamp,
            "database": database["name"],
            "schema": self.schema,
            "server_version": database["server_version"],
            "system_identifier": database["system_identifier"],
            "taken_by": {"run_id": run_id, "command": command},
            "published_run": published.published_run if published else None,
            "newest": {"run_id": published.run_id, "command": published.command} if published else None,
            "definitions": self.definitions,
            **distributions.as_header(distribution.of_schema(self.connection, self.schema)),
            "sequences": self.sequences,
            "unfilled": materialized_views.unfilled(self.connection, self.schema),
        }


class Writer(Protocol[T_co]):
    """A writer of backups."""

    def begin(self, header: Mapping[str, Any]) -> None: ...

    def table(self, name: str, blocks: Iterable[bytes], content: object = None) -> int: ...

    def finish(self) -> T_co: ...


@contextmanager
def export(
    url: str,
    schema: str,
    program: Path,
    *,
    targets: Collection[str] = (),
    lock_timeout: str = LOCK_TIMEOUT,
    attempts: int = 5,
) -> Iterator[Snapshot]:
    """Export a snapshot during which no definition changed. Raises BackupFailed when every attempt found a change.

    program       pg_dump
    targets       the tables that are migrated, whose owners are trusted
    lock_timeout  how long to wait for a table
    """
    with (
        connect(url, name="backup", read_only=True, lock_timeout=lock_timeout) as connection,
        named(BackupFailed, "cannot read the target tables"),
    ):
        for left in reversed(range(attempts)):
            with (
                suppress(_ChangedError),
                _writers_kept_out(connection, url, schema, lock_timeout, left) as lock,
                repeatable_read(connection),
            ):
                found = _look(connection, url, schema, program, targets, lock_timeout, left)
                yield replace(found, lock=lock)
                return
    raise BackupFailed(
        f"schema {schema} was being changed by others, or locked, at each of {attempts} attempts to read it",
        hint="Run the command again when they are done.",
    )


def save(
    snapshot: Snapshot,
    writer: Writer[T_co],
    header: Mapping[str, Any],
    content_of: Callable[[str], exported_rows.ContentHash] = lambda _: exported_rows.ContentHash(),
) -> T_co:
    """Write the definitions and all rows.

    content_of  returns what is given the lines of a table
    """
    writer.begin(header)
    tables = catalogue.tables(snapshot.connection, snapshot.schema)
    progress.expect(catalogue.estimated_rows(snapshot.connection, snapshot.schema, tables))
    for table in tables:
        progress.detail(table)
        # closed also when the disk is full: the transaction cannot end while a COPY is half read
        content = content_of(table)
        with closing(exported_rows.rows(snapshot.connection, snapshot.schema, table, content)) as blocks:
            writer.table(table, blocks, content)
        snapshot.hashes[table] = str(content)
    if snapshot.lock:
        snapshot.lock.close()
    return writer.finish()


def unwritten_since(connection: Connection, schema: str, horizon: Horizon | None, rows: Mapping[str, int]) -> set[str]:
    """Return the tables that are as they were at the horizon, as far as that is known without comparing their rows.

    rows  table -> how many it had then
    """
    if horizon is None or not rows or defined(connection, schema) != horizon.definitions:
        return set()
    return unwritten.unwritten(connection, schema, rows, horizon.transaction)


def horizon(connection: Connection, schema: str) -> Horizon:
    """Return the horizon of the connection's snapshot."""
    return Horizon(one_row(connection, f"SELECT {unwritten.HORIZON}")[0], defined(connection, schema))


def defined(connection: Connection, schema: str) -> str:
    """Return a number that changes with any definition in the schema, and not with its rows."""
    return str(one_row(connection, sql.SQL(_DEFINED), [schema])[0])


class _ChangedError(Exception):
    """The definitions changed while they were read."""


@contextmanager
def _writers_kept_out(
    connection: Connection, url: str, schema: str, lock_timeout: str, left: int
) -> Iterator[Connection | None]:
    """Keep writers out of the tables of a schema in which some are distributed; yield the session that does.

    A snapshot that a worker takes while it waits for a lock would be from before what it waited for: so it is another
    session that waits.
    """
    if not distribution.of_schema(connection, schema):
        yield None
        return
    with connect(url, name="backup lock", lock_timeout=lock_timeout) as lock:
        lock.execute("BEGIN")
        try:
            distribution.begin(lock, lock_timeout)
            writers.keep_out(lock, [(schema, table) for table in catalogue.tables(lock, schema)], mode="SHARE")
        except psycopg.errors.LockNotAvailable as error:
            if left:
                raise _ChangedError from error
            raise
        yield lock


def _look(
    connection: Connection,
    url: str,
    schema: str,
    program: Path,
    targets: Collection[str],
    lock_timeout: str,
    left: int,
) -> Snapshot:
    """Read definitions and sequences, and lock the tables; `left` attempts follow this one."""
    name, transaction = one_row(connection, f"SELECT pg_export_snapshot(), {unwritten.HORIZON}")
    before = defined(connection, schema)
    failure: Exception | None = None
    try:
        definitions = dump.definitions(connection, url, schema, program, snapshot=name, lock_timeout=lock_timeout)
        locks.share(connection, schema, catalogue.tables(connection, schema))
        others_code.refuse(connection, schema, targets)
        positions = sequences.positions(connection, schema)
    except (BackupFailed, psycopg.Error) as error:
        failure = error
    with connect(url, name="definitions", read_only=True, lock_timeout=lock_timeout) as now:
        changed = defined(now, schema) != before
    if changed or (left and isinstance(failure, psycopg.errors.LockNotAvailable)):
        raise _ChangedError from failure
    if failure:
        raise failure
    return Snapshot(connection, schema, definitions, positions, name, Horizon(transaction, before))
