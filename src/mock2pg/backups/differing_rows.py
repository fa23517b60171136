"""The rows that a backup and the target tables do not have in common: compared, and written by publishing's merge."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from psycopg import sql

from mock2pg.backups import exported_rows, json_rows
from mock2pg.backups.distributions import Distributions
from mock2pg.backups.staged import Staged, row_count
from mock2pg.backups.written_content import Sum
from mock2pg.contracts import Column, Table, key_groups
from mock2pg.postgres import catalogue, distribution, scratch
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.postgres.unwritten import written
from mock2pg.publishing import merge
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Difference


def compare(connection: Connection, schema: str, staged: Staged) -> None:
    """Compare tables whose content is not the same row by row; what is made for that outlives a savepoint."""
    for name in staged.state.tables:
        if not staged.is_equal(schema, name):
            if catalogue.primary_key(connection, schema, name):
                staged.delta(schema, name)
            else:
                staged.lines(name)


def write(
    connection: Connection, schema: str, staged: Staged, code: OwnersCode, now: Distributions
) -> tuple[dict[str, Difference], list[TableMerge]]:
    """Write them; returns the difference of each table that the backup has, and what `content_hash` takes.

    now  how the tables are distributed
    """
    built = scratch.RESTORED if now else "pg_temp"
    parents: dict[str, set[str]] = {}
    for key in catalogue.foreign_keys(connection, schema):
        parents.setdefault(key.table, set()).add(key.parent)
    tables, removed, without_key, equal = [], dict[str, sql.Identifier](), [], dict[str, Difference]()
    for name in chain.from_iterable(key_groups(list(staged.state.tables), parents)):
        rows = staged.state.tables[name]
        if staged.is_equal(schema, name):
            equal[name] = Difference(rows, rows, 0, 0, 0)
            continue
        keys, fields = catalogue.primary_key(connection, schema, name), exported_rows.fields(connection, schema, name)
        if not keys:
            equal[name] = _emptied(connection, schema, name, rows, code)
            without_key.append((name, fields))
            continue
        delta, how = staged.delta(schema, name), now[name].declared if name in now else ""
        _typed(connection, (built, name), delta.back, schema, name, fields, how)
        if delta.gone:
            gone = (built, staged.temporary("gone", name))
            removed[name] = sql.Identifier(*gone)
            _typed(connection, gone, delta.gone, schema, name, fields, how)
        columns = tuple(Column(field.name, field.type, False, None, None) for field in fields)
        tables.append(Table(name, columns, keys, distribution=how))
    found = merge.publish(connection, built, schema, tables, (), removed)
    for name, fields in without_key:
        lines, target = json_rows.as_written(staged.lines(name)), sql.Identifier(schema, name)
        json_rows.insert(code, lines, target, fields, staged.state.tables[name])
    merged = [
        TableMerge(connection, built, schema, table, created=False, removed=removed.get(table.name))
        for table in (tables if staged.held else ())
    ]
    return {**found, **equal}, merged


def content_hash(connection: Connection, schema: str, staged: Staged, merged: TableMerge) -> str:
    """Return the content hash of a table after it was merged, without reading rows that are proven to have stayed.

    Those that were not written since the held difference was found are rows of then. If they are as many as were to
    stay, and none has the key of one that was to go, they are the rows that were to stay, whatever triggers did.
    """
    name, held = merged.table.name, staged.held
    if held is None or name not in held.tables or merged.removed is None:
        return exported_rows.content_hash(connection, schema, name)
    before, gone = Sum.of(staged.content(schema, name)), Sum.of(held.tables[name].gone_hash)
    stayed = merged.compose("SELECT count(*) FROM {target} AS l WHERE NOT {later}", later=written(held.horizon, "l"))
    not_gone = merged.compose(
        "SELECT count(*) FROM {target} AS l JOIN {removed} AS b ON {same_key} WHERE NOT {later}",
        removed=merged.removed,
        same_key=merged.equal_here(merged.table.merge_key),
        later=written(held.horizon, "l"),
    )
    if [catalogue.count(connection, query) for query in (stayed, not_gone)] != [before.rows - gone.rows, 0]:
        return exported_rows.content_hash(connection, schema, name)
    came = merged.compose("{target} AS t WHERE {later}", later=written(held.horizon))
    return str(before - gone + Sum.of_rows(connection, schema, name, came))


def _typed(
    connection: Connection,
    place: tuple[str, str],
    lines: sql.Composable,
    schema: str,
    name: str,
    fields: Sequence[exported_rows.Field],
    how: str,
) -> None:
    """Make a table of rows out of lines, one that the transaction drops.

    place  its schema and name
    how    the distribution of the target table: what is joined with it has to be distributed as it is
    """
    home = sql.Identifier(*place)
    query = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {} WITH NO DATA"
    query = query if place[0] == "pg_temp" else "CREATE TABLE {} AS {} WITH NO DATA"
    connection.execute(sql.SQL(query).format(home, json_rows.shape(schema, name, fields)))
    if how:
        distribution.distribute(connection, *place, how, sql.Identifier(schema, name))
    code = OwnersCode(connection, schema, [name])
    json_rows.insert(code, lines, home, fields, row_count(connection, lines))
    if not how:  # nobody else ever does for a temporary table
        connection.execute(sql.SQL("ANALYZE {}").format(home))


def _emptied(connection: Connection, schema: str, name: str, rows: int, code: OwnersCode) -> Difference:
    """Empty a table whose rows cannot be distinguished."""
    gone = code.count(sql.SQL("DELETE FROM {}").format(catalogue.own_rows(connection, schema, name)))
    return Difference(gone, rows, rows, 0, gone)
