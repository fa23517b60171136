"""One table on its way from the built to the live schema: what differs, and the statements that make it equal.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import psycopg
from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.tools.postgres import catalogue
from mock2pg.tools.postgres.catalogue import LiveForeignKey
from mock2pg.tools.postgres.connection import Connection


@dataclass(frozen=True)
class Difference:
    """What one table went through; counts of rows."""

    before: int
    after: int
    inserted: int
    updated: int
    deleted: int
    created: bool = False

    @property
    def unchanged(self) -> int:
        return self.before - self.updated - self.deleted

    def as_dict(self) -> dict[str, int | bool]:
        """The counts as a run records them."""
        return {**asdict(self), "unchanged": self.unchanged}


class TableMerge:
    """One table; its statements run in the order that the whole publication needs.

    created  it is not live yet
    keeps    rows that are live and not built stay: an "ensure" or "upsert" table
    """

    def __init__(self, connection: Connection, built: str, live: str, table: Table, *, created: bool) -> None:
        self.connection, self.table, self.created = connection, table, created
        self.built, self.live = sql.Identifier(built, table.name), sql.Identifier(live, table.name)
        self.live_schema = live
        self.keeps = table.publish != "merge"
        self.there = {} if created else {c.name: c for c in catalogue.columns(connection, live, table.name)}
        missing = [column.name for column in table.columns if not created and column.name not in self.there]
        if missing:
            raise PublishFailed(f"table {table.name} is there but has no column {', '.join(missing)}")
        self.types = {
            column.name: self.there[column.name].data_type if self.there else column.data_type
            for column in table.columns
        }
        self.keys = _and("l.{0} = {1}", table.primary_key, self.types)
        self.others = [name for name, kind in self.types.items() if name not in table.primary_key or kind not in _EXACT]

    def difference(self) -> Difference:
        """Count what is to be inserted, updated and deleted; nothing is written."""
        before = (
            0
            if self.created
            else catalogue.count(self.connection, sql.SQL("SELECT count(*) FROM {}").format(self.live))
        )
        inserted = self._count(
            "SELECT count(*) FROM {built} AS b" + ("" if self.created else " WHERE NOT EXISTS ({same})")
        )
        if self.created or self.table.publish == "ensure":
            return Difference(before, before + inserted, inserted, 0, 0, self.created)
        deleted = 0 if self.keeps else self._count("SELECT count(*) FROM {live} AS l WHERE {gone}")
        updated = self._count("SELECT count(*) FROM {live} AS l JOIN {built} AS b ON {keys} WHERE {differs}")
        return Difference(before, before + inserted - deleted, inserted, updated, deleted)

    def shown_keys(self, limit: int) -> dict[str, list[str]]:
        """Primary keys of rows that would be inserted, updated and deleted; up to `limit` of each, as text."""
        new = "TRUE" if self.created else "NOT EXISTS ({same})"
        queries = {"inserted": "SELECT {key_of_b} FROM {built} AS b WHERE " + new}
        if not self.created and self.table.publish != "ensure":
            queries["updated"] = "SELECT {key_of_l} FROM {live} AS l JOIN {built} AS b ON {keys} WHERE {differs}"
            if not self.keeps:
                queries["deleted"] = "SELECT {key_of_l} FROM {live} AS l WHERE {gone}"
        found = {}
        for what, query in queries.items():
            limited = self._compose(query + " ORDER BY 1 LIMIT ") + sql.Literal(limit)
            found[what] = [key for (key,) in self.connection.execute(limited).fetchall()]
        return found

    def taken_along(self, key: LiveForeignKey) -> int:
        """How many rows of a table that is not ours refer by this key to a row that goes."""
        query = self._compose("SELECT count(*) FROM {live} AS l JOIN ") + sql.SQL("{} AS c ON {} WHERE ").format(
            sql.Identifier(key.schema, key.table), _refers(key)
        )
        return catalogue.count(self.connection, query + self._compose("{gone}"))

    def delete_free(self, references: Sequence[LiveForeignKey]) -> int:
        """Delete what is gone, but for rows that others still refer to; returns how many went."""
        free = [
            sql.SQL(" AND NOT EXISTS (SELECT FROM {} AS c WHERE {})").format(
                sql.Identifier(key.schema, key.table), _refers(key)
            )
            for key in references
            if key.parent == self.table.name
        ]
        return self.connection.execute(self.delete_rest + sql.SQL("").join(free)).rowcount

    @property
    def delete_rest(self) -> sql.Composed:
        return self._compose("DELETE FROM {live} AS l WHERE {gone}")

    @property
    def insert(self) -> sql.Composed:
        new = "" if self.created else " WHERE NOT EXISTS ({same})"
        return self._compose(
            "INSERT INTO {live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {built} AS b" + new
        )

    def update(self) -> None:
        query = self._compose("UPDATE {live} AS l SET {sets} FROM {built} AS b WHERE {keys} AND {differs}")
        if self._goes(query) or (self.step_aside() and self._goes(query)):
            return
        if catalogue.is_referred_to(self.connection, self.live_schema, self.table.name):
            self.connection.execute(query)  # which names the constraint
        self._replace()

    def _goes(self, query: sql.Composed) -> bool:
        """Whether it could be done: two rows may exchange a unique value, and each is looked at on its own."""
        try:
            with self.connection.transaction():
                self.connection.execute(query)
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def step_aside(self) -> bool:
        """Take unique values that other rows are to hold away from those that hold them; whether all of it could be."""
        if self.created or self.table.publish == "ensure":
            return False
        try:
            with self.connection.transaction():
                return all(self._free(unique) for unique in self._unique_keys())
        except psycopg.errors.IntegrityError:  # a check that the value for the moment does not meet
            return False

    def _unique_keys(self) -> list[tuple[str, ...]]:
        keys = catalogue.unique_keys(self.connection, self.live_schema, self.table.name)
        return [key for key in keys if set(key) <= self.types.keys()]

    def _free(self, unique: Sequence[str]) -> bool:
        same = _and("l.{0} = {1}", unique, self.types)
        wanted = self._compose("EXISTS (SELECT FROM {built} AS b WHERE NOT ({keys}) AND ") + same + sql.SQL(")")
        if not catalogue.count(self.connection, self._compose("SELECT count(*) FROM {live} AS l WHERE ") + wanted):
            return True
        bound = {
            name
            for key in catalogue.foreign_keys(self.connection, self.live_schema)
            if key.table == self.table.name
            for name in key.columns
        }
        columns = [self.there[name] for name in unique if name not in self.table.primary_key]
        nullable = [column for column in columns if not column.not_null]
        typed = [column for column in columns if column.name not in bound and column.type_category in _ASIDE]
        if not nullable and not typed:
            return False
        column = (nullable or typed)[0]
        aside = "NULL" if nullable else _ASIDE[column.type_category]
        names = {
            "column": sql.Identifier(column.name),
            "aside": _sql(aside).format(column=sql.Identifier(column.name), live=self.live),
            "type": _sql(column.data_type),
        }
        self.connection.execute(
            self._compose("UPDATE {live} AS l SET ")
            + sql.SQL("{column} = ({aside})::{type} FROM (SELECT ").format(**names)
            + self._compose("{key}, row_number() OVER () AS number FROM {live} AS l WHERE ")
            + wanted
            + sql.SQL(") AS f WHERE ")
            + sql.SQL(" AND ").join(sql.SQL("l.{0} = f.{0}").format(sql.Identifier(n)) for n in self.table.primary_key)
        )
        return True

    def _replace(self) -> None:
        """Take the rows that change out and put them in again, with what they hold in columns that are not ours."""
        for query in (
            "CREATE TEMPORARY TABLE {held} AS SELECT l.* FROM {live} AS l JOIN {built} AS b ON {keys} WHERE {differs}",
            "DELETE FROM {live} AS l WHERE EXISTS (SELECT FROM {built} AS b WHERE {keys} AND {differs})",
            "UPDATE {held} AS l SET {sets} FROM {built} AS b WHERE {keys}",
            "INSERT INTO {live} ({whole}) OVERRIDING SYSTEM VALUE SELECT {whole} FROM {held}",
            "DROP TABLE {held}",
        ):
            self.connection.execute(self._compose(query))

    def advance_sequences(self) -> None:
        """Let an identity or serial column go on after the largest value that it holds now.

        By RESTART, which a rollback undoes and setval would not.
        """
        for column in self.there.values():
            if column.sequence is None or column.name not in self.types:
                continue
            row = self.connection.execute(
                sql.SQL("SELECT max({}) FROM {}").format(sql.Identifier(column.name), self.live)
            ).fetchone()
            sequence = _sql(column.sequence)
            state = self.connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sequence)).fetchone()
            assert row is not None and state is not None  # noqa: S101, PT018
            following = state[0] + (1 if state[1] else 0)
            if row[0] is not None and row[0] >= following:
                self.connection.execute(
                    sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sequence, sql.Literal(int(row[0]) + 1))
                )

    def proven(self, expected: Difference) -> Difference:
        """The difference, after a look at what is live now: counts and, column by column, content."""
        after = self._count("SELECT count(*) FROM {live} AS l")
        equal = self._count("SELECT count(*) FROM {live} AS l JOIN {built} AS b ON {keys} WHERE NOT {differs}")
        built = self._count("SELECT count(*) FROM {built} AS b")
        if self.table.publish == "ensure":
            there = self._count("SELECT count(*) FROM {live} AS l JOIN {built} AS b ON {keys}")
            if there == built:
                return replace(expected, after=after)
        elif (self.keeps and equal == built) or after == equal == built:
            return replace(expected, after=after)
        raise PublishFailed(
            f"table {self.table.name}: of {built} built rows, {equal} are live as they should be, among {after}",
            hint="A trigger or rule on the table changes what is written. The transaction was rolled back.",
        )

    def _compose(self, query: str) -> sql.Composed:
        same = sql.SQL("SELECT FROM {} AS l WHERE {}").format(self.live, self.keys)
        differs = [
            sql.SQL("l.{0}{2} IS DISTINCT FROM {1}{2}").format(
                sql.Identifier(name), _cast(name, self.types), _sql(_EXACT.get(self.types[name], "::text"))
            )
            for name in self.others
        ]
        settable = [name for name in self.others if not (self.there and self.there[name].identity_always)]
        return _sql(query).format(
            live=self.live,
            built=self.built,
            keys=self.keys,
            key=_names(self.table.primary_key),
            key_of_b=_key_text("b", self.table.primary_key),
            key_of_l=_key_text("l", self.table.primary_key),
            same=same,
            gone=sql.SQL("NOT EXISTS (SELECT FROM {} AS b WHERE {})").format(self.built, self.keys),
            columns=_names(tuple(self.types)),
            values=sql.SQL(", ").join(_cast(name, self.types) for name in self.types),
            sets=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), _cast(name, self.types)) for name in settable
            ),
            held=sql.Identifier("pg_temp", "mock2pg_held"),
            whole=_names(tuple(name for name, column in self.there.items() if not column.generated)),
            differs=sql.SQL("({})").format(sql.SQL(" OR ").join(differs) if differs else sql.SQL("false")),
        )

    def _count(self, query: str) -> int:
        return catalogue.count(self.connection, self._compose(query))


# Types whose equal values are the same value, and how they are compared. Any other type is compared by its text:
# 1.0 equals 1 in a jsonb, 0 equals -0 in a float and 1 month equals 30 days, but a hash tells them apart.
_EXACT = {
    **dict.fromkeys(("smallint", "integer", "bigint", "boolean", "date", "uuid", "time without time zone"), ""),
    "text": ' COLLATE "C"',
}

# What a column that may not be NULL holds for a moment, by pg_type.typcategory: a value that no row has.
_ASIDE = {
    "S": "'mock2pg ' || gen_random_uuid()",
    "U": "gen_random_uuid()",
    "N": "(SELECT min({column}) FROM {live}) - f.number",
}


def _cast(name: str, types: dict[str, str]) -> sql.Composable:
    """A built column as the live column's own type."""
    return sql.SQL("b.{}::{}").format(sql.Identifier(name), _sql(types[name]))


def _and(template: str, names: Sequence[str], types: dict[str, str]) -> sql.Composable:
    return sql.SQL(" AND ").join(_sql(template).format(sql.Identifier(name), _cast(name, types)) for name in names)


def _key_text(alias: str, names: Sequence[str]) -> sql.Composable:
    return sql.SQL("concat_ws(', ', {})").format(
        sql.SQL(", ").join(sql.SQL(f"{alias}.{{}}").format(sql.Identifier(name)) for name in names)
    )


def _refers(key: LiveForeignKey) -> sql.Composable:
    """`c`, a row of the table that refers, refers to `l`."""
    return sql.SQL(" AND ").join(
        sql.SQL("c.{} = l.{}").format(sql.Identifier(ours), sql.Identifier(theirs))
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
    )


def _names(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _sql(text: str) -> sql.SQL:
    """SQL that is our own, dbt's contract's or the catalogue's; never a name or a value of the data."""
    return sql.SQL(text)
