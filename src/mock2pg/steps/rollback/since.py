"""What was changed in live since the newest row of the history, and by nobody's migration or rollback.

A table that a migration publishes is compared with what its run published, as verify does; one that it does not, with
the backup itself. After a rollback all of them are compared with what that restored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mock2pg.contracts import Table, table_from_dict
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
        return _counts("are not as in the backup", change)
    if newest.command == "rollback":
        lines = postgres.dump.lines(look.connection, look.run.settings.target_schema, name)
        same = postgres.dump.content_hash(look.connection, lines) == known.get("content")
        return "" if same else f"not what the rollback of run {newest.run_id} left"
    published = Run(newest.run_id, look.run.settings)
    try:
        tables = {record["name"]: table_from_dict(record) for record in published.read("contracts.json")}
    except FileNotFoundError:
        return f"it cannot be told: the folder of run {newest.run_id}, which published it, is gone"
    return _since_published(look, newest, published, tables[name], known, change)


def _since_published(
    look: Look, newest: Published, published: Run, table: Table, known: Mapping[str, Any], change: Change
) -> str:
    schema, connection = look.run.settings.target_schema, look.connection
    own = [column.name for column in table.columns]
    if not set(own) <= {column.name for column in postgres.catalogue.columns(connection, schema, table.name)}:
        return "it has not the columns any more that were published"
    hashes, rows = published.folder / "hashes" / f"{table.name}.parquet", look.run.path("live", f"{table.name}.csv")
    # rows that were there are left alone by "ensure", whatever they hold; those that it put in can be compared
    publish = "upsert" if table.publish == "ensure" and known["inserted"] == known["after"] else table.publish
    try:
        postgres.scratch.write_hashes(connection, schema, table, rows)
        found = staging.compare(hashes, rows, publish=publish)
    finally:
        rows.unlink(missing_ok=True)
    since = Change(found.missing, found.extra, found.different)
    if table.publish != "merge":  # rows that the migration left alone: they are to be as in the backup
        ours = newest.backup_id == look.backup.id
        more = change.rows - (sum(known[key] for key in ("inserted", "updated", "deleted")) if ours else 0)
        since = replace(since, different=since.different + abs(more))
    aside = postgres.changes.aside(connection, schema, table.name, look.staged, own)
    words = [_counts(f"are not as run {newest.run_id} published them", since)] if since.rows else []
    words += [f"{aside} changed in columns that are not migrated"] if aside else []
    return "; ".join(words)


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
    return f"{change.rows:,} rows {what} ({told})"


def _listed(definitions: Mapping[str, str]) -> str:
    shown = [f"{name} ({what})" for name, what in definitions.items()][:20]
    more = len(definitions) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
