"""Compares the target tables with what a run published, and counts orphans, in one snapshot."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from mock2pg import history, postgres, progress
from mock2pg.contracts import Table, derived_columns
from mock2pg.distributed_keys import distributed_tables
from mock2pg.errors import DatabaseError, NothingPublished, VerifyFailed
from mock2pg.log import log
from mock2pg.pipeline.sessions import session
from mock2pg.pipeline.steps.verify import compared_rows
from mock2pg.postgres import locks
from mock2pg.runs import Run, Times
from mock2pg.step_results import Compared, ForeignKeyCheck, Preflighted, Published, Verified
from mock2pg.text import counted, identity

_KINDS = ("missing", "extra", "different")


def run(run: Run) -> Verified:
    """Compare the target tables with what was staged.

    Raises VerifyFailed naming what differs, NothingPublished when there is nothing to compare with, and DatabaseError
    when the target tables cannot be read, which is no difference.

    What a run has published is not rolled back for a lock or a lost connection: it is read again, as often as
    publishing is tried and for a minute at least.
    """
    settings, times = run.settings, Times()
    attempts = settings.publish_attempts if run.find(Published) else 1
    with postgres.named(DatabaseError, "cannot read the target tables"):
        found = postgres.retried(
            partial(_read, run, times),
            attempts=attempts,
            patience=lambda: postgres.PATIENCE if attempts > 1 else 0,
            tell=_tell,
        )
    faults = [
        f"  {name}: {'; '.join(filter(None, (_named(table, kind) for kind in _KINDS)))}"
        for name, table in found.tables.items()
        if table.differing
    ] + [f"  {key.table}: {counted(key.orphans, 'orphan')} by {key.name}" for key in found.foreign_keys if key.orphans]
    if faults:
        error = VerifyFailed(
            "\n".join([f"the target tables are not what run {found.published_run} published:", *faults]),
            hint=_to_correct(Run(found.published_run, settings)),
        )
        error.found = found
        raise error
    proven = f"{counted(found.rows_compared, 'row')} and {counted(len(found.foreign_keys), 'foreign key')}"
    kept = (
        f"; {counted(rows, 'row')} of {name} under keys that existed before" for name, rows in found.kept_keys.items()
    )
    return replace(found, summary=f"{proven} are as run {found.published_run} published them{''.join(kept)}")


def _read(run: Run, times: Times) -> Verified:
    """Compare the target tables with what is published, in one snapshot."""
    settings = run.settings
    with ExitStack() as stack:
        connection = stack.enter_context(session(run, "verify", read_only=True))
        names = _readable(run, connection)
        stack.enter_context(postgres.repeatable_read(connection))
        # before the snapshot: to one from before, a table that ALTER TABLE wrote anew is empty
        locks.share(connection, settings.target_schema, names)
        published = _published(run, connection)
        row = history.of(connection, published.id, "migrate")
        tables, kept_keys = _found(published, row)
        rows = _rows(row)
        progress.expect(rows)
        compared = compared_rows.compared(run, published, connection, tables, rows, times)
        with times.of("count orphans"):
            keys, cautions = _references(connection, settings.target_schema, {table.name for table in tables})
    return Verified(
        cautions=tuple(cautions),
        published_run=published.id,
        tables=compared,
        foreign_keys=tuple(keys),
        matched_by={table.name: table.natural_key for table in tables if table.natural_key},
        kept_keys=kept_keys,
        derived=derived_columns(tables),
        distributed=distributed_tables(tables),
        rows_compared=sum(table.staged for table in compared.values()),
        columns_compared=sum(len(table.columns) for table in tables),
        times=times,
    )


def _readable(run: Run, connection: postgres.Connection) -> list[str]:
    """Return the published tables that this role may lock."""
    published = _published(run, connection)
    tables, _ = _found(published, history.of(connection, published.id, "migrate"))
    return postgres.catalogue.readable(connection, run.settings.target_schema, [table.name for table in tables])


def _tell(attempt: int, reason: str) -> None:
    log.warning("Attempt %d to verify stopped by %s; trying again", attempt, reason)


def _references(
    connection: postgres.Connection, schema: str, migrated: Collection[str]
) -> tuple[list[ForeignKeyCheck], list[str]]:
    """The foreign keys between migrated tables, with their orphans; and in words the orphans of all others.

    Those are no failure: a row that publishing writes is refused when it refers to none.
    """
    judged, cautions = [], []
    for key in postgres.catalogue.foreign_keys(connection, schema):
        if key.table in migrated and key.parent_schema == schema and key.parent in migrated:
            orphans = postgres.catalogue.orphans(connection, key)
            judged.append(ForeignKeyCheck(key.name, key.table, tuple(key.columns), key.parent, orphans))
            continue
        try:
            with connection.transaction():  # a savepoint
                if orphans := postgres.catalogue.orphans(connection, key):
                    rows = f"{counted(orphans, 'row')} of {key.name} {'refers' if orphans == 1 else 'refer'}"
                    cautions.append(f"{key.table}: {rows} to no row of {key.parent}, not caused by a migration")
        except postgres.InsufficientPrivilege:
            cautions.append(f"{key.table}: {key.name} cannot be checked: no SELECT on both of its tables")
    return judged, cautions


def _published(run: Run, connection: postgres.Connection) -> Run:
    """Return the run whose rows are in the target tables, with the hashes that it left behind."""
    newest = history.newest(connection, run.settings.target_schema)
    if newest is None or newest.published_run is None:
        raise NothingPublished("nothing is published in this database, or all of it was rolled back")
    published = Run(newest.published_run, run.settings)
    if not (published.folder / "hashes").is_dir():
        raise compared_rows.gone(published)
    return published


def _found(published: Run, row: history.HistoryRow | None) -> tuple[tuple[Table, ...], Mapping[str, int]]:
    """Return the tables that the run published, and how many rows kept a key; of an earlier version by its folder."""
    findings = row.findings if row else None  # a history that was begun anew has no row of a run before
    if findings:
        return findings.contracts, findings.kept_keys
    try:
        preflight = published.find(Preflighted)
        return published.tables(), preflight.kept_keys if preflight else {}
    except FileNotFoundError as error:
        raise compared_rows.gone(published) from error


def _rows(row: history.HistoryRow | None) -> int | None:
    """Return how many rows the tables held when they were published; None when nothing says it."""
    return sum(int(table.get("after", 0)) for table in row.tables.values()) if row else None


def _to_correct(published: Run) -> str:
    """Return the commands that make the target tables hold the input again, with its path where that is known.

    They have the run's mode: replacing the rows of the target tables by part of them would delete the others.
    """
    record = published.record() if (published.folder / "record.json").exists() else {}
    source, project = record.get("source"), published.settings.project
    given = f" {shlex.quote(source)}" if source and (project / source).exists() else ""
    if (mode := record.get("mode", published.settings.mode)) != published.settings.mode:
        given += f" --mode {mode}"
    return (
        f"`mock2pg plan{given}` shows each change, and `mock2pg migrate{given}` publishes the input again."
        " To keep what the target tables hold now, bring it into the source first."
    )


def _named(table: Compared, kind: str) -> str:
    """`2 different (keys 3, 7) in name (2 rows)`: the rows of one kind, with the first of their keys."""
    rows, listed = getattr(table, kind), getattr(table, f"{kind}_keys")
    keys = ", ".join(map(identity, listed))
    columns = ", ".join(f"{name} ({counted(number, 'row')})" for name, number in table.columns.items())
    first = f" of the first {compared_rows.EXAMINED:,}" if rows > compared_rows.EXAMINED else ""
    where = f" in {columns}{first}" if columns and kind == "different" else ""
    named = f"{'key' if rows == 1 else 'keys'} {keys}{', ...' if rows > len(listed) else ''}"
    return f"{rows:,} {kind} ({named}){where}" if rows else ""
