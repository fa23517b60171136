"""Publishing: makes live tables hold exactly the rows of the built ones, by difference, keeping the tables themselves.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from psycopg import sql

from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.tools.postgres import catalogue
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
    for merge in reversed(merges):
        if differences[merge.table.name].deleted:
            merge.delete()
    for merge in merges:
        if merge.created:
            merge.create()
        if differences[merge.table.name].updated:
            merge.update()
        if differences[merge.table.name].inserted:
            merge.insert()
    for step in ("constrain", "refer"):  # every key before the first reference to one
        for merge in merges:
            if merge.created:
                getattr(merge, step)()
    return {merge.table.name: merge.proven(differences[merge.table.name]) for merge in merges}


class _Merge:
    """One table on its way from the built to the live schema."""

    def __init__(self, connection: Connection, built: str, live: str, table: Table, created: bool) -> None:
        self.connection, self.table, self.created = connection, table, created
        self.built, self.live = sql.Identifier(built, table.name), sql.Identifier(live, table.name)
        self.live_schema = live
        types = {column.name: column.data_type for column in table.columns}
        if not created:
            there = {column.name: column.data_type for column in catalogue.columns(connection, live, table.name)}
            missing = [name for name in types if name not in there]
            if missing:
                raise PublishFailed(f"table {table.name} is there but has no column {', '.join(missing)}")
            types = {name: there[name] for name in types}
        self.types = types
        self.keys = _and("l.{0} = {1}", table.primary_key, types)
        self.others = [name for name in types if name not in table.primary_key]

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

    def delete(self) -> None:
        self._execute(_GONE)

    def update(self) -> None:
        self._execute("UPDATE {live} AS l SET {sets} FROM {built} AS b WHERE {keys} AND {differs}")

    def insert(self) -> None:
        new = "" if self.created else " WHERE NOT EXISTS ({same})"
        self._execute("INSERT INTO {live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {built} AS b" + new)

    def create(self) -> None:
        """The columns alone: keys and indexes are built faster once the rows are there."""
        definitions = [
            sql.SQL("{} {}{}").format(
                sql.Identifier(column.name),
                _sql(column.data_type),
                sql.SQL(" NOT NULL" if column.not_null else ""),
            )
            for column in self.table.columns
        ] + [
            sql.SQL("{} {}").format(sql.Identifier(name), _sql(definition))
            for name, definition in self.table.database_columns
        ]
        self.connection.execute(sql.SQL("CREATE TABLE {} ({})").format(self.live, sql.SQL(", ").join(definitions)))

    def constrain(self) -> None:
        """Primary key, unique and check constraints, under the names that PostgreSQL itself would choose."""
        table = self.table
        self._add(f"{table.name}_pkey", sql.SQL("PRIMARY KEY ({})").format(_names(table.primary_key)))
        for columns in table.uniques:
            self._add("_".join([table.name, *columns, "key"]), sql.SQL("UNIQUE ({})").format(_names(columns)))
        for name, expression in table.checks:
            self._add(name, sql.SQL("CHECK ({})").format(_sql(expression)))

    def refer(self) -> None:
        """Foreign keys, each with an index on the referring columns unless a key already begins with them."""
        table = self.table
        for key in table.foreign_keys:
            self._add(
                "_".join([table.name, *key.columns, "fkey"]),
                sql.SQL("FOREIGN KEY ({}) REFERENCES {} ({}) {}").format(
                    _names(key.columns),
                    sql.Identifier(self.live_schema, key.parent),
                    _names(key.parent_columns),
                    _sql(key.on_delete),
                ),
            )
            if not any(unique[: len(key.columns)] == key.columns for unique in (table.primary_key, *table.uniques)):
                self.connection.execute(
                    sql.SQL("CREATE INDEX {} ON {} ({})").format(
                        sql.Identifier("_".join([table.name, *key.columns, "idx"])),
                        self.live,
                        _names(key.columns),
                    )
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
        elif after == equal == built:
            return replace(expected, after=after)
        raise PublishFailed(
            f"table {self.table.name}: of {built} built rows, {equal} are live as they should be, among {after}",
            hint="A trigger or rule on the table changes what is written. The transaction was rolled back.",
        )

    def _add(self, name: str, definition: sql.Composable) -> None:
        self.connection.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(self.live, sql.Identifier(name), definition)
        )

    def _compose(self, query: str) -> sql.Composed:
        same = sql.SQL("SELECT FROM {} AS l WHERE {}").format(self.live, self.keys)
        pairs = [(sql.Identifier(name), _cast(name, self.types)) for name in self.others]
        differs = [sql.SQL("l.{} IS DISTINCT FROM {}").format(*pair) for pair in pairs]
        return _sql(query).format(
            live=self.live,
            built=self.built,
            keys=self.keys,
            same=same,
            columns=_names(tuple(self.types)),
            values=sql.SQL(", ").join(_cast(name, self.types) for name in self.types),
            sets=sql.SQL(", ").join(sql.SQL("{} = {}").format(*pair) for pair in pairs),
            differs=sql.SQL("({})").format(sql.SQL(" OR ").join(differs) if differs else sql.SQL("false")),
        )

    def _count(self, query: str) -> int:
        return catalogue.count(self.connection, self._compose(query))

    def _execute(self, query: str) -> None:
        self.connection.execute(self._compose(query))


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
