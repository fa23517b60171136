"""Putting a schema back to what a backup says: by difference where its definitions are the same, else made anew.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import psycopg
from psycopg import sql

from mock2pg.backups import (
    differing_rows,
    disabled_triggers,
    distributions,
    dump,
    exported_rows,
    json_rows,
    materialized_views,
    privileges,
    refilled_tables,
    sequences,
)
from mock2pg.backups.added_objects import Added, drop, refuse_dependents
from mock2pg.backups.distributions import Distributions
from mock2pg.backups.staged import Staged
from mock2pg.errors import PublishFailed, RollbackFailed
from mock2pg.postgres import catalogue, distribution, drop_objects, scratch, unwritten
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.describing import without_rows
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference


@dataclass(frozen=True)
class Restored:
    """way: "merge" or "recreate"; dropped: tables that are there no more.

    hashes  table -> the hash of its content, which is the backup's
    stale   materialized views that may not be refreshed by this role
    """

    way: str
    tables: dict[str, Difference]
    dropped: tuple[str, ...]
    hashes: Mapping[str, str]
    stale: tuple[str, ...] = ()


def restore(
    connection: Connection,
    schema: str,
    staged: Staged,
    current: Mapping[str, str] | None,
    added: Added | None = None,
) -> Restored:
    """Bring definitions, rows and sequences back, and compare.

    current  the definitions as they are now
    added    the relations that are not in the backup, where nothing else was defined anew: only they are dropped

    Raises RollbackFailed when what is there then is not what the backup says.
    """
    added, now = added or Added((), current), distribution.of_schema(connection, schema)
    if now or staged.state.distribution:
        with scratch.emptied(connection, scratch.RESTORED):
            return _restored(connection, schema, staged, current, added, now)
    return _restored(connection, schema, staged, current, added, now)


def _restored(
    connection: Connection,
    schema: str,
    staged: Staged,
    current: Mapping[str, str] | None,
    added: Added,
    now: Distributions,
) -> Restored:
    """now: how the tables are distributed before anything is restored"""
    state = staged.state
    there = state.definitions is not None and added.rest is not None
    there = there and not distributions.changed(state.distribution, now, state.tables)
    if there and not dump.changed_entries(state.definitions, added.rest):
        filling = refilled_tables.order(connection, schema, staged)
        if not filling:
            differing_rows.compare(connection, schema, staged)
        for without in (False, True)[: 2 if disabled_triggers.has_triggers(connection, schema) else 1]:
            try:
                with connection.transaction():  # a savepoint, for what takes another way
                    return _by_difference(connection, schema, staged, added, without, now, filling)
            except _NotThisWayError as error:
                if isinstance(error.__cause__, psycopg.errors.DependentObjectsStillExist):
                    refuse_dependents(connection, schema, added)  # not all that another way would drop
    return _recreated(connection, schema, staged, current, now)


def _by_difference(
    connection: Connection,
    schema: str,
    staged: Staged,
    added: Added,
    without_triggers: bool,
    now: Distributions,
    filling: Sequence[str],
) -> Restored:
    """Raises _NotThisWayError where moving rows and dropping what was added does not lead back.

    filling  tables, where there is nothing to do but to fill them
    """
    try:
        tables = [name for name in catalogue.tables(connection, schema) if name in added.tables]
        code = OwnersCode(connection, schema, list(staged.state.tables))
        dropped = {name: _all_gone(catalogue.rows(connection, schema, name)) for name in tables}
        drop(connection, schema, added)
        with disabled_triggers.triggers(connection, schema) if without_triggers else nullcontext():
            if filling:
                differences, merged = refilled_tables.fill(connection, schema, staged, filling), list[TableMerge]()
            else:
                differences, merged = differing_rows.write(connection, schema, staged, code, now)
        stale = materialized_views.refresh(connection, schema, staged.state.unfilled, code)
        proven = refilled_tables.unchanged_since(
            connection, schema, {name: staged.state.tables[name] for name in filling}
        )
        _prove(connection, schema, staged, merged, proven | _untouched(connection, schema, staged))
        sequences.restart(connection, schema, staged.state.sequences)  # last: in Citus it may be what is not undone
    except psycopg.OperationalError:  # a lock that is not given, a connection that is lost
        raise
    except (psycopg.Error, PublishFailed, RollbackFailed) as error:
        raise _NotThisWayError from error
    return Restored("merge", {**differences, **dropped}, tuple(dropped), staged.hashes, stale)


class _NotThisWayError(Exception):
    """A trigger or rule changes rows, or no order of statements leads to them."""


def _all_gone(rows: int) -> Difference:
    return Difference(rows, 0, 0, 0, rows)


def _recreated(
    connection: Connection, schema: str, staged: Staged, current: Mapping[str, str] | None, now: Distributions
) -> Restored:
    state = staged.state
    kept = distributions.kept(state.distribution, now, state.tables)
    before = {name: catalogue.rows(connection, schema, name) for name in catalogue.tables(connection, schema)}
    drop_objects.clear(connection, schema)
    stale: tuple[str, ...] = ()
    if state.definitions is None:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))
    else:
        pre_data = state.definitions["pre_data"]
        if dump.of_schema(state.definitions) == dump.of_schema(current):  # who does not own it may not
            pre_data = dump.without_schema(pre_data)
        else:
            privileges.reset(connection, schema)
        with privileges.without_default_privileges(connection, schema):
            code, usual = (OwnersCode(connection, schema, list(before), used=used) for used in (None, True))
            with without_rows(connection):  # the tables are new
                dump.define(connection, pre_data, usual)
            wanted = {**state.distribution, **kept}
            distributions.make(connection, schema, {name: wanted[name] for name in state.tables if name in wanted})
            for name, rows in state.tables.items():
                fields, target = exported_rows.fields(connection, schema, name), sql.Identifier(schema, name)
                json_rows.insert(code, json_rows.as_written(staged.lines(name)), target, fields, rows)
            sequences.restart(connection, schema, state.sequences)
            with distributions.named(kept):
                dump.define(connection, state.definitions["post_data"], usual)
        stale = materialized_views.refresh(connection, schema, state.unfilled, usual)
    _prove(connection, schema, staged)
    dropped = tuple(name for name in before if name not in state.tables)
    return Restored(
        "recreate",
        {
            name: Difference(before.get(name, 0), count, count, 0, before.get(name, 0), name not in before)
            for name, count in {**state.tables, **dict.fromkeys(dropped, 0)}.items()
        },
        dropped,
        staged.hashes,
        stale,
    )


def _untouched(connection: Connection, schema: str, staged: Staged) -> set[str]:
    """The tables that held what the backup says, and that nothing was written to in this transaction.

    PostgreSQL counts what a transaction writes by table, with what foreign keys do; where code of the owner's runs, or
    nothing is counted, no table is taken for untouched. What is written on shards is counted there.
    """
    if staged.held:
        equal = {name: rows for name, rows in staged.state.tables.items() if staged.is_equal(schema, name)}
        return unwritten.unwritten(connection, schema, equal, staged.held.horizon)
    if disabled_triggers.has_triggers(connection, schema) or distribution.is_citus(connection):
        return set()
    rows = connection.execute(
        "SELECT c.relname FROM pg_class AS c JOIN pg_stat_xact_all_tables AS s ON s.relid = c.oid"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relkind = 'r'"
        " AND NOT c.relispartition AND current_setting('track_counts')::boolean"
        " AND s.n_tup_ins = 0 AND s.n_tup_upd = 0 AND s.n_tup_del = 0",
        [schema],
    ).fetchall()
    return {name for (name,) in rows if name in staged.hashes and staged.is_equal(schema, name)}


def _prove(
    connection: Connection,
    schema: str,
    staged: Staged,
    merged: Sequence[TableMerge] = (),
    untouched: Collection[str] = (),
) -> None:
    """Raises RollbackFailed when a table does not hold what the backup says."""
    found = {each.table.name: differing_rows.content_hash(connection, schema, staged, each) for each in merged}
    wrong = [
        name
        for name, expected in staged.hashes.items()
        if name not in untouched
        and (found.get(name) or exported_rows.content_hash(connection, schema, name)) != expected
    ]
    if wrong:
        raise RollbackFailed(
            f"the restored rows differ from the backup: {', '.join(wrong)}",
            hint="Look for a trigger or rule that changes the rows, and disable it for the rollback.",
        )
