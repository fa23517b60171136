"""Looks at everything in turn; what can only be judged once something else holds is left for then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mock2pg.contracts import Table
from mock2pg.tools.postgres import alteration, catalogue, history, kept_keys
from mock2pg.tools.postgres.connection import Connection
from mock2pg.tools.postgres.losses import Limits
from mock2pg.tools.postgres.merge import Merge
from mock2pg.tools.postgres.preflight import cautions, constraints, privileges, room, structure
from mock2pg.tools.postgres.preflight.finding import Finding
from mock2pg.tools.postgres.table_merge import Difference, TableMerge

__all__ = ["Finding", "Preflight", "look"]


@dataclass(frozen=True)
class Preflight:
    """differences is None when there are findings without whose end no difference can be told.

    kept_keys  rows that keep a primary key of their own, by table
    cautions   what does not prevent publishing, and is to be known
    """

    findings: tuple[Finding, ...]
    differences: dict[str, Difference] | None
    kept_keys: Mapping[str, int] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()


def look(
    connection: Connection,
    built: str,
    live: str,
    tables: Sequence[Table],
    limits: Limits,
    *,
    backups: Path,
    alter: bool = False,
    writes: bool = True,
) -> Preflight:
    """Everything that would keep the built rows from being published. Writes nothing but `built`, and beside it.

    backups  the folder that the backup goes to
    alter    whether tables that a migration created are altered first, where their contract changed
    writes   False for a role that only plans, and need not be allowed to write live
    """
    pending = alteration.pending(connection, live, tables, history.owned(connection, live))
    found = structure.findings(connection, live, tables, pending, alter=alter)
    alterations = pending if alter else {}
    found += privileges.of_reading(connection, live)
    lame = {finding.table for finding in found}
    present = set(catalogue.tables(connection, live))
    sound = [table for table in tables if table.name not in lame]
    if not any(finding.table not in {table.name for table in tables} for finding in found):
        for table in list(sound):
            created, altered = table.name not in present, alterations.get(table.name)
            misfits = TableMerge(connection, built, live, table, created=created, altered=altered).misfits()
            found += [Finding(table.name, misfit, _MISFIT) for misfit in misfits]
            if misfits:
                sound.remove(table)
    if found:
        return Preflight(tuple(found), None)
    kept = kept_keys.keep(connection, built, live, tables, alterations)
    merge = Merge(connection, built, live, tables, alterations)
    found += structure.unfilled(
        connection, live, [table for table in tables if table.name not in alterations], merge.differences
    )
    found += constraints.findings(merge.merges)
    found += [Finding(*refusal) for refusal in limits.refusals(tables, merge.differences)]
    found += [Finding("", stranger, _STRANGER) for stranger in merge.strangers(limits.allow_cascade)]
    if writes:
        found += privileges.of_writing(connection, live, tables, merge.differences)
    found += room.findings(connection, built, live, merge.differences, backups)
    return Preflight(tuple(found), merge.differences, kept, tuple(cautions.all_of(merge.merges)))


_MISFIT = "Give the column a type that keeps it, or mend the values in the source"
_STRANGER = "Keep those rows in the input, change the rows that refer to them, or name the table: --allow-cascade TABLE"
