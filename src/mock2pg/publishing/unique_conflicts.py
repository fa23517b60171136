"""Rows that exchange unique values: conflicting rows get parked values first, or are deleted and inserted again.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from psycopg import sql

from mock2pg.postgres import catalogue
from mock2pg.postgres.target_records import TargetUnique

if TYPE_CHECKING:
    from mock2pg.publishing.table_merge import TableMerge

ALIKE = (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation)

# Parked values by pg_type.typcategory: no row has them, before or after. {hex} is made up by this process, and together
# with the row's own value is another one in each row; no function here is volatile, or Citus would refuse it.
_TEXT = "coalesce(l.{column}::text, '')"
_LEAST = "least((SELECT min({column}) FROM {target}), (SELECT min({column}::{type}) FROM {built}))"
_GREATEST = "greatest((SELECT max({column}) FROM {target}), (SELECT max({column}::{type}) FROM {built}))"
_PARKED = {
    "S": (f"{{hex}} || {_TEXT}", f"{_TEXT} || {{hex}}"),  # so it may still be what a check asks for
    "U": (f"md5({{hex}} || {_TEXT})",),
    "N": (f"{_GREATEST} + f.mock2pg_nth", f"{_LEAST} - f.mock2pg_nth"),
    "D": (f"{_GREATEST} + f.mock2pg_nth * interval '1 day'", f"{_LEAST} - f.mock2pg_nth * interval '1 day'"),
}


def try_update(merge: TableMerge, query: sql.Composed) -> bool:
    """Run the UPDATE; return False when rows exchange unique values, because each row is checked on its own."""
    try:
        with merge.connection.transaction():
            merge.code.run(query)
    except ALIKE:
        return False
    return True


def replace(merge: TableMerge) -> None:
    """Delete the rows that change and insert them again; columns outside the contract keep their values.

    One statement does both, at whose end every referenced row is present.
    """
    held = "CREATE TEMPORARY TABLE {held} AS SELECT l.* FROM {target} AS l JOIN {built} AS b ON {keys} WHERE {differs}"
    merge.connection.execute(merge.compose(held))
    for query in (
        "UPDATE {held} AS l SET {sets} FROM {built} AS b WHERE {keys}",
        "WITH gone AS (DELETE FROM {target} AS l WHERE EXISTS (SELECT FROM {built} AS b WHERE {keys} AND {differs})"
        " RETURNING 1) INSERT INTO {home} ({whole}) OVERRIDING SYSTEM VALUE"
        " SELECT {whole} FROM {held} WHERE (SELECT count(*) FROM gone) > 0",
    ):
        merge.code.run(merge.compose(query))
    merge.connection.execute(merge.compose("DROP TABLE {held}"))


def park_values(merge: TableMerge) -> bool:
    """Give the rows to change or delete other unique values; return False when no such value is possible."""
    return all(
        _free(merge, unique) for unique in catalogue.uniques(merge.connection, merge.target_schema, merge.table.name)
    )


def _free(merge: TableMerge, unique: TargetUnique) -> bool:
    rows = _conflicting_rows(merge, unique)
    if not merge.code.number(sql.SQL("SELECT count(*) {}").format(rows)):
        return True
    key = [sql.Identifier(name) for name in merge.table.merge_key]
    for assignment in _assignments(merge, unique):
        try:
            with merge.connection.transaction():
                merge.code.run(
                    sql.SQL(
                        "UPDATE {} AS l SET {} FROM (SELECT {}, row_number() OVER () AS mock2pg_nth {}) AS f WHERE {}"
                    ).format(
                        merge.target,
                        assignment,
                        sql.SQL(", ").join(key),
                        rows,
                        sql.SQL(" AND ").join(sql.SQL("l.{0} = f.{0}").format(name) for name in key),
                    )
                )
            return True
        except psycopg.errors.ProgramLimitExceeded:
            continue  # too long for an index
        except psycopg.OperationalError:
            raise  # a lock that is not given, a connection that is lost
        except psycopg.Error:
            continue  # a check, a type or a reference that does not take it
    return False


def _conflicting_rows(merge: TableMerge, unique: TargetUnique) -> sql.Composed:
    """Select the rows to delete or change in compared columns; for plain columns, only those with conflicts."""
    watched = merge.differs([name for name in unique.watched if name in merge.settable])
    changing = "b.{key} IS NOT NULL AND {watched}" if merge.keeps else "{gone} OR b.{key} IS NOT NULL AND {watched}"
    rows = merge.compose(
        f"FROM (SELECT l.* FROM {{target}} AS l LEFT JOIN {{built}} AS b ON {{keys}} WHERE {changing}) AS l",  # noqa: S608
        key=sql.Identifier(merge.table.primary_key[0]),
        watched=watched,
    )
    if unique.plain and all("." not in merge.types.get(name, ".") for name in unique.columns):
        wanted = merge.compose(" WHERE EXISTS (SELECT FROM {built} AS b WHERE NOT ({keys}) AND ")
        rows += wanted + merge.equal(unique.columns) + sql.SQL(")")
    return rows


def _assignments(merge: TableMerge, unique: TargetUnique) -> Iterator[sql.Composed]:
    """Yield the assignments to try in turn: values that no other row has, then NULL."""
    columns = [
        merge.there[name] for name in unique.columns if name in merge.settable and name not in merge.table.merge_key
    ]
    made_up = sql.Literal(uuid4().hex)
    for column in merge.parkable(columns):
        for value in _PARKED.get(column.type_category, ()):
            names = {"column": sql.Identifier(column.name), "type": sql.SQL(column.data_type)}
            yield sql.SQL("{column} = ({value})::{type}").format(
                value=sql.SQL(value).format(target=merge.target, built=merge.built, hex=made_up, **names), **names
            )
    for column in columns:
        if not column.not_null:
            yield sql.SQL("{} = NULL").format(sql.Identifier(column.name))
