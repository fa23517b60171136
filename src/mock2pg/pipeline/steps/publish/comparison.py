"""The comparison by which publishing writes, under its locks: the preflight's, of tables that are as they were then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mock2pg import postgres, progress
from mock2pg.backups import exported_rows, snapshot
from mock2pg.contracts import Table
from mock2pg.publishing import kept_keys, others_code, writers
from mock2pg.publishing.alteration import Alteration
from mock2pg.publishing.merge import Merge
from mock2pg.runs import Run
from mock2pg.step_results import BackedUp, Loaded, Preflighted


def compare(
    run: Run, connection: postgres.Connection, tables: Sequence[Table], alterations: Mapping[str, Alteration]
) -> Merge:
    """Compare the built tables with the target tables, and keep writers out of those that will be written."""
    schema, preflight, loaded = run.settings.target_schema, run.require(Preflighted), run.require(Loaded)
    held: Collection[str] = preflight.held

    def attempt() -> Merge:
        nonlocal held
        progress.expect(None, "comparing")
        others_code.refuse_planted(connection, schema, [table.name for table in tables], loaded.target_oids)
        held = _as_compared(connection, schema, preflight, run.require(BackedUp), held)
        others = [table for table in tables if table.name not in held]
        kept_keys.keep(connection, postgres.scratch.NEXT, schema, others, alterations)
        return Merge(connection, postgres.scratch.NEXT, schema, tables, alterations, hold=True, held=held)

    return writers.compared(connection, attempt, [(schema, name) for name in preflight.writes])


def refuse_written(connection: postgres.Connection, schema: str, merge: Merge, backup: BackedUp) -> set[str]:
    """Refuse to delete or overwrite rows written since the backup: no backup would hold them.

    Returns the tables of which it is known that nobody wrote into them since.
    """
    changed = {name: each for name, each in merge.differences.items() if each.changed and not each.created}
    rows = {name: backup.tables[name] for name in changed if name in backup.tables and name not in merge.held}
    unwritten = {*merge.held, *snapshot.unwritten_since(connection, schema, backup.horizon, rows)}
    losing = [name for name, each in changed.items() if (each.deleted or each.updated) and name not in unwritten]
    written = [
        name for name in losing if exported_rows.content_hash(connection, schema, name) != backup.hashes.get(name)
    ]
    if written:
        raise writers.others_wrote(written)
    return unwritten


def _as_compared(
    connection: postgres.Connection, schema: str, preflight: Preflighted, backup: BackedUp, held: Collection[str]
) -> set[str]:
    """Return the tables that nobody wrote into since the backup, nor since the preflight compared them.

    Rows of transactions that had ended before both were there both times, and no others if there were as many.
    """
    seen = [each for each in (preflight.compared, backup.horizon) if each]
    if len(seen) < 2 or seen[0].definitions != seen[1].definitions:
        return set()
    rows = {name: preflight.held[name] for name in held if preflight.held[name] == backup.tables.get(name)}
    return snapshot.unwritten_since(connection, schema, min(seen, key=lambda each: int(each.transaction)), rows)
