"""Staged values as other types, and as the text that the JSON spells: only where the way back is exact.

Of every other pair of two types nobody can prove that what a model makes of a value is still that value: such a column
must be derived. In all SQL here `{x}` is the value.
"""

from __future__ import annotations

from mock2pg.encoding import kind
from mock2pg.spellings import BOUNDS, DOUBLE_DIGITS, FORMATS, TEXT, DataType, data_type

# A time as it is spelled, for DuckDB's strftime and PostgreSQL's to_char.
_STRFTIME = {"YYYY-MM-DD": "%Y-%m-%d", "HH:MM": "%H:%M", ":SS": ":%S", ".ssssss": ".%f", ".sss": ".%g"}
_TO_CHAR = {"HH:MM": "HH24:MI", ".ssssss": ".US", ".sss": ".MS", "T": '"T"', "Z": '"Z"', "+00:00": '"+00:00"'}
# How PostgreSQL prints what a model casts to text, in a session whose time zone is UTC.
_PRINTED = {
    "numeric": r"^-?\d+\.\d+$",
    "time": r"^\d\d:\d\d:\d\d(\.\d+)?$",
    "timestamp": r"^\d+-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$",
    "timestamptz": r"^\d+-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$",
}
# Of the conversions those whose canonical texts have nothing in common, or are no text that a model may make.
_OTHER_TEXT = {("integer", "double precision"), *((scalar, "text") for scalar in FORMATS)}
_UTC = "({x} AT TIME ZONE 'UTC')"
_DIGITS = {"integer": (10, 0), "bigint": (19, 0)}  # and those after the point


def converted(staged: str, form: str, contract: str) -> str | None:
    """DuckDB's SQL for a staged value as the type of the contract; None where the value is not proven to arrive.

    staged, form  the type of the staged column, and its format
    """
    own, to = data_type(staged), data_type(contract)
    if own == to:
        return "{x}"
    if own.array != to.array:
        return None
    scalar = spelled_staged(own, form) if to.scalar == "text" else _converted(own, to)
    if not own.array or scalar is None or scalar == "{x}":
        return scalar
    if to.scalar == "text" and _spelled(own, form):  # which nobody would do with each element in PostgreSQL
        return None
    return f"list_transform({{x}}, lambda e: {scalar.replace('{x}', 'e')})"


def json_text(staged: str, form: str, contract: str) -> str | None:
    """PostgreSQL's SQL for a built value as the JSON spells it, for a column of text; None where ::text is that.

    contract  the type of the built value; of a text it is what PostgreSQL prints of the staged value
    """
    own, to = data_type(staged), data_type(contract)
    spelled = None if own.array or to.array else _spelled(own, form)
    if to.scalar == "text" != own.scalar and spelled:
        value = spelled.replace("{x}", f"{{x}}::{own.element}")
        return f"CASE WHEN {{x}} ~ '{_PRINTED[own.scalar]}' THEN {value} ELSE {{x}} END"
    if own.element == to.element or to.scalar == "text":
        return spelled
    back = _UTC if (own.scalar, to.scalar) == ("timestamptz", "timestamp") else f"{{x}}::{own.element}"
    return spelled.replace("{x}", back) if spelled else f"{back}::text"


def of_json_text(staged: str, form: str, contract: str) -> str | None:
    """PostgreSQL's SQL for the canonical text of the contract's type, of a text that the JSON spells; None if unknown.

    Another spelling becomes a text that no value has, and is never an error: it may be no value at all.
    """
    own, to = data_type(staged), data_type(contract)
    if own.array or converted(staged, form, contract) is None or (own.scalar, to.scalar) in _OTHER_TEXT:
        return None
    canonical = _canonical(own, form)
    return f"({canonical}) || ' 00:00:00'" if (own.scalar, to.scalar) == ("date", "timestamp") else canonical


