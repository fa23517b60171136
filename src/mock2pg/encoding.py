"""The row hash: one injective encoding of a row, the same in DuckDB and in PostgreSQL.

A value is `N` when it is NULL and otherwise its type's tag, the number of bytes of its canonical text in UTF-8,
a colon, and that text. A row is its values one after another, in the contract's order, and its hash the SHA-256
of that in lower-case hex. No two different rows have the same encoding: every value says how long it is.

Both engines must run with TimeZone=UTC and DateStyle=ISO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True)
class Kind:
    """SQL that turns one data type into canonical text. `{x}` is the column.

    of_text  the same of a text column that holds the value as the JSON spells it; None where JSON has several spellings
    """

    tag: LiteralString
    duckdb: LiteralString
    postgres: LiteralString
    of_text: LiteralString | None = None


_ELEMENT_DUCKDB: LiteralString = "CASE WHEN e IS NULL THEN 'N' ELSE 'T' || strlen(e) || ':' || e END"
_ELEMENT_POSTGRES: LiteralString = "CASE WHEN e IS NULL THEN 'N' ELSE 'T' || octet_length(e) || ':' || e END"

KINDS: dict[str, Kind] = {
    "text": Kind("T", "{x}", "{x}::text"),
    "integer": Kind("I", "{x}::VARCHAR", "{x}::integer::text", "{x}::text"),
    "double precision": Kind(  # by its bits, so that no engine's way of printing matters
        "F",
        "({x}::BIT::BIGINT)::VARCHAR",
        "('x' || encode(float8send({x}::double precision), 'hex'))::bit(64)::bigint::text",
    ),
    "boolean": Kind(
        "B",
        "CASE WHEN {x} THEN 't' ELSE 'f' END",
        "CASE WHEN {x}::boolean THEN 't' ELSE 'f' END",
        "CASE {x}::text WHEN 'true' THEN 't' WHEN 'false' THEN 'f' ELSE '?' || {x}::text END",
    ),
    "date": Kind("D", "{x}::VARCHAR", "{x}::date::text", "{x}::text"),
    "time": Kind("C", "{x}::VARCHAR", "{x}::time::text", "{x}::text || ':00'"),  # the JSON says HH:MM
    "jsonb": Kind("J", "{x}", "{x}::jsonb::text"),
    "text[]": Kind(
        "A",
        f"coalesce(array_to_string(list_transform({{x}}, lambda e: {_ELEMENT_DUCKDB}), ''), '')",
        # unnest would not see dimensions and bounds, which no staged list has but a target array may get
        "CASE WHEN array_ndims({x}::text[]) > 1 OR array_lower({x}::text[], 1) <> 1 THEN {x}::text[]::text ELSE"
        f" (SELECT coalesce(string_agg({_ELEMENT_POSTGRES}, '' ORDER BY n), '')"
        " FROM unnest({x}::text[]) WITH ORDINALITY AS u(e, n)) END",
    ),
}

# How the JSON spells a staged value, where a type's own text is another one, by the type that was staged and that of
# the contract: a time is HH:MM. `{x}` is what a model built, or the staged column.
JSON_TEXT_POSTGRES: dict[tuple[str, str], LiteralString] = {
    ("time", "time"): "substr({x}::text, 1, 5)",
    ("time", "text"): r"regexp_replace({x}, '^(\d\d:\d\d):00$', '\1')",
}

# A staged value as the type of the contract, by the type that was staged and that of the contract. Of every other pair
# of two types nobody can prove that what a model makes of a value is still that value: such a column must be derived.
CONVERSIONS_DUCKDB: dict[tuple[str, str], LiteralString] = {
    ("integer", "double precision"): "{x}::DOUBLE",
    **{(staged, "text"): "{x}::VARCHAR" for staged in ("integer", "boolean", "date")},
    ("time", "text"): "substr({x}::VARCHAR, 1, 5)",
}

# A table's hash, for a first look and for the history: how many rows, and two order-free sums over the row hashes.
# OFFSET 0 keeps PostgreSQL from computing each row's hash again for each time that it is named.
TABLE_HASH_DUCKDB: LiteralString = (
    "count(*) || ':' || coalesce(sum(('0x' || substr(hash, 1, 15))::BIGINT), 0)"
    " || ':' || coalesce(sum(('0x' || substr(hash, 16, 15))::BIGINT), 0)"
)
TABLE_HASH_POSTGRES: LiteralString = (
    "SELECT count(*) || ':' || coalesce(sum(('x' || substr(hash, 1, 15))::bit(60)::bigint), 0)"
    " || ':' || coalesce(sum(('x' || substr(hash, 16, 15))::bit(60)::bigint), 0) FROM ({hashes} OFFSET 0) AS h"
)


# Of a target column whose own type is not the contract's: a value that the cast would change is not taken for what it
# is cast to. `{own}` is the column's own type, `{kind}` the contract's.
OWN_TYPE_POSTGRES: LiteralString = (
    'CASE WHEN {x}::{kind}::{own}::text COLLATE "C" IS DISTINCT FROM {x}::text'
    " THEN '?' || octet_length({x}::text) || ':' || {x}::text ELSE {value} END"
)


def duckdb_value(data_type: str) -> LiteralString:
    """Return SQL for one encoded value; `{x}` is the column."""
    kind = KINDS[data_type]
    return f"CASE WHEN {{x}} IS NULL THEN 'N' ELSE '{kind.tag}' || strlen({kind.duckdb}) || ':' || {kind.duckdb} END"


def postgres_value(data_type: str, *, of_text: bool = False) -> LiteralString:
    """Return SQL for one encoded value; `{x}` is the column. The database's encoding must be UTF8.

    of_text  the column is one of text, and holds the value as the JSON spells it
    """
    kind = KINDS[data_type]
    text = (kind.of_text if of_text else None) or kind.postgres
    return f"CASE WHEN {{x}} IS NULL THEN 'N' ELSE '{kind.tag}' || octet_length({text}) || ':' || {text} END"
