"""Publishing: makes live tables hold exactly the rows of the built ones, by difference, keeping the tables themselves.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import psycopg
from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.tools.postgres import catalogue, creation
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


def publish(connection: Connection, built: str, live: str, tables: Sequence[Table]) -> dict[str, Difference]:
    """Bring the built tables live: existing ones are merged, absent ones created, filled and then constrained.

    tables  in foreign-key order
    Raises PublishFailed when what is live afterwards is not what was built.
    """
    present = set(catalogue.tables(connection, live))
    merges = [_Merge(connection, built, live, table, table.name not in present) for table in tables]
    differences = {merge.table.name: merge.difference() for merge in merges}
    waiting = [merge for merge in reversed(merges) if merge.delete(differences[merge.table.name].deleted)]
    for merge in merges:
        if merge.created:
            creation.create(connection, live, merge.table)
        if differences[merge.table.name].updated:
            merge.update()
        if differences[merge.table.name].inserted:
            merge.insert()
    for merge in waiting:
        merge.delete_rest()
    for step in (creation.constrain, creation.refer):  # every key before the first reference to one
        for merge in merges:
            if merge.created:
                step(connection, live, merge.table)
    return {merge.table.name: merge.proven(differences[merge.table.name]) for merge in merges}


class _Merge:
    """One table on its way from the built to the live schema."""

    def __init__(self, connection: Connection, built: str, live: str, table: Table, created: bool) -> None:
        self.connection, self.table, self.created = connection, table, created
        self.built, self.live = sql.Identifier(built, table.name), sql.Identifier(live, table.name)
        self.live_schema = live
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
        deleted = self._count(_GONE.replace("DELETE", "SELECT count(*)", 1))
        updated = self._count("SELECT count(*) FROM {live} AS l JOIN {built} AS b ON {keys} WHERE {differs}")
        return Difference(before, before + inserted - deleted, inserted, updated, deleted)

    def delete(self, gone: int) -> bool:
        """Delete what is gone, but for rows that others still refer to: those move away first. Whether any is left."""
        if not gone:
            return False
        keys = [
            key
            for key in catalogue.foreign_keys(self.connection, self.live_schema)
            if (key.parent_schema, key.parent) == (self.live_schema, self.table.name)
        ]
        free = [
            sql.SQL(" AND NOT EXISTS (SELECT FROM {} AS c WHERE {})").format(
                sql.Identifier(self.live_schema, key.table),
                sql.SQL(" AND ").join(
                    sql.SQL("c.{} = l.{}").format(sql.Identifier(ours), sql.Identifier(theirs))
                    for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
                ),
            )
            for key in keys
        ]
        return self.connection.execute(self._compose(_GONE) + sql.SQL("").join(free)).rowcount < gone

    def delete_rest(self) -> None:
        self._execute(_GONE)

    def update(self) -> None:
        try:
            with self.connection.transaction():
                self._execute("UPDATE {live} AS l SET {sets} FROM {built} AS b WHERE {keys} AND {differs}")
        except psycopg.errors.UniqueViolation:  # two rows exchange a value, and each is looked at on its own
            if catalogue.is_referred_to(self.connection, self.live_schema, self.table.name):
                raise
            self._replace()

    def _replace(self) -> None:
        """Take the rows that change out and put them in again, with what they hold in columns that are not ours."""
        for query in (
            "CREATE TEMPORARY TABLE {held} AS SELECT l.* FROM {live} AS l JOIN {built} AS b ON {keys} WHERE {differs}",
            "DELETE FROM {live} AS l WHERE EXISTS (SELECT FROM {built} AS b WHERE {keys} AND {differs})",
            "UPDATE {held} AS l SET {sets} FROM {built} AS b WHERE {keys}",
            "INSERT INTO {live} ({whole}) OVERRIDING SYSTEM VALUE SELECT {whole} FROM {held}",
            "DROP TABLE {held}",
        ):
            self._execute(query)

    def insert(self) -> None:
        new = "" if self.created else " WHERE NOT EXISTS ({same})"
        self._execute("INSERT INTO {live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {built} AS b" + new)

    def proven(self, expected: Difference) -> Difference:
        """The difference, after a look at what is live now: counts and, column by column, content."""
        after = self._count("SELECT count(*) FROM {live} AS l")
        equal = self._count("SELECT count(*) FROM {live} AS l JOIN {built} AS b ON {keys} WHERE NOT {differs}")
        built = self._count("SELECT count(*) FROM {built} AS b")
        if self.table.publish == "ensure":
            there = self._count("SELECT count(*) FROM {live} AS l JOIN {built} AS b ON {keys}")
            if there == built:
                return replace(expected, after=after)
        elif after == equal == built:
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
            same=same,
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

    def _execute(self, query: str) -> None:
        self.connection.execute(self._compose(query))


# Types whose equal values are the same value, and how they are compared. Any other type is compared by its text:
# 1.0 equals 1 in a jsonb, 0 equals -0 in a float and 1 month equals 30 days, but a hash tells them apart.
_EXACT = {
    **dict.fromkeys(("smallint", "integer", "bigint", "boolean", "date", "uuid", "time without time zone"), ""),
    "text": ' COLLATE "C"',
}
_GONE = "DELETE FROM {live} AS l WHERE NOT EXISTS (SELECT FROM {built} AS b WHERE {keys})"


def _cast(name: str, types: dict[str, str]) -> sql.Composable:
    """A built column as the live column's own type."""
    return sql.SQL("b.{}::{}").format(sql.Identifier(name), _sql(types[name]))


def _and(template: str, names: Sequence[str], types: dict[str, str]) -> sql.Composable:
    return sql.SQL(" AND ").join(_sql(template).format(sql.Identifier(name), _cast(name, types)) for name in names)


def _names(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _sql(text: str) -> sql.SQL:
    """SQL that is our own, dbt's contract's or the catalogue's; never a name or a value of the data."""
    return sql.SQL(text)
