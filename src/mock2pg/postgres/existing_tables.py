"""Tables that an application made, as a contract has to know them: what a column takes, and what fills it."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from mock2pg.contracts import REFERENCE
from mock2pg.postgres import catalogue, distribution
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.target_records import TargetForeignKey


@dataclass(frozen=True)
class ExistingColumn:
    """One column.

    base      its type without modifier, as format_type spells it; of a domain that which it is over; of an array its
              elements' type
    modifier  what is in the type's parentheses: (10, 4) of numeric(10,4), (64,) of varchar(64)
    labels    of an enum, or of an array of one
    default   the expression, also of an identity
    """

    name: str
    data_type: str
    base: str
    modifier: tuple[int, ...]
    is_array: bool
    is_text: bool
    labels: tuple[str, ...]
    not_null: bool
    default: str
    generated: bool

    @property
    def is_enum(self) -> bool:
        return bool(self.labels)

    @property
    def filled_by_database(self) -> bool:
        """A row without a value in it can be inserted."""
        return bool(self.default) or self.generated or not self.not_null


@dataclass(frozen=True)
class ExistingTable:
    """One table.

    uniques       those that compare plain columns and all rows
    distribution  in Citus: the distribution column, "reference" for a reference table, empty for a local one
    """

    name: str
    columns: tuple[ExistingColumn, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    foreign_keys: tuple[TargetForeignKey, ...]
    holds_rows: bool
    distribution: str = ""

    @property
    def distribution_column(self) -> str:
        """The distribution column; empty for a local or a reference table."""
        return "" if self.distribution == REFERENCE else self.distribution

    def narrowed(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return a key without the distribution column, which Citus wants in every key."""
        return tuple(name for name in columns if name != self.distribution_column) or columns

    def column(self, name: str) -> ExistingColumn | None:
        return next((column for column in self.columns if column.name == name), None)


def read(connection: Connection, schema: str) -> tuple[ExistingTable, ...]:
    """The tables of the schema by name."""
    foreign = catalogue.foreign_keys(connection, schema)
    distributed = distribution.of_schema(connection, schema)
    return tuple(
        ExistingTable(
            name=name,
            columns=tuple(_columns(connection, schema, name)),
            primary_key=catalogue.primary_key(connection, schema, name),
            uniques=tuple(_uniques(connection, schema, name)),
            foreign_keys=tuple(key for key in foreign if key.table == name),
            holds_rows=_holds_rows(connection, schema, name),
            distribution=distributed[name].declared if name in distributed else "",
        )
        for name in catalogue.tables(connection, schema)
    )


def other_relations(connection: Connection, schema: str) -> set[str]:
    """Names that no new table can have: of views, sequences, indexes and the like."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)", [schema]
    ).fetchall()
    return {name for (name,) in rows} - set(catalogue.tables(connection, schema))


def _columns(connection: Connection, schema: str, table: str) -> list[ExistingColumn]:
    rows = connection.execute(
        """
        WITH RECURSIVE of_table AS (
            SELECT a.*, t.oid AS type, a.atttypmod AS modifier FROM pg_attribute AS a JOIN pg_type AS t
                ON t.oid = a.atttypid
            WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped),
        below AS (
            SELECT attnum, type, modifier, false AS is_array FROM of_table
            UNION ALL SELECT b.attnum, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
                CASE WHEN t.typtype = 'd' AND t.typtypmod >= 0 THEN t.typtypmod ELSE b.modifier END,
                b.is_array OR t.typtype <> 'd'
            FROM below AS b JOIN pg_type AS t ON t.oid = b.type
            WHERE t.typtype = 'd' OR t.typsubscript = 'array_subscript_handler'::regproc),
        plain AS (
            SELECT b.*, t.typcategory FROM below AS b JOIN pg_type AS t ON t.oid = b.type
            WHERE NOT (t.typtype = 'd' OR t.typsubscript = 'array_subscript_handler'::regproc))
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(p.type, NULL),
            format_type(p.type, p.modifier), p.is_array, p.typcategory = 'S',
            ARRAY (SELECT enumlabel::text FROM pg_enum WHERE enumtypid = p.type ORDER BY enumsortorder),
            a.attnotnull OR EXISTS (SELECT FROM pg_type WHERE oid = a.type AND typnotnull),
            CASE WHEN a.attidentity <> '' THEN 'identity' ELSE coalesce(
                (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = a.attrelid AND adnum = a.attnum),
                (SELECT typdefault FROM pg_type WHERE oid = a.type), '') END,
            a.attgenerated <> ''
        FROM of_table AS a JOIN plain AS p USING (attnum) ORDER BY a.attnum
        """,
        [schema, table],
    ).fetchall()
    return [
        ExistingColumn(name, kind, base, _modifier(spelled), array, text, tuple(labels), required, default, generated)
        for name, kind, base, spelled, array, text, labels, required, default, generated in rows
    ]


def _modifier(spelled: str) -> tuple[int, ...]:
    """The numbers in the parentheses of a type: `timestamp(3) without time zone` has 3."""
    inside = spelled.partition("(")[2].partition(")")[0].split(",")
    return tuple(int(number) for number in inside if number.strip().lstrip("-").isdigit())


def _uniques(connection: Connection, schema: str, table: str) -> list[tuple[str, ...]]:
    """Constraints and indexes that keep any two rows apart by the values of plain columns."""
    found = catalogue.uniques(connection, schema, table)
    return [unique.columns for unique in found if unique.plain and set(unique.columns) == set(unique.watched)]


def _holds_rows(connection: Connection, schema: str, table: str) -> bool:
    """Return False as well for a table that this role may not read: the plan names the privilege."""
    home = sql.Identifier(schema, table)
    if connection.execute("SELECT has_table_privilege(%s, 'SELECT')", [home.as_string()]).fetchone() != (True,):
        return False
    rows = catalogue.own_rows(connection, schema, table)
    return connection.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(rows)).fetchone() == (True,)
