"""JSON values as the types of the staged columns: SQL for DuckDB, in which nothing is rounded and nothing guessed."""

from __future__ import annotations

from mock2pg.contracts import SourceColumn

_TYPES = {
    "text": "VARCHAR", "integer": "INTEGER", "double precision": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIME", "text[]": "VARCHAR[]", "jsonb": "VARCHAR",
}  # fmt: skip

# SQL that turns a JSON value `v` into each type; NULL when it does not fit. A string with U+0000 does not: PostgreSQL's
# text cannot hold it. Nothing is rounded: an integer in a double precision column must survive the way back.
_CASTS = {
    "text": "CASE WHEN {k} = 'VARCHAR' AND NOT contains({v}->>'$', chr(0)) THEN {v}->>'$' END",
    "integer": "CASE WHEN {k} IN ('BIGINT', 'UBIGINT') THEN TRY_CAST({v}::VARCHAR AS INTEGER) END",
    "double precision": (
        "CASE WHEN {k} IN ('BIGINT', 'UBIGINT') AND len({v}::VARCHAR) < 16 AND {v}::VARCHAR <> '0'"
        " THEN TRY_CAST({v}::VARCHAR AS DOUBLE) WHEN {k} IN ('BIGINT', 'UBIGINT', 'DOUBLE')"
        # a decimal of up to 15 digits has a double of its own; a longer one, and -0, is read again from the row's text
        " THEN CASE WHEN regexp_matches(root::VARCHAR,"
        " '[0-9.]{{16}}|[eE][+-]?[0-9]{{3}}|-0[ \\t\\r\\n]*([],}}]|$)')"
        " THEN exact_double(root::VARCHAR, {p}) ELSE TRY_CAST({v}::VARCHAR AS DOUBLE) END END"
    ),
    "boolean": "CASE WHEN {k} = 'BOOLEAN' THEN TRY_CAST({v}::VARCHAR AS BOOLEAN) END",
    "date": (
        "CASE WHEN {k} = 'VARCHAR' AND regexp_full_match({v}->>'$', '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
        " AND ({v}->>'$') >= '0001' THEN TRY_CAST({v}->>'$' AS DATE) END"
    ),
    "time": (
        "CASE WHEN {k} = 'VARCHAR' AND regexp_full_match({v}->>'$', '([01][0-9]|2[0-3]):[0-5][0-9]')"
        " THEN TRY_CAST({v}->>'$' AS TIME) END"
    ),
    "text[]": (
        "CASE WHEN {k} = 'ARRAY' AND len(list_filter(TRY_CAST({v} AS JSON[]), lambda e: json_type(e) IS DISTINCT FROM"
        " 'VARCHAR' OR contains(e->>'$', chr(0)))) = 0"
        " THEN list_transform(TRY_CAST({v} AS JSON[]), lambda e: e->>'$') END"
    ),
    # a whole number of up to 15 digits is what it was; where any other may be, the row's text is read again
    "jsonb": (
        "CASE WHEN {k} = 'NULL' THEN NULL"
        " WHEN regexp_matches({v}::VARCHAR, '[0-9][.][0-9]|[0-9][eE][-+0-9]|[0-9]{{16}}|-0')"
        " THEN jsonb_text(root::VARCHAR, {p}) ELSE jsonb_text({v}::VARCHAR, []) END"
    ),
}


def cast(column: SourceColumn, value: str, steps: str) -> str:
    """SQL for the value of a staged column, NULL where the JSON value does not fit its type.

    value  SQL for the JSON value
    steps  SQL for the keys and indexes that lead to it from the row's own text, `root`
    """
    typed = _CASTS[column.data_type].format(v=value, k=f"json_type({value})", p=steps)
    return f"({typed})::{_TYPES[column.data_type]}"
