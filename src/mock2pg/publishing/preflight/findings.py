"""Run all checks in turn; a check that depends on another one is skipped while that one fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from psycopg import sql

from mock2pg import history
from mock2pg.contracts import Table
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.publishing import alteration, kept_keys, others_code
from mock2pg.publishing.alteration import Alteration
from mock2pg.publishing.deletion_limits import DeletionLimits
from mock2pg.publishing.distributed_merge import merge_of
from mock2pg.publishing.merge import Merge
from mock2pg.publishing.preflight import cautions, constraints, disk_space, privileges, structure, undoing
from mock2pg.publishing.preflight.disk_space import Backups
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference, Finding

__all__ = ["Preflight", "before_build", "look", "look_at_held"]


@dataclass(frozen=True)
class Preflight:
    """The result of a preflight.

    differences  None when findings prevent the comparison
    kept_keys    rows that keep a primary key of their own, by table
    held         the tables whose difference is held in the `built` schema
    cautions     warnings, which do not prevent publishing
    """

    findings: tuple[Finding, ...]
    differences: dict[str, Difference] | None
    kept_keys: Mapping[str, int] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def before_build(
    connection: Connection,
    target: str,
    tables: Sequence[Table],
    rows: Mapping[str, int],
    *,
    alter: bool = False,
    all_at_once: bool = False,
) -> tuple[Finding, ...]:
    """Find the conflicts that contracts and catalogue alone show, before anything is built.

    rows   staged table -> number of rows that will be landed
    alter  whether tables that a migration created are altered first, where their contract changed
    all_at_once  leave those of tables to `look`, which finds them among all others, unless there is another conflict

    A column that nothing fills matters to new rows only. Into an empty table all rows are new; of other tables it is
    listed when something else prevents publishing anyway, so that one correction covers both.
    """
    pending = alteration.pending(connection, target, tables, history.owned(connection, target))
    of_tables = structure.findings(connection, target, tables, pending, alter=alter)
    found = privileges.of_reading(connection, target)
    if alter and pending:
        found += undoing.findings(connection, target, writes=False)
    found += [Finding(*each) for each in others_code.found(connection, target, [table.name for table in tables])]
    if all_at_once and not found:
        return ()
    found = of_tables + found
    present = set(catalogue.tables(connection, target)) - (set(pending) if alter else set())
    filled = [t for t in tables if t.name in present and (t.source is None or rows[t.source])]
    unfilled = structure.unfilled(connection, target, filled)
    if not found:
        unfilled = [finding for finding in unfilled if _is_empty(connection, target, finding.table)]
    return (*found, *unfilled)


def look(
    connection: Connection,
    built: str,
    target: str,
    tables: Sequence[Table],
    limits: DeletionLimits,
    *,
    backups: Backups,
    alter: bool = False,
    writes: bool = True,
) -> Preflight:
    """Find everything that prevents publishing the built rows. Writes only into the `built` schema.

    backups  the folder of the backup
    alter    whether tables that a migration created are altered first, where their contract changed
    writes   False for a role that only plans, and need not be allowed to write to the target tables
    """
    pending = alteration.pending(connection, target, tables, history.owned(connection, target))
    found = structure.findings(connection, target, tables, pending, alter=alter)
    alterations = pending if alter else {}
    found += privileges.of_reading(connection, target)
    if alterations:
        found += undoing.findings(connection, target, writes=writes)
    if {finding.table for finding in found} - {table.name for table in tables}:
        return Preflight(tuple(found), None)  # what may not be read cannot be compared
    present = set(catalogue.tables(connection, target))
    judged, unfit = [], set()
    for table in tables:
        each, misfits = _judged(connection, built, target, table, present, alterations, found)
        found += misfits
        judged += [each] if each else []
        unfit |= set() if each else {table.name}
    if found:  # the effect of publishing as a whole is not known; each table is looked at, but for its unfit columns
        kept_keys.keep(connection, built, target, [merge.table for merge in judged], alterations)
        differences = {merge.table.name: merge.difference() for merge in judged}
        filled = [t for t in tables if t.name in unfit & present and not _is_empty(connection, built, t.name)]
        found += structure.unfilled(connection, target, filled)
        found += _of_tables(judged, tables, differences, limits, unfit)
        return Preflight(tuple(found), None)
    kept = kept_keys.keep(connection, built, target, tables, alterations)
    together = Merge(connection, built, target, tables, alterations, hold=True)
    held = tuple(merge.table.name for merge in together.merges if merge.looks_at_differences)
    for merge in together.merges:
        merge.look_at_all()
    found += _of_tables(together.merges, tables, together.differences, limits)
    found += [Finding("", rows, _REFERENCING) for rows in together.refused_references(limits.allow_cascade)]
    if writes:
        found += privileges.of_writing(connection, target, tables, together.differences)
        found += privileges.of_sequences(connection, together.merges)
    found += disk_space.findings(connection, built, target, together.differences, backups)
    return Preflight(tuple(found), together.differences, kept, tuple(cautions.all_of(together.merges)), held)


def look_at_held(
    connection: Connection, target: str, tables: Sequence[Table], rows: Mapping[str, int], *, backups: Backups
) -> Preflight:
    """Find everything that prevents publishing rows that the target tables hold, which are not built.

    rows  table -> how many
    """
    found = structure.findings(connection, target, tables, {}, alter=False)
    found += privileges.of_reading(connection, target)
    if found:
        return Preflight(tuple(found), None)
    there = catalogue.columns(connection, target, *(table.name for table in tables))
    merges = [TableMerge(connection, target, target, table, created=False, there=there[table.name]) for table in tables]
    differences = {name: Difference(number, number, 0, 0, 0) for name, number in rows.items()}
    found += privileges.of_writing(connection, target, tables, differences)
    found += privileges.of_sequences(connection, merges)
    found += disk_space.findings(connection, target, target, differences, backups)
    return Preflight(tuple(found), differences, {}, tuple(cautions.all_of(merges)))


def _judged(
    connection: Connection,
    built: str,
    target: str,
    table: Table,
    present: Collection[str],
    alterations: Mapping[str, Alteration],
    found: Sequence[Finding],
) -> tuple[TableMerge | None, list[Finding]]:
    """Return the table as far as the target table takes it, None if not even its key; and the columns it does not."""
    created, altered = table.name not in present, alterations.get(table.name)
    if any(finding.table == table.name for finding in found):
        there = {} if created else catalogue.columns(connection, target, table.name)[table.name]
        missing = {column.name for column in table.columns} - set(there)
        if altered or not missing or missing & set(table.key + table.primary_key):
            return None, []
        table = _without(table, missing)
    kind = merge_of(table)
    merge = kind(connection, built, target, table, created=created, altered=altered)
    misfits = merge.misfits()
    findings = [Finding(table.name, misfit, _MISFIT) for misfit in misfits.values()]
    if set(misfits) & set(table.key + table.merge_key):
        return None, findings
    if misfits:
        merge = kind(connection, built, target, _without(table, misfits), created=created, altered=altered)
    return merge, findings


def _without(table: Table, names: Collection[str]) -> Table:
    """The table without some columns, and without what its contract says of them."""
    gone = set(names)
    return replace(
        table,
        columns=tuple(column for column in table.columns if column.name not in gone),
        uniques=tuple(unique for unique in table.uniques if not gone & set(unique)),
        foreign_keys=tuple(key for key in table.foreign_keys if not gone & set(key.columns)),
    )


def _of_tables(
    merges: Sequence[TableMerge],
    tables: Sequence[Table],
    differences: Mapping[str, Difference],
    limits: DeletionLimits,
    unknown: Collection[str] = (),
) -> Iterator[Finding]:
    """Check each table; the rows of `unknown` tables after publishing are not known."""
    by_name = {table.name: table for table in tables}
    unfit = {
        merge.table.name: {column.name for column in by_name[merge.table.name].columns} - set(merge.types)
        for merge in merges
    }
    for merge in merges:
        if merge.altered is None and not merge.created and differences[merge.table.name].inserted:
            yield from structure.unfilled(merge.connection, merge.target_schema, [by_name[merge.table.name]])
    yield from constraints.findings(merges, unknown, unfit)
    yield from (Finding(*refusal) for refusal in limits.refusals([merge.table for merge in merges], differences))


def _is_empty(connection: Connection, schema: str, table: str) -> bool:
    rows = catalogue.own_rows(connection, schema, table)
    query = sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1) AS t").format(rows)
    return not catalogue.count(connection, query)


_MISFIT = "Give the column a type that keeps it, or correct the values in the source"
_REFERENCING = (
    "Keep those rows in the input, change the rows that refer to them, or name the table: --allow-cascade TABLE"
)
