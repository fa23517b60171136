"""The rows of a backup beside the target tables: brought into the database only where the two differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from psycopg import sql

from mock2pg import progress
from mock2pg.backups import distributions, exported_rows, json_rows
from mock2pg.backups.distributions import Distributions
from mock2pg.backups.held_difference import HeldDifference, HeldRows
from mock2pg.errors import RollbackFailed
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.distribution import is_citus

_WORK_MEM = "64MB"  # to join the lines of a table with those of a backup; the usual 4 MB writes most of them to disk


@dataclass(frozen=True)
class State:
    """The content of a backup. `rows` returns a table's JSON rows; `definitions` is None when there was no schema.

    unfilled  the materialized views that could not be read when it was taken
    contents  table -> content hash; a table that a backup of an earlier version holds is not in it
    distribution  of the tables that Citus distributed
    """

    definitions: Mapping[str, str] | None
    tables: Mapping[str, int]
    sequences: Mapping[str, Mapping[str, Any]]
    rows: Callable[[str], Iterable[bytes]]
    unfilled: tuple[str, ...] = ()
    contents: Mapping[str, str] = field(default_factory=dict)
    distribution: Distributions = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        header: Mapping[str, Any],
        tables: Mapping[str, int],
        rows: Callable[[str], Iterable[bytes]],
        contents: Mapping[str, str] = MappingProxyType({}),
    ) -> State:
        """From what a backup says of itself before its rows."""
        unfilled = tuple(header.get("unfilled", ()))
        distribution = distributions.of_header(header)
        return cls(header["definitions"], tables, header["sequences"], rows, unfilled, contents, distribution)


@dataclass(frozen=True)
class Delta:
    """The rows in which a target table with a primary key and the backup differ, as queries for lines.

    back  rows of the backup that the table does not hold
    gone  rows of the table that the backup does not hold; None when the table has no rows
    """

    back: sql.Composable
    gone: sql.Composable | None


class Staged:
    """A backup's rows in temporary tables of one transaction, each made when it is first needed.

    hashes  table -> content hash of the backup's rows
    held    what was found to differ, where that is known
    """

    def __init__(
        self,
        connection: Connection,
        state: State,
        found: Mapping[str, str] | None = None,
        held: HeldDifference | None = None,
    ) -> None:
        """Raises RollbackFailed when there are not as many rows as the backup says.

        found  table -> content hash of the target tables, where it is known
        """
        if not is_citus(connection):
            state = replace(state, distribution={})
        self.state, self.hashes, self.held = state, dict(state.contents), held
        self._connection, self._found = connection, dict(found or {})
        self._numbers = {name: number for number, name in enumerate(state.tables)}
        self._lines, self._deltas = dict[str, sql.Composable](), dict[str, Delta]()
        connection.execute(
            "SELECT set_config('work_mem', %s, true) WHERE pg_size_bytes(current_setting('work_mem')) <"
            " pg_size_bytes(%s)",
            [_WORK_MEM, _WORK_MEM],
        )
        for name in [name for name in state.tables if name not in self.hashes]:
            self.hashes[name] = exported_rows.lines_hash(connection, json_rows.as_written(self.lines(name)))

    def content(self, schema: str, name: str) -> str:
        """Return the content hash of the target table as it is before the rollback."""
        if name not in self._found:
            self._found[name] = exported_rows.content_hash(self._connection, schema, name)
        return self._found[name]

    def is_equal(self, schema: str, name: str) -> bool:
        """Return True when the target table holds what the backup says."""
        return self.content(schema, name) == self.hashes[name]

    def lines(self, name: str) -> sql.Composable:
        """The table of the backup's lines. To be asked for first outside of any savepoint."""
        if name not in self._lines:
            home, rows = self.home("lines", name), self.state.tables[name]
            progress.more(rows, name)
            found = json_rows.load(self._connection, home, self.state.rows(name))
            if found != rows:
                raise RollbackFailed(f"table {name}: {found} of {rows} rows were restored")
            self._lines[name] = home
            self._connection.execute(sql.SQL("ANALYZE {}").format(home))
        return self._lines[name]

    def delta(self, schema: str, name: str) -> Delta:
        """Compare row by row, by the lines. To be asked for first outside of any savepoint."""
        if name not in self._deltas:
            self._deltas[name] = self._delta(schema, name)
        return self._deltas[name]

    def _delta(self, schema: str, name: str) -> Delta:
        if self.held and name in self.held.tables:
            return self._loaded(schema, name, self.held.tables[name])
        backup = json_rows.as_written(self.lines(name))
        if self.content(schema, name).startswith("0:"):
            return Delta(backup, None)
        home = self.home("delta", name)
        self._connection.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT b.line AS back, t.line AS gone"
                ' FROM ({}) AS b FULL JOIN ({}) AS t ON b.line COLLATE "C" = t.line COLLATE "C"'
                " WHERE b.line IS NULL OR t.line IS NULL"
            ).format(home, backup, self.target_lines(schema, name))
        )
        self._connection.execute(sql.SQL("ANALYZE {}").format(home))
        back, gone = (
            sql.SQL("SELECT {0} AS line FROM {1} WHERE {0} IS NOT NULL").format(sql.Identifier(side), home)
            for side in ("back", "gone")
        )
        return Delta(back, gone)

    def _loaded(self, schema: str, name: str, held: HeldRows) -> Delta:
        queries, gone = [], _rows_in(held.gone_hash)
        back = self.state.tables[name] - (_rows_in(self.content(schema, name)) - gone)
        for what, file, rows in (("back", held.back, back), ("left", held.gone, gone)):
            home = self.home(what, name)
            progress.more(rows, name)
            with file.open("rb") as lines:
                json_rows.load(self._connection, home, lines)
            self._connection.execute(sql.SQL("ANALYZE {}").format(home))
            queries.append(json_rows.as_written(home))
        return Delta(*queries)

    def target_lines(self, schema: str, name: str) -> sql.Composable:
        """The lines of the target table, as a query that may be joined with those of the backup."""
        query = exported_rows.lines(self._connection, schema, name)
        if not is_citus(self._connection):
            return query
        home = self.home("target", name)
        create = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}")
        self._connection.execute(create.format(home, query))
        return json_rows.as_written(home)

    def home(self, what: str, name: str) -> sql.Identifier:
        """A temporary table of the backup's table, by what is in it."""
        return sql.Identifier("pg_temp", self.temporary(what, name))

    def temporary(self, what: str, name: str) -> str:
        return f"mock2pg_{what}_{self._numbers[name]}"


def row_count(connection: Connection, lines: sql.Composable) -> int:
    """Count lines."""
    return catalogue.count(connection, sql.SQL("SELECT count(*) FROM ({}) AS l").format(lines))


def _rows_in(content_hash: str) -> int:
    return int(content_hash.partition(":")[0])
