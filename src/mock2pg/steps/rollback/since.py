"""What was changed in live since the newest row of the history, by whomever.

That row has the content of each table that the migration published or the rollback restored, as a hash; a table that it
does not know is compared with the backup itself. The definitions are compared with those that the run left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mock2pg.contracts import table_from_dict
from mock2pg.errors import counted
from mock2pg.runs import Run
from mock2pg.tools import backups, postgres, staging
from mock2pg.tools.postgres.changes import Change
from mock2pg.tools.postgres.history import Published
from mock2pg.tools.postgres.restore import Staged


@dataclass(frozen=True)
class Look:
    """What there is to look at: live through `connection`, the backup that is staged, and what differs between them.

    definitions  object -> what became of its definition since the backup
    """

    run: Run
    connection: postgres.Connection
    backup: backups.Backup
    staged: Staged
    changes: Mapping[str, Change]
    definitions: Mapping[str, str]
    current: Mapping[str, str] | None


def written(look: Look) -> dict[str, str]:
    """Table, or "definitions", -> what was written since, in words; only of what the rollback would change."""
    newest = postgres.history.newest(look.connection, look.run.settings.target_schema)
    found = {}
    for name, change in look.changes.items():
        if change.rows and (words := _of_table(look, newest, name, change)):
            found[name] = words
    if look.definitions and postgres.dump.fingerprint(look.current) != _known_definitions(look, newest):
        found["definitions"] = _listed(look.definitions)
    return found


def _of_table(look: Look, newest: Published | None, name: str, change: Change) -> str:
    """What somebody wrote into the table, in words; empty when nobody did."""
    known = newest.tables.get(name) if newest else None
    if newest is None or known is None:
        return _counts("not as in the backup", change)
    if known.get("content") == _content(look, name):
        return ""
    published = Run(newest.run_id, look.run.settings)
    if newest.command == "migrate" and (since := _numbers(look, published, name)):
        if since.rows:
            return _counts(f"not as run {newest.run_id} published it", since)
        return f"changed in columns or rows that run {newest.run_id} left alone"
    return f"not what run {newest.run_id} left"


def _content(look: Look, name: str) -> str | None:
    """The hash of what is live; None when the table is not there."""
    schema = look.run.settings.target_schema
    if name not in postgres.catalogue.tables(look.connection, schema):
        return None
    return postgres.dump.live_hash(look.connection, schema, name)


def _numbers(look: Look, published: Run, name: str) -> Change | None:
    """What differs from what the run published; None when the run's folder or a column is gone."""
    schema, hashes = look.run.settings.target_schema, published.folder / "hashes" / f"{name}.parquet"
    try:
        tables = {record["name"]: table_from_dict(record) for record in published.read("contracts.json")}
    except FileNotFoundError:
        return None
    there = {column.name for column in postgres.catalogue.columns(look.connection, schema, name)}
    if not hashes.exists() or not {column.name for column in tables[name].columns} <= there:
        return None
    rows = look.run.path("live", f"{name}.csv")
    try:
        postgres.scratch.write_hashes(look.connection, schema, tables[name], rows)
        found = staging.compare(hashes, rows, publish=tables[name].publish)
    finally:
        rows.unlink(missing_ok=True)
    return Change(found.missing, found.extra, found.different)


def _known_definitions(look: Look, newest: Published | None) -> str | None:
    """The fingerprint of the definitions as the newest run left them, or None when it cannot be told."""
    if newest is None:
        return None
    run = Run(newest.run_id, look.run.settings)
    for step in ("rollback",) if newest.command == "rollback" else ("publish", "backup"):
        result = run.result(step)
        if result and "definitions_sha256" in result.data:
            return str(result.data["definitions_sha256"])
    return None


def _counts(what: str, change: Change) -> str:
    counts = {"missing": change.back, "extra": change.gone, "different": change.different}
    told = ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)
    return f"{what}: {counted(change.rows, 'row')} ({told})"


def _listed(definitions: Mapping[str, str]) -> str:
    shown = [f"{name} ({what})" for name, what in definitions.items()][:20]
    more = len(definitions) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
