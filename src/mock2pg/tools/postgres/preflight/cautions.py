"""What does not prevent publishing, and is to be known beforehand, because the application will meet it afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mock2pg.errors import counted
from mock2pg.tools.postgres import catalogue
from mock2pg.tools.postgres.table_merge import TableMerge


def all_of(merges: Sequence[TableMerge]) -> Iterator[str]:
    """Keys that tables which inherit from ours hold too, and columns whose next value may be taken."""
    for merge in merges:
        if merge.created or merge.altered:
            continue
        yield from _inherited(merge)
        for value in merge.next_values():
            if value.doubt:
                column = f".{value.column}" if value.column else ""
                yield (
                    f"{merge.table.name}{column}: {value.doubt}; its next value may be one that a row holds."
                    " Set the sequence after publishing"
                )


def _inherited(merge: TableMerge) -> Iterator[str]:
    """A table that inherits keeps its rows; a query of the table above shows those and ours."""
    for schema, name in catalogue.heirs(merge.connection, merge.live_schema, merge.table.name):
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
