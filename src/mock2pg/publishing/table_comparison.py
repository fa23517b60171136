"""The differences between a built table and the target table: counted, shown and proven.

Everything here runs inside the caller's transaction, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import psycopg
from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.postgres import catalogue
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.describing import described
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.postgres.target_records import TargetColumn
from mock2pg.publishing.alteration import Alteration
from mock2pg.publishing.comparison import Comparison, as_type, compared_as, key_text
from mock2pg.spellings import is_alike
from mock2pg.step_results import Difference
from mock2pg.text import counted, identity


class TableComparison(Comparison):
    """One table as it is built and as it is there.

    target   its own rows, without those of tables that inherit from it
    home     the table itself
    created  it is not in the target schema yet
    empty    it had no rows when it was compared; others may have come since, such as a trigger's
    keeps    target rows that are not built stay: an "ensure" or "upsert" table
    altered  what is to be altered first; until then its rows are looked at as they will be
    removed  its rows that are not built as they are, where only rows that differ are built; None: all rows are built
    partial  only rows that differ are built
    all_built  all rows that are built; `built` are those of them that statements look at
    code     how statements are run that set off triggers, checks and the like
    there    the columns of the target table; None: they are looked up, of many tables one by one
    """

    def __init__(
        self,
        connection: Connection,
        built: str,
        target: str,
        table: Table,
        *,
        created: bool,
        altered: Alteration | None = None,
        removed: sql.Identifier | None = None,
        code: OwnersCode | None = None,
        there: Mapping[str, TargetColumn] | None = None,
    ) -> None:
        self.connection, self.created, self.altered, self.removed = connection, created, altered, removed
        self.code = code or OwnersCode(connection, target, [table.name])
        self.built: sql.Composable = sql.Identifier(built, table.name)
        self.all_built, self.partial = self.built, removed is not None
        self.home = sql.Identifier(target, table.name)
        self.target: sql.Composable = self.home if created else catalogue.own_rows(connection, target, table.name)
        self.built_schema, self.target_schema = built, target
        self.keeps = table.publish != "merge"
        self.empty = False
        if there is None:
            there = {} if created else catalogue.columns(connection, target, table.name)[table.name]
        if altered:
            self.target, there = altered.view(self.target, there)
        missing = [column.name for column in table.columns if not created and column.name not in there]
        if missing:
            raise PublishFailed(f"table {table.name} is there but has no column {', '.join(missing)}")
        super().__init__(table, there)

    def misfits(self) -> dict[str, str]:
        """Return the columns whose type in the target table would not keep every built value, there and back."""
        if self.created or self.altered:
            return {}
        found = {}
        built = catalogue.columns(self.connection, self.built_schema, self.table.name)
        for column in built[self.table.name].values():
            if column.name not in self.types or column.data_type == self.types[column.name]:
                continue
            home = f"column {column.name} is {self.types[column.name]}"
            text = column.data_type == "text"
            given = self.value(column.name) if text else sql.SQL("b.{}").format(sql.Identifier(column.name))
            query = sql.SQL("SELECT count(*) FROM {0} AS b WHERE {1}::{2}{4} IS DISTINCT FROM {3}{4}").format(
                self.to_cast(column.name),
                self.cast(column.name),
                as_type(column.data_type),
                given,
                as_type(compared_as(column.data_type)),
            )
            try:
                with self.connection.transaction():
                    changed = self.reading.number(query)
            except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.CannotCoerce) as error:
                found[column.name] = f"{home}, which does not accept what is built: {described(error)}"
                continue
            if changed:
                found[column.name] = f"{home}, which would change {counted(changed, 'value')} of the built ones"
        return found

    def to_cast(self, name: str) -> sql.Composable:
        """Return the built rows, for FROM, when it is not known whether the column can be cast."""
        return self.built

    def difference(self) -> Difference:
        """Count what is to be inserted, updated and deleted; nothing is written."""
        new = "SELECT count(*) FROM {built} AS b"
        if self.created:
            (inserted,) = self.counts(new)
            return Difference(0, inserted, inserted, 0, 0, created=True)
        queries = ["SELECT count(*) FROM {target} AS l"]
        if self.table.publish == "ensure":
            queries.append(f"{new} WHERE NOT EXISTS ({{same}})")
        else:  # two numbers of one comparison
            queries.append(
                "SELECT concat_ws(' ', count(*) FILTER (WHERE l.{first_key} IS NULL),"
                " count(*) FILTER (WHERE l.{first_key} IS NOT NULL AND {differs}))"
                " FROM {built} AS b LEFT JOIN {target} AS l ON {keys}"
            )
            queries += [] if self.keeps else ["SELECT count(*) FROM {target} AS l WHERE {gone}"]
        before, inserted, updated, deleted = [*self.counts(*queries), 0, 0][:4]
        self.empty = before == 0
        return Difference(before, before + inserted - deleted, inserted, updated, deleted)

    @property
    def looks_at_differences(self) -> bool:
        """Return True when rows that are the same are not looked at any more."""
        return self.built is not self.all_built

    def look_only_at(self, changed: sql.Composable, gone: sql.Identifier) -> None:
        """Look at no other rows from now on.

        changed  the built rows that are new or differ
        gone     the keys of the target rows that are not built
        """
        self.built, self.removed = changed, gone
        self.__dict__.pop("_names", None)

    def look_at_all(self) -> None:
        """Look at all built rows again."""
        self.built, self.removed = self.all_built, None
        self.__dict__.pop("_names", None)

    def shown_keys(self, limit: int) -> dict[str, list[str]]:
        """Primary keys of rows that would be inserted, updated and deleted; up to `limit` of each, as text."""
        new = "TRUE" if self.created else "NOT EXISTS ({same})"
        queries = {"inserted": "SELECT {key_of_b} FROM {built} AS b WHERE " + new}
        if not self.created and self.table.publish != "ensure":
            queries["updated"] = "SELECT {key_of_l} FROM {target} AS l JOIN {built} AS b ON {keys} WHERE {differs}"
            if not self.keeps:
                queries["deleted"] = "SELECT {key_of_l} FROM {target} AS l WHERE {gone}"
        found = {}
        for what, query in queries.items():
            limited = self.compose(query + " ORDER BY 1 LIMIT ") + sql.Literal(limit)
            found[what] = [identity(key) for key in self.reading.texts(limited)]
        return found

    def changed_columns(self) -> dict[str, int]:
        """Count, by column, the rows that would be updated and hold something else in it."""
        names = self.others
        counts = sql.SQL(", ").join(
            sql.SQL("count(*) FILTER (WHERE {})").format(self.differs([name])) for name in names
        )
        differing = "SELECT array_to_string(ARRAY[{counts}], ' ') FROM {target} AS l JOIN {built} AS b ON {keys}"
        query = self.compose(differing + " WHERE {differs}", counts=counts)
        (found,) = self.reading.texts(query)
        return {name: number for name, number in zip(names, map(int, found.split()), strict=True) if number}

    @property
    def is_hashed_whole(self) -> bool:
        """Return whether the table hash covers all that `proven` compares: every column, as the contract types it.

        A table whose rows come from no staged table has no hash of staged rows.
        """
        alike = all(is_alike(column.data_type, self.types[column.name]) for column in self.table.columns)
        every = bool(self.table.source) and len(self.table.compared) == len(self.table.columns)
        return alike and every and self.table.publish == "merge"

    def proven(self, expected: Difference) -> Difference:
        """Return the difference after comparing the target table again: counts, and content column by column."""
        there = "SELECT count(*) FROM {target} AS l JOIN {all_built} AS b ON {keys}"
        after, built, equal = self.counts(
            "SELECT count(*) FROM {target} AS l",
            "SELECT count(*) FROM {all_built} AS b",
            f"{there} WHERE NOT {{differs}}",
        )
        if self.table.publish == "ensure":
            if self.counts(there) == [built]:
                return replace(expected, after=after)
        elif equal == built and (self.keeps or after == (expected.after if self.partial else built)):
            return replace(expected, after=after)
        raise PublishFailed(
            f"table {self.table.name}: of {built} built rows, {equal} are in it unchanged, among {after} rows",
            hint="Look for a trigger or rule on the table that changes what is written, and disable or drop it."
            if expected.inserted or expected.updated or expected.deleted
            else "Run the command again: another session wrote into it after it was compared.",
        )

    def compose(self, query: str, **more: sql.Composable) -> sql.Composed:
        """The statement with what its braces name filled in; `more` are names of the caller's own."""
        return as_type(query).format(**self._names, **more)

    @cached_property
    def _names(self) -> dict[str, sql.Composable]:
        return {
            "target": self.target,
            "home": self.home,
            "built": self.built,
            "all_built": self.all_built,
            "keys": self.keys,
            "first_key": sql.Identifier(self.table.merge_key[0]),
            "key_of_b": key_text("b", self.table.primary_key),
            "key_of_l": key_text("l", self.table.primary_key),
            "same": sql.SQL("SELECT FROM {} AS l WHERE {}").format(self.target, self.keys),
            "gone": self._gone,
            "columns": _names(self.inserted),
            "values": sql.SQL(", ").join(map(self.cast, self.inserted)),
            "sets": sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), self.cast(name)) for name in self.settable
            ),
            "held": self.held,
            "whole": _names([name for name, column in self.there.items() if not column.generated]),
            "differs": self.differs(self.others),
        }

    @property
    def _gone(self) -> sql.Composable:
        gone = sql.SQL("NOT EXISTS (SELECT FROM {} AS b WHERE {})").format(self.built, self.keys)
        if self.removed is None:
            return gone
        here = self.equal_here(self.table.merge_key)
        return sql.SQL("({} AND EXISTS (SELECT FROM {} AS b WHERE {}))").format(gone, self.removed, here)

    @property
    def held(self) -> sql.Identifier:
        """The table that holds rows for a moment, while they are not in the target table."""
        return sql.Identifier("pg_temp", "mock2pg_held")

    @cached_property
    def reading(self) -> OwnersCode:
        """Return the comparison; creates no temporary function unless a domain or cast needs one."""
        return OwnersCode(self.connection, self.target_schema, [self.table.name], values=True)

    def counts(self, *queries: str) -> list[int]:
        """Return the numbers that the queries give, as of one statement."""
        each = sql.SQL(", ").join(sql.SQL("({})").format(self.compose(query)) for query in queries)
        (found,) = self.reading.texts(sql.SQL("SELECT concat_ws(' ', {})").format(each))
        return [int(number) for number in found.split()]


def _names(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
