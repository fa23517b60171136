"""The row hash: one injective encoding of a row, the same in DuckDB and in PostgreSQL.

A value is `N` when it is NULL and otherwise its type's tag, the number of bytes of its canonical text in UTF-8,
a colon, and that text. A row is its values one after another, in the contract's order, and its hash the SHA-256
of that in lower-case hex. No two different rows have the same encoding: every value says how long it is.

Both engines must run with TimeZone=UTC and DateStyle=ISO.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mock2pg.spellings import data_type


@dataclass(frozen=True)
class Kind:
    """SQL that turns one data type into canonical text. `{x}` is the column."""

    tag: str
    duckdb: str
    postgres: str


# A staged numeric is a decimal or a text, and a number is the same whatever zeros are written after its point.
_SCALARS = {
    "text": Kind("T", "{x}", "{x}::text"),
    "integer": Kind("I", "{x}::VARCHAR", "{x}::integer::text"),
    "bigint": Kind("L", "{x}::VARCHAR", "{x}::bigint::text"),
    "numeric": Kind(
        "M",
        "CASE WHEN contains({x}::VARCHAR, '.') THEN rtrim(rtrim({x}::VARCHAR, '0'), '.') ELSE {x}::VARCHAR END",
        "trim_scale({x}::numeric)::text",
    ),
    "double precision": Kind(  # by its bits, so that no engine's way of printing matters
        "F",
        "({x}::BIT::BIGINT)::VARCHAR",
        "('x' || encode(float8send({x}::double precision), 'hex'))::bit(64)::bigint::text",
    ),
    "boolean": Kind("B", "CASE WHEN {x} THEN 't' ELSE 'f' END", "CASE WHEN {x}::boolean THEN 't' ELSE 'f' END"),
    "date": Kind("D", "{x}::VARCHAR", "{x}::date::text"),
    "time": Kind("C", "{x}::VARCHAR", "{x}::time::text"),
    "timestamp": Kind("S", "{x}::VARCHAR", "{x}::timestamp::text"),
    "timestamptz": Kind("Z", "{x}::VARCHAR", "({x}::timestamptz AT TIME ZONE 'UTC')::text"),  # staged as of UTC
    "uuid": Kind("U", "{x}::VARCHAR", "{x}::uuid::text"),
    "jsonb": Kind("J", "{x}", "{x}::jsonb::text"),
}


@lru_cache(maxsize=256)
def kind(name: str) -> Kind:
    """Return the canonical text of a data type; that of an array is its elements', encoded one after another."""
    own = data_type(name)
    scalar = _SCALARS[own.scalar]
    if not own.array:
        return scalar
    array = f"{{x}}::{own.scalar}[]"
    return Kind(
        "A",
        f"coalesce(array_to_string(list_transform({{x}}, lambda e: {_duckdb(scalar).format(x='e')}), ''), '')",
        # unnest would not see dimensions and bounds, which no staged list has but a target array may get
        f"CASE WHEN array_ndims({array}) > 1 OR array_lower({array}, 1) <> 1 THEN {array}::text ELSE"
        f" (SELECT coalesce(string_agg({_postgres(scalar).format(x='e')}, '' ORDER BY n), '')"
        f" FROM unnest({array}) WITH ORDINALITY AS u(e, n)) END",
    )


# A table's hash, for a first look and for the history: how many rows, and two order-free sums over the row hashes.
# OFFSET 0 keeps PostgreSQL from computing each row's hash again for each time that it is named.
TABLE_HASH_DUCKDB = (
    "count(*) || ':' || coalesce(sum(('0x' || substr(hash, 1, 15))::BIGINT), 0)"
    " || ':' || coalesce(sum(('0x' || substr(hash, 16, 15))::BIGINT), 0)"
)
TABLE_HASH_POSTGRES = (
    "SELECT count(*) || ':' || coalesce(sum(('x' || substr(hash, 1, 15))::bit(60)::bigint), 0)"
    " || ':' || coalesce(sum(('x' || substr(hash, 16, 15))::bit(60)::bigint), 0) FROM ({hashes} OFFSET 0) AS h"
)
# The same sums of hashes that are bytes, where these can be cast to numbers: a quarter less work.
BYTES_TO_NUMBERS = 180000  # PostgreSQL's version
TABLE_HASH_BYTES = (
    "SELECT count(*) || ':' || coalesce(sum((substr(hash, 1, 8)::bigint >> 4) & x'0fffffffffffffff'::bigint), 0)"
    " || ':' || coalesce(sum(substr(hash, 8, 8)::bigint & x'0fffffffffffffff'::bigint), 0)"
    " FROM ({hashes} OFFSET 0) AS h"
)
# In Citus it would bring every row's hash to the coordinator, up to citus.max_intermediate_result_size of them.
TABLE_HASH_CITUS = TABLE_HASH_POSTGRES.replace(" OFFSET 0", "")


# Of a target column whose own type is not the contract's: a value that the cast would change is not taken for what it
# is cast to. `{own}` is the column's own type, `{kind}` the contract's.
OWN_TYPE_POSTGRES = (
    'CASE WHEN {x}::{kind}::{own}::text COLLATE "C" IS DISTINCT FROM {x}::text'
    " THEN '?' || octet_length({x}::text) || ':' || {x}::text ELSE {value} END"
)


def duckdb_value(name: str) -> str:
    """Return SQL for one encoded value; `{x}` is the column."""
    return _duckdb(kind(name))


def postgres_value(name: str, text: str | None = None) -> str:
    """Return SQL for one encoded value; `{x}` is the column. The database's encoding must be UTF8.

    text  SQL for the canonical text, of a column that has another type
    """
    return _postgres(kind(name), text)


def _duckdb(of: Kind) -> str:
    # concat makes one text, and `||` another one for each of its parts
    return f"CASE WHEN {{x}} IS NULL THEN 'N' ELSE concat('{of.tag}', strlen({of.duckdb}), ':', {of.duckdb}) END"


def _postgres(of: Kind, text: str | None = None) -> str:
    text = text or of.postgres
    return f"CASE WHEN {{x}} IS NULL THEN 'N' ELSE '{of.tag}' || octet_length({text}) || ':' || {text} END"


def shown_key(encoded: str) -> str:
    """A key of several columns, which is encoded, as a person reads it: `(1, 2026-03-02)`."""
    values, rest = list[str](), encoded.encode()
    while rest:
        length, _, behind = rest[1:].partition(b":")
        if rest[:1] == b"N":
            values, rest = [*values, "NULL"], rest[1:]
        elif length.isdigit():
            values, rest = [*values, behind[: int(length)].decode()], behind[int(length) :]
        else:
            return encoded
    return f"({', '.join(values)})"
