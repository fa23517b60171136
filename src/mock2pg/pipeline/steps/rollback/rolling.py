"""The step: look, refuse or keep the present, restore, prove; all of it in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from mock2pg import backups, history, postgres
from mock2pg.backups import dump, restore, snapshot
from mock2pg.errors import BackupRefused, PublishFailed, RollbackFailed, TargetChanged
from mock2pg.pipeline import nodes
from mock2pg.pipeline.sessions import session
from mock2pg.pipeline.steps.rollback import comparison, held, present, since
from mock2pg.postgres import distribution
from mock2pg.publishing import alteration, others_code, writers
from mock2pg.runs import VERSION, Run, Times
from mock2pg.step_results import Difference, RollbackPreview, RolledBack, RowChanges
from mock2pg.text import counted


@dataclass
class _Way:
    """One rollback: its run, its backup and its options.

    discard  what was written since is given up
    undo     a migration undoes itself: it never stops for what was written since, and says what it undid
    show     nothing is written
    refuse   with `show`: stop for what a rollback would stop for; what it compared is held for the rollback
    held     what was held
    """

    run: Run
    backup: backups.Backup
    discard: bool
    undo: bool
    show: bool
    refuse: bool
    held: held.Held | None = None
    warnings: list[str] = field(default_factory=list)


def run(
    run: Run,
    backup_id: str,
    discard_changes: bool = False,
    undo: bool = False,
    show: bool = False,
    refuse: bool = False,
) -> RolledBack | RollbackPreview:
    """Roll back to a backup. Raises BackupRefused or TargetChanged before anything is touched, RollbackFailed when the
    transaction was rolled back.

    discard_changes  what was written since is given up
    undo             a migration undoes itself
    show             nothing is written
    refuse           with `show`: what a rollback would be refused for is refused already
    """
    settings = run.settings
    there = None if show else held.kept(run, backup_id)
    backup = there.backup(run) if there else backups.open_backup(settings.backups_dir, backup_id, settings.identity)
    if backup.header["schema"] != settings.target_schema:
        raise BackupRefused(
            f"{backup_id} is of schema {backup.header['schema']}, the target schema is {settings.target_schema}",
            hint="Set MIGRATION_SCHEMA to the schema of the backup.",
        )
    way = _Way(run, backup, discard_changes, undo, show, refuse, there)
    with postgres.named(RollbackFailed, "cannot roll back"):
        with session(run, "rollback", read_only=True) as connection:
            if postgres.describe_database(connection)["name"] != backup.header["database"]:
                raise BackupRefused(f"{backup_id} is of another database: {backup.header['database']}")
        if way.show:
            return _held(way) if refuse else _shown(way)
        try:
            return postgres.transact(
                settings.url,
                f"rollback {run.id}",
                partial(_roll_back, way),
                committed=lambda connection: history.of(connection, run.id, "rollback") is not None,
                attempts=settings.publish_attempts,
                tell=lambda attempt, reason: way.warnings.append(
                    f"attempt {attempt} to roll back was stopped by {reason}"
                ),
                lock_timeout=settings.lock_timeout,
                over_nodes=nodes.is_distributed(run),
            )
        except PublishFailed as error:  # the outcome of the COMMIT is unknown
            raise RollbackFailed(error.message, hint=error.hint, state=error.state) from error


def _differences(restored: restore.Restored, changes: Mapping[str, RowChanges]) -> dict[str, Difference]:
    """Return the differences of the tables by their content: rows that were only created again are not changed."""
    found = dict(restored.tables)
    for name, change in changes.items() if restored.way == "recreate" else ():
        known = found.get(name)
        if known and known.before + change.restored - change.removed == known.after:
            found[name] = replace(known, inserted=change.restored, updated=change.changed, deleted=change.removed)
    return found


def _held(way: _Way) -> RollbackPreview:
    """Return the preview of a rollback that follows, for which the comparison is held."""
    try:
        way.held = held.hold(way.run, way.backup)
        found = _shown(way)
        if way.held:
            try:
                held.keep(way.run, replace(way.held, preview=found))
            except OSError:  # then the rollback compares again
                _discard(way)
    except BaseException:
        held.discard(way.run, way.held)
        raise
    return found


def _shown(way: _Way) -> RollbackPreview:
    """Return the preview of a rollback."""
    with session(way.run, "rollback") as connection, connection.transaction(force_rollback=True):
        distribution.begin(connection, way.run.settings.lock_timeout)
        if way.held:
            look = _compared(way, connection, way.held)
        else:
            now_defined = comparison.definitions(way.run, way.backup, connection, lock=False)
            look = comparison.compare(way.run, way.backup, connection, now_defined)
        written = since.written(look)
        found = comparison.preview(look, written)
        if written and way.refuse and not way.discard:
            raise _refusal(found)
    stops = "" if way.discard else "; a rollback refuses to undo that without --discard-changes"
    cautions = (*(f"{name}: {words}{stops}" for name, words in written.items()), *comparison.distribution_notes(look))
    return replace(found, summary=f"A rollback to {way.backup.id} would {found.acts}", cautions=cautions)


def _compared(way: _Way, connection: postgres.Connection, there: held.Held) -> comparison.Look:
    """Return the comparison that is held."""
    defined, difference = there.defined(way.backup), there.difference(way.run)
    return comparison.compare(way.run, way.backup, connection, defined, there.hashes, difference, there.preview)


def _locked(way: _Way, connection: postgres.Connection) -> comparison.Definitions:
    """Keep writers out, and return the present definitions. What is held is discarded if it is not the present."""
    schema, there = way.run.settings.target_schema, way.held
    if there and snapshot.defined(connection, schema) == there.horizon.definitions:
        others_code.refuse(connection, schema)
        writers.keep_out_of_schema(connection, schema)
        comparison.refuse_defined_anew(connection, schema, there.horizon.definitions)
        if not there.is_present(connection, schema):
            _discard(way)
        return there.defined(way.backup)
    _discard(way)
    return comparison.definitions(way.run, way.backup, connection, lock=True)


def _discard(way: _Way) -> None:
    if way.held:
        held.discard(way.run, way.held)
        way.held = None


def _roll_back(way: _Way, connection: postgres.Connection) -> RolledBack:
    settings = way.run.settings
    distribution.begin(connection, settings.lock_timeout)
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [settings.statement_timeout])
    times = Times()
    now_defined = _locked(way, connection)
    there = way.held
    if there:
        times.update(there.times)
        taken = there.kept(way.run)
    else:
        with times.of(present.BACK_UP):  # which reads all rows, and so says what they hold
            taken = present.keep(way.run, now_defined.current)
    file = taken.file
    try:
        with times.of("compare with the backup"):
            if there:
                look = _compared(way, connection, there)
            else:
                look = comparison.compare(way.run, way.backup, connection, now_defined, taken.hashes)
        written = there.preview.written_since if there and there.preview else since.written(look)
        found = comparison.preview(look, written)
        if written and not (way.discard or way.undo):
            raise _refusal(found)
        way.warnings.extend(taken.cautions(needed=bool(written) or not way.undo))
        with times.of("restore and prove"):
            restored = restore.restore(connection, settings.target_schema, look.staged, look.current, look.added)
        restored = replace(restored, tables=_differences(restored, found.changes))
        _record(way, connection, found, restored, taken.id)
    except BaseException:
        if file and not there:  # nothing has changed, so there is nothing to go back to
            file.unlink(missing_ok=True)
        raise
    held.take(way.run)
    way.held = None  # one that has to be done again finds out what it finds
    gone = f", {counted(len(restored.dropped), 'table')} dropped" if restored.dropped else ""
    rows = f"{counted(sum(way.backup.tables.values()), 'row')} of {counted(len(way.backup.tables), 'table')}"
    kept = f"the state before is in {taken.id}" if taken.id else "the state before has no backup"
    warnings = [f"{name}: {words}; undone as well" for name, words in written.items()]
    warnings += comparison.distribution_notes(look)
    warnings += [f"materialized view {name} may not be refreshed by this role" for name in restored.stale]
    return RolledBack(
        summary=f"{rows} as in {way.backup.id}{gone}; {kept}",
        cautions=(*way.warnings, *warnings),
        backup_id=way.backup.id,
        changes=found.changes,
        hashes=found.hashes,
        definitions_sha256=found.definitions_sha256,
        definitions_changed=found.definitions_changed,
        definitions_within=found.definitions_within,
        written_since=written,
        tables=restored.tables,
        published_run=way.backup.header["published_run"],
        way=restored.way,
        dropped=restored.dropped,
        present_backup_id=taken.id,
        definitions_left=dump.definitions_fingerprint(way.backup.header["definitions"]),
        times=times,
    )


def _record(
    way: _Way,
    connection: postgres.Connection,
    found: RollbackPreview,
    restored: restore.Restored,
    present: str | None,
) -> None:
    settings, published_run = way.run.settings, way.backup.header["published_run"]
    history.record(
        connection,
        run_id=way.run.id,
        command="rollback",
        operator=settings.operator,
        started_at=way.run.started_at,
        schema=settings.target_schema,
        published_run=published_run,
        input_sha256=None,
        backup_id=way.backup.id,
        present_backup_id=present,
        tables={
            name: {**asdict(difference), "content": restored.hashes.get(name)}
            for name, difference in restored.tables.items()
        },
        owned=_owned(connection, settings.target_schema, restored.way, published_run),
        version=VERSION,
        findings=history.Findings(
            hashes=found.hashes or {},
            definitions_sha256=found.definitions_sha256,
            definitions_left=dump.definitions_fingerprint(way.backup.header["definitions"]),
            transaction=nodes.transaction(way.run, connection),
        ),
    )


def _owned(connection: postgres.Connection, schema: str, way: str, published_run: str | None) -> Mapping[str, Any]:
    """The tables of our own afterwards: as they were, or made anew as the run had them whose rows are back."""
    if way == "merge":
        return alteration.owned_now(connection, schema, (), history.owned(connection, schema), ())
    return alteration.owned_again(connection, schema, history.owned_by(connection, published_run))


def _refusal(found: RollbackPreview) -> TargetChanged:
    lines = [f"  {name}: {words}" for name, words in found.written_since.items()]
    error = TargetChanged(
        "\n".join(["the target tables were changed by others, and a rollback would undo that, too:", *lines])
    )
    error.found = found
    return error