def _converted(own: DataType, to: DataType) -> str | None:
    if to.scalar == "numeric" and (own.scalar in _DIGITS or own.scalar == "numeric"):
        digits, scale = _DIGITS.get(own.scalar) or own.precision or (None, 0)
        wanted, after = to.precision or (None, 0)
        is_wide = wanted is None or (digits is not None and after >= scale and wanted - after >= digits - scale)
        return "{x}" if is_wide else None
    return {
        ("integer", "bigint"): "{x}",
        ("integer", "double precision"): "{x}::DOUBLE",
        ("date", "timestamp"): "{x}::TIMESTAMP",
        ("timestamptz", "timestamp"): "{x}",
    }.get((own.scalar, to.scalar))


def spelled_staged(own: DataType, form: str) -> str | None:
    """DuckDB's SQL for a staged scalar as the JSON spells it; None where nobody knows how it was."""
    written = _replaced(own.spelling(form), _STRFTIME)
    if own.scalar == "time":
        return "substr({x}::VARCHAR, 1, 5)" if not form else f"strftime(DATE '2000-01-01' + {{x}}, '{written}')"
    if own.scalar in ("timestamp", "timestamptz"):
        return f"strftime({{x}}, '{written}')"
    if own.scalar == "double precision":
        return "regexp_replace({x}::VARCHAR, '[.]0$', '')" if form == TEXT else None
    if own.scalar == "numeric" and form != TEXT:
        return kind("numeric").duckdb
    return None if own.scalar == "jsonb" else "{x}::VARCHAR"


def _spelled(own: DataType, form: str) -> str | None:
    """PostgreSQL's SQL for a value of the type as the JSON spells it; None where ::text is that."""
    if own.scalar == "numeric":
        return "trim_scale({x})::text" if own.precision and form != TEXT else None
    if own.scalar not in ("time", "timestamp", "timestamptz"):
        return None
    value = _UTC if own.scalar == "timestamptz" else "{x}"
    return f"to_char({value}, '{_replaced(own.spelling(form), _TO_CHAR)}')"


def _canonical(own: DataType, form: str) -> str | None:
    """PostgreSQL's SQL for the canonical text of a text that the JSON spells."""
    x = "{x}::text"
    pattern = own.pattern(form or (TEXT if own.scalar == "numeric" else ""))
    if own.scalar in (*BOUNDS, "date", "uuid"):
        return x  # and of no other spelling is it that of a value
    if own.scalar == "boolean":
        return f"CASE {x} WHEN 'true' THEN 't' WHEN 'false' THEN 'f' ELSE '?' || {x} END"
    if own.scalar == "time" and own.spelling(form) == "HH:MM":
        return f"{x} || ':00'"
    if pattern is None:
        return None
    condition, canonical = f"{x} ~ '^({pattern})$'".replace("{", "{{").replace("}", "}}").replace("{{x}}", "{x}"), x
    if own.scalar == "numeric":
        canonical = f"CASE WHEN position('.' IN {x}) > 0 THEN rtrim(rtrim({x}, '0'), '.') ELSE {x} END"
        condition += f" AND {x} !~ '^-0([.]0*)?$'"
        if own.precision and form == TEXT:
            condition += f" AND length(split_part({x}, '.', 2)) = {own.precision[1]}"
    elif own.scalar == "double precision":
        canonical = kind(own.scalar).postgres.replace("{x}", x)
        condition += f" AND length(translate({x}, '-.', '')) <= {DOUBLE_DIGITS}"
    else:
        canonical = _printed(own.spelling(form))
    return f"CASE WHEN {condition} THEN {canonical} ELSE '?' || {x} END"


def _printed(spelling: str) -> str:
    """The text of a time as PostgreSQL prints it, of one as the JSON spells it: no zeros at a fraction's end."""
    clock = spelling.removesuffix("Z").removesuffix("+00:00")
    start, length = clock.index("HH"), len(clock) - clock.index("HH")
    found = f"substr({{x}}::text, {start + 1}, {length})"
    found = rf"regexp_replace({found}, '[.]?0+$', '')" if "." in clock else found
    return f"substr({{x}}::text, 1, 10) || ' ' || {found}" if start else found


def _replaced(spelling: str, by: dict[str, str]) -> str:
    for name, other in by.items():
        spelling = spelling.replace(name, other)
    return spelling
