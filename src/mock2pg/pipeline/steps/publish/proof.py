"""Proof that a target table holds the staged rows, by its hash: what is found out for it goes into the history, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mock2pg import history, postgres
from mock2pg.backups.written_content import WrittenContent
from mock2pg.contracts import Table
from mock2pg.pipeline.steps.publish import history_row
from mock2pg.publishing.merge import TableMerge
from mock2pg.runs import Run


class Proof:
    """The proof of each table.

    hashes    table -> the hash of its rows, where that is the proof
    contents  table -> the hash of its content, where that is known without reading all rows
    """

    def __init__(self, run: Run, connection: postgres.Connection, written: WrittenContent, *, altered: bool) -> None:
        self._run, self._connection, self._written, self._altered = run, connection, written, altered
        self.hashes, self.contents = dict[str, str](), dict[str, str]()

    def of(self, each: TableMerge) -> int | None:
        """Return how many rows a written table has, if they are the staged ones; None where they must be compared."""
        table = each.table
        if self._altered:
            return None
        written = self._written.of(each)
        if written:
            self.contents[table.name] = written.content
        if not table.source or table.publish != "merge":
            return None
        staged, found = history_row.staged_hash(self._run, table), written.hash if written else None
        if found != staged and each.is_hashed_whole:
            found = postgres.row_hashes.table_hash(self._connection, each.target, table)
        if found != staged:
            return None
        self.hashes[table.name] = staged
        return int(staged.split(":")[0])


def published_hashes(
    connection: postgres.Connection, schema: str, tables: Sequence[Table], hashes: Mapping[str, str]
) -> dict[str, str]:
    """Return the table hashes, by the newest run, of tables that hold what it left, under the contract that it had.

    hashes  table -> the hash of its content
    """
    newest = history.newest(connection, schema)
    if newest is None or newest.findings is None:
        return {}
    same = [table.name for table in newest.findings.contracts if table in tables and table.name in hashes]
    known = {name: newest.tables.get(name, {}) for name in same}  # none in a row that somebody changed
    known = {name: each for name, each in known.items() if each.get("content") == hashes[name]}
    return {name: each["hash"] for name, each in known.items() if "hash" in each}
