"""Warnings: they do not prevent publishing, but the application will meet them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from mock2pg.postgres import catalogue
from mock2pg.publishing import sequences
from mock2pg.publishing.next_values import NextValue
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.text import counted

_SHOWN = 5  # keys of rows that move


def all_of(merges: Sequence[TableMerge]) -> Iterator[str]:
    """Rows that move to another tenant, keys that tables which inherit from ours hold too, columns whose next value may
    be taken, and sequences that a rollback would not move back.
    """
    for merge in merges:
        if merge.created or merge.altered:
            continue
        yield from _moved(merge)
        yield from _inherited(merge)
        for value in merge.next_values():
            if value.doubt:
                column = f".{value.column}" if value.column else ""
                yield (
                    f"{merge.table.name}{column}: {value.doubt}; its next value may be one that a row holds."
                    " Set the sequence after publishing"
                )
            for sequence in _moved_elsewhere(merge, value):
                yield (
                    f"{merge.table.name}.{value.column}: publishing moves sequence {sequence} of another schema past"
                    " the values that the column will hold; a rollback does not move it back"
                )


def _moved_elsewhere(merge: TableMerge, value: NextValue) -> Iterator[str]:
    """Sequences outside of the target schema, of which no backup holds the position."""
    if value.column not in merge.inserted:
        return
    name = sql.Identifier(value.column)
    built = merge.compose("(SELECT {value} AS {name} FROM {built} AS b)", value=merge.cast(value.column), name=name)
    for sequence in value.sequences:
        row = merge.connection.execute(
            "SELECT n.nspname <> %s AND has_schema_privilege(n.oid, 'USAGE')"
            " AND has_sequence_privilege(c.oid, 'SELECT') FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
            " AND format('%%I.%%I', n.nspname, c.relname) = %s",
            [merge.target_schema, sequence],
        ).fetchone()
        if row == (True,) and any(
            sequences.is_behind(merge.connection, rows, value, sequence) for rows in (built, merge.target)
        ):
            yield sequence


def _moved(merge: TableMerge) -> Iterator[str]:
    rows, keys = merge.moved(_SHOWN)
    if rows:
        shown = ", ".join(keys) + (" ..." if rows > len(keys) else "")
        move, are = ("moves", "is") if rows == 1 else ("move", "are")
        yield (
            f"{merge.table.name}: {counted(rows, 'row')} {move} to another {merge.table.distribution_column} ({shown}),"
            f" and {are} deleted and inserted again"
        )


def _inherited(merge: TableMerge) -> Iterator[str]:
    """A table that inherits keeps its rows; a query of the table above shows those and ours."""
    for schema, name in catalogue.heirs(merge.connection, merge.target_schema, merge.table.name):
        query = merge.compose(
            "SELECT count(*) FROM {heir} AS l WHERE EXISTS (SELECT FROM {built} AS b WHERE {keys})",
            heir=catalogue.own_rows(merge.connection, schema, name),
        )
        if rows := catalogue.count(merge.connection, query):
            key = ", ".join(merge.table.primary_key)
            yield (
                f"{schema}.{name} inherits from {merge.table.name} and holds {counted(rows, 'row')} with a key ({key})"
                f" of the source; a query of {merge.table.name} will show both rows. Rows of {name} are left alone"
            )
