"""Columns of an existing table that no field of the source fills: left to the database, or given a constant."""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.init.conclusions import ConcludedColumn, Doubt
from mock2pg.init.target.names_alike import words
from mock2pg.init.target.types import contract_type
from mock2pg.postgres.existing_tables import ExistingColumn, ExistingTable
from mock2pg.staged_tables import SourceColumn

_CONSTANTS = {
    "text": "''",
    "boolean": "false",
    "integer": "0",
    "bigint": "0",
    "numeric": "0",
    "double precision": "0",
    "date": "'1970-01-01'",
    "time": "'00:00'",
    "timestamp": "'1970-01-01 00:00:00'",
    "timestamptz": "'1970-01-01 00:00:00+00'",
    "jsonb": "'{}'",
}
_CREATED = ("created", "creation", "inserted")


def columns(
    table: ExistingTable, filled: Sequence[ConcludedColumn]
) -> tuple[list[ConcludedColumn], list[Doubt], list[Doubt]]:
    """Return constants for the columns that need a value, what the others get, and what a person should look at."""
    names = {column.name for column in filled}
    apart = {name for key in table.foreign_keys for name in key.columns}
    apart |= {name for unique in (table.primary_key, *table.uniques) for name in unique}
    constants, notes, doubts = [], [], []
    for column in table.columns:
        place = f"{table.name}.{column.name}"
        if column.name in names:
            continue
        if column.filled_by_database:
            notes.append(Doubt(place, f"no field fills it: {_what_it_gets(column)}"))
        elif column.name in apart or not (value := _constant(column, filled)):
            told = "NOT NULL without a default, and no constant is right: fill it in the model, or give it a default"
            doubts.append(Doubt(place, f"no field fills it; it is {told}"))
        else:
            constants.append(_filled(column, value, rows=filled[0].rows if filled else 0))
            told = (
                f"no field fills it; it is NOT NULL without a default. The model has {value}: replace it if it is wrong"
            )
            doubts.append(Doubt(place, told))
    return constants, notes, doubts


def _what_it_gets(column: ExistingColumn) -> str:
    if column.generated:
        return "the database computes it"
    if column.default == "identity" or column.default.startswith("nextval("):
        return "the database numbers new rows"
    return f"new rows get {column.default}" if column.default else "new rows get NULL"


def _constant(column: ExistingColumn, filled: Sequence[ConcludedColumn]) -> str:
    """SQL of a value that the column takes.

    Never now(): each migration would change every row. The time of an update is that of the row's creation.
    """
    kind = contract_type(column)
    if column.is_enum and not column.is_array:
        return "cast('{}' as text)".format(column.labels[0].replace("'", "''"))
    for other in filled:
        if kind.startswith("timestamp") and other.target_type == kind and set(words(other.name)) & set(_CREATED):
            return other.expression or '"{}"'.format(other.name.replace('"', '""'))
    value = "'{}'" if column.is_array else _CONSTANTS.get(kind.partition("(")[0], "")
    return f"cast({value} as {kind})" if value and kind else ""


def _filled(column: ExistingColumn, value: str, rows: int) -> ConcludedColumn:
    kind = contract_type(column)
    return ConcludedColumn(
        declared=SourceColumn(column.name, kind, "", required=True),
        evidence=f"{column.data_type}, NOT NULL without a default in the database",
        rows=rows,
        values=rows,
        constant=value,
        derived="no field of the source fills it, and the database has no default",
    )
