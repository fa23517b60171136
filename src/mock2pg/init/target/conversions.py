"""Conversions of a field's values into another type, which the model of an existing table writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mock2pg.postgres.existing_tables import ExistingColumn

_MICROSECONDS = 6


@dataclass(frozen=True)
class Fit:
    """The way of a field's value into a column.

    data_type   that `_sources.yml` declares
    format      how the JSON spells it
    contract    the type that the contract says, where it is another
    expression  SQL of the model with {x} for the staged column
    derived     why the value changes; empty where it is proven to arrive
    doubt       what a person should look at
    """

    data_type: str
    format: str = ""
    contract: str = ""
    expression: str = ""
    derived: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Field:
    """The values of a field of the source: their type, its spelling, and their texts.

    texts   all that differ, where they are few
    quoted  what each text spells, but for empty ones: integer, numeric, boolean or a time
    gaps    some texts are empty
    """

    data_type: str
    format: str = ""
    texts: tuple[str, ...] = ()
    quoted: str = ""
    longest: int = 0
    gaps: bool = False


def fraction(spelled: str, base: str) -> int:
    """The digits of a second that the format has."""
    if not spelled and base == "timestamptz":
        return 3
    found = re.search(r"\.(s+)", spelled)
    return len(found[1]) if found else 0


def _in_utc(found: Fit, column: ExistingColumn) -> Fit:
    """An instant as its clock time in UTC, or the reverse."""
    both = "{x} at time zone 'UTC'"
    if found.data_type == "date":
        both = "{x}::timestamp at time zone 'UTC'"
    digits = column.modifier[0] if column.modifier else _MICROSECONDS
    lost = found.data_type == "timestamptz" and fraction(found.format, "timestamptz") > digits
    told = f"the column keeps {digits} digits of a second, the source has more" if lost else ""
    why = "" if found.data_type == "timestamptz" else "the column holds the instant, in UTC"
    return Fit(found.data_type, found.format, found.contract, both, why, told)


def _midnight(found: Fit, column: ExistingColumn) -> Fit:
    return Fit(found.data_type, found.format, found.contract, "{x}::timestamp")


def _day(found: Fit, column: ExistingColumn) -> Fit:
    day = "({x} at time zone 'UTC')::date" if found.data_type == "timestamptz" else "{x}::date"
    doubt = "the column is a date: the time of day is left out"
    return Fit(found.data_type, found.format, found.contract, day, "the column holds the day, in UTC", doubt)


def _one_or_zero(found: Fit, column: ExistingColumn) -> Fit:
    why = f"the column is {column.data_type} in the database"
    return Fit(found.data_type, found.format, found.contract, "{x}::integer", why)


def _not_zero(found: Fit, column: ExistingColumn) -> Fit:
    doubt = "a number in the source, boolean in the database: 0 is false, any other number true"
    why = "the column is boolean in the database"
    return Fit(found.data_type, found.format, found.contract, "{x} <> 0", why, doubt)


CONVERSIONS: dict[tuple[str, str], Callable[[Fit, ExistingColumn], Fit]] = {
    ("timestamptz", "timestamp"): _in_utc,
    ("timestamp", "timestamptz"): _in_utc,
    ("date", "timestamptz"): _in_utc,
    ("date", "timestamp"): _midnight,
    ("timestamptz", "date"): _day,
    ("timestamp", "date"): _day,
    ("boolean", "integer"): _one_or_zero,
    ("integer", "boolean"): _not_zero,
}
