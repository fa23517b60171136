"""Writes of others to the target tables since the backup was taken.

From the backup to now there is a chain of migrations and rollbacks. The history has what each of them left, table by
table, as a hash of the content, and what it found. Where the one is not the other, somebody wrote. That is gone again
where a later run left a state from before it: what is in no row any more cannot be lost. Rows of an earlier version of
the history do not have what was found: there it is in the folder of the run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mock2pg import files, history, postgres
from mock2pg.backups import dump
from mock2pg.backups.diff import Change
from mock2pg.history import Findings, HistoryRow
from mock2pg.pipeline.steps.rollback.comparison import Look
from mock2pg.runs import Run
from mock2pg.source import staging
from mock2pg.step_results import BackedUp, Published, RolledBack
from mock2pg.text import counted


def written(look: Look) -> dict[str, str]:
    """Table, or "definitions", -> what was written, in words; only of what the rollback would change."""
    schema, since = look.run.settings.target_schema, look.backup.header.get("newest")
    rows = history.after(look.connection, schema, since)
    earlier = history.backups_before(look.connection, schema, since)
    if rows and history.backup_before(look.connection, rows[0].run_id) == look.backup.id:
        earlier.add(str(rows[0].backup_id))  # a rollback restores a state from before the backup that it takes
    found = {
        name: words
        for name, change in look.changes.items()
        if change.rows and (words := _of_table(look, rows, earlier, name, change))
    }
    if look.definitions and (words := _of_definitions(look, rows, earlier)):
        found["definitions"] = words
    server = postgres.describe_database(look.connection)["system_identifier"]
    if (look.definitions or any(change.rows for change in look.changes.values())) and (
        look.backup.header.get("system_identifier") != server
    ):
        found["the server"] = "the backup was taken on another one"
    return found


def _of_table(look: Look, rows: Sequence[HistoryRow], earlier: Collection[str], name: str, change: Change) -> str:
    """Return what others wrote into the table, in words; empty when nobody did, or it is gone again."""
    known, last, words = look.staged.hashes.get(name), None, ""
    ours = {known}  # the contents that only runs made of the backup's
    for row in rows:
        if name not in row.tables:
            continue
        if not words and not _own(look, row):
            found = _found(look, row)
            if found is None or found.hashes is None:
                words = f"the findings of run {row.run_id} are not known"
            elif found.hashes.get(name) != known:
                words = f"written before run {row.run_id}"
        known, last = row.tables[name].get("content"), row
        words = _after(row, earlier, words, is_ours=known in ours and "content" in row.tables[name])
        if not words:
            ours.add(known)
    if words:
        return words
    if change.content_hash == known:
        return ""
    if last is None:
        return _counts("not as in the backup", change)
    if change.content_hash is None:
        return "dropped"
    if last.command == "migrate" and (since := _numbers(look, last, name)):
        if since.rows:
            return _counts(f"not as run {last.run_id} published it", since)
        return f"changed in columns or rows that run {last.run_id} left alone"
    return f"changed since run {last.run_id}"


def _of_definitions(look: Look, rows: Sequence[HistoryRow], earlier: Collection[str]) -> str:
    """Return what others redefined, in words; empty when only migrations and rollbacks did, or it is gone again."""
    known: str | None = dump.definitions_fingerprint(look.backup.header["definitions"])
    ours, words = {known}, ""
    for row in rows:
        found = _found(look, row)
        then = found.definitions_sha256 if found else None
        if not words and not _own(look, row) and then != known:
            words = f"{_listed(look.definitions, look.within)}, some of it before run {row.run_id}"
        known = _left(look, row, then if words else known)
        words = _after(row, earlier, words, is_ours=known is not None and known in ours)
        if not words:
            ours.add(known)
    if words:
        return words
    if dump.definitions_fingerprint(look.current) == known:
        return _listed(look.redistributed, {})  # by others: no run does that
    return _listed(look.definitions, look.within)


def _after(row: HistoryRow, earlier: Collection[str], words: str, *, is_ours: bool) -> str:
    """Return what others had written, in words, and is there after the run; empty when all of it is gone.

    words    what others had written before it
    is_ours  the run left what only runs had made of the backup's
    """
    if is_ours or (row.command == "rollback" and row.backup_id in earlier):
        return ""
    if row.command == "rollback":
        return words or f"restored by run {row.run_id}, from a backup of what others had written"
    return words


def _own(look: Look, row: HistoryRow) -> bool:
    """Return whether the backup is the one that the run took: it found what the backup says."""
    return row.command == "migrate" and row.backup_id == look.backup.id


def _found(look: Look, row: HistoryRow) -> Findings | BackedUp | RolledBack | None:
    """Return what the run found when it began; None when its row has an earlier version and its folder is gone."""
    if row.findings:
        return row.findings
    run = Run(row.run_id, look.run.settings)
    return run.find(RolledBack) if row.command == "rollback" else run.find(BackedUp)


def _left(look: Look, row: HistoryRow, known: str | None) -> str | None:
    """The fingerprint of the definitions after the run, which found the `known` one; None when it is unknown."""
    run, findings = Run(row.run_id, look.run.settings), row.findings
    if findings and (row.command == "rollback" or not findings.redefined):
        return findings.definitions_left if row.command == "rollback" else known
    if row.command == "rollback":
        back = run.find(RolledBack)
        return back.definitions_left if back else None
    published = run.find(Published)
    if published is None:
        return None if any(table["created"] for table in row.tables.values()) else known
    return published.definitions_left if published.redefined else known


def _numbers(look: Look, row: HistoryRow, name: str) -> Change | None:
    """Return the change since the run published; None when its folder is gone, or the columns are others."""
    published, schema = Run(row.run_id, look.run.settings), look.run.settings.target_schema
    hashes = published.row_hashes(name)
    try:
        contracts = row.findings.contracts if row.findings else published.tables()
        tables = {table.name: table for table in contracts}
    except FileNotFoundError:
        return None
    if name not in tables or not hashes.exists():
        return None
    rows = look.run.path("target_rows", f"{files.named(name)}.csv")
    try:
        with look.connection.transaction():  # a savepoint
            postgres.row_hashes.write(look.connection, schema, tables[name], rows)
        found = staging.compare(
            hashes,
            rows,
            publish=tables[name].publish,
            key_columns=len(tables[name].key),
            memory=look.run.settings.staging_memory,
        )
    except postgres.OperationalError:
        raise
    except postgres.Error:  # a column that is gone or of another type
        return None
    finally:
        rows.unlink(missing_ok=True)
    return Change(found.missing, found.extra, found.different)


def _counts(what: str, change: Change) -> str:
    counts = {"missing": change.restored, "extra": change.removed, "different": change.changed}
    told = ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)
    return f"{what}: {counted(change.rows, 'row')} ({told})"


def _listed(definitions: Mapping[str, str], within: Mapping[str, str]) -> str:
    """Return what became of objects, in words; what is part of another one is not named beside it."""
    own = [f"{name} ({what})" for name, what in definitions.items() if name not in within]
    shown = own[:20]
    more = len(own) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
